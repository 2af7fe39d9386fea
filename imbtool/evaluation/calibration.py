"""What a calibration is, and the one of the threshold rule `calibrated`: a slope for all labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

Floats = NDArray[np.float64]

SLOPES = (0.1, 10.0)
MOST_STEPS = 60
TOLERANCE = 1e-6
LEAST_PREVALENCE = 1e-6
"""The odds of a label are finite: no text in training is no proof that there is none."""


@dataclass(frozen=True)
class Calibration:
    """p = sigmoid(slope * z + bias) of a logit z: a positive slope and a bias a label [L]."""

    slope: Floats
    bias: Floats

    def logits(self, logits: Floats) -> Floats:
        """Calibrated logits [n, L]."""
        return self.slope * logits + self.bias

    def probabilities(self, logits: Floats) -> Floats:
        """Calibrated probabilities [n, L]; in each column they rise with the logits."""
        return sigmoid(self.logits(logits))

    def raw(self, calibrated: Floats) -> Floats:
        """The raw logit of each label that calibrates to these values [L]."""
        return np.asarray((calibrated - self.bias) / self.slope, dtype=np.float64)


def fit_calibration(
    logits: Floats, targets: NDArray[np.float32], prevalence: Floats
) -> Calibration:
    """Fit one slope by likelihood; each bias makes the mean probability the prevalence.

    Args:
        logits: [n, L].
        targets: [n, L], NaN unknown.
        prevalence: [L], each label's share of positives in training. A label that training has
            seen only without positives, or only without negatives, has no say in the slope.
    """
    known = ~np.isnan(targets)
    heard = known & (prevalence > 0) & (prevalence < 1)
    prevalence = np.clip(prevalence, LEAST_PREVALENCE, 1.0 - LEAST_PREVALENCE)
    sign = np.where(targets == 1, -1.0, 1.0)

    def loss(log_slope: float) -> float:
        slope = float(np.exp(log_slope))
        scaled = slope * logits + matching_bias(slope * logits, prevalence, known)
        return float((np.logaddexp(0.0, sign * scaled) * heard).sum())

    low, high = np.log(SLOPES)
    found = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 0.02})
    slope = float(np.exp(found.x))
    bias = matching_bias(slope * logits, prevalence, known)
    return Calibration(np.full(bias.shape, slope), bias)


def matching_bias(logits: Floats, prevalence: Floats, known: NDArray[np.bool_]) -> Floats:
    """The bias [L] with which each column's mean probability is its prevalence.

    The mean is over the texts of which the label is known [n, L], as prevalence is; over all where
    it is known of none. Newton's method, kept between the biases that put all scores below and
    above it; a step out of there is a bisection.
    """
    counts = known | ~known.any(axis=0)
    share = counts / counts.sum(axis=0)
    log_odds = np.log(prevalence / (1.0 - prevalence))
    low = log_odds - np.where(counts, logits, -np.inf).max(axis=0)
    high = log_odds - np.where(counts, logits, np.inf).min(axis=0)
    bias = log_odds - (logits * share).sum(axis=0)
    for _ in range(MOST_STEPS):
        probability = sigmoid(logits + bias)
        excess = (probability * share).sum(axis=0) - prevalence
        low, high = np.where(excess < 0, bias, low), np.where(excess > 0, bias, high)
        slope = np.maximum((probability * (1.0 - probability) * share).sum(axis=0), 1e-300)
        step = bias - excess / slope
        step = np.where((step > low) & (step < high), step, (low + high) / 2)
        settled = np.abs(step - bias).max() < TOLERANCE
        bias = step
        if settled:
            break
    return np.asarray(bias, dtype=np.float64)


def sigmoid(logits: Floats) -> Floats:
    """1 / (1 + exp(-z)), without overflow."""
    return np.exp(-np.logaddexp(0.0, -logits))
