"""The figures of a split in resamples of its texts (Efron 1979): what chance would have made them.

A resample takes as many texts as there are, with replacement, which is a whole number of times for
each text. Counts of all labels in all resamples are then one matrix product.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from imbtool.config.hierarchy import Decisions
from imbtool.evaluation.metrics import Confusion, Measures
from imbtool.evaluation.ranking import Ranking, Weights

Floats = NDArray[np.float64]
Targets = NDArray[np.float32]

RESAMPLES = 2_000
MOST_WEIGHTS = 2_000_000
"""Weights in memory at once."""


def resample(
    decisions: Decisions, scores: Floats | None, targets: Targets, seed: int = 0
) -> Measures:
    """The measures of each label in resamples of the texts: [RESAMPLES, L].

    A label without positives in a resample is undefined there, as it would be in a split like that.

    Args:
        decisions: [n, L].
        scores: [n, L]; the higher, the more probable. None: their measures are undefined.
        targets: [n, L], NaN unknown: left out of every resample.
        seed: the same seed and number of texts give the same resamples.
    """
    rows = outcomes(decisions, targets)
    rankings = [
        Ranking.of(scores[:, label], column) if scores is not None and (column == 1).any() else None
        for label, column in enumerate(targets.T)
    ]
    counts, ranked = [], []
    for weights in draw_weights(len(targets), seed):
        counts.append(rows @ weights)
        ranked.append([_figures(ranking, weights) for ranking in rankings])
    precision_at, area = np.concatenate(ranked, axis=2).transpose(1, 2, 0)
    return Measures(counted(np.concatenate(counts, axis=1)), precision_at, area)


def draw_weights(texts: int, seed: int) -> Iterator[Weights]:
    """How often each text stands in each resample [texts, R], all `RESAMPLES` in parts."""
    rng = np.random.default_rng(seed)
    step = max(1, MOST_WEIGHTS // max(texts, 1))
    for start in range(0, RESAMPLES, step):
        width = min(step, RESAMPLES - start)
        drawn = rng.integers(texts, size=(texts, width)) * width + np.arange(width)
        times = np.bincount(drawn.ravel(), minlength=texts * width)
        yield times.reshape(texts, width).astype(np.float32)


def outcomes(decisions: Decisions, targets: Targets) -> csr_array:
    """Whether a text is a true positive, false positive, false negative: [3 L, n], mostly 0."""
    positive, negative = targets == 1, targets == 0
    parts = (decisions & positive, decisions & negative, ~decisions & positive)
    return csr_array(np.hstack(parts).T.astype(np.float32))


def counted(counts: NDArray[np.float32]) -> Confusion:
    """The counts [R, L] in outcomes @ weights [3 L, R], whole numbers that float32 holds."""
    return Confusion(*np.split(counts.T.astype(np.int64), 3, axis=1))


def _figures(ranking: Ranking | None, weights: Weights) -> tuple[Floats, Floats]:
    undefined = np.full(weights.shape[1], np.nan)
    return ranking.figures(weights) if ranking else (undefined, undefined)
