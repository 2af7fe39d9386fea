"""Many texts in one piece of memory: no Python object stands for a text until it is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import SupportsIndex, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from imbtool.types import Rows

AT_ONCE = 4096


class Texts(Sequence[str]):
    """Texts as a sequence; a slice is a list."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        """Take over a column of text without missing values; several chunks are copied into one."""
        column = column.cast(pa.large_string())
        whole = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
        self._texts: pa.LargeStringArray = whole

    @classmethod
    def of(cls, texts: Iterable[str]) -> Texts:
        """Python's own texts.

        Raises:
            UnicodeEncodeError: a text with half of a surrogate pair.
        """
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

    def characters(self) -> Rows:
        """How many characters each text has [n]."""
        return np.asarray(pc.utf8_length(self._texts), dtype=np.int64)
