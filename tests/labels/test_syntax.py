"""What one label cell says, however it is written."""

import math

import numpy as np
import pytest

from imbtool.labels.syntax import flag_of, joined, names_in, needs_list, read_cell


@pytest.mark.parametrize(
    "cell",
    [
        "a|b",
        " a | b |",
        ["a", "b"],
        np.array(["a", "b"]),
        "['a', 'b']",
        '["a", "b"]',
        "('a', 'b')",
        "{'a', 'b'}",
        "frozenset({'a', 'b'})",
        "['a' 'b']",
        "array(['a', 'b'], dtype=object)",
        "array(['a', 'b'], dtype='<U1')",
        'c("a", "b")',
        "{a,b}",
        '{a,"b"}',
        '"[\\"a\\", \\"b\\"]"',
        '{"choices": ["a", "b"]}',
        {"labels": ["a", "b"]},
        [{"label": "a"}, {"label": "b"}],
        '{"a": 1, "b": true, "c": 0}',
        '{"a": "yes", "b": "yes", "c": "no"}',
        "<a><b>",
        "'a','b'",
        '"a", "b"',
        "[‘a’, ‘b’]",
        "[np.str_('a'), np.str_('b')]",
        "Index(['a', 'b'], dtype='object')",
    ],
)
def test_the_names_of_a_cell_are_read_however_they_are_written(cell: object):
    assert sorted(names_in(cell, "|")) == ["a", "b"]


@pytest.mark.parametrize(
    "cell",
    ["", " ", "[]", "{}", "()", "set()", "frozenset()", "character(0)", [], None, "array([])"],
)
def test_an_empty_cell_has_no_names(cell: object):
    said = read_cell(cell, "|")
    assert (said.names, said.form == "unreadable") == ((), False)


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        ("(other)", "(other)"),
        ("fraud (card)", "fraud (card)"),
        ("it's", "it's"),
        ('so-called "news"', 'so-called "news"'),
        ("['so-called \"news\"']", 'so-called "news"'),
        ("['Billing, refunds']", "Billing, refunds"),
        ('{"choices": "a|b"}', "a|b"),
        ("[1]", "1"),
        (r'{"so-called \"news\""}', 'so-called "news"'),
        ("NA", "NA"),
        ('"a"', "a"),
        ("<a>", "a"),
        (' "a"', "a"),
        (' "a b"', "a b"),
        ("a\x1fb", "a\x1fb"),
        ("'a' or 'b'", "'a' or 'b'"),
        ("a < b", "a < b"),
    ],
)
def test_marks_within_a_name_stay(cell: str, name: str):
    assert names_in(cell, "|") == [name]


@pytest.mark.parametrize(
    "cell",
    [
        "[a, b]",
        "['a' 'b', 'c']",
        "[['a'], ['b']]",
        '{"a": 0.7}',
        '{"text": "a", "start": 3}',
        '[{"label": "a", "score": 0.9}]',
        [{"label": "a", "score": 0.9}],
        "['a', 'b",
        "[{}]",
        '{"label": null}',
        '{"choices": ["a"',
        "[" * 100_001 + "]",
    ],
)
def test_what_is_no_list_of_names_is_unreadable_and_gives_none(cell: object):
    assert read_cell(cell, "|").form == "unreadable"
    assert names_in(cell, "|") == []


def test_a_map_says_which_labels_it_knows_and_null_is_none_of_them():
    assert read_cell('{"a": 1, "b": 0, "c": null}', "|").keys == {"a", "b"}
    assert read_cell("['a']", "|").keys is None


@pytest.mark.parametrize("names", [["a|b", "c"], ["[x]"], [" a"], ["{}"], ["b"], []])
def test_joined_names_are_read_back(names: list[str]):
    as_list = needs_list(names, "|")
    assert as_list is (names not in (["b"], []))
    stripped = [name.strip() for name in names]
    assert names_in(joined(names, "|", as_list), "|") == stripped


@pytest.mark.parametrize(
    ("cells", "meaning"),
    [
        (("1", "TRUE", "x", "Yes", "wahr", "✓"), 1.0),
        (("0", "false", "N", "no", "FALSCH", "0.0"), 0.0),
        (("", " ", "NA", "?", "-1", "null"), math.nan),
        (("2", "0.5", "maybe"), None),
    ],
)
def test_a_flag_means_yes_no_or_that_nobody_knows(cells: tuple[str, ...], meaning: float | None):
    for cell in cells:
        assert flag_of(cell) == pytest.approx(meaning, nan_ok=True)


def test_names_of_which_some_are_quoted_are_told_apart():
    assert names_in('"Threats, violence",Spam', "|") == ["Threats, violence", "Spam"]
    assert names_in("<spam>;<scam>", "|") == ["spam", "scam"]
    assert names_in('""', "|") == []


@pytest.mark.parametrize(
    "cell", ["[" + "123456 " * 40 + "x]", "{" + " " * 20_000 + ":}", '"' + "a," * 20_000 + '"b']
)
def test_a_hostile_cell_is_read_at_once(cell: str):
    assert read_cell(cell, "|").form in ("names", "unreadable", "list")


@pytest.mark.parametrize("names", [["[a", "b]"], ["<a", "b>"], ['"a', 'b"'], ["Hate (HS)", "b"]])
def test_names_with_brackets_and_quotes_are_read_back(names: list[str]):
    assert names_in(joined(names, "|", needs_list(names, "|")), "|") == names


@pytest.mark.parametrize(("cell", "flag"), [("1,00", 1.0), ("0.000", 0.0), ("☑", 1.0), ("❌", 0.0)])
def test_flags_are_read_with_decimals_and_as_marks(cell: str, flag: float):
    assert flag_of(cell) == flag
