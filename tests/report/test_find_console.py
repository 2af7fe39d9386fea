"""The screen of a search: the pool, the labels, what is left, and whether to go on."""

import re

import pytest
from screens import printed
from searches import answered, need, remaining, search

from imbtool.annotation.batch import Batch
from imbtool.report.console.find import find_views
from imbtool.search.stopping import advice


def screen(batch: Batch) -> list[str]:
    return [" ".join(line.split()) for line in printed(find_views(batch), 240).splitlines()]


def test_what_was_left_out_of_the_pool_is_counted() -> None:
    lines = screen(search(texts=1200, labelled=30, repeated=1))
    assert lines[0] == (
        "The pool has 1,200 texts. These are left out: 30 labelled already, or nearly the same as "
        "a labelled text; 1 repeated in the pool."
    )
    assert screen(search(texts=7))[0] == "The pool has 7 texts."


def test_how_the_texts_were_chosen_is_counted() -> None:
    assert screen(search())[1] == (
        "The batch has 5 texts: 2 chosen by score, 1 chosen by likeness to an example, a "
        "description or a name, 1 chosen by the pattern, 1 drawn at random."
    )
    assert screen(search(chosen=["score"]))[1].endswith("1 chosen by score, none drawn at random.")


def test_each_label_has_its_line_and_the_sum_stands_below() -> None:
    lines = screen(search([need("threat\x1b", 1200, 5.25, 0.125), need("spam", 4, 1.5, 0.5)]))
    assert "threat\\x1b 1,200 10 5.2 0.1 why threat\x1b".replace("\x1b", "") in [
        line.replace("\x1b", "") for line in lines
    ]
    assert "spam 4 10 1.5 0.5 why spam" in lines
    assert (
        "The batch is expected to hold about 7 positives of these labels. As many random texts are "
        "expected to hold 0.6."
    ) in lines


def test_bounds_are_shown_of_the_labels_that_are_searched_for() -> None:
    left = [remaining("threat", 2, 1300, 0.0023), remaining("billing", 5, 9)]
    lines = screen(search([need("threat", 0)], [answered("01", 10, 3)], left))
    title = "Positives in the pool, by 10 random texts (exact 95% bounds)"
    assert title in " ".join(lines), "it may be wider than its table"
    assert "threat 3 2 to 1,300 0.2% to 100.0%" in lines
    assert not any(line.startswith("billing") for line in lines)
    assert any(line.startswith("The bounds rest on these random texts alone") for line in lines)


def test_nothing_is_said_of_what_is_left_before_random_texts_are_answered() -> None:
    assert not any(re.search("bounds", line) for line in screen(search()))


@pytest.mark.parametrize(
    ("batch", "told"),
    [
        (search(), "Label this batch. Once it is merged,"),
        (search(chosen=["score"]), "Label this batch. Without random texts (--random),"),
        (search(left=[remaining("threat", 0, 40)]), "This batch is worth labelling."),
        (search(left=[remaining("threat", 0, 0)]), "The pool holds no more positives"),
        (search(left=[remaining("threat", 0, 2, 0.95)]), "At least nine in ten positives"),
        (
            search([need("threat", 0, 0.5)], [answered("01", 100, 0)]),
            "This batch is hardly worth labelling",
        ),
        (
            search([need("threat", 0, 5, 4)], [answered("01", 100, 0)]),
            "This batch is hardly worth labelling",
        ),
        (search([need("threat", 0, 0.5)]), "Label this batch."),
    ],
)
def test_the_last_line_says_whether_to_go_on(batch: Batch, told: str) -> None:
    assert advice(batch).startswith(told)
    assert screen(batch)[-1] == advice(batch)
