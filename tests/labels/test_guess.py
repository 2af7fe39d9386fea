"""Which columns hold the labels: guessed where the cells tell, asked about where they do not."""

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from imbtool.config.reader import make_profile, overlay, parse_override
from imbtool.errors import UserError
from imbtool.labels.columns import Column
from imbtool.labels.guess import guess_labels
from imbtool.labels.layout import LabelGuess
from imbtool.labels.questions import set_option

ROWS = 60
TABLE = Path("train.csv")


def guess(columns: Mapping[str, Sequence[str]], **known: str) -> LabelGuess:
    """Guess of columns whose cells are repeated to the same number of rows."""
    cells = {
        name: pa.chunked_array([pa.array([few[row % len(few)] for row in range(ROWS)])])
        for name, few in columns.items()
    }
    return guess_labels([Column(name, each, False) for name, each in cells.items()], TABLE, known)


def question(columns: Mapping[str, Sequence[str]], **known: str) -> str:
    with pytest.raises(UserError) as caught:
        guess(columns, **known)
    return str(caught.value)


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        (["1", "0"], ["0", "0", "1"], "2 columns hold only 0 and 1"),
        (["True", "False"], ["false", "true", "true"], "2 columns hold only 0 and 1"),
        (["Y", "N"], ["N", "N", "Y"], "2 columns hold words for yes and no: 'N', 'Y'"),
        (["WAHR", "FALSCH"], ["FALSCH", "WAHR", "WAHR"], "for yes and no: 'FALSCH', 'WAHR'"),
        (["1", "0", ""], ["0", "1", "?"], "2 columns hold words for yes and no: '0', '1', '?'"),
    ],
)
def test_columns_of_yes_and_no_are_labels_whatever_the_words(first, second, told):
    found = guess({"spam": first, "fraud": second, "year": ["2024"]})
    assert found.source == {"columns": ["spam", "fraud"]}
    assert found.reason.endswith(told)
    assert found.notes == ()


@pytest.mark.parametrize("yes", ["1", "x", "TRUE"])
def test_empty_cells_mean_no_where_no_column_has_another_no_and_that_is_said(yes: str):
    found = guess({"spam": [yes, ""], "fraud": ["", "", yes]})
    assert found.source == {"columns": ["spam", "fraud"], "empty": "negative"}
    [note] = found.notes
    assert "--set data.labels.empty=unknown" in note
    assert guess({"spam": [yes, ""], "fraud": ["", "", "0", yes]}).source.keys() == {"columns"}
    assert "empty" not in guess({"a": [yes, ""], "b": ["", yes]}, empty="unknown").source


def test_minus_one_beside_0_and_1_is_unknown_and_that_is_said():
    found = guess({"spam": ["1", "0", "-1"], "fraud": ["0", "1"]})
    assert found.notes == (
        "-1 is taken for unknown, in so many rows of these columns: 'spam' (20).",
    )


def test_scores_are_asked_about_until_a_threshold_is_given():
    columns = {"spam": ["0", "0.8", "0.3"], "fraud": ["0", "1", "0.25"]}
    told = question(columns)
    assert "0.8 in row 2 of 'spam'" in told
    assert "--set data.labels.threshold=0.5" in told
    assert guess(columns, threshold="0.5").source == {"columns": ["spam", "fraud"]}


@pytest.mark.parametrize(
    ("values", "row"), [(["0", "2"], 2), (["low", "mid", "high"], 1), (["0", "1", "2"], 3)]
)
def test_columns_with_the_same_few_values_that_mean_neither_are_refused(values, row):
    told = question({"spam": values, "fraud": values[::-1]})
    assert "look like one label each" in told
    assert f"in row {row}" in told


def test_a_label_that_no_text_has_yet_is_taken_and_that_is_said():
    found = guess({"spam": ["1", "0"], "fraud": ["0", "1", "1"], "grooming": ["0"]})
    assert found.source == {"columns": ["spam", "fraud", "grooming"]}
    [note] = found.notes
    assert note.startswith("No text has a 1 in 'grooming': ")


