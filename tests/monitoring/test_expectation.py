"""Expected precision, recall and F1 hold the true ones, under prior shift and from answers."""

import numpy as np
import pytest

from imbtool.monitoring.expectation import answered_metrics, expect_metrics, expect_recall

CUT = 1.5
MEASURES = ("precision", "recall", "f1")


def draw(rng: np.random.Generator, texts: int, share: float, labels: int):
    """Decisions and targets of labels whose positives score 1.5 higher."""
    targets = (rng.random((texts, labels)) < share).astype(np.float32)
    return rng.normal(size=targets.shape) + 1.5 * targets >= CUT, targets


def truth(decisions: np.ndarray, targets: np.ndarray) -> dict[str, np.ndarray]:
    found, present = (decisions & (targets == 1)).sum(axis=0), (targets == 1).sum(axis=0)
    flagged = decisions.sum(axis=0)
    return {
        "precision": found / flagged,
        "recall": found / present,
        "f1": 2 * found / (flagged + present),
    }


@pytest.mark.parametrize("times", [0.25, 1, 4])
def test_intervals_hold_the_truth_under_prior_shift(times: float):
    rng = np.random.default_rng(0)
    decided, targets = draw(rng, 1_000, 0.04, 150)
    new_decided, new_targets = draw(rng, 2_000, 0.04 * times, 150)
    expected = expect_metrics(decided, targets, new_decided.sum(axis=0), 2_000, 0)
    true = truth(new_decided, new_targets)
    for measure in MEASURES:
        value, low, high = getattr(expected, measure)
        assert ((low <= true[measure]) & (true[measure] <= high)).mean() >= 0.9
        assert (low <= value).all() and (value <= high).all()
    assert np.median(expected.recall[0]) == pytest.approx(np.median(true["recall"]), abs=0.05)


def test_few_positives_on_validation_make_wide_intervals():
    rng = np.random.default_rng(0)
    decided, targets = draw(rng, 1_000, 0.05, 2)
    targets[np.flatnonzero(targets[:, 1])[4:], 1] = 0
    low, high = expect_metrics(decided, targets, decided.sum(axis=0), 1_000, 0).recall[1:]
    assert high[1] - low[1] > 1.3 * (high[0] - low[0])


def test_nothing_is_expected_of_a_label_without_positives_or_a_precision_without_flags():
    decided = np.zeros((50, 2), dtype=bool)
    targets = np.zeros((50, 2), dtype=np.float32)
    targets[:5, 0] = 1
    expected = expect_metrics(decided, targets, np.array([0, 0]), 100, 0)
    assert np.isnan(expected.recall[:, 1]).all()
    assert np.isnan(expected.precision).all()
    assert expected.recall[0, 0] < 0.2


def test_recall_of_many_texts_is_that_of_validation():
    rng = np.random.default_rng(0)
    decided, targets = draw(rng, 20_000, 0.1, 1)
    value, low, high = expect_recall(decided, targets, np.array([100_000]), 0)[:, 0]
    assert value == pytest.approx(truth(decided, targets)["recall"][0], abs=0.01)
    assert high - low < 0.06


def test_answers_count_for_the_texts_that_they_stand_for():
    rng = np.random.default_rng(0)
    decided, targets = draw(rng, 50_000, 0.02, 4)
    inclusion = np.where(decided.any(axis=1), 0.2, 0.01)
    drawn = rng.random(len(inclusion)) < inclusion
    true = truth(decided, targets)
    prevalence = np.stack([targets.mean(axis=0)] * 3)
    found = answered_metrics(decided[drawn], targets[drawn], inclusion[drawn], prevalence, 0)
    for measure in MEASURES:
        value, low, high = getattr(found, measure)
        assert ((low <= true[measure]) & (true[measure] <= high)).mean() >= 0.75
        assert np.abs(value - true[measure]).max() < 0.25


def test_unknown_answers_are_left_out():
    decided = np.array([[True], [True], [False], [True]])
    targets = np.array([[1], [0], [0], [np.nan]], dtype=np.float32)
    found = answered_metrics(decided, targets, np.full(4, 0.5), np.full((3, 1), 1 / 3), 0)
    assert found.precision[0, 0] == pytest.approx(0.5)
    assert found.recall[0, 0] == 1


def test_recall_and_f1_allow_for_positives_that_no_answered_text_has():
    # 30 positives, all found and flagged; 60 where the label is as frequent as it may be
    decided, targets = np.ones((30, 1), dtype=bool), np.ones((30, 1), dtype=np.float32)
    prevalence = np.array([[0.03], [0.02], [0.06]])
    found = answered_metrics(decided, targets, np.ones(30), prevalence, 0)
    assert found.recall[:, 0] == pytest.approx([1, 1 / 2, 1])
    assert found.f1[:, 0] == pytest.approx([1, 2 * 30 / (30 + 60), 1])
    assert found.precision[1, 0] > 0.8
    assert (found.prevalence == prevalence).all()
