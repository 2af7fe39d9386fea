"""Tables with the answered texts behind their rows, in the format that they had."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from imbtool.annotation.batch import BATCH_NAME, CHOSEN_BY, PROBABILITY, BatchText
from imbtool.config.data_sections import DataSection, LabelSource
from imbtool.data.partition import written_suffix
from imbtool.data.tables import Table, read_chunks
from imbtool.data.writer import TableWriter
from imbtool.formats.cells import is_list, text_cells
from imbtool.labels.syntax import joined, needs_list
from imbtool.types import Targets

ID, KNOWN = "id", "known"
OURS = "imbtool_"
"""Before the name of a column whose plain name the table uses for something else."""
TEXT_FORMATS = (".csv", ".tsv")
NOBODY_KNOWS, UNKNOWN_NUMBER = "na", -1
"""Cells for unknown where an empty one means no: in text, and in tables of numbers."""
Cells = dict[str, Any]


@dataclass(frozen=True)
class MergedText:
    """An answered text as it goes into a table.

    Attributes:
        text: of the batch.
        batch: its name.
        targets: 1, 0 or NaN [L].
    """

    text: BatchText
    batch: str
    targets: Targets


@dataclass(frozen=True)
class MergedColumns:
    """What the columns of a merged table are called.

    Attributes:
        id: of the ids.
        chosen_by: how a text was chosen.
        probability: of a random text, that it was drawn.
        batch: its name.
        known: the labels that are known of a text; None where each label has a column.
    """

    id: str
    chosen_by: str
    probability: str
    batch: str
    known: str | None

    @classmethod
    def of(cls, columns: Sequence[str], data: DataSection) -> MergedColumns:
        """The names that a profile gives, else those that its table leaves free."""
        merged = data.chosen_by is not None
        texts_or_labels = {*data.text_columns, data.labels.column, *(data.labels.columns or ())}
        id = data.id or (ID if ID not in texts_or_labels else f"{OURS}{ID}")
        known = data.labels.known or _free(KNOWN, columns, merged=False)
        return cls(
            id,
            data.chosen_by or _free(CHOSEN_BY, columns, merged),
            _free(PROBABILITY, columns, merged),
            _free(BATCH_NAME, columns, merged),
            known if data.labels.columns is None else None,
        )

    @property
    def provenance(self) -> list[str]:
        """The columns that say how a text came to be labelled."""
        return [self.chosen_by, self.probability, self.batch]


def _free(name: str, columns: Sequence[str], merged: bool) -> str:
    """A name for a column; that of an earlier merge if there was one."""
    ours = f"{OURS}{name}"
    if ours in columns or (name in columns and not merged):
        return ours
    return name


@dataclass(frozen=True)
class TableToMerge:
    """A table that answered texts are to be put behind.

    Attributes:
        path: of it.
        table: what was read.
        data: how it is read.
        columns: what the new columns are called.
        labels: the names of all labels [L], new ones among them.
        declared: whether the profile declares labels: then the other rows do not know them all,
            and a new row says what it knows even where that is all.
    """

    path: Path
    table: Table
    data: DataSection
    columns: MergedColumns
    labels: Sequence[str]
    declared: bool

    def suffix(self, rows: Sequence[MergedText]) -> str:
        """The format to write: that of the table, or lines of JSON where cells do not fit in."""
        own = written_suffix(self.path, self.data)
        if own == ".parquet" and not self._fits(rows):
            return ".jsonl"
        return own

    def write(self, target: Path, suffix: str, rows: Sequence[MergedText]) -> None:
        """Write the table with the new rows behind its own.

        Raises:
            UserError: it cannot be read or written.
        """
        with TableWriter(target, suffix) as writer:
            for frame in read_chunks(self.path, self.data.text_format):
                writer.write(self._widened(frame, suffix))
            if not writer.rows:  # the header says what columns there are, if no row does
                header = self.table.data.slice(0, 0).to_pandas(types_mapper=pd.ArrowDtype)
                writer.write(self._widened(header, suffix))
            if rows:
                cells = [self._cells(row, suffix) for row in rows]
                names = dict.fromkeys(name for row in cells for name in row)
                columns = {name: [row.get(name) for row in cells] for name in names}
                writer.write(pd.DataFrame(columns, dtype=object))

    def _fits(self, rows: Sequence[MergedText]) -> bool:
        """Whether new cells have the types of the table's columns."""
        cells = [self._cells(row, ".parquet") for row in rows]
        try:
            for name in self.table.data.column_names:
                kind = self.table.data.schema.field(name).type
                pa.array([row.get(name) for row in cells], type=kind)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
            return False
        return True

    def _new_columns(self) -> dict[str, pa.DataType]:
        """The columns that are added, with their types; labels that had none among them."""
        known = pa.list_(pa.string()) if self._has_lists else pa.string()
        wanted = {
            self.columns.id: pa.string(),
            **dict.fromkeys((self.data.labels.columns and self.labels) or (), pa.int64()),
            self.columns.chosen_by: pa.string(),
            self.columns.probability: pa.float64(),
            self.columns.batch: pa.string(),
            **({self.columns.known: known} if self.columns.known else {}),
        }
        there = self.table.data.column_names
        return {name: kind for name, kind in wanted.items() if name not in there}

    @property
    def _has_lists(self) -> bool:
        column = self.data.labels.column
        return column is not None and is_list(self.table.data[column])

    def _widened(self, frame: pd.DataFrame, suffix: str) -> pd.DataFrame:
        """Rows of the table with the new columns, which say nothing of them."""
        new: dict[str, pd.Series[Any]] = {}
        for name, kind in self._new_columns().items():
            cell = _unknown(self.data.labels, suffix) if name in self.labels else None
            cells: list[Any] = [cell] * len(frame)
            type_of_cells = pd.ArrowDtype(kind) if suffix == ".parquet" else object
            new[name] = pd.Series(cells, frame.index, dtype=type_of_cells)
        return frame.assign(**new) if new else frame

    def _cells(self, row: MergedText, suffix: str) -> Cells:
        """The cells of a new row; what it has none for is missing."""
        text, typed = row.text, suffix not in TEXT_FORMATS
        return {
            self.columns.id: self._id(text.id) if typed else text.id,
            **text.cells,
            **self._label_cells(row.targets, suffix),
            self.columns.chosen_by: text.chosen_by,
            self.columns.probability: text.inclusion_probability,
            self.columns.batch: row.batch,
        }

    def _id(self, id: str) -> object:
        """An id of the type that the table's ids have."""
        name = self.columns.id
        if name in self.table.data.column_names:
            kind = self.table.data.schema.field(name).type
            if pa.types.is_integer(kind) and id.isascii() and id.isdigit() and str(int(id)) == id:
                return int(id)
        return id

    def _label_cells(self, targets: Targets, suffix: str) -> Cells:
        source = self.data.labels
        if source.columns is not None:
            cells = (_flag(value, source, suffix) for value in targets)
            return dict(zip(self.labels, cells, strict=True))
        given = [name for name, value in zip(self.labels, targets, strict=True) if value == 1]
        known = [name for name, value in zip(self.labels, targets, strict=True) if value == value]
        says = self.declared or len(known) < len(self.labels)
        return {
            str(source.column): self._joined(given, suffix),
            str(self.columns.known): self._joined(known, suffix) if says else None,
        }

    def _joined(self, names: Sequence[str], suffix: str) -> object:
        if self._has_lists and suffix not in TEXT_FORMATS:
            return list(names)
        separator = self.data.labels.separator
        return joined(names, separator, needs_list(names, separator))


def _flag(value: float, source: LabelSource, suffix: str) -> object:
    """A cell of a 0/1 column, or of one of scores with a threshold."""
    if np.isnan(value):
        return _unknown(source, suffix)
    threshold = source.threshold if source.threshold is not None else 1.0
    if value == 1:
        return 1 if threshold <= 1 else threshold
    return 0 if threshold > 0 else threshold - 1


def _unknown(source: LabelSource, suffix: str) -> object:
    if source.empty == "unknown":
        return None
    return NOBODY_KNOWS if suffix in TEXT_FORMATS else UNKNOWN_NUMBER


def rows_by_id(table: Table, column: str) -> Iterator[tuple[str, int]]:
    """The ids of a table, each with its row from 1; none where it has no such column."""
    if column in table.data.column_names:
        for row, id in enumerate(text_cells(table.data[column]).to_pylist(), start=1):
            if id:
                yield id, row
