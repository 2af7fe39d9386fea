"""Which texts a batch takes: the highest scores of each label, and some at random."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imbtool.data.duplicates import near_duplicate_groups
from imbtool.types import Counts, Floats, Rows

Scores = NDArray[np.float32]

LOOKED_AT = 4
"""For each text to choose, how many of the highest scores are compared with each other at first."""


@dataclass(frozen=True)
class Chosen:
    """A text that was chosen for a label.

    Attributes:
        row: of it in the pool.
        label: the number of the label.
        rank: of its score among the texts that could be chosen, from 1.
    """

    row: int
    label: int
    rank: int


def choose_random(order: Floats, free: Rows, number: int) -> Rows:
    """The next texts of the random order.

    Args:
        order: a number of each text of the pool; see `random_order`.
        free: rows of the pool that can be chosen.
        number: of texts; fewer are chosen if there are fewer.
    """
    return free[np.argsort(order[free], kind="stable")[:number]]


def choose_by_score(
    texts: Sequence[str], scores: Scores, free: Rows, quotas: Counts, apart_from: Rows
) -> list[Chosen]:
    """The highest scores of each label that are not nearly the same as texts chosen already.

    Labels with small quotas choose first. What a label cannot fill, the others do.

    Args:
        texts: of the pool.
        scores: [free texts, L]; -inf where a text must not be chosen for a label.
        free: rows of the pool that can be chosen, in the order of the scores.
        quotas: how many texts each label gets [L].
        apart_from: rows of texts that nothing chosen may be nearly the same as.
    """
    looked_at = LOOKED_AT * int(quotas.sum())
    while True:
        chosen = _chosen(texts, scores, free, quotas, apart_from, looked_at)
        if len(chosen) == quotas.sum() or looked_at >= len(free):
            return chosen
        looked_at *= LOOKED_AT


def _chosen(
    texts: Sequence[str],
    scores: Scores,
    free: Rows,
    quotas: Counts,
    apart_from: Rows,
    looked_at: int,
) -> list[Chosen]:
    """The same with so many of the highest scores of each label, which may be too few."""
    ranked = [_highest(column, looked_at) for column in scores.T]
    seen = np.unique(np.concatenate([*ranked, np.empty(0, np.int64)])).astype(np.int64)
    groups = near_duplicate_groups(
        [texts[row] for row in apart_from] + [texts[free[place]] for place in seen]
    )
    group_of = dict(zip(seen.tolist(), groups[len(apart_from) :].tolist(), strict=True))
    taken = set(groups[: len(apart_from)].tolist())
    chosen: list[Chosen] = []
    turns = [_Turn(label, ranked[label], scores[:, label]) for label in range(len(quotas))]
    for label in np.argsort(quotas, kind="stable"):
        turns[label].take(int(quotas[label]), group_of, taken, free, chosen)
    for label in np.argsort(-quotas, kind="stable"):  # what others could not fill
        missing = int(quotas.sum()) - len(chosen)
        turns[label].take(missing, group_of, taken, free, chosen)
    return chosen


class _Turn:
    """The texts of one label, highest first, of which more are taken whenever it is its turn."""

    def __init__(self, label: int, places: Rows, scores: Scores) -> None:
        self._label = label
        self._left: Iterator[tuple[int, int]] = (
            (rank, int(place))
            for rank, place in enumerate(places, start=1)
            if scores[place] > -np.inf
        )

    def take(
        self,
        number: int,
        group_of: dict[int, int],
        taken: set[int],
        free: Rows,
        chosen: list[Chosen],
    ) -> None:
        end = len(chosen) + number
        while len(chosen) < end and (found := next(self._left, None)):
            rank, place = found
            if group_of[place] not in taken:
                taken.add(group_of[place])
                chosen.append(Chosen(int(free[place]), self._label, rank))


def _highest(scores: Scores, most: int) -> Rows:
    """The places of the highest scores, highest first."""
    if most >= len(scores):
        return np.argsort(-scores, kind="stable")
    places = np.argpartition(-scores, most)[:most]
    return places[np.lexsort((places, -scores[places]))]
