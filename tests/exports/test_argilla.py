"""Exports of Argilla: version 1, feedback records, and version 2 nested, flat and as csv."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from exportfiles import learnt, refusal, table, write_array, write_lines

TARGETS = {"delay": [1, 1, 0, None], "refund": [1, 0, 0, None]}
TEXTS = ["a", "b", "c", "d"]
ANSWERS = [["refund", "delay"], ["delay"], [], None]


def record(text: str, labels: Any, status: str = "Validated", **more) -> dict:
    """As `rg.load(...).to_pandas()` has records of text classification."""
    return {
        "text": text,
        "inputs": {"text": text},
        "prediction": [["guessed", 0.9], ["refund", 0.1]],
        "prediction_agent": "model",
        "annotation": labels,
        "annotation_agent": "anna",
        "vectors": None,
        "multi_label": True,
        "explanation": None,
        "id": f"id-{text}",
        "metadata": {"split": "x"},
        "status": status,
        "event_timestamp": None,
        "metrics": {"text_length": 1},
        "search_keywords": None,
        **more,
    }


RECORDS = [
    *(record(text, labels) for text, labels in zip(TEXTS[:3], ANSWERS, strict=False)),
    record("d", None, "Default"),
]


@pytest.mark.parametrize("write", [write_lines, write_array])
def test_validated_annotations_are_labels(tmp_path: Path, write):
    path = write(tmp_path, RECORDS)
    assert learnt(path) == (TEXTS, TARGETS)
    assert table(path).notes == (
        f"{path.name} is read as an export of Argilla: the labels are the annotations whose "
        "status is 'Validated', never the predictions; "
        "1 text without a validated annotation has unknown labels.",
    )


def test_an_annotation_that_is_not_validated_is_no_answer(tmp_path: Path):
    rows = [*RECORDS, record("e", ["refund"], "Discarded"), record("f", ["delay"], "Default")]
    assert learnt(write_lines(tmp_path, rows))[1]["refund"] == [1, 0, 0, None, None, None]


def test_one_label_a_text_is_read_as_one(tmp_path: Path):
    rows = [record(text, f"{text}, x", multi_label=False) for text in "ab"]
    assert learnt(write_lines(tmp_path, rows))[1] == {"a, x": [1, 0], "b, x": [0, 1]}


def test_several_inputs_are_columns_of_their_own(tmp_path: Path):
    rows = [{**row, "text": None, "inputs": {"title": row["text"], "body": "z"}} for row in RECORDS]
    found = table(write_lines(tmp_path, rows))
    assert found.texts == ("title", "body")
    assert found.data["title"].to_pylist() == TEXTS
    texts, targets = learnt(write_lines(tmp_path, rows))
    assert (len(texts), targets) == (4, TARGETS)


def test_records_in_a_csv_are_read_the_same(tmp_path: Path):
    path = tmp_path / "train.csv"
    pd.DataFrame(RECORDS).to_csv(path, index=False)
    assert learnt(path) == (TEXTS, TARGETS)


def test_a_list_in_a_csv_whose_items_nothing_parts_is_refused(tmp_path: Path):
    path = tmp_path / "train.csv"
    rows = [*RECORDS[1:3], record("e", "['refund' 'delay']")]
    pd.DataFrame(rows).to_csv(path, index=False)
    told = refusal(path)
    assert "row 3" in told
    assert "\"['refund' 'delay']\" in 'annotation'" in told


def test_spans_of_tokens_are_refused(tmp_path: Path):
    row = record("x y", [["ORG", 0, 1]], tokens=["x", "y"])
    for key in ("inputs", "multi_label"):
        del row[key]
    told = refusal(write_lines(tmp_path, [row]))
    assert "tokens and their spans" in told
    assert "Argilla" in told


def nested(text: str, *given: tuple[str, Any, str | None], **more) -> dict:
    """As `dataset.records.to_json` has records: a question with its responses."""
    responses: dict[str, list] = {}
    for question, value, status in given:
        response = {"value": value, "user_id": f"u{len(responses.get(question, []))}"}
        responses.setdefault(question, []).append(response | ({"status": status} if status else {}))
    return {
        "id": f"r-{text}",
        "fields": {"text": text},
        "metadata": {"length": 1, "is_long": 1},
        "suggestions": {"topic": {"value": ["guessed"], "score": 0.9, "agent": "m"}},
        "responses": responses,
        "vectors": {"mini": [0.1] * 90},
        "_server_id": "s",
        **more,
    }


def by_person(text: str, *given: tuple[str, Any, str], **more) -> dict:
    """As feedback records of version 1 have it: a person with the answers to all questions."""
    responses = [
        {"user_id": f"u{place}", "values": {question: {"value": value}}, "status": status}
        for place, (question, value, status) in enumerate(given)
    ]
    return {
        "fields": {"text": text},
        "metadata": {},
        "vectors": {},
        "responses": responses,
        "suggestions": [{"question_name": "topic", "value": ["guessed"]}],
        "external_id": f"r-{text}",
        **more,
    }


@pytest.mark.parametrize("write", [write_lines, write_array])
@pytest.mark.parametrize("form", [nested, by_person])
def test_submitted_responses_are_labels(tmp_path: Path, form, write):
    rows = [
        form(text, ("topic", labels, "submitted"))
        for text, labels in zip(TEXTS[:3], ANSWERS, strict=False)
    ]
    path = write(tmp_path, [*rows, form("d", ("topic", ["refund"], "draft"))])
    assert learnt(path) == (TEXTS, TARGETS)
    (note,) = table(path).notes
    assert "responses to 'topic'; 1 text without a submitted response has unknown labels" in note
    assert "1 response not submitted left out" in note
    assert "vectors" not in table(path).data.column_names


def test_responses_without_a_status_count_and_it_is_said(tmp_path: Path):
    rows = [nested("a", ("topic", ["x"], None)), nested("b", ("topic", ["y"], None)), nested("c")]
    path = write_array(tmp_path, rows)
    assert learnt(path)[1] == {"x": [1, 0, None], "y": [0, 1, None]}
    assert "2 responses without a status counted as submitted" in table(path).notes[0]


def flat(text: str, values: list, statuses: list[str], **more) -> dict:
    """As `to_list(flatten=True)`, `to_datasets` and their parquet have it."""
    return {
        "id": f"r-{text}",
        "_server_id": "s",
        "text": text,
        "topic.responses": values,
        "topic.responses.users": [f"u{place}" for place in range(len(values))],
        "topic.responses.status": statuses,
        "topic.suggestion": ["guessed"],
        "topic.suggestion.score": None,
        "topic.suggestion.agent": "m",
        **more,
    }


FLAT = [
    flat("a", [["refund", "delay"], ["delay", "refund"]], ["submitted", "submitted"]),
    flat("b", [["refund"], ["delay"]], ["draft", "submitted"]),
    flat("c", [[]], ["submitted"]),
    flat("d", [["refund"]], ["discarded"]),
]


def write_csv(folder: Path, rows: list[dict]) -> Path:
    pd.DataFrame(rows).to_csv(folder / "train.csv", index=False)
    return folder / "train.csv"


def write_parquet(folder: Path, rows: list[dict]) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), folder / "train.parquet")
    return folder / "train.parquet"


@pytest.mark.parametrize("write", [write_lines, write_array, write_csv, write_parquet])
def test_the_flat_form_is_read_the_same_from_any_file(tmp_path: Path, write):
    path = write(tmp_path, FLAT)
    assert learnt(path) == (TEXTS, TARGETS)
    assert table(path).data.column_names == ["id", "_server_id", "text", "labels"]


def test_a_flat_record_without_responses_is_unknown(tmp_path: Path):
    rows = [*FLAT[:3], {"id": "r-d", "_server_id": "s", "text": "d", "topic.responses": None}]
    assert learnt(write_lines(tmp_path, rows))[1] == TARGETS


def test_suggestions_alone_are_no_labels(tmp_path: Path):
    rows = [{key: row[key] for key in row if "responses" not in key} for row in FLAT]
    found = table(write_lines(tmp_path, rows))
    assert found.data["labels"].to_pylist() == [None] * 4
    assert "4 texts without a submitted response have unknown labels" in found.notes[0]


FEEDBACK = [
    {
        "text": text,
        "topic": [{"user_id": "u", "value": labels, "status": "submitted"}]
        if labels is not None
        else [],
        "topic-suggestion": ["guessed"],
        "topic-suggestion-metadata": {"type": None, "score": None, "agent": None},
        "external_id": None,
        "metadata": "{}",
    }
    for text, labels in zip(TEXTS, ANSWERS, strict=True)
]


def test_feedback_records_of_a_data_set_are_read(tmp_path: Path):
    assert learnt(write_lines(tmp_path, FEEDBACK)) == (TEXTS, TARGETS)
    columns = [
        {
            **row,
            "topic": {
                key: [r[key] for r in row["topic"]] for key in ("user_id", "value", "status")
            },
        }
        for row in FEEDBACK
    ]
    assert learnt(write_lines(tmp_path, columns)) == (TEXTS, TARGETS)


def test_people_who_differ_leave_a_text_unknown(tmp_path: Path):
    rows = [*FLAT[:3], flat("d", [["refund"], ["delay"]], ["submitted", "submitted"])]
    path = write_lines(tmp_path, rows)
    assert learnt(path)[1] == TARGETS
    assert "1 text about which people differ (row 4) has unknown labels" in table(path).notes[0]


def test_questions_that_ask_for_no_label_do_not_count(tmp_path: Path):
    rows = [
        nested(
            text,
            ("topic", labels, "submitted"),
            ("comment", f"{text} " * 60, "submitted"),
            ("quality", 4, "submitted"),
            ("order", [{"value": "x", "rank": 1}], "submitted"),
            ("place", [{"start": 0, "end": 1, "label": "ORG"}], "submitted"),
        )
        for text, labels in zip(TEXTS[:3], ANSWERS, strict=False)
    ]
    assert learnt(write_array(tmp_path, [*rows, nested("d")])) == (TEXTS, TARGETS)


def test_several_questions_for_labels_are_refused_with_their_names(tmp_path: Path):
    rows = [
        nested(text, ("topic", ["x"], "submitted"), ("tone", "angry", "submitted"))
        for text in TEXTS
    ]
    told = refusal(write_array(tmp_path, rows))
    assert "several questions that may ask for labels: 'topic', 'tone'" in told
    assert "Argilla" in told


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (nested("x") | {"responses": {"topic": [{"user_id": "u"}]}}, "responses of another form"),
        (nested("x") | {"responses": {"topic": ["refund"]}}, "responses of another form"),
        (by_person("x") | {"responses": [{"values": {"topic": "refund"}}]}, "of another form"),
        (nested("x", ("topic", [3.5], "submitted")), "the name of a label"),
        (nested("x", ("topic", ["y", {"a": 1}], "submitted")), "no question that asks for labels"),
        (nested("x") | {"fields": {"text": 3}}, "3 in 'fields.text'"),
        ({"text": "x", "labels": ["refund"]}, "columns text, labels"),
    ],
)
def test_a_record_that_cannot_be_read_is_refused(tmp_path: Path, row: dict, told: str):
    found = refusal(write_array(tmp_path, [nested("a", ("topic", ["x"], "submitted")), row]))
    assert told in found
    assert "row" in found
    assert "Argilla" in found


def test_what_only_looks_similar_is_an_ordinary_table(tmp_path: Path):
    rows = [{"text": "a", "annotation": "x", "status": "open", "responses": 3, "fields": "y"}]
    assert table(write_lines(tmp_path, rows)).notes == ()
    assert json.loads((tmp_path / "train.jsonl").read_text())
