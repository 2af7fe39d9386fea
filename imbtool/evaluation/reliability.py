"""Whether of texts with a probability of 0.8 eight in ten have the label."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata

from imbtool.evaluation.calibration import Calibration, sigmoid
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
from imbtool.types import Floats, Targets

BINS = 10


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


def reliability_bins(probabilities: Floats, targets: Targets) -> list[Bin]:
    """Texts in `BINS` bins of equal mass by probability, with the share of positives in each.

    Bins of equal width would put nearly all texts of a rare label into the first and leave the
    others with next to none. Equal probabilities share a bin; a bin without texts is left out.

    Args:
        probabilities: [n].
        targets: [n], NaN unknown: left out.
    """
    known = ~np.isnan(targets)
    predicted, truth = probabilities[known], targets[known]
    bins = ((rankdata(predicted) - 0.5) * BINS / max(len(predicted), 1)).astype(np.int64)
    texts, mass, hits = (np.bincount(bins, values, BINS) for values in (None, predicted, truth))
    return [
        Bin(
            texts=int(texts[row]),
            mean_probability=float(mass[row] / texts[row]),
            share=estimate(hits[row] / texts[row], *exact_interval(hits[row], texts[row])),
        )
        for row in np.flatnonzero(texts)
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
    sums = np.hstack([errors, counts]).T.astype(np.float32)
    drawn = np.hstack([sums @ weights for weights in draw_weights(len(targets), seed=0)])
    with np.errstate(invalid="ignore"):
        scores = errors.sum(axis=0) / counts.sum(axis=0)
        resamples = np.divide(*np.split(drawn.astype(np.float64), 2))
    texts = (counts > 0).sum(axis=0)
    return [
        estimate(score, *resampled_interval(score, resampled, trials))
        for score, resampled, trials in zip(scores, resamples, texts, strict=True)
    ]


def _reliability(probabilities: Floats, targets: Targets) -> list[Reliability]:
    """All labels together, then each one."""
    columns = [
        (probabilities.ravel(), targets.ravel()),
        *zip(probabilities.T, targets.T, strict=True),
    ]
    binned = [reliability_bins(*column) for column in columns]
    return [
        Reliability(ece=calibration_error(bins), brier=score, bins=bins)
        for bins, score in zip(binned, brier_scores(probabilities, targets), strict=True)
    ]
