"""Answers are read as they were given; what cannot be meant is refused with its row."""

import gzip
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from batches import LABELS, batch_of, batch_text, write_answers, write_batch
from exportfiles import write_array, write_lines

from imbtool.annotation.answers import Answer, BatchOf, batches_of, read_answered
from imbtool.annotation.ratings import rate, unknown_labels
from imbtool.errors import UserError
from imbtool.formats.cells import neutralised

TEXTS = [
    batch_text("a", "first text"),
    batch_text("b", "=second text", "random"),
    batch_text("c", "third\ntext"),
]
IDS = [text.id for text in TEXTS]
CELLS = {text.id: text.cells["text"] for text in TEXTS}
Of = Callable[..., BatchOf]


def of(labels: list[str] = LABELS, column: str | None = "labels", columns=None) -> BatchOf:
    batch = batch_of(TEXTS, labels, column, columns)
    return BatchOf(Path("01"), batch, {text.id: text for text in batch.texts})


def table(folder: Path, given: Mapping[str, str], **more: str) -> Path:
    rows = [
        {"id": id, "text": CELLS.get(id, "no text"), "labels": cell, **more}
        for id, cell in given.items()
    ]
    return write_answers(folder / "batch.csv", rows)


def read(path: Path, batch: BatchOf | None = None) -> dict[str, tuple[str, ...] | None]:
    answers, problems = read_answered(path, [batch or of()])
    assert problems == []
    return {each.id: each.labels for each in answers}


def told(path: Path, batch: BatchOf | None = None) -> str:
    return "\n".join(map(str, read_answered(path, [batch or of()])[1]))


def test_an_empty_cell_is_unanswered_and_the_word_for_none_is_an_answer(tmp_path):
    path = table(tmp_path, {"a": "", "b": "none", "c": " None "})
    assert read(path) == {"a": None, "b": (), "c": ()}


def test_where_a_label_is_called_none_another_word_means_none(tmp_path):
    batch = of(["none", "spam"])
    assert batch.batch.answer.none == "none (none)"
    path = table(tmp_path, {"a": "none", "b": "none (none)", "c": "none|spam"})
    assert read(path, batch) == {"a": ("none",), "b": (), "c": ("none", "spam")}


@pytest.mark.parametrize("cell", ["threat|spam", "threat | spam", '["threat", "spam"]'])
def test_names_are_read_as_in_a_label_column(tmp_path, cell):
    assert read(table(tmp_path, {"a": cell})) == {"a": ("threat", "spam")}


def test_a_name_that_would_be_split_or_run_is_read_whole(tmp_path):
    batch = of(["a|b", "[x]", "=1"])
    path = table(tmp_path, {"a": "a|b", "b": "[x]", "c": neutralised("=1")})
    assert read(path, batch) == {"a": ("a|b",), "b": ("[x]",), "c": ("=1",)}


def test_the_annotator_stands_in_a_column_if_there_is_one(tmp_path):
    (answer,) = read_answered(table(tmp_path, {"a": "spam"}, annotator=" anna "), [of()])[0]
    assert answer.annotator == "anna"
    (answer,) = read_answered(table(tmp_path, {"a": "spam"}), [of()])[0]
    assert answer == Answer("a", None, ("spam",), tuple(LABELS), f"{tmp_path}/batch.csv: row 1")


def test_an_empty_cell_of_a_label_is_unknown(tmp_path):
    path = tmp_path / "batch.csv"
    rows = [
        {"id": "a", "billing": 1, "threat": "", "spam": 0},
        {"id": "b", "billing": "", "threat": "", "spam": ""},
        {"id": "c", "billing": "no", "threat": "yes", "spam": ""},
    ]
    answers, problems = read_answered(
        write_answers(path, rows), [of(column=None, columns=list(LABELS))]
    )
    assert problems == []
    assert [(each.labels, each.asked) for each in answers] == [
        (("billing",), ("billing", "spam")),
        (None, tuple(LABELS)),
        (("threat",), ("billing", "threat")),
    ]


@pytest.mark.parametrize(("cell", "is_told"), [("", True), (0, False)])
def test_columns_with_nothing_but_1_are_told(
    tmp_path: Path, cell: object, is_told: bool, caplog: pytest.LogCaptureFixture
):
    rows = [
        {"id": "a", "billing": 1, "threat": "", "spam": cell},
        {"id": "b", "billing": "", "threat": 1, "spam": ""},
    ]
    path = write_answers(tmp_path / "batch.csv", rows)
    read_answered(path, [of(column=None, columns=list(LABELS))])
    assert ("has no 0 in its columns of labels" in caplog.text) == is_told


