"""Calibration: probabilities that are as frequent as they say.

The threshold rule `calibrated` has one slope for all labels, and biases that match the training
prevalence. A checkpoint has a slope and a bias for each label, partially pooled: drawn towards
their mean over labels, the more so the fewer texts a label has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_expit
from scipy.stats import rankdata

from imbtool.evaluation.document import (
    Bin,
    CalibrationReport,
    Estimate,
    LabelCalibration,
    Reliability,
    ReliabilityPair,
)
from imbtool.evaluation.estimates import estimate
from imbtool.evaluation.intervals import draw_weights, exact_interval, resampled_interval
from imbtool.types import Floats, Rows, Targets

SLOPES = (0.1, 10.0)
"""Of which the shared slope is one."""
MOST_NEWTON_STEPS = 60
NEWTON_TOLERANCE = 1e-6
LEAST_PREVALENCE = 1e-6
"""The odds of a label are finite: no text in training is no proof that there is none."""

STRENGTHS = (300.0, 100.0, 30.0, 10.0, 3.0, 1.0, 0.3)
"""Tried, strongest first: a label needs at least as many positives for half a bias of its own."""
SLOPE_SHARE = 10.0
"""Log-slopes are drawn to their mean this much more than biases: they differ less."""
PRIOR = 0.1
"""Precision of the means around 0, where nothing is moved; matters only with next to no texts."""
HALF_SPLITS = 3
MOST_FISHER_STEPS = 50
MOST_HALVINGS = 30
FISHER_TOLERANCE = 1e-3
"""A fit is done when a step gains less log likelihood than this, which no data can tell apart."""
BINS = 10
"""Of equal mass, for reliability."""


def sigmoid(logits: Floats) -> Floats:
    """1 / (1 + exp(-z)), without overflow."""
    return np.exp(-np.logaddexp(0.0, -logits))


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


def fit_shared_slope(logits: Floats, targets: Targets, prevalence: Floats) -> Calibration:
    """Fit one slope by likelihood; each bias makes the mean probability the prevalence.

    Args:
        logits: [n, L].
        targets: [n, L], NaN unknown.
        prevalence: [L], each label's share of positives in texts as they come. A label that was
            never seen or always, so that it is 0 or 1, does not count for the slope.
    """
    known = ~np.isnan(targets)
    counted = known & (prevalence > 0) & (prevalence < 1)
    prevalence = np.clip(prevalence, LEAST_PREVALENCE, 1.0 - LEAST_PREVALENCE)
    sign = np.where(targets == 1, -1.0, 1.0)

    def loss(log_slope: float) -> float:
        slope = float(np.exp(log_slope))
        scaled = slope * logits + matching_bias(slope * logits, prevalence, known)
        return float((np.logaddexp(0.0, sign * scaled) * counted).sum())

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
    for _ in range(MOST_NEWTON_STEPS):
        probability = sigmoid(logits + bias)
        excess = (probability * share).sum(axis=0) - prevalence
        low, high = np.where(excess < 0, bias, low), np.where(excess > 0, bias, high)
        slope = np.maximum((probability * (1.0 - probability) * share).sum(axis=0), 1e-300)
        step = bias - excess / slope
        step = np.where((step > low) & (step < high), step, (low + high) / 2)
        settled = np.abs(step - bias).max() < NEWTON_TOLERANCE
        bias = step
        if settled:
            break
    return np.asarray(bias, dtype=np.float64)


def fit_each_label(logits: Floats, targets: Targets, seed: int = 0) -> Calibration:
    """Fit each label's calibration; how far labels differ is chosen by held-out log loss.

    Every strength of `STRENGTHS` is fitted on one half of the texts and scored on the other, over
    seeded half-splits both ways; the best one is fitted again on all texts. Slopes are positive,
    so the order of texts within a label never changes.

    Args:
        logits: of validation [n, L].
        targets: [n, L], NaN unknown. A label without any gets the shared slope and bias.
        seed: of the half-splits.
    """
    return fit_with_pooling(logits, targets, choose_strength(logits, targets, seed))


def fit_with_pooling(logits: Floats, targets: Targets, strength: float) -> Calibration:
    """Maximise the likelihood of p = sigmoid(slope_l z + bias_l), labels drawn to their mean.

    The penalty is strength / 2 times the sum over labels of
    (bias_l - bias)^2 + SLOPE_SHARE (log slope_l - log slope)^2, and PRIOR / 2 times
    bias^2 + (log slope)^2 for the means.
    """
    texts = _Texts.of(logits, targets)
    return _calibration(_fit(texts, strength, np.zeros((logits.shape[1], 2))))


def choose_strength(logits: Floats, targets: Targets, seed: int) -> float:
    """The strength with the lowest held-out log loss; the strongest where nothing can be held out.

    Halves are drawn at random. Stratified ones have each label's positives in equal numbers, so a
    bias would fit the other half better than it fits new texts, and labels be left too far apart.

    Args:
        logits: [n, L].
        targets: [n, L], NaN unknown.
        seed: of the half-splits.
    """
    rng, losses = np.random.default_rng(seed), np.zeros(len(STRENGTHS))
    for _ in range(HALF_SPLITS):
        halves = np.array_split(rng.permutation(len(targets)), 2)
        first, second = (_Texts.of(logits[rows], targets[rows]) for rows in halves)
        losses += _held_out_losses(first, second) + _held_out_losses(second, first)
    return STRENGTHS[int(np.argmin(losses))]


def measure_calibration(
    names: Sequence[str], logits: Floats, targets: Targets, calibration: Calibration | None
) -> CalibrationReport:
    """How far probabilities are off, as the model gives them and once calibrated.

    Of all pairs of a text and a label together, a label with probabilities too high and one with
    probabilities too low may cancel; so each label is measured too.

    Args:
        names: of the labels [L].
        logits: [n, L].
        targets: [n, L], NaN unknown: left out.
        calibration: of the model; None in a checkpoint without one.
    """
    raw = _reliability(sigmoid(logits), targets)
    calibrated: list[Reliability | None] = [None] * len(raw)
    if calibration:
        calibrated = [*_reliability(calibration.probabilities(logits), targets)]
    return CalibrationReport(
        overall=ReliabilityPair(raw=raw[0], calibrated=calibrated[0]),
        labels={
            name: LabelCalibration(
                raw=raw[1 + index],
                calibrated=calibrated[1 + index],
                slope=float(calibration.slope[index]) if calibration else None,
                bias=float(calibration.bias[index]) if calibration else None,
            )
            for index, name in enumerate(names)
        },
    )


def reliability_bins(
    probabilities: Floats, targets: Targets, rows: Rows | None = None
) -> list[Bin]:
    """Texts in `BINS` bins of equal mass by probability, with the share of positives in each.

    Bins of equal width would put nearly all texts of a rare label into the first and leave the
    others with next to none. Equal probabilities share a bin; a bin without texts is left out.

    Args:
        probabilities: [n].
        targets: [n], NaN unknown: left out.
        rows: of their texts [n], where a text has several: they depend on each other, so that the
            intervals are those of resamples of texts.
    """
    known = ~np.isnan(targets)
    predicted, truth = probabilities[known], targets[known]
    bins = ((rankdata(predicted) - 0.5) * BINS / max(len(predicted), 1)).astype(np.int64)
    texts, mass, hits = (np.bincount(bins, values, BINS) for values in (None, predicted, truth))
    filled = np.flatnonzero(texts)
    shares = [estimate(hits[k] / texts[k], *exact_interval(hits[k], texts[k])) for k in filled]
    if rows is not None:
        size, cells = int(rows.max(initial=-1)) + 1, rows[known] * BINS + bins
        parts, wholes = (
            np.bincount(cells, of, size * BINS).reshape(size, BINS)[:, filled].astype(np.float64)
            for of in (truth, None)
        )
        shares = _ratios(parts, wholes)
    return [
        Bin(
            texts=int(texts[row]),
            mean_probability=float(mass[row] / texts[row]),
            share=share,
        )
        for row, share in zip(filled, shares, strict=True)
    ]


def _ratios(parts: Floats, wholes: Floats) -> list[Estimate]:
    """Ratios of the sums over texts of parts and wholes [n, K], with intervals from resamples."""
    sums = np.hstack([parts, wholes]).T.astype(np.float32)
    drawn = np.hstack([sums @ weights for weights in draw_weights(len(parts), seed=0)])
    with np.errstate(invalid="ignore"):
        ratios = parts.sum(axis=0) / wholes.sum(axis=0)
        resamples = np.divide(*np.split(drawn.astype(np.float64), 2))
    texts = (wholes > 0).sum(axis=0)
    return [
        estimate(ratio, *resampled_interval(ratio, resampled, trials))
        for ratio, resampled, trials in zip(ratios, resamples, texts, strict=True)
    ]


def calibration_error(bins: Sequence[Bin]) -> float | None:
    """ECE: the mean over texts of |mean probability - share| of their bin; None without bins.

    Guo et al. (arXiv 1706.04599), with bins of equal mass (Nguyen and O'Connor, EMNLP 2015). It has
    no interval: chance moves a bin's share away from its mean probability far more often than
    towards it, so the ECE of a perfect model is above 0, and in resamples it is higher still.
    """
    apart = sum(row.texts * abs(row.mean_probability - (row.share.value or 0.0)) for row in bins)
    texts = sum(row.texts for row in bins)
    return float(apart / texts) if texts else None


def brier_scores(probabilities: Floats, targets: Targets) -> list[Estimate]:
    """Mean squared error of all pairs of a text and a label, then of each label, with intervals.

    Brier (Monthly Weather Review 78, 1950). It lies between 0 and 1, as a share does, and has the
    interval of a share that varies as much as it does in resamples of the texts.

    Args:
        probabilities: [n, L].
        targets: [n, L], NaN unknown: left out.
    """
    known = ~np.isnan(targets)
    squared = np.where(known, (probabilities - targets) ** 2, 0.0)
    errors = np.column_stack([squared.sum(axis=1), squared])
    counts = np.column_stack([known.sum(axis=1), known])
    return _ratios(errors, counts)


def _reliability(probabilities: Floats, targets: Targets) -> list[Reliability]:
    """All labels together, then each one."""
    rows = np.repeat(np.arange(len(targets)), targets.shape[1])
    labels = zip(probabilities.T, targets.T, strict=True)
    binned = [
        reliability_bins(probabilities.ravel(), targets.ravel(), rows),
        *(reliability_bins(*label) for label in labels),
    ]
    return [
        Reliability(ece=calibration_error(bins), brier=score, bins=bins)
        for bins, score in zip(binned, brier_scores(probabilities, targets), strict=True)
    ]


@dataclass(frozen=True)
class _Texts:
    """Logits [n, L], their targets (0 where unknown) and whether each is known."""

    logits: Floats
    targets: Floats
    known: Floats

    @classmethod
    def of(cls, logits: Floats, targets: Targets) -> _Texts:
        known = ~np.isnan(targets)
        return cls(logits, np.where(known, targets, 0.0), known.astype(np.float64))

    def loss(self, parameters: Floats) -> float:
        """Summed log loss under log-slopes and biases [L, 2]."""
        signed = (2 * self.targets - 1) * _calibration(parameters).logits(self.logits)
        return -float((self.known * log_expit(signed)).sum())


def _calibration(parameters: Floats) -> Calibration:
    return Calibration(np.exp(parameters[:, 0]), parameters[:, 1])


def _held_out_losses(fitted_on: _Texts, held_out: _Texts) -> Floats:
    """Log loss for each strength; each fit starts from the one before."""
    parameters, losses = np.zeros((fitted_on.logits.shape[1], 2)), []
    for strength in STRENGTHS:
        parameters = _fit(fitted_on, strength, parameters)
        losses.append(held_out.loss(parameters))
    return np.array(losses)


def _fit(texts: _Texts, strength: float, start: Floats) -> Floats:
    """Log-slopes and biases [L, 2], by Fisher scoring."""
    precision = strength * np.array([SLOPE_SHARE, 1.0])
    parameters, loss = start, _objective(texts, start, precision)
    for _ in range(MOST_FISHER_STEPS):
        before = loss
        step = _scored(texts, parameters, precision) - parameters
        for _ in range(MOST_HALVINGS):
            loss = _objective(texts, parameters + step, precision)
            if loss <= before:
                break
            step = step / 2
        else:
            return parameters
        parameters = parameters + step
        if before - loss < FISHER_TOLERANCE:
            break
    return parameters


def _objective(texts: _Texts, parameters: Floats, precision: Floats) -> float:
    """Log loss and penalties, with the mean at its best."""
    mean = precision * parameters.sum(axis=0) / (len(parameters) * precision + PRIOR)
    apart = (precision * (parameters - mean) ** 2).sum()
    return texts.loss(parameters) + float(apart + PRIOR * (mean**2).sum()) / 2


def _scored(texts: _Texts, parameters: Floats, precision: Floats) -> Floats:
    """Where one step of Fisher scoring leads, the mean of the labels moving along.

    With a label's gradient g and information I at x, it is at (I + P)^-1 (I x - g + P m) for the
    mean m, which is at (P sum_l x_l) / (L P + PRIOR): linear equations in m.
    """
    gradient, information = _derivatives(texts, parameters)
    pull = np.diag(precision)
    own = np.linalg.solve(information + pull, (information @ parameters[..., None]) - gradient)
    drawn = np.linalg.solve(information + pull, np.broadcast_to(pull, information.shape))
    stiffness = pull @ (len(parameters) * np.eye(2) - drawn.sum(axis=0)) + PRIOR * np.eye(2)
    mean = np.linalg.solve(stiffness, pull @ own.sum(axis=0))
    return np.asarray((own + drawn @ mean)[..., 0])


def _derivatives(texts: _Texts, parameters: Floats) -> tuple[Floats, Floats]:
    """Gradient [L, 2, 1] and expected second derivatives [L, 2, 2] of each label's log loss."""
    scaled = np.exp(parameters[:, 0]) * texts.logits
    probability = expit(scaled + parameters[:, 1])
    residual = texts.known * (probability - texts.targets)
    weight = texts.known * probability * (1 - probability)
    weighted = weight * scaled
    gradient = np.stack([(residual * scaled).sum(axis=0), residual.sum(axis=0)], axis=1)
    cross, both = weighted.sum(axis=0), (weighted * scaled).sum(axis=0)
    information = np.stack([both, cross, cross, weight.sum(axis=0)], axis=1)
    return gradient[..., None], information.reshape(-1, 2, 2)
