"""Many texts in one piece of memory: no Python object stands for a text until it is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import SupportsIndex, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from imbtool.formats.text_bytes import BYTES_AT_ONCE, bytes_of
from imbtool.types import Rows

AT_ONCE = 4096
"""Python's own texts that are made at once."""
BLOCK_TEXTS = 1 << 14
"""Texts of a block, at most."""
BLANK_STARTS = sorted({chr(code).encode()[0] for code in range(0x3001) if chr(code).isspace()})
"""The first bytes of white space, of all that Python takes for it."""


class Texts(Sequence[str]):
    """Texts as a sequence; a slice is a list."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        """Take over a column of text without missing values; several chunks are copied into one."""
        column = column.cast(pa.large_string())
        whole = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
        # Arrow's own cast of a slice may begin behind 0, and its ascii_lower reads that wrongly
        places, content = map(pa.py_buffer, bytes_of(whole))
        self._texts = pa.LargeStringArray.from_buffers(len(whole), places, content)

    @classmethod
    def of(cls, texts: Iterable[str]) -> Texts:
        """Python's own texts, or `Texts` as they are.

        Raises:
            UnicodeEncodeError: a text with half of a surrogate pair.
        """
        if isinstance(texts, Texts):
            return texts
        return cls(pa.chunked_array([pa.array(texts, pa.large_string())]))

    def __len__(self) -> int:
        return len(self._texts)

    @overload
    def __getitem__(self, place: SupportsIndex) -> str: ...

    @overload
    def __getitem__(self, place: slice) -> list[str]: ...

    def __getitem__(self, place: SupportsIndex | slice) -> str | list[str]:
        if isinstance(place, slice):
            found: list[str] = self._texts[place].to_pylist()
            return found
        text: str = self._texts[place.__index__()].as_py()
        return text

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), AT_ONCE):
            yield from self[start : start + AT_ONCE]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Texts):
            return bool(self._texts.equals(other._texts))
        return isinstance(other, Sequence) and [*self] == [*other]

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Texts({self[:3]}, {len(self)} in all)"

    def take(self, rows: Rows) -> Texts:
        """Some of the texts."""
        return Texts(pa.chunked_array([self._texts.take(pa.array(rows, pa.int64()))]))

    def blocks(self) -> Iterator[pa.LargeStringArray]:
        """Yield all texts in blocks of `BLOCK_TEXTS`, or of those in `BYTES_AT_ONCE`, or of one."""
        places, _ = bytes_of(self._texts)
        start = 0
        while start < len(self):
            fitting = int(np.searchsorted(places, places[start] + BYTES_AT_ONCE, side="right")) - 1
            end = min(max(fitting, start + 1), start + BLOCK_TEXTS)
            yield self._texts[start:end]
            start = end

    def empty(self) -> Rows:
        """The places of the texts without any character but white space."""
        places, content = bytes_of(self._texts)
        is_blank = np.zeros(256, np.bool_)
        is_blank[BLANK_STARTS] = True
        perhaps = np.diff(places) == 0
        perhaps[~perhaps] = is_blank[content[places[:-1][~perhaps]]]
        rows = np.flatnonzero(perhaps)
        some = (rows[start : start + AT_ONCE] for start in range(0, len(rows), AT_ONCE))
        is_empty = [not text.strip() for block in some for text in self.take(block)]
        return rows[np.array(is_empty, np.bool_)]

    def characters(self) -> Rows:
        """How many characters each text has [n]."""
        return np.asarray(pc.utf8_length(self._texts), dtype=np.int64)