def test_a_cell_that_is_neither_yes_nor_no_is_refused(tmp_path):
    rows = [{"id": "a", "billing": 1, "threat": "maybe", "spam": 0}]
    path = write_answers(tmp_path / "batch.csv", rows)
    assert "'maybe' in row 1" in told(path, of(column=None, columns=list(LABELS)))


def test_texts_may_differ_in_white_space_and_what_keeps_formulas_from_running(tmp_path):
    rows = [
        {"id": "a", "text": " first  text ", "labels": "spam"},
        {"id": "b", "text": "'=second text", "labels": "spam"},
        {"id": "c", "text": "third\r\ntext", "labels": "spam"},
    ]
    assert len(read(write_answers(tmp_path / "batch.csv", rows))) == 3


def test_changed_texts_are_refused(tmp_path):
    rows = [
        {"id": "a", "text": "first text", "labels": "spam"},
        {"id": "b", "text": "first text", "labels": "spam"},
        {"id": "c", "text": "third text!", "labels": "spam"},
    ]
    path = write_answers(tmp_path / "batch.csv", rows)
    assert "another text than that of the batch in rows 2, 3" in told(path)


def test_ids_of_no_text_are_refused_with_their_rows(tmp_path):
    path = table(tmp_path, {"a": "spam", "x1": "spam", "x2": "none"})
    assert "2 ids of no text in the batch: 'x1' (row 2), 'x2' (row 3)" in told(path)


def test_none_beside_labels_is_refused(tmp_path):
    path = table(tmp_path, {"a": "none|spam", "b": "spam"})
    assert "'none' beside labels in row 1" in told(path)


def test_a_table_without_the_columns_of_the_batch_is_refused(tmp_path):
    path = write_answers(tmp_path / "batch.csv", [{"id": "a", "text": "first text"}])
    assert "expected  the columns 'id', 'labels', or an export" in told(path)


def test_the_batch_is_beside_the_answers_or_named(tmp_path):
    write_batch(tmp_path / "01", of().batch)
    (tmp_path / "other").mkdir()
    inside, outside = table(tmp_path / "01", {"a": "spam"}), table(tmp_path / "other", {"a": ""})
    assert len(batches_of([inside], [])[inside]) == 1
    assert len(batches_of([outside], [tmp_path / "01"])[outside]) == 1
    assert len(batches_of([inside], [tmp_path / "01"])[inside]) == 1
    with pytest.raises(UserError, match="name that with --batch"):
        batches_of([outside], [])


def test_what_is_cancelled_skipped_or_ignored_is_no_answer(tmp_path):
    def annotation(labels: list[str], cancelled: bool = False) -> dict:
        value = {"type": "choices", "from_name": "labels", "to_name": "text"}
        result = [{**value, "value": {"choices": labels}}] if labels else []
        who = {"id": 7, "email": "anna@example.org"}
        return {"result": result, "was_cancelled": cancelled, "completed_by": who}

    rows = [
        {
            "id": 9,
            "data": {"imbtool_id": id, "text": CELLS[id]},
            "annotations": annotations,
            "predictions": [{"result": annotation(["spam"])["result"]}],
        }
        for id, annotations in zip(
            IDS, [[annotation(["spam"])], [annotation([], True)], [annotation([])]], strict=True
        )
    ]
    path = write_array(tmp_path, rows)
    assert read(path) == {"a": ("spam",), "b": None, "c": ()}
    answers, _ = read_answered(path, [of()])
    anna = "anna@example.org"
    assert [each.annotator for each in answers] == [anna, None, anna]


@pytest.mark.parametrize(("answer", "labels"), [("reject", None), ("ignore", None), ("accept", ())])
def test_prodigys_answers_to_a_whole_question(tmp_path, answer, labels):
    options = [{"id": name, "text": name} for name in LABELS]
    row = {"imbtool_id": "a", "text": CELLS["a"], "options": options, "accept": []}
    path = write_lines(tmp_path, [{**row, "answer": answer, "_view_id": "choice"}])
    assert read(path) == {"a": labels}


