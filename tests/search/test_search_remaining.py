"""What a pool still holds: the bounds are exact, and hold as often as they say."""

from math import comb

import numpy as np
import pytest

from imbtool.search.remaining import Bounds, remaining_positives


def probability(population: int, positives: int, sample: int, hits: int) -> float:
    """Of so many hits, by counting."""
    ways = comb(positives, hits) * comb(population - positives, sample - hits)
    return ways / comb(population, sample)


def counted(population: int, sample: int, hits: int) -> list[int]:
    """All numbers of positives that neither tail rejects at 2.5%."""
    found = []
    for positives in range(hits, population - sample + hits + 1):
        above = sum(probability(population, positives, sample, k) for k in range(hits, sample + 1))
        below = sum(probability(population, positives, sample, k) for k in range(hits + 1))
        if above > 0.025 and below > 0.025:
            found.append(positives)
    return found


@pytest.mark.parametrize("population", [1, 5, 13, 24])
def test_bounds_are_those_that_counting_gives(population):
    for sample in range(1, population + 1):
        for hits in range(sample + 1):
            likely = counted(population, sample, hits)
            bounds = remaining_positives(population, sample, hits, sample, hits)
            expected = (likely[0] - hits, likely[-1] - hits)
            assert (bounds.low, bounds.high) == expected, (sample, hits)


def test_what_was_found_beside_the_sample_is_no_longer_there():
    alone = remaining_positives(1000, 100, 2, 100, 2)
    beside = remaining_positives(1000, 100, 2, 300, 12)
    assert beside.high == alone.high - 10
    assert (beside.recall_low, beside.recall_high) == pytest.approx(
        (12 / (12 + beside.high), 12 / (12 + beside.low))
    )


def test_what_was_read_without_being_positive_is_not_there():
    assert remaining_positives(10, 2, 2, 9, 4).high == 1


def test_a_pool_that_was_read_holds_nothing_more():
    assert remaining_positives(50, 50, 3, 50, 3) == Bounds(0, 0, 1.0, 1.0)
    assert remaining_positives(50, 50, 0, 50, 0) == Bounds(0, 0, 0.0, 1.0)


def test_no_positive_anywhere_leaves_the_recall_open():
    bounds = remaining_positives(1000, 30, 0, 30, 0)
    assert (bounds.low, bounds.recall_low, bounds.recall_high) == (0, 0.0, 1.0)
    likely = [m for m in range(970) if probability(1000, m, 30, 0) > 0.025]
    assert bounds.high == max(likely)


def searched(
    rng: np.random.Generator, population: int, positives: int, helpful: bool
) -> tuple[bool, bool]:
    """Some batches, each partly from the front of a random order, partly by score.

    Returns:
        Whether the bounds hold for what is left, and for the recall.
    """
    truth = np.zeros(population, dtype=bool)
    truth[:positives] = True
    place = rng.permutation(population)  # in the random order
    scores = rng.normal(size=population) + (2 * truth if helpful else 0)
    scores[place < 0.05 * population] = -np.inf  # reserved
    read = np.zeros(population, dtype=bool)
    drawn: list[int] = []
    for _ in range(4):
        free = np.flatnonzero(~read)
        by_score = free[np.argsort(-scores[free])[:27]]
        read[by_score] = True
        left = np.flatnonzero(~read)
        random = left[np.argsort(place[left])[:13]]
        read[random] = True
        drawn += random.tolist()
    front = place <= place[drawn].max()
    assert read[front].all()
    hits, found = int(truth[front].sum()), int(truth[read].sum())
    bounds = remaining_positives(population, int(front.sum()), hits, int(read.sum()), found)
    still = positives - found
    recall = found / positives
    assert bounds.low <= bounds.high
    bounded = bounds.low <= still <= bounds.high
    held = bounds.recall_low <= recall <= bounds.recall_high
    return bounded, held


@pytest.mark.parametrize("positives", [4, 30, 200])
@pytest.mark.parametrize("helpful", [True, False])
def test_bounds_hold_in_95_of_100_searches_that_read_by_score_beside_the_random_texts(
    positives, helpful
):
    rng = np.random.default_rng(positives)
    outcomes = [searched(rng, 500, positives, helpful) for _ in range(200)]
    bounded, held = np.mean(outcomes, axis=0)
    assert bounded >= 0.95
    assert held >= 0.95
