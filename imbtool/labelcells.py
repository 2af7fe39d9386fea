"""Label cells become targets: each distinct cell is read once, whatever the number of rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from imbtool.errors import Problem
from imbtool.profile import LabelSource
from imbtool.tables import ITEM_MARK, cell_text, is_list, text_cells

Targets = NDArray[np.float32]
"""[n, L]: 1 the text has the label, 0 it has not, NaN nobody knows."""
Codes = NDArray[np.int32]

LIST_AS_TEXT = re.compile(r"\s*\[.*\]\s*", re.DOTALL)
"""As Python or JSON writes a list."""
LIKELY_SEPARATORS = "|;,/\t"
FLAGS = {"1": 1.0, "0": 0.0, "true": 1.0, "false": 0.0, "1.0": 1.0, "0.0": 0.0, "": np.nan}
"""What the cells of 0/1 columns mean, in lower case: pandas writes them in all these ways."""

RowText = Callable[[int], str]


class LabelCells(Protocol):
    """The label cells of a table."""

    @property
    def names(self) -> set[str]:
        """The labels that stand in them."""

    def targets(self, names: Sequence[str]) -> Targets:
        """Targets [n, L] for labels that contain all of `names`."""

    def problems(self, where: Path, told: RowText) -> Iterable[Problem]:
        """What is wrong with them; `told` says which row (from 1) is meant."""


def label_cells(data: pa.Table, source: LabelSource) -> LabelCells:
    """The label cells of a table whose columns are there."""
    if source.columns is not None:
        return _Flags({name: _Coded.of(data[name]) for name in source.columns})
    return _Names.of(data[source.column], source)


def flag_of(cell: str) -> float | None:
    """What a cell of a 0/1 column means: 1, 0, or NaN for unknown; None: it is no such cell."""
    return FLAGS.get(cell.strip().lower())


def names_in(cell: object, separator: str) -> list[str]:
    """The label names of a cell: a list, or text with a separator between them."""
    if isinstance(cell, list | tuple | np.ndarray):
        parts: Iterable[str] = (cell_text(item) for item in cell)
    else:
        text = cell_text(cell)
        parts = text.split(ITEM_MARK if ITEM_MARK in text else separator)
    return [name for part in parts if (name := part.strip())]


def separator_reuse(cells: Iterable[str], separator: str) -> float:
    """How many different cells a label stands in, on average, if this were the separator.

    1 where it never occurs or only cuts cells into pieces that no other cell has.
    """
    pieces = [part.strip() for cell in set(cells) for part in cell.split(separator)]
    return len(pieces) / max(1, len(set(pieces)))


@dataclass(frozen=True)
class _Coded:
    """A column's distinct cells, and for each row which it has; -1 none."""

    cells: list[str]
    codes: Codes

    @classmethod
    def of(cls, column: pa.ChunkedArray) -> _Coded:
        encoded = text_cells(column).combine_chunks().dictionary_encode()
        codes = pc.fill_null(encoded.indices, -1).to_numpy()
        return cls(encoded.dictionary.to_pylist(), codes)


