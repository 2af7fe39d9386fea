"""Calibrations keep the order of texts; rare labels are calibrated much as all labels together."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from imbtool.evaluation.calibration import (
    SLOPES,
    STRENGTHS,
    Calibration,
    choose_strength,
    fit_each_label,
    fit_shared_slope,
    fit_with_pooling,
    matching_bias,
    sigmoid,
)


def noisy(
    gap: float, noise: float, labels: int = 3, seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Logits that stand `gap` on either side of zero, with noise, and their targets."""
    rng = np.random.default_rng(seed)
    targets = (rng.random((200, labels)) < 0.2).astype(np.float32)
    return gap * (2 * targets - 1) + noise * rng.normal(size=targets.shape), targets


def squeezed() -> tuple[NDArray[np.float64], NDArray[np.float32], NDArray[np.float64]]:
    """Logits of true slope 2.5 and bias -1.75, targets drawn by them, and their prevalence."""
    rng = np.random.default_rng(0)
    true = rng.normal(-1, 2, size=(4000, 3))
    targets = (rng.random(true.shape) < sigmoid(true)).astype(np.float32)
    return true / 2.5 + 0.7, targets, sigmoid(true).mean(axis=0)


@settings(deadline=None, max_examples=40)
@given(
    prevalence=st.lists(st.floats(0.001, 0.9), min_size=3, max_size=3),
    gap=st.floats(0, 4),
    seed=st.integers(0, 100),
)
def test_after_fitting_the_mean_probability_is_the_prevalence(prevalence, gap, seed):
    logits, targets = noisy(gap, 2.0, seed=seed)
    fitted = fit_shared_slope(logits, targets, np.array(prevalence))
    assert sigmoid(fitted.logits(logits)).mean(axis=0) == pytest.approx(prevalence, abs=1e-4)


@pytest.mark.parametrize("gap", [3.0, 6.0, 10.0])
def test_the_mean_is_the_prevalence_also_where_scores_are_perfectly_apart(gap: float):
    targets = np.repeat([[1.0], [0.0]], [10, 40], axis=0).astype(np.float32)
    fitted = fit_shared_slope(gap * (2.0 * targets - 1), targets, np.array([0.05]))
    calibrated = sigmoid(fitted.logits(gap * (2.0 * targets - 1)))
    assert calibrated.mean() == pytest.approx(0.05, abs=1e-4)


@pytest.mark.parametrize("gap", [1.0, 20.0, 100.0])
def test_the_bias_is_found_however_far_apart_the_scores_are(gap: float):
    logits = np.repeat([[gap], [-gap]], [2, 8], axis=0)
    bias = matching_bias(logits, np.array([0.1]), np.full(logits.shape, True))
    assert sigmoid(logits + bias).mean() == pytest.approx(0.1, abs=1e-4)


def test_the_shared_slope_is_found_again():
    fitted = fit_shared_slope(*squeezed())
    assert fitted.slope == pytest.approx([2.5] * 3, rel=0.1)
    assert fitted.bias == pytest.approx([-1.75] * 3, abs=0.2)


@pytest.mark.parametrize("share", [0.0, 1.0], ids=["no positive", "no negative"])
def test_a_label_of_one_value_in_training_harms_no_other(share: float):
    logits, targets, prevalence = squeezed()
    alone = fit_shared_slope(logits[:, 1:], targets[:, 1:], prevalence[1:])
    beside = fit_shared_slope(logits, targets, np.array([share, *prevalence[1:]]))
    assert beside.slope[1:] == pytest.approx(alone.slope)
    assert beside.bias[1:] == pytest.approx(alone.bias)
    assert sigmoid(beside.logits(logits))[:, 0].mean() == pytest.approx(share, abs=1e-4)


def test_unknown_targets_do_not_move_the_slope():
    logits, targets, prevalence = squeezed()
    targets[::2] = np.nan
    assert fit_shared_slope(logits, targets, prevalence).slope[0] == pytest.approx(2.5, rel=0.1)


def test_the_slope_stays_within_its_bounds():
    logits, targets, prevalence = squeezed()
    backwards = fit_shared_slope(-logits, targets, prevalence).slope[0]
    assert SLOPES[0] <= backwards < 1.1 * SLOPES[0]


def test_constant_scores_are_calibrated_to_the_prevalence():
    fitted = fit_shared_slope(np.full((5, 1), 3.0), np.zeros((5, 1), np.float32), np.array([0.3]))
    assert sigmoid(fitted.logits(np.array([[3.0]]))) == pytest.approx(0.3)


