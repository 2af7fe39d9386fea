"""The one way to read a table, whatever holds it: at once through Arrow, or in frames."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import pandas as pd
import pyarrow as pa

from imbtool.data.datasets import dataset_table, is_dataset
from imbtool.errors import UserError, user_error
from imbtool.exports.recognition import export_of, read_export
from imbtool.exports.shape import Export
from imbtool.files.stores import Location
from imbtool.files.text_format import AS_FOUND, TextFormat
from imbtool.formats.arrow import parquet_batches, parquet_rows, read_file
from imbtool.formats.sources import source_format, table_files
from imbtool.formats.text_files import text_chunks
from imbtool.notes import tell
from imbtool.wording import some

CHUNK_ROWS = 4096

Files = Sequence[tuple[Path, int]]
"""Files and how many rows came from each, in order."""


@dataclass(frozen=True)
class Table:
    """A whole table.

    Attributes:
        data: its columns: text for csv and tsv, else their types.
        files: the files its rows came from.
        notes: what of the files was understood in a way that changes its meaning, one sentence
            each.
        labels: the columns that hold the labels, where the files say it.
        texts: the columns that hold the texts, where the files say it.
        are_merged: whether a row is made of several rows of a file.
    """

    data: pa.Table
    files: Files
    notes: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    are_merged: bool = False

    def row_text(self, row: int) -> str:
        """A row (from 1) in words: its number, and the file it stands in if there are several."""
        return row_in_words(self.files, row)


def read_arrow(
    path: Path, text_format: TextFormat = AS_FOUND, *, may_be_empty: bool = False
) -> Table:
    """Read a whole table into memory: a file, a folder or glob of files, or a data set.

    Args:
        path: of the table.
        text_format: of csv, tsv, jsonl and json.
        may_be_empty: whether a header without rows is a table.

    Raises:
        UserError: as `read_chunks`; also where the table has no rows.
    """
    parts = [_whole(each, text_format) for each in _files(path)]
    files = [file for part in parts for file in part.files]
    for part, (file, _) in zip(parts, files, strict=True):
        _require_same(files[0][0], parts[0].data.column_names, file, part.data.column_names)
    if not (may_be_empty or any(rows for _, rows in files)):
        raise _no_rows(path)
    notes = tuple(note for part in parts for note in part.notes)
    tell(notes)
    labels, texts = (_same([part.labels for part in parts]), _same([part.texts for part in parts]))
    return Table(_together(path, [part.data for part in parts]), files, notes, labels, texts)


def read_table(path: Path, text_format: TextFormat = AS_FOUND) -> pd.DataFrame:
    """Read a whole table as a frame; see `read_chunks`.

    Raises:
        UserError: as `read_chunks`; also where the table has no rows.
    """
    frames = list(read_chunks(path, text_format))
    if not frames:
        raise _no_rows(path)
    return pd.concat(frames, ignore_index=True)


def read_chunks(
    path: Path,
    text_format: TextFormat = AS_FOUND,
    rows: int = CHUNK_ROWS,
    *,
    each_row: bool = False,
) -> Iterator[pd.DataFrame]:
    """Yield a table's rows in frames of `rows`: text cells for csv and tsv, else typed values.

    Args:
        path: of the table.
        text_format: of csv, tsv, jsonl and json.
        rows: of a frame.
        each_row: refuse an export that is read as fewer rows than it has.

    Raises:
        UserError: missing or empty file, unknown suffix, broken encoding, ragged rows,
            broken quoting, a line that is no JSON object, a damaged file, files of a folder with
            different columns.
    """
    if is_dataset(path):
        table = _whole(path, text_format)
        if each_row:
            _refuse_merged(path, table.are_merged)
        yield from _frames(table.data.to_batches(rows))
        return
    files = table_files(path)
    columns: list[str] | None = None
    for file in files:
        for frame in _file_frames(file, text_format, rows, each_row):
            # rows of JSON may lack keys
            if "json" not in source_format(file):
                columns = columns or list(frame.columns)
                _require_same(files[0], columns, file, list(frame.columns))
                frame = frame[columns]
            yield frame


def read_parquet_rows(path: Location, rows: range, names: Sequence[str]) -> Iterator[pd.DataFrame]:
    """Yield some columns of some rows (from 0) of a parquet file in frames of `CHUNK_ROWS`.

    Raises:
        UserError: as `read_chunks`.
    """
    for table in parquet_rows(path, rows, names, CHUNK_ROWS):
        yield table.to_pandas(types_mapper=pd.ArrowDtype)


def _file_frames(
    file: Path, text_format: TextFormat, rows: int, each_row: bool
) -> Iterator[pd.DataFrame]:
    export = read_export(file, text_format)
    if export:
        if each_row:
            _refuse_merged(file, export.are_merged)
        table = _of_export(file, export)
        tell(table.notes)
        return _frames(table.data.to_batches(rows))
    if source_format(file) == ".parquet":
        return _frames(parquet_batches(file, rows))
    return text_chunks(file, text_format, rows)


def is_export(path: Path, text_format: TextFormat) -> bool:
    """Whether a file, or the first of several, is an export of an annotation tool.

    Raises:
        UserError: as `read_chunks`.
    """
    return read_export(table_files(path)[0], text_format) is not None


def place_of(files: Files, row: int) -> tuple[Path, int]:
    """The file that a row (1-based, of all files together) came from, and its row there."""
    ends = list(accumulate(count for _, count in files))
    number = bisect_left(ends, row)
    path, count = files[number]
    return path, row - ends[number] + count


def row_in_words(files: Files, row: int) -> str:
    """A row (from 1) in words: its number, and the file it stands in if there are several."""
    path, place = place_of(files, row)
    return str(row) if len(files) == 1 else f"{place} of {path.name}"


def _files(path: Path) -> list[Path]:
    return [path] if is_dataset(path) else table_files(path)


def _whole(path: Path, text_format: TextFormat) -> Table:
    """One file or data set, and what is known of it."""
    if is_dataset(path):
        data, notes = dataset_table(path), tuple[str, ...]()
        export = export_of(path, data)
    elif not (export := read_export(path, text_format)):
        data, notes = read_file(path, text_format)
    return _of_export(path, export) if export else Table(data, [(path, len(data))], notes)


def _of_export(path: Path, export: Export) -> Table:
    data, note = export.table, f"{path.name} {export.note}"
    files = [(path, len(data))]
    return Table(data, files, (note,), export.labels, export.texts, export.are_merged)


def _same(columns: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The columns that all files name, in the order of the first; none where they differ."""
    return columns[0] if len(set(map(frozenset, columns))) == 1 else ()