def test_prodigys_yes_and_no_to_one_label_are_about_that_label(tmp_path):
    rows = [
        {"imbtool_id": "a", "text": CELLS["a"], "label": label, "answer": answer, "_task_hash": 1}
        for label, answer in (("spam", "accept"), ("threat", "reject"), ("billing", "ignore"))
    ]
    answers, problems = read_answered(write_lines(tmp_path, rows), [of()])
    ratings, doubts = rate(answers, LABELS)
    assert problems == doubts == []
    assert str(ratings.values[0, 0].tolist()) == "[nan, 0.0, 1.0]"


def test_a_list_that_doccano_leaves_empty_is_unanswered_unless_it_was_approved(tmp_path):
    rows = [
        {"id": 1, "text": CELLS["a"], "imbtool_id": "a", "label": [], "Comments": []},
        {"id": 2, "text": CELLS["b"], "imbtool_id": "b", "label": ["none"], "Comments": []},
        {"id": 3, "text": CELLS["c"], "meta": {"imbtool_id": "c"}, "label": []}
        | {"annotation_approver": "x"},
    ]
    path = write_lines(tmp_path, rows, "anna.jsonl")
    assert read(path) == {"a": None, "b": (), "c": ()}
    answers, _ = read_answered(path, [of()])
    assert {each.annotator for each in answers} == {"anna"}
    answers, _ = read_answered(write_lines(tmp_path, rows, "all.jsonl"), [of()])
    assert {each.annotator for each in answers} == {None}


def of_prefilled() -> BatchOf:
    texts = [batch_text("a", "first text", prefill=["spam"]), *TEXTS[1:]]
    return BatchOf(Path("01"), batch_of(texts), {text.id: text for text in texts})


def doccano_rows(**labels: list[str]) -> list[dict]:
    return [
        {"id": n, "text": CELLS[id], "imbtool_id": id, "label": given, "Comments": []}
        for n, (id, given) in enumerate(labels.items(), start=1)
    ]


def test_suggestions_in_an_export_of_all_texts_of_doccano_are_refused(tmp_path):
    path = write_lines(tmp_path, doccano_rows(a=["spam"], b=[]), "anna.jsonl")
    message = told(path, of_prefilled())
    assert "the labels that were suggested, in row 1 of all texts" in message
    assert "export only approved documents" in message
    assert read(path) == {"a": ("spam",), "b": None}


def test_suggestions_that_somebody_has_approved_are_answers(tmp_path):
    path = write_lines(tmp_path, doccano_rows(a=["spam"], b=["none"]), "anna.jsonl")
    assert read(path, of_prefilled()) == {"a": ("spam",), "b": ()}


def test_suggestions_that_somebody_has_changed_are_answers(tmp_path):
    path = write_lines(tmp_path, doccano_rows(a=["spam", "threat"], b=[]), "anna.jsonl")
    assert read(path, of_prefilled()) == {"a": ("spam", "threat"), "b": None}


@pytest.mark.parametrize("name", ["anna.b.jsonl", "anna.b.json", "anna.b.jsonl.gz"])
def test_people_of_doccano_are_named_like_their_files(tmp_path, name):
    write = write_array if name.endswith(".json") else write_lines
    path = write(tmp_path, doccano_rows(a=["spam"]), name)
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(path.read_bytes()))
    assert [each.annotator for each in read_answered(path, [of()])[0]] == ["anna.b"]


def test_a_csv_of_doccano_is_refused_even_if_its_columns_are_those_of_the_batch(tmp_path):
    rows = [{"id": 1, "text": "first text", "imbtool_id": "a", "label": "a#b", "Comments": ""}]
    path = write_answers(tmp_path / "all.csv", rows)
    assert "export it from doccano as JSONL" in told(path, of(column="label"))


def test_drafts_and_discarded_responses_of_argilla_are_no_answers(tmp_path):
    row = {"id": "a", "text": CELLS["a"], "imbtool_id": "a", "_server_id": "s"}
    row["labels.responses"] = [["spam"], ["threat"], None]
    row["labels.responses.users"] = ["anna", "ben", "cleo"]
    row["labels.responses.status"] = ["submitted", "draft", "discarded"]
    answers, _ = read_answered(write_array(tmp_path, [row]), [of()])
    assert [(each.annotator, each.labels) for each in answers] == [("anna", ("spam",))]


