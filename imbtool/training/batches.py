"""Which rows stand in which batch, in which order: a pure function of lengths, seed and epoch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

BUCKET_BATCHES = 50
"""Rows are sorted by length among this many batches: little padding, yet random batches."""


def plan_epoch(
    lengths: Sequence[int], batch_size: int, seed: int, epoch: int
) -> list[NDArray[np.int64]]:
    """The batches of an epoch, each row exactly once.

    Args:
        lengths: tokens of each row.
        batch_size: rows of a batch; the last one may have fewer.
        seed: of the run.
        epoch: 1-based; another epoch is another order.

    Returns:
        Row indices of each batch, batches shuffled.
    """
    rng = np.random.default_rng((seed, epoch))
    order = rng.permutation(len(lengths))
    sizes = np.asarray(lengths)
    bucket = batch_size * BUCKET_BATCHES
    batches: list[NDArray[np.int64]] = []
    for start in range(0, len(order), bucket):
        rows = order[start : start + bucket]
        rows = rows[np.argsort(sizes[rows], kind="stable")]
        batches += [rows[at : at + batch_size] for at in range(0, len(rows), batch_size)]
    return [batches[index] for index in rng.permutation(len(batches))]
