"""Label cells become targets: names, lists, 0 and 1, and what nobody knows."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from imbtool.config.data_sections import LabelSource
from imbtool.formats.cells import as_arrow
from imbtool.labels.cells import LabelCells, label_cells
from imbtool.labels.syntax import names_in

NAMES = ("a", "b")


def targets(column: list[object], **source: str):
    cells = label_cells(pa.table({"labels": column}), LabelSource(column="labels", **source))
    return cells.label_sets(NAMES).targets()


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
    assert problem.startswith(
        "t.csv: labels: '?', which means unknown, beside labels in row row 2 and 1 more: "
    )
    assert not told({"labels": ["a|b", "?", ""]}, source)


def test_names_of_a_list_may_hold_the_separator():
    assert names_in(["a|b", " c ", None], "|") == ["a|b", "c"]
    cells = label_cells(pa.table({"labels": [["a|b"], ["c"]]}), LabelSource(column="labels"))
    assert cells.names == {"a|b", "c"}


def test_numbers_are_names_as_they_would_be_written():
    cells = label_cells(pa.table({"labels": [1.0, 2.0, None]}), LabelSource(column="labels"))
    assert cells.names == {"1", "2"}
    np.testing.assert_array_equal(
        cells.label_sets(["1", "2"]).targets(), [[1, 0], [0, 1], [np.nan] * 2]
    )


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
    np.testing.assert_array_equal(
        cells.label_sets(["b", "a"]).targets(), [[1, 1], [1, 0], [1, np.nan]]
    )


def test_a_flag_that_is_none_is_told_with_its_first_row():
    source = LabelSource(columns=["a", "b"])
    assert told({"a": ["1", "2", "z", "2"], "b": ["0", "1", "", " 1"]}, source) == [
        "t.csv: a: '2' in row row 2 and 2 more"
    ]


def test_a_separator_that_another_one_should_be_is_told_of_text_but_not_of_lists():
    source = LabelSource(column="labels")
    assert told({"labels": ["a;b", "a", "b"]}, source) == [
        "t.csv: labels: the separator '|' in no cell, but ';' in row row 1"
    ]
    assert told({"labels": [["a;b"], ["a"], ["b"]]}, source) == []


def test_a_separator_that_was_chosen_is_believed():
    chosen = LabelSource(column="labels", separator="|")
    assert told({"labels": ["sports/football", "sports/tennis"]}, chosen) == []
    assert label_cells(pa.table({"labels": ["a/b", "a/c"]}), chosen).names == {"a/b", "a/c"}


@pytest.mark.parametrize(
    "cells",
    [
        [[0, 1, 0], [1, 0, 0]],
        [[0, 1], [1, 1]],
        ["[0, 1]", "[1, 0]"],
        ["[0. 1. 0.]", "[1. 0. 0.]"],
        ["0|1", "1|0"],
        ["0110", "1010"],
    ],
)
def test_lists_of_flags_are_no_names(cells: list[object]):
    [problem] = label_cells(pa.table({"labels": cells}), LabelSource(column="labels")).problems(
        Path("t.csv"), str
    )
    assert problem.found.startswith("lists of 0 and 1 in row 1 and 1 more: ")
    assert "data.labels.columns" in problem.fix


def test_lists_of_the_names_0_and_1_are_names():
    assert not told({"labels": [[0, 1], [1]]}, LabelSource(column="labels"))


@pytest.mark.parametrize(
    ("cells", "row"),
    [
        (["a", "[{'start': 0, 'label': 'a'}]", "a"], "2"),
        ([[{"label": "a", "score": 0.5}], ["a"]], "1"),
        (["a", "[a, b]"], "2"),
        ([["a"], [["b"]]], "2"),
        (['{"a": 1, "b": "maybe"}'], "1"),
    ],
)
def test_what_holds_more_than_names_is_refused_with_its_row(cells: list[object], row: str):
    column = pa.chunked_array([as_arrow(cells)])
    table = pa.table({"labels": column})
    [problem] = label_cells(table, LabelSource(column="labels")).problems(Path("t.csv"), str)
    assert problem.found.startswith(
        f"a list or an object that holds more than label names in row {row}"
    )


def test_lists_written_as_text_are_read_beside_plain_names():
    cells = ["['a', 'b']", "a", "{'b'}", "set()", "b|a", ""]
    np.testing.assert_array_equal(targets(cells), [[1, 1], [1, 0], [0, 1], [0, 0], [1, 1], [0, 0]])
    assert not told({"labels": cells}, LabelSource(column="labels"))


def test_objects_and_lists_of_a_json_column_are_read_beside_names():
    column = pa.chunked_array([as_arrow([[{"label": "a"}], ["a", "b"], "b", None])])
    cells = label_cells(pa.table({"labels": column}), LabelSource(column="labels"))
    np.testing.assert_array_equal(
        cells.label_sets(NAMES).targets(), [[1, 0], [1, 1], [0, 1], [np.nan, np.nan]]
    )


def test_maps_that_name_different_labels_are_refused_with_the_row():
    whole = ['{"a": 1, "b": 0}', '{"b": 1, "a": 1}']
    np.testing.assert_array_equal(targets(whole), [[1, 0], [1, 1]])
    assert told({"labels": [*whole, '{"a": 0}']}, LabelSource(column="labels")) == [
        "t.csv: labels: a map that names other labels than the largest one in row row 3: "
        "'{\"a\": 0}'"
    ]


@pytest.mark.parametrize(
    "flags",
    [
        ["Y", "N", "?"],
        ["yes", "no", "NA"],
        ["WAHR", "FALSCH", ""],
        ["vrai", "faux", "nan"],
        ["x", "0", "-1"],
        [1, 0, -1],
    ],
)
def test_words_for_yes_and_no_are_flags(flags: list[object]):
    cells = label_cells(pa.table({"a": flags}), LabelSource(columns=["a"]))
    np.testing.assert_array_equal(cells.label_sets(["a"]).targets(), [[1], [0], [np.nan]])


def test_an_empty_cell_means_no_where_that_is_said():
    source = LabelSource(columns=["a"], empty="negative")
    cells = label_cells(pa.table({"a": ["x", "", None, "?"]}), source)
    np.testing.assert_array_equal(cells.label_sets(["a"]).targets(), [[1], [0], [0], [np.nan]])


def test_scores_are_cut_at_the_threshold():
    source = LabelSource(columns=["a"], threshold=0.5)
    cells = label_cells(pa.table({"a": ["0.5", "0.49", "1", "", "-1", "nan"]}), source)
    nan = np.nan
    np.testing.assert_array_equal(
        cells.label_sets(["a"]).targets(), [[1], [0], [1], [nan], [nan], [nan]]
    )
    assert told({"a": ["0.2", "high"]}, source) == ["t.csv: a: 'high' in row row 2"]


def test_scores_without_a_threshold_are_refused_with_the_key_that_gives_one():
    cells = label_cells(pa.table({"a": ["0", "0.4"]}), LabelSource(columns=["a"]))
    [problem] = cells.problems(Path("t.csv"), str)
    assert problem.found == "'0.4' in row 2"
    assert "data.labels.threshold" in problem.fix


def test_minus_one_without_a_zero_anywhere_is_refused():
    source = LabelSource(columns=["a", "b"])
    assert told({"a": ["1", "-1"], "b": ["1", "1"]}, source) == [
        "t.csv: a: -1 in row row 2, and no 0 in any label column"
    ]
    assert not told({"a": ["1", "-1"], "b": ["1", "0"]}, source)


def test_a_mark_that_may_separate_is_asked_about():
    cells = ["a, b", "c, b", "d, e", "f, e"]
    [problem] = label_cells(pa.table({"labels": cells}), LabelSource(column="labels")).problems(
        Path("t.csv"), str
    )
    assert "but ',' in row 1 and 3 more" in problem.found


@pytest.mark.parametrize("cells", [["a (0.93)|b (.1)", "b (1.0)"], [["a: 0.3"], ["b=0.5"]]])
def test_names_with_scores_are_refused_with_the_row(cells: list[object]):
    [problem] = told({"labels": cells}, LabelSource(column="labels"))
    assert "labels: names with a number behind them in row row 1 and 1 more" in problem


def test_numbers_within_names_are_no_scores():
    cells = ["1.1 threats", "version 2.0", "spam", "fraud"]
    assert not told({"labels": cells}, LabelSource(column="labels"))


def known_cells(labels: list[object], known: list[object]) -> LabelCells:
    source = LabelSource(column="labels", known="known")
    return label_cells(pa.table({"labels": labels, "known": known}), source)


@pytest.mark.parametrize("known", [["a|b", "b", "", None], [["a", "b"], ["b"], [], None]])
def test_labels_that_are_not_listed_as_known_are_unknown(known: list[object]):
    cells = known_cells(["a", "", "b", ""], known)
    np.testing.assert_array_equal(
        cells.label_sets(NAMES).targets(), [[1, 0], [np.nan, 0], [0, 1], [0, 0]]
    )


def test_a_label_that_nobody_was_asked_for_is_known_only_where_it_is_listed():
    cells = known_cells(["a", "a|b", "", ""], ["", "a|b", "b", None])
    np.testing.assert_array_equal(
        cells.label_sets(NAMES, ["b"]).targets(), [[1, np.nan], [1, 1], [np.nan, 0], [0, np.nan]]
    )


def test_without_a_list_of_known_labels_one_that_nobody_was_asked_for_is_unknown():
    cells = label_cells(pa.table({"labels": ["a", ""]}), LabelSource(column="labels"))
    np.testing.assert_array_equal(
        cells.label_sets(NAMES, ["b"]).targets(), [[1, np.nan], [0, np.nan]]
    )


def test_usual_labels_are_those_of_texts_that_list_nothing():
    assert known_cells(["a", "a|b", "c"], ["", "a|b", None]).usual_names == {"a", "c"}


def test_a_label_that_is_not_listed_as_known_is_named_with_its_row():
    source = LabelSource(column="labels", known="known")
    columns = {"labels": ["a", "a|b", "b|a"], "known": ["", "a|b", "b|c"]}
    (problem,) = told(columns, source)
    assert problem == "t.csv: known: row row 3 without 'a', which the text has"


def test_an_unknown_name_among_known_labels_is_named_with_its_row_and_the_nearest():
    cells = known_cells(["alpha", ""], ["", "alhpa"])
    (problem,) = cells.known_strangers({"alpha"}, Path("t.csv"), str)
    assert problem.where == "t.csv: known"
    assert problem.found == "the label 'alhpa' in row 2, which no row has"
    assert problem.fix.startswith("did you mean 'alpha'?; labels.names declares")


def test_a_list_of_known_labels_that_cannot_be_read_is_refused():
    source = LabelSource(column="labels", known="known")
    (problem,) = told({"labels": ["a", "a"], "known": ["a", '{"a": 7}']}, source)
    assert "t.csv: known: a list or an object that holds more than label names in row" in problem


def test_a_declared_label_without_a_column_is_unknown():
    cells = label_cells(pa.table({"a": ["1", "0"]}), LabelSource(columns=["a", "b"]))
    np.testing.assert_array_equal(
        cells.label_sets(NAMES, ["b"]).targets(), [[1, np.nan], [0, np.nan]]
    )
