"""The encoded texts of a training, and how they are divided into batches and over processes.

All choices are pure functions of lengths, seed, epoch, rank and number of processes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from imbtool.labels.label_sets import LabelSets
from imbtool.model.long_texts import TokenIds
from imbtool.training.token_cache import TokenTable, select_texts
from imbtool.types import Rows, Targets

BUCKET_BATCHES = 50
"""Rows are sorted by length within this many batches: little padding, yet random batches."""
LEAST_OF_EACH = 100
"""Positives and negatives of each label that a subsample keeps, if there are so many."""


@dataclass(frozen=True)
class EncodedTexts:
    """Texts as token ids, and what is known of them.

    Attributes:
        encoded: token ids of n texts.
        label_sets: their targets.
        rows: of the texts in the table that they came from; 0 for unlabelled texts.
        teacher: logits of a teacher [n, L], if there is one.
    """

    encoded: Sequence[TokenIds]
    label_sets: LabelSets
    rows: Sequence[int] | Rows
    teacher: Targets | None = None

    @cached_property
    def targets(self) -> Targets:
        """The targets, written out: float32 [n, L]. Of all training texts they may be large."""
        return self.label_sets.targets()

    def take(self, chosen: Rows) -> EncodedTexts:
        """The chosen texts, in this order."""
        rows = np.asarray(self.rows)[chosen]
        teacher = None if self.teacher is None else self.teacher[chosen]
        encoded = select_texts(self.encoded, chosen)
        return EncodedTexts(encoded, self.label_sets.take(chosen), rows, teacher)

    def taught(self, unlabelled: TokenTable, logits: Targets) -> EncodedTexts:
        """These texts, and behind them unlabelled ones, with what a teacher says of both.

        Args:
            unlabelled: token ids of m texts.
            logits: of the teacher [n + m, L].
        """
        encoded, more = TokenTable.joined(self.encoded, unlabelled), len(unlabelled)
        rows = np.concatenate([self.rows, np.zeros(more, np.int64)])
        return EncodedTexts(encoded, self.label_sets.with_unknown(more), rows, logits)


def plan_epoch(lengths: Sequence[int] | Rows, batch_size: int, seed: int, epoch: int) -> list[Rows]:
    """The batches of an epoch; each row is in exactly one batch.

    Args:
        lengths: number of tokens of each row.
        batch_size: number of rows of a batch; the last batch may have fewer.
        seed: of the run.
        epoch: number of the epoch, from 1; each epoch has another order.

    Returns:
        The row indices of each batch, in random order of the batches.
    """
    rng = np.random.default_rng((seed, epoch))
    order = rng.permutation(len(lengths))
    sizes = np.asarray(lengths)
    bucket = batch_size * BUCKET_BATCHES
    batches: list[Rows] = []
    for start in range(0, len(order), bucket):
        rows = order[start : start + bucket]
        rows = rows[np.argsort(sizes[rows], kind="stable")]
        batches += [rows[at : at + batch_size] for at in range(0, len(rows), batch_size)]
    return [batches[index] for index in rng.permutation(len(batches))]


def split_batch(rows: Rows, rank: int, processes: int, micro_batch: int | None) -> list[Rows]:
    """The micro-batches in which one process takes its part of a batch.

    Together the processes take every row once. All of them have the same number of micro-batches,
    so that none waits for another; with fewer rows than processes some micro-batches are empty.

    Args:
        rows: of the batch, sorted by length.
        rank: of the process.
        processes: number of processes.
        micro_batch: most rows of one forward pass; None means all at once.
    """
    most = -(-len(rows) // processes)
    count = 1 if micro_batch is None else -(-most // micro_batch)
    # a stride rather than a block of rows gives each process texts of the same lengths
    return np.array_split(rows[rank::processes], count)


def subsample(texts: EncodedTexts, most: int, seed: int = 0) -> EncodedTexts:
    """At most `most` of the texts, in their order: all of them, or a random part.

    A simple random sample would hold hardly any positive of a rare label. Up to `LEAST_OF_EACH`
    positives and as many negatives of each label are therefore drawn first, which fill at most half
    of the sample.
    """
    n, labels = len(texts.label_sets), texts.label_sets.sets.shape[1]
    if n <= most:
        return texts
    rng = np.random.default_rng(seed)
    least = min(LEAST_OF_EACH, most // (4 * labels))
    drawn = []
    for label in range(labels):
        for value in (0, 1):
            rows = texts.label_sets.texts_with(label, value)
            drawn.append(rng.choice(rows, min(least, len(rows)), replace=False))
    first = np.unique(np.concatenate(drawn))
    is_free = np.ones(n, np.bool_)
    is_free[first] = False
    others = rng.permutation(np.flatnonzero(is_free))[: most - len(first)]
    return texts.take(np.sort(np.concatenate([first, others])))
