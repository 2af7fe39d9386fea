"""Bins, calibration error and Brier score say how far probabilities are off."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn.metrics import brier_score_loss

from imbtool.evaluation.calibration import (
    BINS,
    Calibration,
    brier_scores,
    calibration_error,
    measure_calibration,
    reliability_bins,
    sigmoid,
)
from imbtool.evaluation.document import CalibrationReport

NAN = np.nan


def honest(texts: int, seed: int = 0, prevalence: float = 0.3) -> tuple[NDArray, NDArray]:
    """Two labels' logits, and targets that come true as often as they say."""
    rng = np.random.default_rng(seed)
    logits = np.log(prevalence / (1 - prevalence)) + 1.5 * rng.normal(size=(texts, 2))
    return logits, (rng.random(logits.shape) < sigmoid(logits)).astype(np.float32)


def error_of(probabilities: NDArray, targets: NDArray) -> float:
    return calibration_error(reliability_bins(probabilities.ravel(), targets.ravel()))


def test_bins_are_of_equal_mass_and_rise():
    logits, targets = honest(1_000)
    bins = reliability_bins(sigmoid(logits[:, 0]), targets[:, 0])
    assert [row.texts for row in bins] == [100] * BINS
    said = [row.mean_probability for row in bins]
    assert said == sorted(said)


def test_a_bin_holds_what_was_said_and_what_came_true_with_its_exact_interval():
    probabilities = np.repeat([0.1, 0.7], [20, 10])
    targets = np.concatenate([np.eye(1, 20)[0], [1] * 6 + [0] * 4])
    low, high = reliability_bins(probabilities, targets)
    assert (low.texts, high.texts) == (20, 10)
    assert [low.mean_probability, high.mean_probability] == pytest.approx([0.1, 0.7])
    for row, hits in ((low, 1), (high, 6)):
        exact = binomtest(hits, row.texts).proportion_ci()
        assert [value for _, value in row.share] == pytest.approx([hits / row.texts, *exact])


def test_labels_that_come_together_make_no_interval_narrower():
    logits, targets = honest(500)
    one, same = logits[:, :1], np.repeat(logits[:, :1], 8, axis=1)
    of_one = measure_calibration(["a"], one, targets[:, :1], None)
    of_all = measure_calibration([*"abcdefgh"], same, np.repeat(targets[:, :1], 8, axis=1), None)
    for alone, pooled in zip(of_one.labels["a"].raw.bins, of_all.overall.raw.bins, strict=True):
        assert pooled.texts == 8 * alone.texts
        assert pooled.share.value == pytest.approx(alone.share.value)
        width, own = (each.share.high - each.share.low for each in (pooled, alone))
        assert width == pytest.approx(own, rel=0.1)


@pytest.mark.parametrize("common", [0.0, 1.0])
def test_equal_probabilities_share_a_bin_with_no_others(common: float):
    bins = reliability_bins(np.array([common] * 90 + [0.5] * 10), np.zeros(100))
    assert sorted(row.mean_probability for row in bins) == sorted([common, 0.5])


@given(
    probabilities=arrays(np.float64, 30, elements=st.floats(0, 1)),
    targets=arrays(np.float32, 30, elements=st.sampled_from([0.0, 1.0, NAN])),
)
def test_every_known_text_is_in_one_bin(probabilities, targets):
    bins, known = reliability_bins(probabilities, targets), ~np.isnan(targets)
    assert sum(row.texts for row in bins) == known.sum()
    hits = sum(row.texts * row.share.value for row in bins)
    assert hits == pytest.approx(np.nansum(targets))
    assert all(0 <= row.mean_probability <= 1 + 1e-12 for row in bins)
    assert len(bins) <= BINS


def test_the_calibration_error_is_the_mean_gap_over_texts():
    probabilities, targets = np.repeat([0.1, 0.7], [30, 10]), np.repeat([0.0, 1.0], [30, 10])
    assert error_of(probabilities, targets) == pytest.approx((30 * 0.1 + 10 * 0.3) / 40)


def test_honest_probabilities_have_a_small_error_and_exaggerated_ones_a_large_one():
    logits, targets = honest(5_000)
    assert error_of(sigmoid(logits), targets) < 0.02
    assert error_of(sigmoid(logits + 1.5), targets) > 0.2


