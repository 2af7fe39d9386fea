"""Scores of a label in order, and where a threshold can cut them: between two, ties together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imbtool.config.hierarchy import Decisions

Floats = NDArray[np.float64]

BEYOND = 0.01
"""How far below the lowest score a threshold stands that takes all texts, or above the highest."""


def ranked(scores: Floats, truth: NDArray[np.float32]) -> tuple[Floats, NDArray[np.int64]]:
    """Known scores [m], highest first, and the positives among the first k [m].

    Args:
        scores: of a label [n].
        truth: [n], NaN unknown: left out.
    """
    known = ~np.isnan(truth)
    scores, truth = scores[known], truth[known]
    order = np.argsort(-scores, kind="stable")
    return scores[order], np.cumsum(truth[order], dtype=np.int64)


def can_cut(scores: Floats) -> Decisions:
    """Whether a threshold can stand behind each of some scores, highest first [m]."""
    return np.append(scores[:-1] > scores[1:], True)


def between(scores: Floats, last: int) -> float:
    """The threshold halfway between the last score taken and the first one left."""
    if last + 1 == len(scores):
        return float(scores[last]) - BEYOND
    return float((scores[last] + scores[last + 1]) / 2)
