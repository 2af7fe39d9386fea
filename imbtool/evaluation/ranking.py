"""Average precision and area under the ROC curve of one label in many resamples at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Weights = NDArray[np.float32]
Places = NDArray[np.int64]


@dataclass(frozen=True)
class Ranking:
    """The known texts of a label, highest score first, cut where both figures change.

    Both are sums over groups: the texts with one score, at least one of them positive.

    Attributes:
        rows: all known texts, by score.
        starts: where in `rows` the stretch that ends with each group begins, and the rest.
        positives: the positive texts, by score.
        first_positives: where in `positives` each group begins.
        members: all texts of the groups, by score.
        first_members: where in `members` each group begins.
    """

    rows: Places
    starts: Places
    positives: Places
    first_positives: Places
    members: Places
    first_members: Places

    @classmethod
    def of(cls, scores: Floats, targets: NDArray[np.float32]) -> Ranking:
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

    def figures(self, weights: Weights) -> tuple[Floats, Floats]:
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


def _sums(weights: Weights, rows: Places, starts: Places) -> Floats:
    """Sums of weights [stretches, R] over stretches of rows."""
    return np.add.reduceat(weights[rows], starts, axis=0).astype(np.float64)
