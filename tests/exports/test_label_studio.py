"""The full JSON export of Label Studio: tasks with annotations and predictions."""

from pathlib import Path
from typing import Any

import pytest
from exportfiles import learnt, refusal, table, write_array, write_lines


def answer(value: Any, kind: str = "choices", name: str = "topic", about: str = "text") -> dict:
    return {
        "id": "Dx_aB91ISN",
        "type": kind,
        "from_name": name,
        "to_name": about,
        "origin": "manual",
        "value": {kind: value} if isinstance(value, list) else value,
    }


def annotation(*result: dict, **more) -> dict:
    return {
        "id": 1001,
        "completed_by": 1,
        "result": list(result),
        "was_cancelled": False,
        "ground_truth": False,
        "created_at": "2023-03-09T22:16:08.728353Z",
        "lead_time": 4.3,
        **more,
    }


def task(number: int, text: str, *annotations: dict, **more) -> dict:
    guess = {"model_version": "m", "score": 0.9, "result": [answer(["guessed"])]}
    return {
        "id": number,
        "annotations": list(annotations),
        "file_upload": "mail.csv",
        "drafts": [],
        "predictions": [guess],
        "data": {"text": text, "is_reply": number % 2, "is_long": number % 2},
        "meta": {},
        "created_at": "2023-03-09T21:52:49.513742Z",
        "inner_id": number,
        "total_annotations": len(annotations),
        "cancelled_annotations": 0,
        "project": 1,
        **more,
    }


ROWS = [
    task(1, "a", annotation(answer(["refund", "delay"]))),
    task(2, "b", annotation(answer(["delay"]))),
    task(3, "c", annotation()),
    task(4, "d"),
]
TARGETS = {"delay": [1, 1, 0, None], "refund": [1, 0, 0, None]}


@pytest.mark.parametrize("write", [write_lines, write_array])
def test_labels_are_the_choices_and_tasks_without_annotation_are_unknown(tmp_path: Path, write):
    path = write(tmp_path, ROWS)
    assert learnt(path) == (["a", "b", "c", "d"], TARGETS)
    found = table(path)
    assert found.notes == (
        f"{path.name} is read as an export of Label Studio: the labels are the answers to "
        "'topic', never predictions; 1 text without an annotation has unknown labels; "
        "1 text annotated without a choice read as having no label.",
    )
    assert found.data["id"].to_pylist() == [1, 2, 3, 4]
    assert (found.labels, found.texts) == (("labels",), ("text",))


def test_cancelled_annotations_do_not_count(tmp_path: Path):
    skipped = annotation(answer(["delay"]), was_cancelled=True)
    rows = [*ROWS[:2], task(3, "c", skipped), task(4, "d", skipped, annotation(answer(["refund"])))]
    path = write_array(tmp_path, rows)
    assert learnt(path)[1] == {"delay": [1, 1, None, 0], "refund": [1, 0, None, 1]}
    assert "2 cancelled annotations left out" in table(path).notes[0]


def test_texts_whose_annotations_differ_are_unknown(tmp_path: Path):
    same = [annotation(answer(["refund", "delay"])), annotation(answer(["delay", "refund"]))]
    differ = [annotation(answer(["refund"])), annotation(answer(["delay"]))]
    path = write_array(tmp_path, [task(1, "a", *same), task(2, "b", *differ)])
    assert learnt(path)[1] == {"delay": [1, None], "refund": [1, None]}
    assert "1 text about which people differ (row 2) has unknown" in table(path).notes[0]


def test_a_ground_truth_settles_it(tmp_path: Path):
    truth = annotation(answer(["refund"]), ground_truth=True)
    rows = [task(1, "a", annotation(answer(["delay"])), truth), *ROWS[1:3]]
    assert learnt(write_array(tmp_path, rows))[1] == {"delay": [0, 1, 0], "refund": [1, 0, 0]}


