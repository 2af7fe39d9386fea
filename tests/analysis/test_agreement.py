"""Agreement of annotators, against published examples and made-up people."""

import numpy as np
import pytest

from imbtool.analysis.agreement import (
    alpha_estimate,
    krippendorff_alpha,
    majority,
    measure_agreement,
)

N = np.nan
# Krippendorff, Computing Krippendorff's Alpha-Reliability, 2011: sections A, B and C
TWO_VALUES = [[0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]]
FIVE_VALUES = [[1, 1, 2, 2, 4, 3, 3, 3, 5, 4, 4, 1], [2, 1, 2, 2, 2, 3, 3, 3, 5, 4, 4, 4]]
MISSING = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, N, N, N],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, N, 3],
    [N, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, N],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, N],
]


@pytest.mark.parametrize(
    ("ratings", "alpha"), [(TWO_VALUES, 0.095), (FIVE_VALUES, 0.692), (MISSING, 0.743)]
)
def test_alpha_is_that_of_the_published_examples(ratings, alpha):
    assert krippendorff_alpha(np.array(ratings, dtype=float)) == pytest.approx(alpha, abs=5e-4)


def test_alpha_is_undefined_where_nobody_could_differ():
    assert np.isnan(krippendorff_alpha(np.zeros((2, 5))))
    assert np.isnan(krippendorff_alpha(np.array([[1, N], [N, 0]])))
    assert np.isnan(krippendorff_alpha(np.full((2, 3), N)))
    assert alpha_estimate(np.zeros((2, 5))).value is None


def people(rng: np.random.Generator, texts: int, errors: list[float]) -> np.ndarray:
    """Annotators [A, texts, 1] of a label that a fifth of the texts have."""
    truth = rng.random(texts) < 0.2
    wrong = rng.random((len(errors), texts)) < np.array(errors)[:, None]
    return np.where(wrong, ~truth, truth).astype(float)[:, :, None]


def test_the_interval_of_alpha_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    truth = krippendorff_alpha(people(rng, 300_000, [0.05] * 3)[:, :, 0])
    estimates = [alpha_estimate(people(rng, 200, [0.05] * 3)[:, :, 0]) for _ in range(100)]
    held = sum(each.low <= truth <= each.high for each in estimates)
    assert held >= 90


def test_an_alpha_of_1_from_few_positives_is_uncertain():
    few = alpha_estimate(np.array([[1, *[0] * 50]] * 2, dtype=float))
    many = alpha_estimate(np.array([[*[1] * 40, *[0] * 40]] * 2, dtype=float))
    assert few.value == many.value == 1
    assert few.low < 0.1
    assert many.low > 0.9


def test_an_interval_may_reach_below_chance():
    estimate = alpha_estimate(np.array(TWO_VALUES, dtype=float))
    assert estimate.low < 0 < estimate.high


def test_the_majority_decides_and_a_tie_is_unknown():
    ratings = np.array([[1, 1, 1, N, 0], [1, 0, 0, N, N], [0, 0, N, N, N]], dtype=float)
    np.testing.assert_array_equal(majority(ratings), [1, 0, N, N, 0])


def test_the_annotator_who_differs_is_named_and_no_other():
    ratings = people(np.random.default_rng(1), 400, [0.02, 0.02, 0.02, 0.3])
    agreement = measure_agreement(ratings, ["anna", "ben", "cleo", "dan"], ["threat"])
    differing = {name: each.differs for name, each in agreement.annotators.items()}
    assert differing == {"anna": False, "ben": False, "cleo": False, "dan": True}
    assert agreement.annotators["dan"].more > agreement.annotators["anna"].more


def test_of_two_annotators_neither_is_the_one_who_differs():
    ratings = people(np.random.default_rng(1), 400, [0.02, 0.3])
    agreement = measure_agreement(ratings, ["anna", "ben"], ["threat"])
    assert not any(each.differs for each in agreement.annotators.values())


def test_the_ceiling_is_the_f1_of_one_person_against_the_others():
    ratings = np.array([[1, 1, 0, 0], [1, 0, 0, 1]], dtype=float)[:, :, None]
    label = measure_agreement(ratings, ["anna", "ben"], ["threat"]).labels["threat"]
    assert label.ceiling == 0.5
    assert (label.texts, label.positives, label.split) == (4, 3, 2)


def test_what_was_answered_by_one_person_alone_is_not_compared():
    ratings = np.array([[1, 1, N], [1, N, 0]], dtype=float)[:, :, None]
    agreement = measure_agreement(ratings, ["anna", "ben"], ["threat"])
    assert agreement.labels["threat"].texts == 1
    assert [(each.texts, each.compared) for each in agreement.annotators.values()] == [(2, 1)] * 2