def test_a_third_value_beside_0_and_1_is_refused_with_its_row():
    told = question({"spam": ["1", "0"], "fraud": ["0", "1", "1"], "abuse": ["0", "1", "2"]})
    assert "'2' in row 3" in told


def test_a_named_column_outdoes_flags_that_say_something_else():
    found = guess({"is_reply": ["1", "0"], "verified": ["0", "1"], "Labels": ["a|b", "a", "b"]})
    assert found.source == {"column": "Labels", "separator": "|"}


@pytest.mark.parametrize("names", [["x", "y"], ["n", "f", "t"], ["on", "x"]])
def test_two_words_for_yes_are_names(names: list[str]):
    assert guess({"labels": names}).source["column"] == "labels"


def test_metadata_is_no_label_though_it_has_few_values():
    found = guess({"language": ["de", "en"], "kind": ["a", "b", "c"], "split": ["1", "0"]})
    assert found.source["column"] == "kind"


def test_several_columns_that_could_be_labels_are_a_question():
    told = question({"kind": ["a", "b", "c"], "severity": ["low", "high"]})
    assert "2 columns that could hold the labels: 'kind', 'severity'" in told
    assert "--set data.labels.column=kind, or" in told
    assert """--set 'data.labels.columns=["kind", "severity"]'""" in told


def test_lists_as_text_are_read_as_lists_and_objects_name_their_tool():
    assert guess({"found": ["['a', 'b']", "[]"], "kind": ["x", "y"]}).reason.endswith(
        "its cells are lists or objects as text"
    )
    found = guess({"topic": ['{"choices": ["a", "b"]}', "a", "b"]})
    assert found.source["column"] == "topic"
    assert "Label Studio" in found.reason


def test_a_mark_that_may_separate_is_a_question_with_both_answers():
    told = question({"labels": ["a, b", "c, b", "d, e", "f, e"]})
    assert "'a, b' in row 1: ',' may stand between two labels or be part of a name" in told
    assert "--set data.labels.separator=, if it separates labels" in told
    assert "--set 'data.labels.separator=|' if it is part of names" in told
    assert guess({"labels": ["a, b", "c, b"]}, separator=",").source == {"column": "labels"}


def test_two_marks_between_labels_are_a_question():
    assert "';' may stand between" in question({"labels": ["a|b", "a", "b", "b;a"]})


def test_a_mark_that_is_taken_for_part_of_names_is_told_with_the_option_that_splits():
    found = guess({"labels": ["hate", "hate/threatening", "spam"]})
    assert found.source == {"column": "labels", "separator": "|"}
    assert re.search(r"'/', as in 'hate/threatening'.*data.labels.separator=/ splits", found.reason)
    assert guess({"labels": ["on|off", "news"]}).source["separator"] == "||"


def test_a_cell_that_often_means_unknown_is_told_with_the_option_that_makes_it_so():
    found = guess({"labels": ["a", "b", "NA"]})
    assert found.notes == (
        "'NA' (20 rows) is taken for a label. If it means that nobody knows the labels of the "
        "text: --set data.labels.unknown=NA; if it means that there are none, leave the cell "
        "empty.",
    )
    assert guess({"labels": ["a", "b", "NA"]}, unknown="NA").notes == ()


@pytest.mark.parametrize("mark", [" ", "\t", "\n", "|", "#", "'", '"', "{", ", ", "&"])
def test_a_proposed_option_sets_what_it_says_when_it_is_typed(mark: str):
    option, typed = shlex.split(set_option("data.labels.separator", mark))
    profile = make_profile({"data": {"train": "t.csv"}})
    assert option == "--set"
    assert overlay(profile, [parse_override(typed)]).data.labels.separator == mark