def test_the_text_is_the_field_that_was_asked_about(tmp_path: Path):
    rows = [
        task(
            1, "", annotation(answer(["x"], about="body")), data={"body": "a", "html": "long" * 9}
        ),
        task(
            2, "", annotation(answer(["y"], about="body")), data={"body": "b", "html": "long" * 9}
        ),
    ]
    assert learnt(write_array(tmp_path, rows))[0] == ["a", "b"]
    alone = [{**row, "data": {"review": f"t{row['id']}"}} for row in rows]
    assert learnt(write_array(tmp_path, alone))[0] == ["t1", "t2"]


def test_fields_of_the_same_names_as_the_tables_own_are_kept_apart(tmp_path: Path):
    data = {"text": "a", "id": "mail-7", "labels": ["x", "y"]}
    found = table(write_array(tmp_path, [task(1, "", annotation(answer(["x"])), data=data)]))
    (row,) = found.data.to_pylist()
    assert (row["id"], row["data.id"], row["labels"]) == (1, "mail-7", ["x"])
    assert row["data.labels"] == '["x", "y"]'


def test_each_level_of_a_taxonomy_is_a_label(tmp_path: Path):
    def placed(*paths: list[str]) -> dict:
        return annotation(answer(list(paths), "taxonomy"))

    rows = [
        task(1, "a", placed(["money"], ["money", "refund"])),
        task(2, "b", placed(["money", "fee"], ["delay"])),
    ]
    path = write_array(tmp_path, rows)
    assert learnt(path)[1] == {"delay": [0, 1], "fee": [0, 1], "money": [1, 1], "refund": [1, 0]}
    assert "every level of a path is a label" in table(path).notes[0]
    rows.append(task(3, "c", placed(["delay", "refund"])))
    told = refusal(write_array(tmp_path, rows))
    assert "row 3" in told
    assert "'refund' in two places: money > refund and delay > refund" in told


def test_answers_that_are_no_labels_are_left_out(tmp_path: Path):
    comment = answer({"text": ["why"]}, "textarea", "comment")
    path = write_array(tmp_path, [task(1, "a", annotation(answer(["x"]), comment)), *ROWS[1:2]])
    assert learnt(path)[1] == {"delay": [0, 1], "x": [1, 0]}
    assert "left out: comment" in table(path).notes[0]


def test_older_exports_call_annotations_completions(tmp_path: Path):
    rows = [{**row, "completions": row["annotations"]} for row in ROWS]
    for row in rows:
        del row["annotations"]
    assert learnt(write_array(tmp_path, rows))[1] == TARGETS


SPAN = answer({"start": 0, "end": 1, "text": "x", "labels": ["ORG"]}, "labels")
OF_REGION = answer({"start": 0, "end": 1, "choices": ["x"]}, "choices")


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (
            task(5, "x", annotation(answer(["angry"], name="tone"))),
            "'tone' beside those to 'topic'",
        ),
        (task(5, "x", annotation(SPAN)), "regions (labels)"),
        (task(5, "x", annotation(OF_REGION)), "regions (choices)"),
        (task(5, "x", annotation(answer([{"a": 1}]))), "the name of a label"),
        (task(5, "x", annotation(answer({"choices": "a"}))), "a list of labels"),
        ({"text": "x", "topic": "delay"}, "columns text, topic"),
        (task(5, "x", annotation(result="x")), "results of another form"),
        (task(5, "x", annotation(result=["x"])), "results of another form"),
    ],
)
def test_a_task_that_cannot_be_read_is_refused(tmp_path: Path, row: dict, told: str):
    found = refusal(write_array(tmp_path, [*ROWS, row]))
    assert told in found
    assert "row 5" in found
    assert "Label Studio" in found


def test_its_shorter_exports_are_ordinary_tables(tmp_path: Path):
    rows = [{"id": 1, "text": "a", "topic": {"choices": ["x", "y"]}, "annotator": 1}]
    assert table(write_array(tmp_path, rows)).notes == ()
