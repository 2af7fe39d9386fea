"""Precision, recall, F1, average precision, AUC of label columns: the only place they are computed.

Targets are [n, L] with 1, 0 and NaN (unknown: left out). A metric that is undefined, such as the
recall of a label without positives, is NaN, never 0, and stays out of every mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from imbtool.types import Counts, Decisions, Floats, Rows, Targets

Weights = NDArray[np.float32]
"""How often each text counts in each resample [texts, R]."""
WEAK_PRECISION = 0.5
"""Below it most decisions of a label are false alarms."""


@dataclass(frozen=True)
class Confusion:
    """True positives, false positives and false negatives of each label: [L] or [R, L] each."""

    true_positives: Counts
    false_positives: Counts
    false_negatives: Counts

    @property
    def support(self) -> Counts:
        """Positives of each label."""
        return self.true_positives + self.false_negatives

    @property
    def precision(self) -> Floats:
        """Share of tp among tp + fp; 0 where nothing was predicted, NaN without positives."""
        return self._ratio(self.true_positives, self.true_positives + self.false_positives)

    @property
    def recall(self) -> Floats:
        """Share of tp among tp + fn; NaN where there is no positive."""
        return self._ratio(self.true_positives, self.support)

    @property
    def f1(self) -> Floats:
        """2 tp / (2 tp + fp + fn); NaN where there is no positive."""
        twice = 2 * self.true_positives
        return self._ratio(twice, twice + self.false_positives + self.false_negatives)

    def of_labels(self, columns: Sequence[int]) -> Confusion:
        """The counts of some labels."""
        parts = (self.true_positives, self.false_positives, self.false_negatives)
        return Confusion(*(part[..., columns] for part in parts))

    def micro(self) -> Confusion:
        """All labels counted as one."""
        parts = (self.true_positives, self.false_positives, self.false_negatives)
        return Confusion(*(part.sum(axis=-1, keepdims=True) for part in parts))

    def by_name(self) -> dict[str, Floats]:
        """The metrics of decisions, under the names that they have in every document."""
        return {"precision": self.precision, "recall": self.recall, "f1": self.f1}

    def _ratio(self, part: Counts, whole: Counts) -> Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            value = np.where(whole > 0, part / whole, 0.0)
        return np.where(self.support > 0, value, np.nan)


@dataclass(frozen=True)
class MetricArrays:
    """All metrics of each label on a split [L], or in resamples of it [R, L]."""

    counts: Confusion
    average_precision: Floats
    roc_auc: Floats

    def by_name(self) -> dict[str, Floats]:
        """All metrics, under the names that they have in every document."""
        return {
            **self.counts.by_name(),
            "average_precision": self.average_precision,
            "roc_auc": self.roc_auc,
        }


def measure(decisions: Decisions, scores: Floats | None, targets: Targets) -> MetricArrays:
    """All metrics of each label, from decisions, scores and targets [n, L].

    Without scores average precision and AUC are undefined.
    """
    counts = confusion(decisions, targets)
    if scores is None:
        undefined = np.full(targets.shape[1], np.nan)
        return MetricArrays(counts, undefined, undefined)
    return MetricArrays(counts, average_precision(scores, targets), roc_auc(scores, targets))


def confusion(decisions: Decisions, targets: Targets) -> Confusion:
    """Count decisions [n, L] (or [k, n, L], summed over k) against targets [n, L]."""
    axes = tuple(range(decisions.ndim - 1))
    positive, negative = targets == 1, targets == 0
    return Confusion(
        (decisions & positive).sum(axis=axes, dtype=np.int64),
        (decisions & negative).sum(axis=axes, dtype=np.int64),
        (~decisions & positive).sum(axis=axes, dtype=np.int64),
    )


def average_precision(scores: Floats, targets: Targets) -> Floats:
    """Average precision of each column of scores [n, L]; NaN where there is no positive.

    AP = sum over thresholds of (R_n - R_{n-1}) P_n, tied scores taken together.
    """
    result = np.full(targets.shape[1], np.nan)
    for label in range(targets.shape[1]):
        known = ~np.isnan(targets[:, label])
        truth = targets[known, label]
        if truth.any():
            # the sum of a perfect ranking may be a last digit above 1
            result[label] = min(1.0, average_precision_score(truth, scores[known, label]))
    return result


def left_out_precision(scores: Floats, targets: Targets) -> Floats:
    """Average precision of each column, with each positive left out of its own precision.

    A positive is itself among the texts that give the precision at its score, so few positives
    alone make average precision too high. NaN where there is no positive; a single positive, which
    has no other to be judged by, keeps its average precision.

    Args:
        scores: [n, L].
        targets: [n, L], NaN unknown.
    """
    result = np.full(targets.shape[1], np.nan)
    for label, column in enumerate(targets.T):
        known = np.sort(scores[~np.isnan(column), label])
        positive = np.sort(scores[column == 1, label])
        if not (number := len(positive)):
            continue
        found = number - np.searchsorted(positive, positive)
        wrong = len(known) - np.searchsorted(known, positive) - found
        others = (found - 1) * number / (number - 1) if number > 1 else found
        precision = np.divide(others, others + wrong, out=np.ones(number), where=wrong > 0)
        result[label] = precision.mean()
    return result


def roc_auc(scores: Floats, targets: Targets) -> Floats:
    """Area under the ROC curve of each column of scores [n, L]; NaN unless both classes occur.

    The share of (positive, negative) pairs in which the positive has the higher score, ties half.
    """
    result = np.full(targets.shape[1], np.nan)
    for label in range(targets.shape[1]):
        known = ~np.isnan(targets[:, label])
        truth = targets[known, label]
        if truth.any() and not truth.all():
            result[label] = roc_auc_score(truth, scores[known, label])
    return result


def mean_of_each(values: Floats, shares: Floats | Counts) -> Floats:
    """Weighted mean along the last axis of the values that are defined; NaN where none is.

    Args:
        values: [..., L].
        shares: how much each counts, [L] or [..., L].
    """
    counted = np.where(np.isnan(values), 0, shares)
    with np.errstate(invalid="ignore"):
        return np.asarray((np.nan_to_num(values) * counted).sum(axis=-1) / counted.sum(axis=-1))


def mean_defined(values: Floats) -> float:
    """Mean of the values that are defined; NaN where none is."""
    return float(mean_of_each(values, np.ones(values.shape)))


@dataclass(frozen=True)
class Ranking:
    """The known texts of a label, highest score first, cut where AP and AUC change.

    Both are sums over groups: the texts with one score, at least one of them positive.

    Attributes:
        rows: all known texts, by score.
        starts: where in `rows` the stretch that ends with each group begins, and the rest.
        positives: the positive texts, by score.
        first_positives: where in `positives` each group begins.
        members: all texts of the groups, by score.
        first_members: where in `members` each group begins.
    """

    rows: Rows
    starts: Rows
    positives: Rows
    first_positives: Rows
    members: Rows
    first_members: Rows

    @classmethod
    def of(cls, scores: Floats, targets: Targets) -> Ranking:
        """Rank a label's texts.

        Args:
            scores: [n].
            targets: [n], NaN unknown, at least one of them 1.
        """
        known = np.flatnonzero(~np.isnan(targets))
        rows = known[np.argsort(-scores[known], kind="stable")]
        positive = targets[rows] == 1
        group = np.unique(-scores[rows], return_inverse=True)[1]
        chosen = np.unique(group[positive])
        member = np.isin(group, chosen)
        ends = np.searchsorted(group, chosen, side="right")
        return cls(
            rows=rows,
            starts=np.concatenate([[0], ends[ends < len(rows)]]),
            positives=rows[positive],
            first_positives=np.searchsorted(group[positive], chosen),
            members=rows[member],
            first_members=np.searchsorted(group[member], chosen),
        )

    def metrics(self, weights: Weights) -> tuple[Floats, Floats]:
        """Average precision and AUC [R] with each text counted as often as its weight says.

        AP = sum over groups of (R_g - R_{g-1}) P_g. AUC = share of (positive, negative) pairs in
        which the positive has the higher score, ties half. NaN without positives, or negatives.

        Args:
            weights: [n, R]; sums are exact below 2^24 texts.
        """
        stretches = _sums(weights, self.rows, self.starts)
        gained = _sums(weights, self.positives, self.first_positives)
        tied = _sums(weights, self.members, self.first_members) - gained
        found = gained.cumsum(axis=0)
        taken = stretches.cumsum(axis=0)[: len(found)]
        positives = found[-1]
        negatives = stretches.sum(axis=0) - positives
        with np.errstate(invalid="ignore", divide="ignore"):
            precision = np.where(taken > 0, found / taken, 0.0)
            ap = (gained * precision).sum(axis=0) / positives
            wrong = (gained * (taken - found - tied / 2)).sum(axis=0)
            return ap, 1 - wrong / (positives * negatives)


def _sums(weights: Weights, rows: Rows, starts: Rows) -> Floats:
    """Sums of weights [stretches, R] over stretches of rows."""
    return np.add.reduceat(weights[rows], starts, axis=0).astype(np.float64)