def test_raw_undoes_calibration():
    calibration = Calibration(np.array([2.0, 4.0]), np.array([1.0, -3.0]))
    assert calibration.logits(np.array([[0.5, 2.0]])).tolist() == [[2.0, 5.0]]
    assert calibration.raw(np.array([2.0, 5.0])).tolist() == [0.5, 2.0]


@given(
    logits=arrays(np.float64, (6, 2), elements=st.floats(-50, 50)),
    slope=arrays(np.float64, 2, elements=st.floats(0.01, 10)),
    bias=arrays(np.float64, 2, elements=st.floats(-10, 10)),
)
def test_calibrated_probabilities_never_fall_where_logits_rise(logits, slope, bias):
    logits.sort(axis=0)
    assert (np.diff(Calibration(slope, bias).probabilities(logits), axis=0) >= 0).all()


def test_logits_at_which_probabilities_saturate_are_still_told_apart():
    logits = np.array([[40.0], [50.0]])
    probabilities = Calibration(np.array([0.1]), np.zeros(1)).probabilities(logits)
    assert probabilities.ravel() == pytest.approx([0.982, 0.993], abs=1e-3)


@pytest.mark.filterwarnings("error")
def test_the_sigmoid_never_overflows():
    assert sigmoid(np.array([0.0, np.log(3.0)])) == pytest.approx([0.5, 0.75])
    assert sigmoid(np.array([-1000.0, 1000.0])).tolist() == [0.0, 1.0]


NAN = np.nan
ALONE, TOGETHER = 1e-4, 1e6
"""Strengths at which every label goes its own way, and none does."""
TRUE_SLOPE = 1.6
TRUE_BIAS = -1.5


