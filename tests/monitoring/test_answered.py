"""Prevalence by answers to a sample: by hand, over many samples, and without a positive."""

import numpy as np
import pytest
from scipy.stats import hypergeom

from imbtool.monitoring.answered import Strata, estimate_share, exact_zero_bound
from imbtool.monitoring.strata import plan_sample

EVEN = Strata(np.array([900, 100]), np.array([0.01, 0.5]), np.array([0.0001, 0.25]))


def test_without_the_model_the_estimate_is_that_of_horvitz_and_thompson():
    # equal probabilities within a stratum say nothing: 0.9 * 1/10 + 0.1 * 6/10
    stratum = np.repeat([0, 1], 10)
    answers = np.repeat([1.0, 0.0, 1.0, 0.0], (1, 9, 6, 4))
    found = estimate_share(EVEN, stratum, answers, np.where(stratum == 1, 0.5, 0.01))
    assert found.power == 0
    assert found.value == pytest.approx(0.9 * 0.1 + 0.1 * 0.6)
    assert (found.answers, found.positives) == (20, 7)


def test_with_power_the_estimate_is_the_mean_probability_and_what_it_is_off_by():
    # one stratum, probabilities that are right: cov / var = 1, so 0.3 + mean(answers - scores)
    strata = Strata(np.array([1000]), np.array([0.3]), np.array([0.2]))
    scores = np.array([0.9, 0.9, 0.1, 0.1, 0.1])
    answers = np.array([1.0, 1.0, 0.0, 0.0, 0.0])
    found = estimate_share(strata, np.zeros(5, np.int64), answers, scores)
    assert found.power == 1  # 1.25 by least squares, and at most 1
    assert found.value == pytest.approx(0.3 + np.mean(answers - scores))


def test_a_population_that_was_answered_whole_is_known():
    strata = Strata(np.array([4, 2]), np.array([0.1, 0.5]), np.array([0.01, 0.25]))
    answers = np.array([1.0, 0, 0, 0, 1, 0])
    found = estimate_share(strata, np.array([0, 0, 0, 0, 1, 1]), answers, np.full(6, 0.2))
    assert found.value == found.low == found.high == pytest.approx(2 / 6)


def test_what_was_found_is_a_lower_bound_and_what_was_not_an_upper_one():
    strata = Strata(np.array([20]), np.array([0.0]), np.array([0.0]))
    found = estimate_share(
        strata, np.zeros(18, np.int64), np.repeat([1.0, 0.0], (9, 9)), np.zeros(18)
    )
    assert found.low >= 9 / 20 and found.high <= 11 / 20


def test_a_stratum_without_answers_joins_its_neighbour():
    answers = np.array([1.0, 0, 0, 0, 0])
    found = estimate_share(EVEN, np.zeros(5, np.int64), answers, np.full(5, 0.01))
    assert found.value == pytest.approx(0.2)
    none = estimate_share(EVEN, np.zeros(5, np.int64), np.zeros(5), np.full(5, 0.01))
    assert none.high == exact_zero_bound(np.array([1000]), np.array([5])) / 1000
    assert not none.exact


def test_the_bound_without_a_positive_is_that_of_the_strata_as_they_were_drawn():
    stratum = np.repeat([0, 1], (1, 9))
    found = estimate_share(EVEN, stratum, np.zeros(10), np.full(10, 0.01))
    assert found.high == exact_zero_bound(EVEN.sizes, np.array([1, 9])) / 1000
    assert found.exact


def test_where_all_answers_are_positive_the_other_texts_have_the_same_bound():
    stratum = np.repeat([0, 1], 5)
    found = estimate_share(EVEN, stratum, np.ones(10), np.full(10, 0.01))
    bound = exact_zero_bound(EVEN.sizes, np.array([5, 5])) / 1000
    assert found.high == 1
    assert found.low <= 1 - bound


def test_a_tie_is_half_a_positive_and_neither_surely_there_nor_surely_not():
    strata = Strata(np.array([20]), np.array([0.0]), np.array([0.0]))
    answers = np.repeat([1.0, 0.5, 0.0], (4, 4, 8))
    found = estimate_share(strata, np.zeros(16, np.int64), answers, np.zeros(16))
    assert found.value == pytest.approx(6 / 16)
    assert found.positives == 4
    assert found.low >= 4 / 20 and found.high <= 12 / 20


def test_the_bound_without_a_positive_is_exact_in_one_stratum():
    most = exact_zero_bound(np.array([1000]), np.array([100]))
    assert hypergeom.pmf(0, 1000, most, 100) >= 0.025 > hypergeom.pmf(0, 1000, most + 1, 100)


def test_the_bound_without_a_positive_is_exact_over_strata():
    """However one positive more is spread over two strata, it is less likely to stay unseen."""
    sizes, counts = np.array([60, 30]), np.array([10, 12])
    most = exact_zero_bound(sizes, counts)

    def likeliest(total: int) -> float:
        return max(
            hypergeom.pmf(0, 60, first, 10) * hypergeom.pmf(0, 30, total - first, 12)
            for first in range(max(0, total - 18), min(50, total) + 1)
        )

    assert likeliest(most) >= 0.025 > likeliest(most + 1)


def test_without_a_positive_the_share_may_be_none_and_at_most_the_exact_bound():
    found = estimate_share(EVEN, np.repeat([0, 1], 10), np.zeros(20), np.full(20, 0.3))
    bound = exact_zero_bound(EVEN.sizes, np.array([10, 10])) / 1000
    assert (found.value, found.low, found.high) == (0, 0, bound)


@pytest.mark.parametrize("share", [0.008, 0.05])
def test_intervals_cover_the_share_and_are_narrower_than_of_random_texts(share: float):
    covered, worth = _drawn(share, missed=0, apart=2)
    assert covered >= 0.92
    assert worth > 1.2


def test_intervals_cover_where_the_model_misses_half_of_the_positives():
    # the model is sure of the others, so that seen answers vary little until one is met
    covered, worth = _drawn(0.01, missed=0.5, apart=4)
    assert covered >= 0.92
    assert worth > 1.2


def _drawn(share: float, missed: float, apart: float) -> tuple[float, float]:
    """How often intervals of 300 answers hold the share, and the random texts that one is worth."""
    rng, covered, worth = np.random.default_rng(0), [], []
    for population in range(4):
        seen = rng.random(4000) < share * (1 - missed)
        truth = (seen | (rng.random(4000) < share * missed)).astype(float)
        odds = apart * rng.normal(apart * seen) - apart**2 / 2 + np.log(share / (1 - share))
        scores = 1 / (1 + np.exp(-odds))
        design = plan_sample(scores[:, None], 300)
        means = (np.bincount(design.stratum, scores**power) / design.sizes for power in (1, 2))
        strata = Strata(design.sizes, *means)
        for seed in range(100):
            rows = design.draw(1000 * population + seed)
            found = estimate_share(strata, design.stratum[rows], truth[rows], scores[rows])
            covered.append(found.low <= truth.mean() <= found.high)
            worth.append(found.effective / 300)
    return float(np.mean(covered)), float(np.nanmedian(worth))