def _frames(batches: Iterator[pa.RecordBatch]) -> Iterator[pd.DataFrame]:
    for batch in batches:
        yield batch.to_pandas(types_mapper=pd.ArrowDtype)


def _require_same(first: Path, columns: Sequence[str], path: Path, others: Sequence[str]) -> None:
    if set(columns) != set(others):
        missing, more = set(columns) - set(others), set(others) - set(columns)
        told = [f"without {some(sorted(missing))}"] * bool(missing)
        told += [f"with {some(sorted(more))}"] * bool(more)
        raise user_error(
            path, f"columns {' and '.join(told)}", f"the columns of {first}", "make them the same"
        )


def _together(path: Path, tables: Sequence[pa.Table]) -> pa.Table:
    ordered = [table.select(tables[0].column_names) for table in tables]
    try:
        return pa.concat_tables(ordered, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        found = str(error).splitlines()[0]
        raise user_error(
            path, found, "files whose columns are of one kind", "write them alike"
        ) from None


def _refuse_merged(path: Path, are_merged: bool) -> None:
    if not are_merged:
        return
    found = "an export of Prodigy with several rows a text, which are read as one"
    fix = "make a table of the texts, each in one row, and name that instead"
    raise user_error(path, found, "a table with one row for each text", fix)


def _no_rows(path: Path) -> UserError:
    return user_error(path, "no rows", "a header and at least one row", "check the file")