class Scene:
    """Twelve labels from 1 in 250 to 1 in 5, each distorted about alike."""

    def __init__(self, spread: float, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.prevalence = np.geomspace(0.004, 0.2, 12)
        self.slope = TRUE_SLOPE * np.exp(0.35 * spread * self.rng.normal(size=12))
        self.bias = TRUE_BIAS + spread * self.rng.normal(size=12)

    def draw(self, texts: int) -> tuple[NDArray, NDArray, NDArray]:
        """Logits as a model gives them, targets, and the true logits: [texts, 12] each."""
        usual = np.log(self.prevalence / (1 - self.prevalence)) - 1.6
        true = usual + 2.2 * self.rng.normal(size=(texts, 12))
        targets = (self.rng.random(true.shape) < sigmoid(true)).astype(np.float32)
        return (true - self.bias) / self.slope, targets, true


def log_loss(calibration: Calibration, logits: NDArray, true: NDArray) -> float:
    """What the calibration costs in texts without end, above what the truth does."""

    def expected(claimed: NDArray) -> float:
        right = sigmoid(true)
        return (right * np.logaddexp(0, -claimed) + (1 - right) * np.logaddexp(0, claimed)).mean()

    return float(expected(calibration.logits(logits)) - expected(true))


@pytest.mark.parametrize("spread", [0.25, 0.5])
def test_drawn_together_labels_do_better_on_new_texts_than_alone_or_all_alike(spread: float):
    losses = []
    for seed in range(8):
        scene = Scene(spread, seed)
        logits, targets, _ = scene.draw(2_000)
        new, _, true = scene.draw(10_000)
        chosen = choose_strength(logits, targets, seed)
        fits = [
            fit_with_pooling(logits, targets, strength) for strength in (chosen, ALONE, TOGETHER)
        ]
        losses.append([log_loss(fit, new, true) for fit in fits])
    drawn, alone, together = np.mean(losses, axis=0)
    assert drawn < 0.95 * alone
    assert drawn < 0.7 * together


def test_labels_that_are_distorted_alike_are_calibrated_alike():
    logits, targets, _ = Scene(spread=0.0).draw(3_000)
    fitted = fit_each_label(logits, targets)
    assert fitted.slope == pytest.approx([TRUE_SLOPE] * 12, rel=0.15)
    assert fitted.bias == pytest.approx([TRUE_BIAS] * 12, abs=0.3)


def test_labels_that_are_distorted_differently_are_left_apart():
    strengths = [
        choose_strength(*Scene(spread).draw(3_000)[:2], seed=0) for spread in (0.0, 0.5, 2.0)
    ]
    assert strengths[0] > strengths[1] > strengths[2]


def test_a_label_alone_is_fitted_as_logistic_regression_does():
    logits, targets, _ = Scene(spread=0.5).draw(2_000)
    fitted = fit_with_pooling(logits, targets, 1e-6)
    for label, column in enumerate(logits.T):
        reference = LogisticRegression(C=np.inf, tol=1e-8).fit(column[:, None], targets[:, label])
        assert fitted.slope[label] == pytest.approx(reference.coef_[0, 0], rel=1e-3)
        assert fitted.bias[label] == pytest.approx(reference.intercept_[0], abs=1e-2)


def test_the_rarer_a_label_the_nearer_it_stays_to_the_mean():
    rng = np.random.default_rng(0)
    logits = rng.normal(-1, 2, size=(4_000, 3))
    targets = (rng.random(logits.shape) < sigmoid(logits + np.array([1.5, 0, 0]))).astype(
        np.float32
    )
    seldom = targets.copy()
    seldom[40:, 0] = NAN
    frequent, rare = (fit_with_pooling(logits, of, 10.0).bias[0] for of in (targets, seldom))
    assert frequent == pytest.approx(1.5, abs=0.2)
    assert 0 < rare < 0.6 * frequent


def test_a_label_without_known_targets_gets_the_mean_of_the_others():
    logits, targets, _ = Scene(spread=0.3).draw(1_000)
    targets[:, 5] = NAN
    fitted = fit_with_pooling(logits, targets, 10.0)
    others = np.delete(np.stack([np.log(fitted.slope), fitted.bias]), 5, axis=1)
    assert [np.log(fitted.slope[5]), fitted.bias[5]] == pytest.approx(others.mean(axis=1), abs=0.01)


def test_unknown_targets_say_nothing():
    logits, targets, _ = Scene(spread=0.3).draw(1_000)
    padded = np.vstack([logits, np.full((500, 12), 9.0)])
    unknown = np.vstack([targets, np.full((500, 12), NAN, np.float32)])
    kept, fitted = fit_with_pooling(logits, targets, 1.0), fit_with_pooling(padded, unknown, 1.0)
    assert fitted.bias == pytest.approx(kept.bias)
    assert fitted.slope == pytest.approx(kept.slope)


def test_a_label_that_never_occurs_is_made_less_probable_but_not_impossible():
    logits, targets, _ = Scene(spread=0.3).draw(1_000)
    logits[:, 11], targets[:, 11] = logits[:, 10], 0
    fitted = fit_each_label(logits, targets)
    mean = fitted.probabilities(logits).mean(axis=0)
    assert 0 < mean[11] < mean[10] / 5


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("gap", [0.5, 5.0, 50.0])
@pytest.mark.parametrize("way", [1, -1])
def test_scores_that_are_perfectly_apart_or_the_wrong_way_round_have_a_finite_fit(
    gap: float, way: int
):
    targets = np.repeat([[1.0, 0.0], [0.0, 0.0]], [20, 180], axis=0).astype(np.float32)
    logits = way * gap * (2.0 * targets - 1)
    probabilities = fit_each_label(logits, targets).probabilities(logits)
    loss = -np.log(np.where(targets == 1, probabilities, 1 - probabilities)).mean()
    assert loss < (0.05 if way == 1 else 0.4)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("target", [0.0, 1.0, NAN])
def test_a_single_text_moves_little_and_none_nothing(target: float):
    fitted = fit_each_label(np.array([[2.0, -1.0]]), np.full((1, 2), target, np.float32))
    farthest = 0.0 if np.isnan(target) else 3.0
    assert np.abs([np.log(fitted.slope), fitted.bias]).max() <= farthest


@st.composite
def small_samples(draw: st.DrawFn) -> tuple[NDArray, NDArray]:
    """A few texts, one to three labels, any scores, some targets unknown."""
    shape = (draw(st.integers(1, 12)), draw(st.integers(1, 3)))
    targets = arrays(np.float32, shape, elements=st.sampled_from([0.0, 1.0, NAN]))
    return draw(arrays(np.float64, shape, elements=st.floats(-30, 30))), draw(targets)


@pytest.mark.filterwarnings("error")
@settings(deadline=None, max_examples=60)
@given(sample=small_samples(), seed=st.integers(0, 3))
def test_any_validation_has_a_fit_with_positive_slopes(sample, seed):
    fitted = fit_each_label(*sample, seed)
    assert (fitted.slope > 0).all()
    assert np.isfinite([fitted.slope, fitted.bias]).all()


@settings(deadline=None, max_examples=60)
@given(sample=small_samples(), threshold=st.floats(-20, 20))
def test_no_decision_changes_when_scores_and_threshold_are_calibrated(sample, threshold):
    logits, targets = sample
    fitted = fit_each_label(logits, targets)
    cut = np.full(logits.shape[1], threshold)
    clear = np.abs(logits - threshold) > 1e-6
    assert ((logits >= cut) == (fitted.logits(logits) >= fitted.logits(cut)))[clear].all()


def test_without_texts_to_hold_out_labels_are_drawn_together_most():
    assert choose_strength(np.zeros((1, 2)), np.ones((1, 2), np.float32), 0) == max(STRENGTHS)