def test_by_chance_even_honest_probabilities_have_an_error_and_more_so_in_resamples():
    logits, targets = honest(300)
    own = error_of(sigmoid(logits), targets)
    rows = np.random.default_rng(0).integers(300, size=(50, 300))
    again = [error_of(sigmoid(logits[drawn]), targets[drawn]) for drawn in rows]
    assert 0 < own < np.mean(again)


def test_brier_scores_are_those_of_scikit_learn():
    logits, targets = honest(400)
    targets[::3, 1] = NAN
    probabilities, known = sigmoid(logits), ~np.isnan(targets)
    overall, *labels = brier_scores(probabilities, targets)
    assert overall.value == pytest.approx(brier_score_loss(targets[known], probabilities[known]))
    for label, row in enumerate(labels):
        rows = known[:, label]
        expected = brier_score_loss(targets[rows, label], probabilities[rows, label])
        assert row.value == pytest.approx(expected)
        assert row.low < row.value < row.high


@pytest.mark.parametrize("prevalence", [0.02, 0.3])
def test_intervals_of_brier_scores_hold_the_truth_as_often_as_they_say(prevalence: float):
    logits, _ = honest(200_000, seed=1, prevalence=prevalence)
    true = (sigmoid(logits) * (1 - sigmoid(logits))).mean()
    held = []
    for seed in range(100):
        some, targets = honest(300, seed, prevalence)
        held += [row.low <= true <= row.high for row in brier_scores(sigmoid(some), targets)]
    assert 0.9 < np.mean(held) < 0.99


@settings(deadline=None, max_examples=10)
@given(extra=st.integers(1, 20))
def test_texts_that_nobody_judged_take_no_part(extra: int):
    logits, targets = honest(60)
    more = np.vstack([logits, np.full((extra, 2), 3.0)])
    unknown = np.vstack([targets, np.full((extra, 2), NAN)])
    assert reliability_bins(sigmoid(more[:, 0]), unknown[:, 0]) == reliability_bins(
        sigmoid(logits[:, 0]), targets[:, 0]
    )
    for row, kept in zip(
        brier_scores(sigmoid(more), unknown), brier_scores(sigmoid(logits), targets), strict=True
    ):
        assert row.value == pytest.approx(kept.value)


def report(targets: NDArray, logits: NDArray, calibration: Calibration | None) -> CalibrationReport:
    return measure_calibration(["a", "b"], logits, targets, calibration)


def test_the_report_holds_raw_and_calibrated_together_and_for_each_label():
    logits, targets = honest(500)
    moved = Calibration(np.array([1.0, 1.0]), np.array([-2.0, 0.0]))
    found = report(targets, logits + np.array([2.0, 0.0]), moved)
    assert found.labels["a"].bias == -2.0
    assert found.labels["b"].slope == 1.0
    assert found.labels["a"].raw.ece > 0.2
    assert found.labels["a"].calibrated.ece < 0.05
    assert found.labels["b"].calibrated == found.labels["b"].raw
    assert found.overall.calibrated.ece < found.overall.raw.ece
    assert sum(row.texts for row in found.overall.raw.bins) == 1_000


def test_without_a_calibration_only_raw_probabilities_are_judged():
    logits, targets = honest(50)
    found = report(targets, logits, None)
    for part in (found.overall, found.labels["a"]):
        assert part.raw.bins
        assert part.calibrated is None
    assert found.labels["a"].slope is None
    assert found.labels["a"].bias is None


@pytest.mark.filterwarnings("error")
def test_a_label_that_nobody_judged_has_no_numbers():
    logits, targets = honest(50)
    targets[:, 1] = NAN
    found = report(targets, logits, None)
    silent = found.labels["b"].raw
    assert silent.bins == []
    assert silent.ece is None
    assert {value for _, value in silent.brier} == {None}
    overall, known = found.overall.raw, found.labels["a"].raw
    assert (overall.ece, overall.brier) == (known.ece, known.brier)
    assert [row.share.value for row in overall.bins] == [row.share.value for row in known.bins]
