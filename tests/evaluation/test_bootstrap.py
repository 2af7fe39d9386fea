"""Every resample has the measures of the texts it took, as the metrics give them."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import bootstrap

from imbtool.evaluation import intervals as module
from imbtool.evaluation.intervals import RESAMPLES, draw_weights, resample
from imbtool.evaluation.metrics import Measures, confusion, mean_of_each, measure

NAN = np.nan


def sample(texts: int = 60, seed: int = 0) -> tuple[NDArray, NDArray, NDArray]:
    """Decisions, scores with ties, and targets [texts, 4]: one label rare, one with none."""
    rng = np.random.default_rng(seed)
    targets = (rng.random((texts, 4)) < [0.4, 0.2, 0.0, 0.0]).astype(np.float32)
    targets[7, 2] = 1
    targets[rng.random((texts, 4)) < 0.1] = NAN
    targets[7, 2] = 1
    scores = np.round(rng.normal(size=(texts, 4)) + np.nan_to_num(targets), 1)
    return scores > 0.7, scores, targets


def weights_of(texts: int, seed: int = 0) -> NDArray:
    """All weights at once, [texts, RESAMPLES]."""
    return np.concatenate(list(draw_weights(texts, seed)), axis=1)


def same(first: Measures, second: Measures) -> bool:
    """Whether all measures are the same, NaN where the other is NaN."""
    others = second.by_name()
    return all(np.array_equal(v, others[k], equal_nan=True) for k, v in first.by_name().items())


def test_a_resample_takes_as_many_texts_as_there_are_each_as_often_as_any():
    weights = weights_of(50)
    assert weights.shape == (50, RESAMPLES)
    assert (weights.sum(axis=0) == 50).all()
    assert weights.var() == pytest.approx(1 - 1 / 50, abs=0.02)
    # a mean of 2,000 draws of variance 1: five standard errors
    assert np.abs(weights.mean(axis=1) - 1).max() < 5 / RESAMPLES**0.5


def test_the_measures_of_a_resample_are_those_of_the_texts_it_took():
    decisions, scores, targets = sample()
    resampled, weights = resample(decisions, scores, targets).by_name(), weights_of(len(targets))
    for number in range(0, RESAMPLES, 100):
        taken = np.repeat(np.arange(len(targets)), weights[:, number].astype(int))
        expected = measure(decisions[taken], scores[taken], targets[taken]).by_name()
        for name, values in expected.items():
            assert resampled[name][number] == pytest.approx(values, nan_ok=True), name


def test_counts_of_a_resample_are_those_of_the_texts_it_took():
    decisions, scores, targets = sample()
    counts, weights = resample(decisions, scores, targets).counts, weights_of(len(targets))
    taken = np.repeat(np.arange(len(targets)), weights[:, 3].astype(int))
    expected = confusion(decisions[taken], targets[taken])
    assert counts.true_positives[3].tolist() == expected.true_positives.tolist()
    assert counts.false_positives[3].tolist() == expected.false_positives.tolist()
    assert counts.false_negatives[3].tolist() == expected.false_negatives.tolist()


def test_a_label_with_one_positive_is_undefined_in_the_resamples_that_miss_it():
    decisions, scores, targets = sample()
    resampled = resample(decisions, scores, targets).by_name()
    missed = weights_of(len(targets))[7] == 0
    assert missed.mean() == pytest.approx(np.exp(-1), abs=0.05)
    for name, values in resampled.items():
        assert np.isnan(values[:, 2])[missed].all(), name
        assert not np.isnan(values[:, 2])[~missed].any(), name


def test_a_label_without_positives_is_undefined_in_every_resample():
    for name, values in resample(*sample()).by_name().items():
        assert np.isnan(values[:, 3]).all(), name


def test_unknown_targets_take_no_part():
    decisions, scores, targets = sample()
    unknown = np.isnan(targets)
    others = resample(decisions ^ unknown, np.where(unknown, 99.0, scores), targets)
    assert same(resample(decisions, scores, targets), others)


def test_the_same_seed_gives_the_same_resamples_and_another_one_others():
    assert same(resample(*sample()), resample(*sample()))
    assert not same(resample(*sample()), resample(*sample(), seed=1))


def test_small_parts_are_as_good_as_one(monkeypatch):
    monkeypatch.setattr(module, "MOST_WEIGHTS", 60 * 64)
    parts = list(draw_weights(60, 0))
    assert [part.shape[1] for part in parts] == [64] * 31 + [16]
    values = resample(*sample()).by_name()
    assert all(value.shape == (RESAMPLES, 4) for value in values.values())


@pytest.mark.parametrize("name", ["f1", "average_precision", "roc_auc"])
def test_the_spread_of_a_macro_mean_is_that_of_scipy_s_bootstrap(name):
    decisions, scores, targets = (part[:, :2] for part in sample(texts=120))

    def macro(rows: NDArray) -> float:
        taken = rows.astype(int)
        values = measure(decisions[taken], scores[taken], targets[taken]).by_name()[name]
        return float(mean_of_each(values, np.ones(2)))

    theirs = bootstrap(
        (np.arange(120),), macro, n_resamples=250, method="percentile", vectorized=False, rng=0
    )
    ours = mean_of_each(resample(decisions, scores, targets).by_name()[name], np.ones(2))
    assert ours.std() == pytest.approx(theirs.standard_error, rel=0.15)
    ends = (theirs.confidence_interval.low, theirs.confidence_interval.high)
    assert np.quantile(ours, [0.025, 0.975]) == pytest.approx(ends, abs=0.02)
