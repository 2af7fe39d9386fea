"""Exact intervals of shares, against published values and at their ends."""

import pytest

from imbtool.evaluation.intervals import exact_interval


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [
        (0, 10, 0.0, 0.3085),
        (10, 10, 0.6915, 1.0),
        (1, 10, 0.0025, 0.4450),
        (15, 50, 0.1786, 0.4461),
    ],
)
def test_agrees_with_published_tables(hits: int, trials: int, low: float, high: float) -> None:
    assert exact_interval(hits, trials) == pytest.approx((low, high), abs=5e-5)


def test_nothing_tried_says_nothing() -> None:
    assert exact_interval(0, 0) == (0.0, 1.0)


def test_hits_need_not_be_whole() -> None:
    low, high = exact_interval(2.5, 10)
    assert exact_interval(2, 10)[0] < low < exact_interval(3, 10)[0]
    assert exact_interval(2, 10)[1] < high < exact_interval(3, 10)[1]