def test_records_of_argilla_1_are_read_by_their_ids(tmp_path):
    rows = [
        {"id": id, "text": CELLS[id], "inputs": {"text": CELLS[id]}, "annotation": labels}
        | {"annotation_agent": "anna", "status": status, "prediction": None, "multi_label": True}
        for id, labels, status in (("a", ["spam"], "Validated"), ("b", None, "Default"))
    ]
    answers, problems = read_answered(write_lines(tmp_path, rows), [of()])
    assert problems == []
    assert [(each.id, each.annotator, each.labels) for each in answers] == [
        ("a", "anna", ("spam",)),
        ("b", None, None),
    ]


def test_a_csv_of_label_studio_without_a_column_of_labels_is_refused(tmp_path):
    rows = [
        {"imbtool_id": "a", "annotation_id": 1, "annotator": 1, "lead_time": 1, "topic": "spam"}
    ]
    with pytest.raises(UserError, match="export the project as JSON"):
        read_answered(write_answers(tmp_path / "export.csv", rows), [of()])


def answer(id: str, *labels: str, who: str | None = None, place: str = "f: row 1", asked=LABELS):
    return Answer(id, who, labels, asked, place)


def test_of_a_label_that_the_batch_does_not_have_nobody_was_asked(tmp_path):
    answers, _ = read_answered(table(tmp_path, {"a": "spam", "b": "none"}), [of()])
    ratings, _ = rate(answers, [*LABELS, "relief"])
    np.testing.assert_array_equal(ratings.values, [[[0, 0, 1, np.nan], [0, 0, 0, np.nan]]])


def test_a_label_that_a_file_gives_anew_was_asked_of_all_its_texts(tmp_path):
    answers, _ = read_answered(table(tmp_path, {"a": "relief", "b": "spam"}), [of()])
    ratings, _ = rate(answers, [*LABELS, "relief"])
    assert ratings.values.tolist() == [[[0, 0, 0, 1], [0, 0, 1, 0]]]


def test_a_text_column_named_like_one_of_the_batch_is_no_hindrance(tmp_path):
    text = batch_text("a", "a knife")
    texts = [text.model_copy(update={"cells": {"why": "a knife"}})]
    rows = [{"id": "a", "text": "a knife", "labels": "spam", "why": "It was drawn."}]
    path = write_answers(tmp_path / "batch.csv", rows)
    batch = of().batch.model_copy(update={"texts": texts})
    answers, problems = read_answered(path, [BatchOf(tmp_path, batch, {"a": texts[0]})])
    assert (problems, answers[0].labels) == ([], ("spam",))


def test_the_same_answer_twice_is_one(tmp_path):
    ratings, problems = rate([answer("a", "spam"), answer("a", "spam")], LABELS)
    assert problems == []
    assert ratings.values.tolist() == [[[0, 0, 1]]]


def test_an_annotator_who_contradicts_themselves_is_refused_with_both_rows():
    first, second = answer("a", "spam", who="anna"), answer("a", who="anna", place="f: row 2")
    _, (problem,) = rate([first, second, answer("a", "threat", who="ben")], LABELS)
    assert problem.where == "f: row 2"
    assert (
        "another answer by 'anna' to the text 'a' than in f: row 1, about 'spam'" in problem.found
    )
    assert problem.fix == "delete one of the two"


def test_a_contradiction_without_annotators_asks_for_them():
    _, (problem,) = rate([answer("a", "spam"), answer("a", place="f: row 2")], LABELS)
    assert "a column `annotator`" in problem.fix


def test_unknown_labels_are_told_once_each_with_the_nearest_name():
    answers = [answer("a", "spma"), answer("b", "spma", "other")]
    names, problems = unknown_labels(answers, LABELS)
    assert names == ["spma", "other"]
    assert "(2 answers)" in problems[0].found
    assert problems[0].fix.startswith("did you mean 'spam'?")


def test_what_a_tool_writes_as_json_is_read_from_its_file(tmp_path):
    rows = [
        {"id": 3, "imbtool_id": "a", "text": CELLS["a"], "labels": {"choices": ["spam", "threat"]}}
    ]
    rows[0] |= {"annotator": 1, "annotation_id": 5, "lead_time": 1.0}
    path = tmp_path / "min.json"
    path.write_text(json.dumps(rows))
    assert read(path) == {"a": ("spam", "threat")}
