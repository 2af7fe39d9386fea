"""Which rows stand in which batch, in which order, and which of them a process takes.

Pure functions of lengths, seed, epoch, rank and number of processes.
"""

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


def split_batch(
    rows: NDArray[np.int64], rank: int, processes: int, micro_batch: int | None
) -> list[NDArray[np.int64]]:
    """The micro-batches in which one process takes its part of a batch.

    Together the processes take every row once. All have equally many micro-batches, so that none
    waits for another; where rows are fewer than processes a micro-batch is empty.

    Args:
        rows: of the batch, by length.
        rank: of the process.
        processes: in all.
        micro_batch: rows of one forward pass at most; None: all at once.
    """
    most = -(-len(rows) // processes)
    count = 1 if micro_batch is None else -(-most // micro_batch)
    # every so many rows rather than a run of them: each process gets the same lengths
    return np.array_split(rows[rank::processes], count)
