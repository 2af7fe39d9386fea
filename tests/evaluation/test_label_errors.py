"""Annotations are suspected by Bayes' rule, each label against its own frequency."""

import numpy as np
import pytest
from noisylabels import flips, scene
from scipy.special import expit, logit

from imbtool.evaluation.label_errors import (
    ERROR_RATE,
    LEAST_CHANCE,
    error_chances,
    suspected_label_errors,
)

NAN = np.nan


def test_the_chance_is_bayes_rule_with_the_labels_own_frequency():
    # calibrated as they are: of each column the probabilities sum to its positives
    targets = np.repeat([[1.0], [0.0]], [100, 300], axis=0).astype(np.float32)
    probabilities = np.full((400, 1), 0.25)
    chances = error_chances(probabilities, targets)
    odds = ERROR_RATE / (1 - ERROR_RATE)
    assert chances[0, 0] == pytest.approx(odds / (1 + odds), rel=1e-3)
    odds *= 0.25 / 0.75
    assert chances[-1, 0] == pytest.approx(odds / (1 + odds), rel=1e-3)


def test_a_rare_label_is_not_suspected_for_being_improbable_everywhere():
    targets = np.zeros((1_000, 1), np.float32)
    targets[:10] = 1
    assert np.isnan(suspected_label_errors(np.full((1_000, 1), 0.01), targets)).all()


def test_a_missing_label_is_suspected_where_it_is_probable_and_a_given_one_where_it_is_not():
    truth, logits = scene()
    targets = truth.astype(np.float32)
    sure, unlikely = np.argmax(logits[:, 2]), np.argmin(logits[:, 2])
    targets[sure, 2], targets[unlikely, 2] = 0, 1
    chances = error_chances(expit(logits), targets)[:, 2]
    assert set(np.argsort(-chances)[:2]) == {sure, unlikely}
    assert chances[[sure, unlikely]].min() > 0.8


@pytest.mark.parametrize(("slope", "shift"), [(1.0, 0.0), (0.5, 1.5)])
def test_flipped_labels_are_most_of_the_top_also_where_a_loss_moved_probabilities(slope, shift):
    truth, logits = scene()
    flipped = flips(truth, 0.1)
    scores = suspected_label_errors(
        expit(slope * logits + shift), (truth ^ flipped).astype(np.float32)
    )
    top = np.argsort(-scores, axis=None)[:40]
    assert flipped.mean() < 0.03
    assert flipped.ravel()[top].mean() >= 0.9


def test_the_chances_add_up_to_no_more_than_the_errors_there_are():
    truth, logits = scene(20_000)
    flipped = flips(truth, ERROR_RATE)
    scores = suspected_label_errors(expit(logits), (truth ^ flipped).astype(np.float32))
    suspected = ~np.isnan(scores)
    errors = flipped[suspected].sum()
    assert 0.5 * errors < np.nansum(scores) < errors
    assert errors > 0.5 * suspected.sum()


def test_only_suspected_errors_have_a_score():
    truth, logits = scene()
    targets = (truth ^ flips(truth, 0.1)).astype(np.float32)
    chances, scores = (
        each(expit(logits), targets) for each in (error_chances, suspected_label_errors)
    )
    assert 0 < (chances >= LEAST_CHANCE).sum() < chances.size
    assert np.array_equal(np.isnan(scores), chances < LEAST_CHANCE)


def test_unknown_targets_are_neither_suspected_nor_counted():
    truth, logits = scene()
    targets = (truth ^ flips(truth, 0.1)).astype(np.float32)
    unknown = np.concatenate([targets, np.full_like(targets, NAN)])
    more = error_chances(expit(np.concatenate([logits, -logits])), unknown)
    assert np.isnan(more[len(targets) :]).all()
    np.testing.assert_allclose(more[: len(targets)], error_chances(expit(logits), targets))


def test_a_label_that_is_always_or_never_given_is_not_suspected():
    probabilities = np.linspace(0, 1, 20).reshape(10, 2)
    targets = np.tile(np.array([1, 0], np.float32), (10, 1))
    assert np.isnan(error_chances(probabilities, targets)).all()


def test_a_model_that_knows_nothing_suspects_nothing_however_few_the_positives():
    """With many positives little is needed for a suspicion: there some slight ones remain."""
    rng = np.random.default_rng(0)
    targets = np.zeros((2_000, 5), np.float32)
    for label, positives in enumerate((3, 6, 12, 50, 400)):
        targets[rng.choice(2_000, positives, replace=False), label] = 1
    logits = logit(targets.mean(axis=0)) + rng.normal(size=targets.shape)
    scores = suspected_label_errors(expit(logits), targets)
    assert np.isnan(scores[:, :4]).all()
    assert (~np.isnan(scores[:, 4])).mean() < 0.01
    assert np.nanmax(scores) < 0.2
