"""Training data of spaCy: a score a category."""

from pathlib import Path

import pytest
from exportfiles import learnt, refusal, table, write_array, write_lines

ROWS = [
    {"text": "a", "cats": {"refund": 1.0, "delay": 0.0}},
    {"text": "b", "cats": {"refund": 0.0, "delay": 1.0}, "meta": {"id": 7}},
    {"text": "c", "cats": {"refund": 0.0, "delay": 0.0}},
]
TARGETS = {"refund": [1, 0, 0], "delay": [0, 1, 0]}


@pytest.mark.parametrize("write", [write_lines, write_array])
def test_categories_become_columns_of_0_and_1(tmp_path: Path, write):
    path = write(tmp_path, ROWS)
    assert learnt(path) == (["a", "b", "c"], TARGETS)
    assert table(path).data["meta"].to_pylist() == [None, '{"id": 7}', None]
    assert table(path).notes == (
        f"{path.name} is read as an export of spaCy: a column a category.",
    )


@pytest.mark.parametrize("write", [write_lines, write_array])
def test_pairs_of_a_text_and_its_annotations_are_read_the_same(tmp_path: Path, write):
    pairs = [[row["text"], {"cats": row["cats"], "entities": []}] for row in ROWS]
    path = write(tmp_path, pairs)
    assert learnt(path) == (["a", "b", "c"], TARGETS)
    assert "left out: entities" in table(path).notes[0]


def test_truth_values_are_0_and_1(tmp_path: Path):
    rows = [
        {"text": "a", "cats": {"x": True, "y": False}},
        {"text": "b", "cats": {"x": False, "y": 1}},
    ]
    assert learnt(write_lines(tmp_path, rows))[1] == {"x": [1, 0], "y": [0, 1]}


def test_a_category_that_a_row_lacks_is_unknown_of_it(tmp_path: Path):
    rows = [*ROWS, {"text": "d", "cats": {"refund": 1.0}}, {"text": "e", "cats": {}}]
    path = write_lines(tmp_path, rows)
    assert learnt(path)[1] == {"refund": [1, 0, 0, 1, None], "delay": [0, 1, 0, None, None]}
    (note,) = table(path).notes
    assert "1 text without a category has unknown labels" in note
    assert "1 text with some of the categories alone: the others are unknown" in note


def test_scores_between_0_and_1_stay_as_they_are(tmp_path: Path):
    rows = [*ROWS, {"text": "d", "cats": {"refund": 0.25, "delay": 0.5}}]
    found = table(write_lines(tmp_path, rows))
    assert found.data["refund"].to_pylist() == [1, 0, 0, 0.25]
    assert found.labels == ("refund", "delay")


def test_a_column_of_labels_beside_categories_stays(tmp_path: Path):
    rows = [{**row, "labels": ["x"]} for row in ROWS]
    assert "labels" in table(write_lines(tmp_path, rows)).data.column_names


def test_corpora_of_version_2_have_a_text_a_paragraph(tmp_path: Path):
    def paragraph(raw: str, refund: float) -> dict:
        cats = [{"label": "refund", "value": refund}, {"label": "delay", "value": 1.0 - refund}]
        return {"raw": raw, "sentences": [{"tokens": [], "brackets": []}], "cats": cats}

    rows = [
        {"id": 0, "paragraphs": [paragraph("a", 1.0), paragraph("b", 0.0)]},
        {"id": 1, "paragraphs": [paragraph("c", 0.0)]},
    ]
    path = write_array(tmp_path, rows)
    assert learnt(path) == (["a", "b", "c"], {"refund": [1, 0, 0], "delay": [0, 1, 1]})
    del rows[1]["paragraphs"][0]["raw"]
    told = refusal(write_array(tmp_path, rows))
    assert "row 2" in told
    assert "no text in 'raw'" in told


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"text": "d", "cats": {"refund": 7}}, "7 for 'refund'"),
        ({"text": "d", "cats": {"refund": "yes"}}, "'yes' for 'refund'"),
        ({"text": "d", "cats": ["refund"]}, "columns text, cats"),
        ({"text": "d", "cats": {"": 1}}, "the name of a label"),
        ({"text": None, "cats": {"refund": 1}}, "no text"),
        ({"text": "d", "cats": {"text": 1}}, "a category named 'text'"),
        ({"comment": "d"}, "columns comment"),
    ],
)
def test_a_row_that_cannot_be_read_is_refused(tmp_path: Path, row: dict, told: str):
    found = refusal(write_lines(tmp_path, [*ROWS, row]))
    assert told in found
    assert "spaCy" in found
    assert "row" in found
