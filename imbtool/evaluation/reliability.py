"""Whether what is given a probability of 0.8 comes true 8 times in 10."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import rankdata

from imbtool.evaluation.calibration import Calibration
from imbtool.evaluation.intervals import draw_weights, exact_interval, resampled_interval
from imbtool.evaluation.measures import Figure, figure
from imbtool.types import Floats, Targets

Document = dict[str, Any]

BINS = 10


def calibration_document(
    names: Sequence[str],
    raw: Floats,
    calibrated: Floats | None,
    targets: Targets,
    calibration: Calibration | None,
) -> Document:
    """How far probabilities can be taken at their word: `calibration` in evaluation.json.

    Args:
        names: of the labels [L].
        raw: probabilities as the model gives them [n, L].
        calibrated: the same through `calibration` [n, L]; None where there is none.
        targets: [n, L], NaN unknown: left out.
        calibration: of the model; None in a checkpoint without one.

    Returns:
        `overall` of all pairs of a text and a label, in which a label that is too sure and one that
        is not sure enough may cancel, and `labels`: each `ece`, `brier` and `bins`, raw and
        calibrated.
    """
    before = _reliability(raw, targets)
    after = [None] * len(before) if calibrated is None else _reliability(calibrated, targets)
    parts = [{"raw": old, "calibrated": new} for old, new in zip(before, after, strict=True)]
    return {
        "overall": parts[0],
        "labels": {
            name: {
                **parts[1 + index],
                "slope": float(calibration.slope[index]) if calibration else None,
                "bias": float(calibration.bias[index]) if calibration else None,
            }
            for index, name in enumerate(names)
        },
    }


def reliability_bins(probabilities: Floats, targets: Targets) -> list[Document]:
    """Texts in `BINS` bins of equal mass by probability: what was said, and what came true.

    Bins of equal width would put nearly all texts of a rare label into the first and leave the
    others with next to none. Equal probabilities share a bin; a bin without texts is left out.

    Args:
        probabilities: [n].
        targets: [n], NaN unknown: left out.

    Returns:
        For each bin its `texts`, their `mean_probability`, and the `share` of positives among them
        with its exact interval.
    """
    known = ~np.isnan(targets)
    said, truth = probabilities[known], targets[known]
    bins = ((rankdata(said) - 0.5) * BINS / max(len(said), 1)).astype(np.int64)
    texts, mass, hits = (np.bincount(bins, values, BINS) for values in (None, said, truth))
    return [
        {
            "texts": int(texts[row]),
            "mean_probability": float(mass[row] / texts[row]),
            "share": figure(hits[row] / texts[row], *exact_interval(hits[row], texts[row])),
        }
        for row in np.flatnonzero(texts)
    ]


def calibration_error(bins: Sequence[Document]) -> float:
    """ECE: the mean over texts of |mean probability - share| of their bin; NaN without bins.

    Guo et al. (arXiv 1706.04599), with bins of equal mass (Nguyen and O'Connor, EMNLP 2015). It has
    no interval: chance moves a bin's share away from what was said far more often than towards it,
    so the ECE of a perfect model is above 0, and in resamples it is higher still.
    """
    apart = sum(row["texts"] * abs(row["mean_probability"] - row["share"]["value"]) for row in bins)
    texts = sum(row["texts"] for row in bins)
    return float(apart / texts) if texts else np.nan


def brier_scores(probabilities: Floats, targets: Targets) -> list[Figure]:
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
        figure(score, *resampled_interval(score, resampled, trials))
        for score, resampled, trials in zip(scores, resamples, texts, strict=True)
    ]


def _reliability(probabilities: Floats, targets: Targets) -> list[Document]:
    """All labels pooled, then each one."""
    columns = [
        (probabilities.ravel(), targets.ravel()),
        *zip(probabilities.T, targets.T, strict=True),
    ]
    binned = [reliability_bins(*column) for column in columns]
    return [
        {"ece": calibration_error(bins), "brier": score, "bins": bins}
        for bins, score in zip(binned, brier_scores(probabilities, targets), strict=True)
    ]
