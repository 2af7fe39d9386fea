"""Exports of doccano: lists of labels, as the ordinary reader reads them, and what is refused."""

from pathlib import Path

import pytest
from exportfiles import learnt, refusal, table, write_lines

ROWS = [
    {"id": 11, "text": "a", "label": ["refund", "delay"]},
    {"id": 12, "text": "b", "label": []},
    {"id": 13, "text": "c", "label": ["delay"]},
]
TARGETS = {"delay": [1, 0, 1], "refund": [1, 0, 0]}


def test_lists_of_labels_are_an_ordinary_table(tmp_path: Path):
    path = write_lines(tmp_path, ROWS)
    assert learnt(path) == (["a", "b", "c"], TARGETS)
    assert table(path).notes == ()


def test_that_an_empty_list_may_be_a_text_nobody_annotated_is_said(tmp_path: Path):
    path = write_lines(tmp_path, [{**row, "Comments": [], "lang": "en"} for row in ROWS])
    assert learnt(path) == (["a", "b", "c"], TARGETS)
    found = table(path)
    assert "1 text of an empty list read as having no label" in found.notes[0]
    assert found.data["lang"].to_pylist() == ["en"] * 3
    assert found.data["Comments"].to_pylist() == ["[]"] * 3


def test_an_empty_list_that_somebody_approved_is_no_doubt(tmp_path: Path):
    rows = [{**row, "meta": {}, "annotation_approver": "admin"} for row in ROWS]
    assert table(write_lines(tmp_path, rows)).notes == (
        "train.jsonl is read as an export of doccano: the labels are in 'label'.",
    )


def test_labels_of_texts_beside_slots_are_read(tmp_path: Path):
    rows = [
        {"id": 1, "text": "a", "cats": ["refund"], "entities": [[0, 1, "ITEM"]]},
        {"id": 2, "text": "b", "cats": [], "entities": []},
    ]
    path = write_lines(tmp_path, rows)
    assert learnt(path)[1] == {"refund": [1, 0]}
    assert "left out: entities" in table(path).notes[0]


ENTITY = {"id": 1, "label": "ORG", "start_offset": 0, "end_offset": 1}


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"text": "x", "label": [[0, 4, "ORG"]]}, "spans"),
        ({"text": "x", "labels": [[0, 4, "ORG"]], "meta": {}}, "spans"),
        ({"text": "x", "entities": [ENTITY], "relations": []}, "spans"),
        ({"text": "x", "annotations": [{"label": 3, "user": 1}], "meta": {}}, "numbers of labels"),
        ({"text": "x", "label": [{"a": 1}], "Comments": []}, "the name of a label"),
        ({"text": "x", "label": ["a"], "labels": ["a"], "Comments": []}, "'label' and 'labels'"),
        ({"text": "x", "Comments": []}, "none of 'label'"),
    ],
)
def test_what_does_not_label_texts_by_name_is_refused(tmp_path: Path, row: dict, told: str):
    found = refusal(write_lines(tmp_path, [row]))
    assert told in found
    assert "row 1" in found
    assert "doccano" in found


def test_spans_are_found_wherever_they_begin(tmp_path: Path):
    rows = [{"text": "a", "label": []}, {"text": "x", "label": [[0, 4, "ORG"]]}]
    assert "row 2" in refusal(write_lines(tmp_path, rows))


def test_entities_beside_labels_of_ones_own_are_an_ordinary_table(tmp_path: Path):
    rows = [{"text": "a", "category": "refund", "entities": [ENTITY]}]
    assert table(write_lines(tmp_path, rows)).notes == ()
