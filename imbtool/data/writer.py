"""The one writer of tables."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Self

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from imbtool.errors import user_error
from imbtool.formats.arrow_types import in_schema
from imbtool.formats.cells import is_missing, python_values, stands_for_text, text_cells
from imbtool.wording import some


class TableWriter:
    """Appends frames to a csv, tsv, jsonl or parquet file; the first one decides the columns."""

    def __init__(self, target: Path | IO[str], suffix: str) -> None:
        """Write to a file, or to an open text stream, in the format of `suffix`."""
        self.rows = 0
        self._has_header = False
        self._suffix = suffix
        self._target = target
        self._columns: list[str] | None = None
        self._parquet: pq.ParquetWriter | None = None
        self._stream: IO[str] | None = None if isinstance(target, Path) else target

    def __enter__(self) -> Self:
        """Open the file."""
        if isinstance(self._target, Path) and self._suffix != ".parquet":
            self._stream = self._target.open("w", encoding="utf-8", newline="")
        return self

    def __exit__(self, *_: object) -> None:
        """Finish the file; a stream that was given stays open."""
        if self._parquet is not None:
            self._parquet.close()
        if self._stream is not None and isinstance(self._target, Path):
            self._stream.close()

    def write(self, frame: pd.DataFrame) -> None:
        """Append a frame.

        Raises:
            UserError: it has columns or types that have no place in the file.
        """
        try:
            if self._stream is None:
                self._write_parquet(self._aligned(frame))
            elif self._suffix == ".jsonl":
                self._write_json(frame, self._stream)
            else:
                self._write_csv(self._aligned(frame), self._stream)
        except (pa.ArrowException, OverflowError, ValueError) as error:
            is_json = self._suffix == ".jsonl"
            fix = f"write {'.parquet' if is_json else '.jsonl'}"
            expected = "numbers that JSON has" if is_json else "one type a column"
            raise user_error(self._target, str(error), expected, fix) from None
        self.rows += len(frame)

    def _aligned(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The columns of the first frame, in its order; rows of JSON lack some, or have more."""
        columns = [str(name) for name in frame.columns]
        self._columns = self._columns or columns
        if columns == self._columns:
            return frame
        others = sorted(set(columns) - set(self._columns))
        if others:
            fix = "write .jsonl, whose rows may differ"
            found = f"the columns {some(others)} from row {self.rows + 1} on only"
            raise user_error(self._target, found, "the same columns in all rows", fix)
        return frame.reindex(columns=self._columns)

    def _write_json(self, frame: pd.DataFrame, stream: IO[str]) -> None:
        names = [str(name) for name in frame.columns]
        for cells in _rows(frame, missing=None):
            stream.write(_json(dict(zip(names, cells, strict=True)), allow_nan=False) + "\n")

    def _write_csv(self, frame: pd.DataFrame, stream: IO[str]) -> None:
        delimiter = "\t" if self._suffix == ".tsv" else ","
        plain = csv.writer(stream, delimiter=delimiter, lineterminator="\n")
        # so that nobody takes the lines of a cell for rows; left to itself, Python 3.11 does not
        # even quote a lone carriage return
        careful = csv.writer(
            stream, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL
        )
        if not self._has_header:
            plain.writerow(frame.columns)
            self._has_header = True
        for cells in _rows(frame, missing=""):
            row = [_json(cell) if isinstance(cell, list | dict) else cell for cell in cells]
            has_break = any("\r" in cell or "\n" in cell for cell in row if isinstance(cell, str))
            (careful if has_break else plain).writerow(row)

    def _write_parquet(self, frame: pd.DataFrame) -> None:
        if self._parquet is None:
            self._parquet = pq.ParquetWriter(self._target, _schema(frame))
        table = pa.Table.from_pandas(frame, preserve_index=False)
        self._parquet.write_table(in_schema(table, self._parquet.schema))


def _rows(frame: pd.DataFrame, missing: str | None) -> Iterator[tuple[object, ...]]:
    """The rows as Python's own values: a list stays one, whatever holds it."""
    columns = [_values(frame.iloc[:, place]) for place in range(frame.shape[1])]
    for row in zip(*columns, strict=True):
        yield tuple(missing if is_missing(cell) else cell for cell in row)


def _values(column: pd.Series[Any]) -> list[Any]:
    if isinstance(column.dtype, pd.ArrowDtype) and stands_for_text(column.dtype.pyarrow_dtype):
        texts: list[object] = text_cells(column.array.__arrow_array__()).to_pylist()
        return texts
    try:
        return column.tolist()
    except (OverflowError, ValueError):  # a time that Python has no value for
        return python_values(column.array.__arrow_array__())


def _json(value: object, allow_nan: bool = True) -> str:
    return json.dumps(value, ensure_ascii=False, default=str, allow_nan=allow_nan)


def _schema(frame: pd.DataFrame) -> pa.Schema:
    """The types of a frame, text where the first rows hold nothing."""
    schema = pa.Schema.from_pandas(frame, preserve_index=False)
    fields = [
        field.with_type(pa.string()) if pa.types.is_null(field.type) else field for field in schema
    ]
    # without pandas' metadata, whose names of list types pandas cannot read back
    return pa.schema(fields)
