"""Shares that fit the hierarchy: a label is at least as frequent as each label below it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from imbtool.config.hierarchy import Labels
from imbtool.evaluation.document import Estimate


@dataclass(frozen=True)
class _Ends:
    value: float
    low: float
    high: float

    @property
    def width(self) -> float:
        return self.high - self.low


def coherent(labels: Labels, estimates: Sequence[Estimate]) -> list[Estimate]:
    """Estimates in which no child's value is above its parent's.

    Of such a pair the one with the wider interval moves: a child down to its parent, or a parent up
    to its child, each end of the interval as well as the value. A withheld estimate moves none; its
    bound is at most that of its parent.

    Args:
        labels: the label set.
        estimates: of each label [L].
    """
    known = {
        label: _Ends(each.value, each.low or 0.0, 1.0 if each.high is None else each.high)
        for label, each in enumerate(estimates)
        if each.value is not None
    }
    for child, parent in reversed(labels.edges):
        if child in known and parent in known:
            below, above = known[child], known[parent]
            if below.value > above.value and above.width >= below.width:
                known[parent] = _ends(max, above, below)
    for child, parent in labels.edges:
        if child in known and parent in known and known[child].value > known[parent].value:
            known[child] = _ends(min, known[child], known[parent])
    fitting = [
        Estimate(value=known[label].value, low=known[label].low, high=known[label].high)
        if label in known
        else each
        for label, each in enumerate(estimates)
    ]
    for child, parent in labels.edges:
        high, most = fitting[child].high, fitting[parent].high
        if child not in known and most is not None and (high is None or most < high):
            fitting[child] = fitting[child].model_copy(update={"high": most})
    return fitting


def _ends(pick: Callable[[float, float], float], one: _Ends, other: _Ends) -> _Ends:
    return _Ends(pick(one.value, other.value), pick(one.low, other.low), pick(one.high, other.high))
