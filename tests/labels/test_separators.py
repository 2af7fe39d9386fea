"""Which mark separates labels: what the cells give evidence for, and where to ask."""

import itertools

import pytest

from imbtool.labels.separators import Guess, guess_separator, joined_by

MODERATION = [
    *("hate", "hate/threatening", "harassment", "harassment/threatening", "self-harm"),
    *("self-harm/intent", "self-harm/instructions", "sexual", "sexual/minors", "violence"),
]


@pytest.mark.parametrize("mark", ["|", ";", "\n", "\t", ",", "#", "::", "/", "&", " + ", " ", "||"])
def test_a_mark_is_a_separator_where_its_parts_recur_in_different_company(mark: str):
    cells = [mark.join(labels) for labels in ("ab", "bc", "ca", "a", "b", "c", "abc")]
    assert guess_separator(cells).separator == (mark.strip(" ") or " ")


@pytest.mark.parametrize(
    "cells",
    [
        MODERATION,
        ["Billing, refunds", "Billing, invoices", "Shipping, delays", "Other"],
        ["rights, duties", "law, order", "peace"],
        ["C#", "F#", "C"],
        ["hate speech", "hate", "spam", "credit card fraud"],
        ["Q&A", "R&D", "news"],
        ["a", "b", ""],
    ],
)
def test_a_mark_whose_parts_keep_their_place_is_part_of_names(cells: list[str]):
    guess = guess_separator(cells)
    assert (guess.separator, guess.unclear) == (None, None)


def test_a_mark_within_names_is_told_with_a_cell():
    assert guess_separator(["x, y", "z"]) == Guess(None, None, (",", "x, y"))


@pytest.mark.parametrize(
    ("cells", "mark"),
    [
        (["a, b", "c, b", "d, e", "f, e"], ","),  # b and e behind different firsts, never elsewhere
        (["a;b", "c;d", "a;e", "f;g", "h;i"], ";"),  # most parts stand in a single cell
        (["hate speech", "hate", "speech"], " "),  # one cell with a blank proves nothing
    ],
)
def test_evidence_that_does_not_suffice_is_a_question(cells: list[str], mark: str):
    guess = guess_separator(cells)
    assert guess.separator is None
    assert guess.unclear is not None
    assert guess.unclear[0] == mark


def test_two_separators_in_one_column_are_a_question():
    guess = guess_separator(["a|b", "b|c", "a", "b", "c", "a;c"])
    assert guess == Guess("|", (";", "a;c"))


def test_the_mark_whose_parts_recur_most_wins():
    cells = ["Trust; safety + spam", "spam + news", "Trust; safety", "news", "news + Trust; safety"]
    assert guess_separator(cells).separator == "+"


def test_labels_with_all_that_are_above_them_are_separated():
    cells = [f"sexist|{top}|{top}.{leaf}" for top in (1, 2, 3) for leaf in (1, 2, 3)]
    assert guess_separator(cells).separator == "|"


def test_a_single_bar_is_part_of_names_beside_a_double_one():
    assert (
        guess_separator(["on|off||a", "a||b", "on|off", "b||on|off", "on", "off"]).separator == "||"
    )


@pytest.mark.parametrize("mark", [" and ", " - ", "\\n", "^", "|;|", "<br>", "•", "=>"])
def test_a_mark_that_nobody_expects_is_found_where_its_parts_recur(mark: str):
    cells = [mark.join(labels) for labels in ("ab", "bc", "ca", "a", "b", "c", "abc")]
    assert guess_separator(cells).separator == mark


def test_empty_parts_say_nothing():
    assert guess_separator([",a,,b", "b,a", "a", "b,", "c,a"]).separator == ","
    assert guess_separator([" , a", "a ,  , b", "b , a", "a", "b"]).separator == ","


def test_joined_labels_are_known_by_their_parts():
    assert joined_by("a;b", {"a", "b"}, (";",)) == ";"
    assert joined_by("a;b", {"a"}, (";",)) is None


def test_punctuation_at_the_end_of_names_is_no_part_of_the_mark():
    names = ["Hate (HS)", "Self-harm (SH)", "Spam (SP)"]
    for mark in ("; ", ", ", "|", "\n"):
        pairs = [mark.join(pair) for pair in itertools.permutations(names, 2)]
        assert guess_separator([*names, *pairs]).separator == (mark.strip(" ") or mark)


def test_a_label_is_never_taken_for_a_mark():
    cells = [
        "refund",
        "late",
        "vip",
        "refund late vip",
        "vip late refund",
        "vip late",
        "refund late",
    ]
    assert guess_separator(cells).separator == " "


def test_tags_that_stand_in_every_cell_are_asked_about():
    cells = [f"web bot {tags}" for tags in ("x", "y", "x y", "z", "y z", "x z", "w x", "w y")]
    guess = guess_separator(cells)
    assert guess.separator is None
    assert guess.unclear == (" ", min(cells))
