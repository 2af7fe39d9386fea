"""Label cells become targets: names, lists, 0 and 1, and what nobody knows."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from imbtool.labelcells import label_cells, names_in, separator_reuse
from imbtool.profile import LabelSource

NAMES = ("a", "b")


def targets(column: list[object], **source: str):
    cells = label_cells(pa.table({"labels": column}), LabelSource(column="labels", **source))
    return cells.targets(NAMES)


def told(columns: dict[str, list[object]], source: LabelSource) -> list[str]:
    problems = label_cells(pa.table(columns), source).problems(Path("t.csv"), "row {}".format)
    return [f"{problem.where}: {problem.found}" for problem in problems]


@pytest.mark.parametrize("labels", [["a|b", " b ", ""], [["a", "b"], ["b"], []]])
def test_text_and_lists_give_the_same_targets(labels: list[object]):
    assert targets(labels).dtype == np.float32
    np.testing.assert_array_equal(targets(labels), [[1, 1], [0, 1], [0, 0]])


def test_a_missing_text_or_list_is_unknown_and_an_empty_one_is_none():
    for labels in (["a", None, ""], [["a"], None, []]):
        np.testing.assert_array_equal(targets(labels), [[1, 0], [np.nan] * 2, [0, 0]])


def test_a_mark_makes_a_text_unknown_only_where_it_is_named():
    np.testing.assert_array_equal(
        targets(["a", " ? ", "b"], unknown="?"), [[1, 0], [np.nan] * 2, [0, 1]]
    )
    assert label_cells(pa.table({"labels": ["?"]}), LabelSource(column="labels")).names == {"?"}
    assert LabelSource(column="labels", unknown=" ? ").unknown == "?"


@pytest.mark.parametrize("cells", [["a", "?|b", "b|?"], [["a"], ["?", "b"], ["b", "?"]]])
def test_the_mark_for_unknown_does_not_stand_beside_labels(cells: list[object]):
    source = LabelSource(column="labels", unknown="?")
    [problem] = told({"labels": cells}, source)
    assert problem == (
        "t.csv: labels: '?', which means unknown, beside labels in row row 2 and 1 more"
    )
    assert not told({"labels": ["a|b", "?", ""]}, source)


def test_names_of_a_list_may_hold_the_separator():
    assert names_in(["a|b", " c ", None], "|") == ["a|b", "c"]
    cells = label_cells(pa.table({"labels": [["a|b"], ["c"]]}), LabelSource(column="labels"))
    assert cells.names == {"a|b", "c"}


def test_numbers_are_names_as_they_would_be_written():
    cells = label_cells(pa.table({"labels": [1.0, 2.0, None]}), LabelSource(column="labels"))
    assert cells.names == {"1", "2"}
    np.testing.assert_array_equal(cells.targets(["1", "2"]), [[1, 0], [0, 1], [np.nan] * 2])


@pytest.mark.parametrize(
    "flags",
    [
        ["1", "0", ""],
        ["1.0", "0.0", " "],
        ["True", "FALSE", ""],
        [1, 0, None],
        [True, False, None],
        [1.0, 0, np.nan],
    ],
)
def test_flags_of_every_type_give_the_same_targets(flags: list[object]):
    source = LabelSource(columns=["b", "a"])
    cells = label_cells(pa.table({"a": flags, "b": ["1", "1", "1"]}), source)
    np.testing.assert_array_equal(cells.targets(["b", "a"]), [[1, 1], [1, 0], [1, np.nan]])


def test_a_flag_that_is_none_is_told_with_its_first_row():
    source = LabelSource(columns=["a", "b"])
    assert told({"a": ["1", "2", "x", "2"], "b": ["0", "1", "", " 1"]}, source) == [
        "t.csv: a: '2' in row row 2 and 2 more"
    ]


def test_a_separator_that_another_one_should_be_is_told_of_text_but_not_of_lists():
    source = LabelSource(column="labels")
    assert told({"labels": ["a;b", "a", "b"]}, source) == [
        "t.csv: labels: the separator '|' in no cell, but ';' in some"
    ]
    assert told({"labels": [["a;b"], ["a"], ["b"]]}, source) == []


def test_a_separator_that_was_chosen_is_believed():
    chosen = LabelSource(column="labels", separator="|")
    assert told({"labels": ["sports/football", "sports/tennis"]}, chosen) == []
    assert label_cells(pa.table({"labels": ["a/b", "a/c"]}), chosen).names == {"a/b", "a/c"}


@pytest.mark.parametrize(
    ("cells", "separator", "recurs"),
    [
        (["a;b", "a", "b"], ";", True),
        (["a;b", "a", "b"], "|", False),
        (["rights, duties", "law, order", "peace"], ",", False),
        (["x|1. a, b", "x|2. c", "x"], "|", True),
    ],
)
def test_a_separator_is_one_that_makes_labels_recur(cells, separator, recurs):
    assert (separator_reuse(cells, separator) > 1) is recurs


@pytest.mark.parametrize("cells", [["['a', 'b']", "[]"], ['["a"]', ""]])
def test_lists_that_were_written_as_text_are_no_names(cells: list[object]):
    (problem,) = told({"labels": cells}, LabelSource(column="labels"))
    assert problem == f"t.csv: labels: lists written as text: {cells[0]}"
    assert not told({"labels": [*cells, "a"]}, LabelSource(column="labels"))


def test_lists_of_flags_are_no_names():
    source = LabelSource(column="labels")
    assert told({"labels": [[0, 1, 0], [1, 0, 0]]}, source) == ["t.csv: labels: lists of 0 and 1"]
    assert not told({"labels": [[0, 1], [1]]}, source)
