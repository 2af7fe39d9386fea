"""Targets of many texts in little memory: each set of labels once, and which of them a text has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from imbtool.types import Counts, Rows, Targets

CHUNK_ROWS = 2**13
"""Texts whose targets are written out at once."""

SetNumbers = NDArray[np.int32]


@dataclass(frozen=True)
class LabelSets:
    """The targets of n texts, of which many are the same: ten million fit in 40 MB.

    Attributes:
        sets: float32 [k, L]: what is known of the labels of a text, NaN unknown. Two sets may be
            the same, and one may be that of no text.
        of_text: the number of each text's set [n].
    """

    sets: Targets
    of_text: SetNumbers

    @classmethod
    def each(cls, targets: Targets) -> LabelSets:
        """Targets [n, L] as they are, with a set for each text."""
        own = np.asarray(targets, dtype=np.float32)
        return cls(own, np.arange(len(own), dtype=np.int32))

    @classmethod
    def unknown(cls, texts: int, labels: int) -> LabelSets:
        """Texts of which nothing is known."""
        return cls(np.full((1, labels), np.nan, np.float32), np.zeros(texts, np.int32))

    def __len__(self) -> int:
        return len(self.of_text)

    @cached_property
    def times(self) -> Counts:
        """How many texts have each set [k]."""
        return np.bincount(self.of_text, minlength=len(self.sets)).astype(np.int64)

    def targets(self, texts: Rows | slice = slice(None)) -> Targets:
        """The targets of some texts [texts, L], of all by default."""
        # many times as fast as an index of rows
        return self.sets.take(self.of_text[texts], axis=0)

    def of(self, text: int) -> Targets:
        """The targets of one text [L]."""
        return np.asarray(self.sets[self.of_text[text]])

    def chunks(self) -> Iterator[Targets]:
        """Yield the targets of all texts, some texts at a time."""
        for start in range(0, len(self), CHUNK_ROWS):
            yield self.targets(slice(start, start + CHUNK_ROWS))

    def take(self, texts: Rows | NDArray[np.bool_]) -> LabelSets:
        """Those of some texts."""
        return LabelSets(self.sets, self.of_text[texts])

    def with_unknown(self, texts: int) -> LabelSets:
        """These, and behind them so many texts of which nothing is known."""
        nothing = np.full((1, self.sets.shape[1]), np.nan, np.float32)
        theirs = np.full(texts, len(self.sets), np.int32)
        return LabelSets(
            np.concatenate([self.sets, nothing]), np.concatenate([self.of_text, theirs])
        )

    def only(self, labels: Iterable[int]) -> LabelSets:
        """The same texts with some of the labels, by their place."""
        return LabelSets(np.ascontiguousarray(self.sets[:, [*labels]]), self.of_text)

    def texts_with(self, label: int, value: float = 1.0) -> Rows:
        """The texts whose target of a label has a value."""
        return np.flatnonzero((self.sets[:, label] == value)[self.of_text])


def as_label_sets(targets: Targets | LabelSets) -> LabelSets:
    """Targets, or an array of them [n, L], as label sets."""
    return targets if isinstance(targets, LabelSets) else LabelSets.each(targets)


def combined(numbers: Iterable[NDArray[np.integer]]) -> tuple[SetNumbers, Rows]:
    """Number the different combinations of several numbers that each of n texts has.

    Args:
        numbers: at least one array [n] of whole numbers under 2^63.

    Returns:
        The number of each text's combination [n], in order of first appearance, and the first text
        that has each.
    """
    columns = iter(numbers)
    result = pd.factorize(next(columns))[0]
    first = _first_of_each(result)
    for each in columns:
        if not np.array_equal(each[first][result], each):
            other = pd.factorize(each)[0]
            # both are below n, which is far below 2^31
            result = pd.factorize(result * (int(other.max()) + 1) + other)[0]
            first = _first_of_each(result)
    return result.astype(np.int32), first


def _first_of_each(numbers: NDArray[np.integer]) -> Rows:
    """The first place of each number from 0 to the highest."""
    first = np.empty(int(numbers.max(initial=-1)) + 1, dtype=np.int64)
    first[numbers[::-1]] = np.arange(len(numbers))[::-1]
    return first
