"""Precision, recall and F1 to expect of a model on a stream, with 95% intervals.

Without answers they rest on one assumption: that texts with a label, and texts without it, look as
they do on validation, however many there are of either. Then the shares of either that a model
flags are those of validation, and what it flags in the stream, less the false alarms to expect, is
what it finds. It is CBPE's idea (confidence-based performance estimation) on counts instead of
calibrated probabilities: that way it also holds for decisions that a hierarchy or several labels
make together, and its intervals contain how little a few positives of validation say.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from imbtool.evaluation.intervals import TAIL, resampled_interval
from imbtool.evaluation.metrics import confusion
from imbtool.types import Counts, Decisions, Floats, Targets

DRAWS = 4_000
LEAST_RECALL = 0.02
"""Of a label that is found less often nothing follows from what is found."""
JEFFREYS = 0.5
"""Hits and misses added to those seen: the prior whose intervals cover best."""


@dataclass(frozen=True)
class Expectation:
    """What to expect of each label: value, low and high [3, L]; NaN where nothing can be said.

    Attributes:
        precision, recall, f1: of the decisions.
        prevalence: the share of texts with the label.
    """

    precision: Floats
    recall: Floats
    f1: Floats
    prevalence: Floats


def expect_metrics(
    decisions: Decisions, targets: Targets, flagged: Counts, texts: int, seed: int
) -> Expectation:
    """What to expect of decisions on a stream, by what they are worth on validation.

    Shares of validation are drawn from their posterior distribution, and then what a stream of this
    size makes of them. So the intervals are about this stream, not about endlessly many texts.

    Args:
        decisions: on validation [m, L].
        targets: of validation [m, L], NaN unknown.
        flagged: texts of the stream that each label is given to [L].
        texts: of the stream.
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    counts = confusion(decisions, targets)
    negatives = (targets == 0).sum(axis=0) - counts.false_positives
    recall = _shares(rng, counts.true_positives, counts.false_negatives)
    alarms = _shares(rng, counts.false_positives, negatives)
    positives = (flagged - alarms * texts) / np.maximum(recall - alarms, LEAST_RECALL)
    wrong = rng.poisson(alarms * (texts - np.clip(positives, 0, texts)))
    found = flagged - np.minimum(wrong, flagged)
    missed_share = (1 - recall) / np.maximum(recall, LEAST_RECALL)
    # where nothing is found there may still be positives, about as many as half a hit stands for
    missed = rng.poisson(np.minimum(np.maximum(found, JEFFREYS) * missed_share, texts))
    missed = np.minimum(missed, texts - found)
    present = found + missed
    size = np.maximum(np.median(present, axis=0).astype(np.int64), 1)
    seen = rng.binomial(size, recall) / size
    known = counts.support > 0
    return Expectation(
        precision=_summary(found / np.maximum(flagged, 1), known & (flagged > 0)),
        recall=_summary(seen, known),
        f1=_summary(2 * found / np.maximum(flagged + present, 1), known),
        prevalence=_summary(present / texts, known),
    )


def expect_recall(decisions: Decisions, targets: Targets, present: Counts, seed: int) -> Floats:
    """The recall to expect of decisions: value, low and high [3, L]; NaN without positives.

    Args:
        decisions: on validation [m, L].
        targets: of validation [m, L], NaN unknown.
        present: positives that the stream holds, about [L].
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    counts = confusion(decisions, targets)
    recall = _shares(rng, counts.true_positives, counts.false_negatives)
    size = np.maximum(present, 1)
    return _summary(rng.binomial(size, recall) / size, counts.support > 0)


def answered_metrics(
    decisions: Decisions, targets: Targets, inclusion: Floats, prevalence: Floats, seed: int
) -> Expectation:
    """What decisions are worth on a stream, by answers to a sample of it.

    Each answered text stands for 1 / inclusion texts (Horvitz and Thompson, 1952). Intervals are
    those of a share that varies as much as the figure does in resamples of the answered texts. A
    sample may hold none of the positives that are missed, so recall and F1 are at least what they
    are where the label is as frequent as the upper end of its prevalence.

    Args:
        decisions: on the answered texts [a, L].
        targets: the answers [a, L], NaN unknown.
        inclusion: the probability with which each of them was drawn [a].
        prevalence: by the same answers: value, low and high [3, L].
        seed: of the resamples.
    """
    weights = 1 / inclusion
    times = np.random.default_rng(seed).poisson(1.0, (DRAWS // 4, len(weights)))
    drawn = np.concatenate([weights[None], times * weights])
    known = ~np.isnan(targets)
    positive = targets == 1
    found, flagged, present = (
        drawn @ part.astype(np.float64)
        for part in (decisions & positive, decisions & known, positive)
    )
    trials = {
        "precision": (decisions & known).sum(axis=0),
        "recall": positive.sum(axis=0),
        "f1": (positive | (decisions & known)).sum(axis=0),
    }
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = {
            "precision": found / flagged,
            "recall": found / present,
            "f1": 2 * found / (flagged + present),
        }
        most = present[0] * prevalence[2] / prevalence[0]
        least = {"recall": found[0] / most, "f1": 2 * found[0] / (flagged[0] + most)}
    ends = {name: _resampled(shares[name], trials[name]) for name in shares}
    for name, low in least.items():
        ends[name][1] = np.fmin(ends[name][1], low)
    return Expectation(**ends, prevalence=prevalence)


def _shares(rng: np.random.Generator, hits: Counts, misses: Counts) -> Floats:
    return rng.beta(hits + JEFFREYS, misses + JEFFREYS, (DRAWS, len(hits)))


def _summary(draws: Floats, known: Decisions) -> Floats:
    """Median and 95% interval of draws [R, L], as [3, L]."""
    ends = np.quantile(draws, (0.5, TAIL, 1 - TAIL), axis=0)
    return np.where(known, ends, np.nan)


def _resampled(values: Floats, trials: Counts) -> Floats:
    """The first row of values [R, L] with the interval that the others give, as [3, L]."""
    columns = [
        (value, *resampled_interval(float(value), resamples, max(int(size), 1)))
        for value, resamples, size in zip(values[0], values[1:].T, trials, strict=True)
    ]
    return np.array(columns).T
