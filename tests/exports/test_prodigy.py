"""Exports of Prodigy: options that were accepted, and yes or no to one label a row."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from exportfiles import learnt, refusal, table, write_lines

from imbtool.data.tables import read_chunks
from imbtool.errors import UserError

OPTIONS = ("refund", "delay", "damage")


def choice(text: str, accept: list, answer: str = "accept", options=OPTIONS, **more) -> dict:
    """As `db-out` writes the answers of textcat.manual."""
    return {
        "text": text,
        "meta": {"source": "mail"},
        "_input_hash": hash(text) % 1000,
        "_task_hash": hash(text) % 999,
        "options": [{"id": name, "text": name} for name in options],
        "_view_id": "choice",
        "config": {"choice_style": "multiple"},
        "accept": accept,
        "answer": answer,
        "_timestamp": 1690000000,
        "_annotator_id": "2023-07-22-anna",
        "_session_id": "2023-07-22-anna",
        **more,
    }


def binary(text: str, label: str, answer: str = "accept", **more) -> dict:
    """As textcat.teach, and textcat.manual with one label, ask."""
    return {
        "text": text,
        "label": label,
        "meta": {"score": 0.5},
        "_input_hash": 1,
        "_task_hash": hash(text + label) % 999,
        "answer": answer,
        **more,
    }


def test_labels_are_the_accepted_options(tmp_path: Path):
    rows = [choice("a", ["refund", "delay"]), choice("b", []), choice("c", ["damage"])]
    path = write_lines(tmp_path, rows)
    assert learnt(path) == (
        ["a", "b", "c"],
        {"damage": [0, 0, 1], "delay": [1, 0, 0], "refund": [1, 0, 0]},
    )
    assert table(path).notes == (
        "train.jsonl is read as an export of Prodigy: the labels are the options in 'accept'.",
    )


def test_ignored_and_rejected_rows_have_unknown_labels(tmp_path: Path):
    rows = [
        choice("a", ["refund"]),
        choice("b", ["delay"], "ignore"),
        choice("c", [], "reject"),
        choice("d", ["refund"], "reject"),
    ]
    path = write_lines(tmp_path, rows)
    assert learnt(path)[1] == {"refund": [1, None, None, None]}
    (note,) = table(path).notes
    assert "1 text whose answer is 'ignore' has unknown labels" in note
    assert "2 texts whose answer is 'reject' have unknown labels" in note


def test_columns_are_flat_and_what_was_nested_is_json(tmp_path: Path):
    found = table(write_lines(tmp_path, [choice("a", ["refund"]), choice("b", [])])).data
    assert {"options", "accept", "config"} & set(found.column_names) == set()
    row = found.to_pylist()[0]
    assert (row["meta"], row["answer"], row["labels"]) == (
        '{"source": "mail"}',
        "accept",
        ["refund"],
    )


def test_a_single_choice_is_read_as_one(tmp_path: Path):
    config = {"choice_style": "single"}
    rows = [choice("a", ["refund"], config=config), choice("b", ["delay"], config=config)]
    assert learnt(write_lines(tmp_path, rows))[1] == {"delay": [0, 1], "refund": [1, 0]}


def test_numbers_of_options_are_read_by_their_texts(tmp_path: Path):
    options = [{"id": 1, "text": "refund"}, {"id": 2, "text": "delay"}]
    rows = [choice("a", [1], options=()), choice("b", [2, 1], options=())]
    path = write_lines(tmp_path, [{**row, "options": options} for row in rows])
    assert learnt(path)[1] == {"delay": [0, 1], "refund": [1, 1]}


def test_an_option_that_was_not_offered_is_unknown(tmp_path: Path):
    rows = [
        choice("a", ["refund"]),
        choice("b", ["refund", "theft"], options=("refund", "theft")),
        choice("c", ["delay"]),
        choice("d", ["damage"]),
    ]
    path = write_lines(tmp_path, rows)
    assert learnt(path)[1] == {
        "refund": [1, 1, 0, 0],
        "delay": [0, None, 1, 0],
        "damage": [0, None, 0, 1],
        "theft": [None, 1, None, None],
    }
    assert "not offered is unknown" in table(path).notes[0]


def test_an_accepted_id_that_is_no_option_is_refused(tmp_path: Path):
    told = refusal(write_lines(tmp_path, [choice("a", []), choice("b", ["refnud"])]))
    assert "row 2" in told
    assert "'refnud' in 'accept', which is none of its options" in told
    assert "Prodigy" in told


def test_the_same_text_may_be_answered_twice_alike_but_not_differently(tmp_path: Path):
    same = [choice("a", ["refund", "delay"]), choice("a", ["delay", "refund"])]
    assert learnt(write_lines(tmp_path, same))[1] == {"delay": [1, 1], "refund": [1, 1]}
    ignored = [choice("a", ["refund"]), choice("a", ["delay"], "ignore")]
    assert learnt(write_lines(tmp_path, ignored))[1] == {"refund": [1, None]}
    told = refusal(write_lines(tmp_path, [same[0], choice("b", []), choice("a", ["delay"])]))
    assert "row 3" in told
    assert "another answer to 'refund' than row 1" in told


def test_yes_and_no_to_labels_become_columns_with_the_rest_unknown(tmp_path: Path):
    rows = [
        binary("a", "refund"),
        binary("a", "delay", "reject"),
        binary("b", "refund", "reject"),
        binary("b", "delay", "ignore"),
        binary("c", "delay"),
    ]
    path = write_lines(tmp_path, rows)
    texts, targets = learnt(path)
    assert texts == ["a", "b", "c"]
    assert targets == {"refund": [1, 0, None], "delay": [0, None, 1]}
    (note,) = table(path).notes
    assert "5 rows are 3 texts" in note
    assert "1 answer 'ignore' left unknown" in note
    assert "left out: _task_hash" in note


def test_rows_that_become_one_are_refused_where_each_row_counts(tmp_path: Path):
    rows = [binary("a", "refund"), binary("a", "delay", "reject"), binary("b", "refund")]
    path = write_lines(tmp_path, rows)
    with pytest.raises(UserError, match=r"(?s)Prodigy.*a table of the texts"):
        list(read_chunks(path, each_row=True))
    stored = tmp_path / "train.parquet"
    pq.write_table(pa.Table.from_pylist(rows), stored)
    with pytest.raises(UserError, match=r"(?s)Prodigy.*a table of the texts"):
        list(read_chunks(stored, each_row=True))
    apart = write_lines(tmp_path, rows[1:], "apart.jsonl")
    assert sum(map(len, read_chunks(apart, each_row=True))) == 2


def test_answers_of_another_tool_to_one_label_a_row_are_an_ordinary_table(tmp_path: Path):
    rows = [
        {"text": "weak proof", "label": "rigour", "answer": "reject", "spans": "2-3"},
        {"text": "weak proof", "label": "style", "answer": "accept", "spans": "1-4"},
    ]
    found = table(write_lines(tmp_path, rows))
    assert found.notes == ()
    assert found.data["answer"].to_pylist() == ["reject", "accept"]


@pytest.mark.parametrize(
    "options",
    [
        [{"id": "refund", "text": "Refund"}, {"id": "refund", "text": "Return"}],
        [{"id": 1, "text": "refund"}, {"id": 2, "text": "refund"}],
        [{"id": 1, "text": "refund"}, {"id": 1, "text": "delay"}],
    ],
)
def test_an_option_that_stands_twice_is_refused(tmp_path: Path, options: list):
    rows = [choice("a", []), choice("b", []) | {"options": options}]
    told = refusal(write_lines(tmp_path, rows))
    assert "row 2" in told
    assert "two options named" in told


def test_yes_and_no_to_the_same_label_of_a_text_are_refused(tmp_path: Path):
    rows = [binary("a", "refund"), binary("b", "delay"), binary("a", "refund", "reject")]
    told = refusal(write_lines(tmp_path, rows))
    assert "row 3" in told
    assert "'reject' to the label 'refund', which row 1 answers otherwise" in told


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (
            {"text": "x", "spans": [{"start": 0, "end": 1, "label": "ORG"}], "answer": "accept"},
            "span",
        ),
        ({"text": "x", "answer": "accept", "_task_hash": 1}, "neither 'options' nor a 'label'"),
        (binary("x", "nsubj", head=1, child=0), "nor a 'label' of the text"),
        ({"html": "<b>x</b>", "options": [], "accept": [], "answer": "accept"}, "no text"),
        ({"text": "x", "labels": ["refund"]}, "columns text, labels"),
        (binary("x", "refund"), "a row with 'label' after rows with 'options'"),
        (choice("x", []) | {"options": ["refund"]}, "the name of a label"),
        (choice("x", []) | {"options": [{"id": ["a"], "text": "a"}]}, "the name of a label"),
        (choice("x", []) | {"accept": [["refund"]]}, "none of its options"),
        (choice("x", []) | {"text": 3}, "3 in 'text'"),
    ],
)
def test_a_row_that_is_no_answer_about_labels_is_refused(tmp_path: Path, row: dict, told: str):
    path = write_lines(tmp_path, [choice("a", ["refund"]), row])
    found = refusal(path)
    assert told in found
    assert "row 2" in found
    assert "Prodigy" in found


def test_a_label_named_as_another_column_keeps_both(tmp_path: Path):
    path = write_lines(tmp_path, [binary("a", "meta"), binary("b", "delay")])
    assert learnt(path)[1] == {"meta": [1, None], "delay": [None, 1]}
    assert "prodigy.meta" in table(path).data.column_names
    assert "named 'text'" in refusal(write_lines(tmp_path, [binary("a", "text")]))


def test_a_pattern_that_was_found_in_the_text_is_no_span_to_label(tmp_path: Path):
    pattern = [{"start": 0, "end": 1, "text": "a", "pattern": 3}]
    rows = [binary("a", "refund", spans=pattern), binary("b", "refund", "reject")]
    assert learnt(write_lines(tmp_path, rows))[1] == {"refund": [1, 0]}
