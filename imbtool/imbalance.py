"""How imbalanced a target matrix is: counts, ratios, tiers, co-occurrence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from imbtool.profile import WeightsSection

Tier = Literal["severe", "moderate", "head"]
TIERS: tuple[Tier, ...] = ("severe", "moderate", "head")
RARE: tuple[Tier, ...] = ("severe", "moderate")


@dataclass(frozen=True)
class LabelCount:
    """Positives, negatives and unknowns of one label in one split."""

    positives: int
    negatives: int
    unknown: int

    @property
    def ratio(self) -> float:
        """Negatives for each positive; infinite without positives."""
        return self.negatives / self.positives if self.positives else float("inf")

    @property
    def prevalence(self) -> float:
        """Share of positives among the known; 0 where nothing is known."""
        known = self.positives + self.negatives
        return self.positives / known if known else 0.0


def count_labels(targets: NDArray[np.float32]) -> list[LabelCount]:
    """Count each column of targets [n, L] (1, 0, NaN unknown)."""
    positives = (targets == 1).sum(axis=0)
    negatives = (targets == 0).sum(axis=0)
    return [
        LabelCount(int(pos), int(neg), len(targets) - int(pos) - int(neg))
        for pos, neg in zip(positives, negatives, strict=True)
    ]


def tier_of(ratio: float, rules: WeightsSection) -> Tier:
    """`severe` from severe.ratio on, `moderate` from moderate.ratio on, else `head`."""
    if ratio >= rules.severe.ratio:
        return "severe"
    return "moderate" if ratio >= rules.moderate.ratio else "head"


def co_occurrence(targets: NDArray[np.float32]) -> NDArray[np.int64]:
    """Texts that have both labels, [L, L]; the diagonal holds each label's positives."""
    positive = (targets == 1).astype(np.float64)
    return np.asarray(positive.T @ positive, dtype=np.int64)


def labels_per_text(targets: NDArray[np.float32]) -> dict[int, int]:
    """How many texts have how many labels, by number of labels."""
    numbers, texts = np.unique((targets == 1).sum(axis=1), return_counts=True)
    return {int(number): int(count) for number, count in zip(numbers, texts, strict=True)}
