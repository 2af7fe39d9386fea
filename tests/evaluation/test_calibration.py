"""A calibration keeps order; the shared slope's has each label's prevalence as its mean."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from imbtool.evaluation.calibration import (
    SLOPES,
    Calibration,
    fit_calibration,
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
    fitted = fit_calibration(logits, targets, np.array(prevalence))
    assert sigmoid(fitted.logits(logits)).mean(axis=0) == pytest.approx(prevalence, abs=1e-4)


@pytest.mark.parametrize("gap", [3.0, 6.0, 10.0])
def test_the_mean_is_the_prevalence_also_where_scores_are_perfectly_apart(gap: float):
    targets = np.repeat([[1.0], [0.0]], [10, 40], axis=0).astype(np.float32)
    fitted = fit_calibration(gap * (2.0 * targets - 1), targets, np.array([0.05]))
    calibrated = sigmoid(fitted.logits(gap * (2.0 * targets - 1)))
    assert calibrated.mean() == pytest.approx(0.05, abs=1e-4)


@pytest.mark.parametrize("gap", [1.0, 20.0, 100.0])
def test_the_bias_is_found_however_far_apart_the_scores_are(gap: float):
    logits = np.repeat([[gap], [-gap]], [2, 8], axis=0)
    bias = matching_bias(logits, np.array([0.1]), np.full(logits.shape, True))
    assert sigmoid(logits + bias).mean() == pytest.approx(0.1, abs=1e-4)


def test_the_shared_slope_is_found_again():
    fitted = fit_calibration(*squeezed())
    assert fitted.slope == pytest.approx([2.5] * 3, rel=0.1)
    assert fitted.bias == pytest.approx([-1.75] * 3, abs=0.2)


@pytest.mark.parametrize("share", [0.0, 1.0], ids=["no positive", "no negative"])
def test_a_label_of_one_value_in_training_harms_no_other(share: float):
    logits, targets, prevalence = squeezed()
    alone = fit_calibration(logits[:, 1:], targets[:, 1:], prevalence[1:])
    beside = fit_calibration(logits, targets, np.array([share, *prevalence[1:]]))
    assert beside.slope[1:] == pytest.approx(alone.slope)
    assert beside.bias[1:] == pytest.approx(alone.bias)
    assert sigmoid(beside.logits(logits))[:, 0].mean() == pytest.approx(share, abs=1e-4)


def test_unknown_targets_do_not_move_the_slope():
    logits, targets, prevalence = squeezed()
    targets[::2] = np.nan
    assert fit_calibration(logits, targets, prevalence).slope[0] == pytest.approx(2.5, rel=0.1)


def test_the_slope_stays_within_its_bounds():
    logits, targets, prevalence = squeezed()
    backwards = fit_calibration(-logits, targets, prevalence).slope[0]
    assert SLOPES[0] <= backwards < 1.1 * SLOPES[0]


def test_constant_scores_are_calibrated_to_the_prevalence():
    fitted = fit_calibration(np.full((5, 1), 3.0), np.zeros((5, 1), np.float32), np.array([0.3]))
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