def test_a_second_column_with_the_same_labels_is_refused():
    told = question({"label": ["a", "b", "c"], "label_2": ["b", "", "c", "a"]})
    assert "two columns of labels, 'b' in row 1 of 'label_2'" in told
    assert guess({"label": ["a", "b", "c"], "kind": ["q", "r"]}).source["column"] == "label"


def test_words_between_labels_are_asked_about_or_read():
    cells = ["a", "b", "c", "a and b", "b and c", "c and a"]
    assert guess({"labels": cells}).source["separator"] == " and "


@pytest.mark.parametrize("odd", ["maybe", "-", "O", "#REF!"])
def test_an_odd_word_in_a_column_of_0_and_1_is_refused_with_its_row(odd: str):
    told = question({"spam": ["1", "0"], "fraud": ["0", "1", "1"], "abuse": ["0", "1", "0", odd]})
    assert f"abuse\n  found     '{odd}' in row 4" in told
    assert """--set 'data.labels.columns=["spam", "fraud"]'""" in told


def test_words_that_all_mean_yes_are_asked_about():
    assert "abuse" in question({"a": ["1", "0"], "b": ["0", "1", "1"], "abuse": ["y", "yes", "n"]})


def test_a_column_of_0_and_1_is_a_label_whatever_its_name_but_for_some_which_are_said():
    columns = {name: ["1", "0"] for name in ("malicious_link", "created_by_bot", "language")}
    found = guess({**columns, "is_test": ["0", "1", "1"]})
    assert found.source == {"columns": list(columns)}
    [note] = found.notes
    assert note.startswith("Not taken as labels: 'is_test'. If they are: --set ")


def test_columns_of_names_beside_those_of_0_and_1_are_a_question():
    flags = {"is_reply": ["1", "0"], "has_media": ["0", "1", "1"]}
    told = question({**flags, "topics": ["a|b", "a", "b"]})
    assert "a column 'topics' of names beside columns of 0 and 1" in told
    assert "--set data.labels.column=topics, or --set " in told
    told = question({**flags, "label": ["is_reply", "has_media"]})
    assert "a column 'label' of names" in told


def test_a_second_level_of_labels_is_asked_about_but_not_the_names_of_numbers():
    told = question({"category": ["a", "b", "a"], "subcategory": ["x", "y", "z"]})
    assert "two columns of labels" in told
    pairs = {"label": ["0", "1", "2"], "label_text": ["joy", "fear", "anger"]}
    assert guess(pairs).source["column"] == "label"


def test_blanks_of_columns_without_a_0_beside_others_are_unknown_and_that_is_said():
    found = guess({"spam": ["x", ""], "fraud": ["0", "1", "1"]})
    [note] = found.notes
    assert note.startswith("Empty cells of 'spam' are taken for unknown")
    assert "--set data.labels.empty=negative" in note


def test_columns_with_one_mark_or_nothing_are_a_question():
    assert "one label each" in question({"spam": ["spam", ""], "fraud": ["", "fraud", ""]})


def test_a_column_that_does_not_recur_is_not_taken_because_it_is_the_only_one():
    told = question({"when": [f"at {row}" for row in range(ROWS)]})
    assert "no column whose cells recur as label names do; the columns are 'when'" in told


def test_likert_scores_name_the_columns_and_the_threshold():
    told = question({"spam": ["1", "2", "3", "4", "5"], "fraud": ["2", "1", "5", "4", "3"]})
    assert """--set 'data.labels.columns=["spam", "fraud"]' --set data.labels.threshold=3""" in told


def test_cells_of_a_csv_with_blanks_behind_its_delimiters_are_split():
    found = guess({"labels": [' "a|b"', " a", ' "b|a"', " b"]})
    assert found.source["separator"] == "|"


def test_percents_are_asked_about_as_scores():
    many = [str(number) for number in range(0, 100, 7)]
    told = question({"spam": many, "fraud": many[::-1]})
    assert "--set data.labels.threshold=49" in told
