"""Texts as token ids in one flat array: a fortieth of the memory of lists, and it can be a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from imbtool.model.encoder import Tokens

Ids = NDArray[np.int32]
Numbers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class TokenTable(Sequence[Tokens]):
    """Texts as token ids; a row is a list, a slice another table.

    Attributes:
        ids: of all texts, one behind the other [tokens].
        starts: where each text begins among them [n].
        lengths: how many are its own [n].
        file: that the ids are mapped from, if they are.
    """

    ids: Ids
    starts: Numbers
    lengths: Numbers
    file: Path | None = None

    @classmethod
    def of(cls, ids: Ids, lengths: Ids, file: Path | None = None) -> TokenTable:
        """All texts that `ids` holds."""
        wide = lengths.astype(np.int64)
        return cls(ids, np.cumsum(wide) - wide, wide, file)

    def __len__(self) -> int:
        return len(self.lengths)

    @overload
    def __getitem__(self, row: int) -> Tokens: ...
    @overload
    def __getitem__(self, row: slice) -> TokenTable: ...
    def __getitem__(self, row: int | slice) -> Tokens | TokenTable:
        if isinstance(row, slice):
            return self._at(row)
        start = self.starts[row]
        ids: Tokens = self.ids[start : start + self.lengths[row]].tolist()
        return ids

    def take(self, rows: Numbers) -> TokenTable:
        """Some texts, in the order of `rows`; no id is copied."""
        return self._at(rows)

    def _at(self, rows: Numbers | slice) -> TokenTable:
        return TokenTable(self.ids, self.starts[rows], self.lengths[rows], self.file)


def flat(encoded: Sequence[Tokens]) -> tuple[Ids, Ids]:
    """The ids of encoded texts, one behind the other, and how many each text has."""
    lengths = np.fromiter(map(len, encoded), dtype="<i4", count=len(encoded))
    ids = np.fromiter(chain.from_iterable(encoded), dtype="<i4", count=int(lengths.sum()))
    return ids, lengths


def taken(encoded: Sequence[Tokens], rows: Numbers) -> Sequence[Tokens]:
    """Some encoded texts, in the order of `rows`."""
    return encoded.take(rows) if isinstance(encoded, TokenTable) else [encoded[row] for row in rows]


def token_counts(encoded: Sequence[Tokens]) -> list[int]:
    """How many tokens each encoded text has [n]."""
    if isinstance(encoded, TokenTable):
        counts: list[int] = encoded.lengths.tolist()
        return counts
    return [len(ids) for ids in encoded]