@dataclass(frozen=True)
class _Names:
    """Names in one column."""

    written: list[str]
    """Each distinct cell; empty where it means unknown."""
    parsed: list[list[str]]
    """The names of each distinct cell; of the last one, which means unknown, there are none."""
    codes: Codes
    source: LabelSource
    are_lists: bool

    @classmethod
    def of(cls, column: pa.ChunkedArray, source: LabelSource) -> _Names:
        coded = _Coded.of(column)
        marked = [cell.strip() == source.unknown for cell in coded.cells]
        codes = np.where(np.append(marked, True)[coded.codes], np.int32(-1), coded.codes)
        cells = zip(coded.cells, marked, strict=True)
        written = ["" if is_mark else cell for cell, is_mark in cells]
        parsed = [*(names_in(cell, source.separator) for cell in written), []]
        return cls(written, parsed, codes, source, is_list(column))

    @property
    def names(self) -> set[str]:
        return {name for names in self.parsed for name in names}

    def targets(self, names: Sequence[str]) -> Targets:
        index = {name: position for position, name in enumerate(names)}
        rows = np.zeros((len(self.parsed), len(names)), dtype=np.float32)
        for row, found in zip(rows, self.parsed, strict=True):
            row[[index[name] for name in found]] = 1.0
        rows[-1] = np.nan
        # many times as fast as rows[codes]; -1 is the last row
        result = _room(len(self.codes), len(names))
        return rows.take(self.codes, axis=0, mode="wrap", out=result)

    def problems(self, where: Path, told: RowText) -> Iterable[Problem]:
        yield from self._marks_beside_labels(where, told)
        yield from self._likely_separators(where)
        yield from self._lists_in_disguise(where)

    def _marks_beside_labels(self, where: Path, told: RowText) -> Iterable[Problem]:
        beside = np.array([self.source.unknown in names for names in self.parsed])
        rows = np.flatnonzero(beside[self.codes])
        if len(rows):
            mark = f"{self.source.unknown!r}, which means unknown, beside labels"
            yield Problem(
                f"{where}: {self.source.column}",
                f"{mark} in row {_first_of(rows, told)}",
                "the mark alone, or labels alone: either all labels of a text are known or none",
                "delete the mark or the labels; 0/1 columns know each label for itself",
            )

    def _likely_separators(self, where: Path) -> Iterable[Problem]:
        """One that nobody chose and that never occurs is wrong where another makes labels recur."""
        is_chosen = "separator" in self.source.model_fields_set
        if is_chosen or self.are_lists or any(len(names) > 1 for names in self.parsed):
            return
        whole = {names[0] for names in self.parsed if names}
        reuse = {mark: separator_reuse(whole, mark) for mark in LIKELY_SEPARATORS}
        best = max(reuse, key=lambda mark: reuse[mark])
        if reuse[best] > 1:
            yield Problem(
                f"{where}: {self.source.column}",
                f"the separator {self.source.separator!r} in no cell, but {best!r} in some",
                "the separator that the table uses",
                f"set data.labels.separator to {best!r}, or to "
                f"{self.source.separator!r} if {best!r} is part of names",
            )

    def _lists_in_disguise(self, where: Path) -> Iterable[Problem]:
        """Lists that were written as text, and lists of 0 and 1 instead of names."""
        place = f"{where}: {self.source.column}"
        cells = [cell for cell in self.written if cell]
        if not self.are_lists and cells and all(map(LIST_AS_TEXT.fullmatch, cells)):
            mend = "join the labels by a separator, or write jsonl or parquet, which have lists"
            yield Problem(
                place, f"lists written as text: {max(cells, key=len)[:60]}", "label names", mend
            )
        flags = {name for names in self.parsed for name in names} <= {"0", "1"}
        if self.are_lists and flags and any(len(names) > len(set(names)) for names in self.parsed):
            mend = "write a list of names, or a column a label (data.labels.columns)"
            yield Problem(place, "lists of 0 and 1", "lists of label names", mend)


@dataclass(frozen=True)
class _Flags:
    """One column of 0 and 1 a label."""

    columns: dict[str, _Coded]

    @property
    def names(self) -> set[str]:
        return set(self.columns)

    def targets(self, names: Sequence[str]) -> Targets:
        codes = [self.columns[name] for name in names]
        result = _room(len(codes[0].codes), len(names))
        for place, coded in enumerate(codes):
            # -1, a missing value, takes the last
            values = [*map(flag_of, coded.cells), np.nan]
            result[:, place] = np.array(values, dtype=np.float32)[coded.codes]
        return result

    def problems(self, where: Path, told: RowText) -> Iterable[Problem]:
        for column, coded in self.columns.items():
            wrong = [*(flag_of(cell) is None for cell in coded.cells), False]
            rows = np.flatnonzero(np.array(wrong)[coded.codes])
            if len(rows):
                value = coded.cells[coded.codes[rows[0]]]
                found = f"{value!r} in row {_first_of(rows, told)}"
                mend = "write 0, 1 or nothing; for names in one column use data.labels.column"
                yield Problem(f"{where}: {column}", found, "0, 1 or empty (unknown)", mend)


def _first_of(rows: NDArray[np.int64], told: RowText) -> str:
    """The first of some rows (from 0), and how many more there are."""
    more = f" and {len(rows) - 1:,} more" * (len(rows) > 1)
    return f"{told(int(rows[0]) + 1)}{more}"


def _room(texts: int, labels: int) -> Targets:
    """Memory for targets; that of tables which were read goes back to the system first."""
    pa.default_memory_pool().release_unused()
    return np.empty((texts, labels), dtype=np.float32)
