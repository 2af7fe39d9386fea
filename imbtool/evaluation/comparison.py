"""Two systems on the same texts: the difference of every figure, with its paired interval."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imbtool.data.imbalance import TIERS, Tier
from imbtool.errors import user_error
from imbtool.evaluation.intervals import paired_interval, shared_correlation
from imbtool.evaluation.measures import Estimate, Estimates, figure
from imbtool.types import Decisions
from imbtool.wording import did_you_mean, some

Document = dict[str, Any]

DECIDED = ("precision", "recall", "f1")
RANKED = ("average_precision", "roc_auc")
VERDICTS = ("better", "worse", "cannot be told")


@dataclass(frozen=True)
class Judged:
    """What a system says of the texts of a split.

    Attributes:
        names: its labels, in the order of the columns.
        decisions: [n, L].
        scores: [n, L]; the higher, the more probable. None where it gives only decisions.
        decided_by: what the decisions are, in words.
    """

    names: tuple[str, ...]
    decisions: Decisions
    scores: NDArray[np.float64] | None
    decided_by: str = "its thresholds"

    def of(self, names: Sequence[str], with_scores: bool) -> Judged:
        """The columns of some labels, with or without scores."""
        columns = [self.names.index(name) for name in names]
        scores = self.scores[:, columns] if with_scores and self.scores is not None else None
        return Judged(tuple(names), self.decisions[:, columns], scores, self.decided_by)


def comparison_document(
    ours: Judged, theirs: Judged, targets: NDArray[np.float32], tiers: Sequence[Tier], against: str
) -> Document:
    """Ours less theirs, on the labels that both have.

    Args:
        ours: one system; its labels are those of `targets` and `tiers`.
        theirs: another one, on the same texts.
        targets: [n, L], NaN unknown: left out for both.
        tiers: the tier of each of our labels by its training ratio.
        against: what the other one is called.

    Returns:
        `against`, `texts`, `has_scores`, `decided_by`, `left_out`, `overall`, `labels`, `counts`:
        `comparison` in evaluation.json. Without scores of both the differences of average precision
        and AUC are NaN.

    Raises:
        UserError: they have no label in common.
    """
    names = _common(ours.names, theirs.names, against)
    has_scores = ours.scores is not None and theirs.scores is not None
    columns = [ours.names.index(name) for name in names]
    pair = _Pair(ours.of(names, has_scores), theirs.of(names, has_scores), targets[:, columns])
    labels = {name: pair.label(index) for index, name in enumerate(names)}
    verdicts = Counter(row["verdict"] for row in labels.values())
    return {
        "against": against,
        "texts": len(targets),
        "has_scores": has_scores,
        "decided_by": theirs.decided_by,
        "left_out": [name for name in (*ours.names, *theirs.names) if name not in names],
        "overall": pair.overall([tiers[column] for column in columns]),
        "labels": labels,
        "counts": {verdict: verdicts[verdict] for verdict in VERDICTS},
    }


class _Pair:
    """Two systems with the same labels, in the same resamples of the same texts."""

    def __init__(self, ours: Judged, theirs: Judged, targets: NDArray[np.float32]) -> None:
        self._estimates = [Estimates(of.decisions, of.scores, targets) for of in (ours, theirs)]
        self._same = {
            **dict.fromkeys(DECIDED, np.array_equal(ours.decisions, theirs.decisions)),
            **dict.fromkeys(RANKED, _equal(ours.scores, theirs.scores)),
        }

    def label(self, index: int) -> Document:
        row = self._differences(lambda of: of.label(index))
        support = int(self._estimates[0].counts.support[index])
        return {**row, "support": support, "verdict": _verdict(row)}

    def overall(self, tiers: Sequence[Tier]) -> Document:
        rows = {tier: [index for index, of in enumerate(tiers) if of == tier] for tier in TIERS}
        return {
            "macro": self._macro(range(len(tiers))),
            "micro": self._differences(Estimates.micro),
            **{tier: self._macro(of_tier) for tier, of_tier in rows.items() if of_tier},
        }

    def _macro(self, rows: Sequence[int]) -> Document:
        return self._differences(lambda of: of.macro(rows))

    def _differences(self, measured: Callable[[Estimates], dict[str, Estimate]]) -> Document:
        ours, theirs = map(measured, self._estimates)
        return {name: difference(ours[name], theirs[name], self._same[name]) for name in ours}


def difference(ours: Estimate, theirs: Estimate, same: bool) -> Document:
    """Ours less theirs with its paired 95% interval, and both.

    Args:
        ours: a figure of a split.
        theirs: the same figure of another system, in the same resamples.
        same: whether the two systems never differ; then they are one, and the difference is 0.
    """
    trials = min(ours.trials, theirs.trials)
    correlation = shared_correlation(ours.resamples, theirs.resamples, trials)
    ends = paired_interval(_ends(ours), _ends(theirs), correlation)
    value = ours.value - theirs.value
    return {
        **figure(value, *((0.0, 0.0) if same else ends)),
        "ours": ours.value,
        "theirs": theirs.value,
    }


def _ends(of: Estimate) -> tuple[float, float, float]:
    return of.value, of.low, of.high


def _equal(ours: NDArray[np.float64] | None, theirs: NDArray[np.float64] | None) -> bool:
    return ours is not None and theirs is not None and np.array_equal(ours, theirs)


def _verdict(row: Document) -> str:
    """By the interval of F1's difference, or average precision's where F1 is undefined."""
    ruling = row["average_precision"] if np.isnan(row["f1"]["value"]) else row["f1"]
    if ruling["low"] > 0:
        return "better"
    return "worse" if ruling["high"] < 0 else "cannot be told"


def _common(ours: Sequence[str], theirs: Sequence[str], against: str) -> list[str]:
    names = [name for name in ours if name in theirs]
    if not names:
        found = f"none of our labels: {some(theirs)}"
        raise user_error(against, found, "labels that both have", did_you_mean(theirs[0], ours))
    return names
