"""Splits of a multi-label table that keep rare labels measurable in every part."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]


def stratified_split(
    targets: NDArray[np.float32],
    shares: Sequence[float],
    seed: int,
    groups: Sequence[Hashable] | None = None,
) -> list[Rows]:
    """Split rows by iterative stratification, rarest label first (Sechidis et al. 2011).

    Args:
        targets: [n, L], NaN where unknown (taken as not positive).
        shares: share of the rows each part gets; they sum to 1.
        seed: the same seed and data give the same parts.
        groups: one key a row; rows with the same key (the same text) stay together.

    Returns:
        For each share the sorted row indices of its part.
    """
    members = _members(len(targets), groups)
    positive = np.stack([(targets[rows] == 1).sum(axis=0) for rows in members])
    sizes = np.array([len(rows) for rows in members])
    part = _assign(positive, sizes, np.asarray(shares, dtype=float), np.random.default_rng(seed))
    part_of_row = np.empty(len(targets), dtype=np.int64)
    for rows, number in zip(members, part, strict=True):
        part_of_row[rows] = number
    return [np.flatnonzero(part_of_row == number) for number in range(len(shares))]


def _members(n: int, groups: Sequence[Hashable] | None) -> list[Rows]:
    if groups is None:
        return [np.array([row]) for row in range(n)]
    found: dict[Hashable, list[int]] = {}
    for row, key in enumerate(groups):
        found.setdefault(key, []).append(row)
    return [np.array(rows) for rows in found.values()]


def _assign(
    positive: NDArray[np.int64],
    sizes: NDArray[np.int64],
    shares: NDArray[np.float64],
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """The part of each group: to the part that lacks most of the rarest label left."""
    part = np.full(len(sizes), -1)
    wanted = shares[:, None] * positive.sum(axis=0)
    room = shares * sizes.sum()
    order = rng.permutation(len(sizes))
    left = positive.sum(axis=0).astype(float)
    while (left > 0).any():
        label = int(np.argmin(np.where(left > 0, left, np.inf)))
        for group in order[(part[order] < 0) & (positive[order, label] > 0)]:
            best = int(np.lexsort((-room, -wanted[:, label]))[0])
            part[group] = best
            wanted[best] -= positive[group]
            room[best] -= sizes[group]
            left -= positive[group]
        left[label] = 0
    for group in order[part[order] < 0]:
        part[group] = best = int(np.argmax(room))
        room[best] -= sizes[group]
    return part
