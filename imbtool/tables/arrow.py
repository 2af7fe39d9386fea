"""The fast reader: a whole file through Arrow, where that gives what the careful reader gives."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq
from numpy.typing import NDArray

from imbtool.tables.cells import as_arrow
from imbtool.tables.sources import CODECS, open_bytes, source_format
from imbtool.tables.text import UTF8, codec_of, csv_header, damaged, text_chunks

BLOCK = 1 << 22
"""Bytes read at once; a longer row is left to the careful reader."""
MOST_EXACT = 2.0**53
"""Whole numbers beyond it are not all floats."""
QUOTE, LINE_ENDS, MARK = ord('"'), b"\r\n", b"\xef\xbb\xbf"

Bytes = NDArray[np.uint8]


def read_file(path: Path, encoding: str) -> pa.Table:
    """Read a file: text columns for csv and tsv, else its types.

    Raises:
        UserError: as the careful reader, whose messages name file and line.
    """
    kind = source_format(path)
    if kind == ".parquet":
        return _parquet(path)
    fast = FAST.get(kind) if codec_of(encoding) == UTF8 else None
    table = fast(path) if fast else None
    return _careful(path, encoding) if table is None else table


def parquet_batches(path: Path, rows: int) -> Iterator[pa.RecordBatch]:
    """Yield a parquet file in batches of `rows`.

    Raises:
        UserError: a damaged file.
    """
    try:
        yield from pq.ParquetFile(_seekable(path)).iter_batches(rows)
    except (OSError, ValueError) as error:
        raise damaged(path, error) from None


def _parquet(path: Path) -> pa.Table:
    try:
        return pq.ParquetFile(_seekable(path)).read()
    except (OSError, ValueError) as error:
        raise damaged(path, error) from None


def _seekable(path: Path) -> Any:
    """Parquet is read from its end: a compressed file must be decompressed first."""
    stream = open_bytes(path)
    return pa.BufferReader(stream.read()) if path.suffix.lower() in CODECS else str(path)


def _careful(path: Path, encoding: str) -> pa.Table:
    """The careful reader's rows as an Arrow table, missing cells as such."""
    columns: dict[str, list[Any]] = {}
    rows = 0
    for frame in text_chunks(path, encoding, BLOCK):
        for name in frame.columns:
            columns.setdefault(str(name), [None] * rows).extend(frame[name].tolist())
        rows += len(frame)
        for cells in columns.values():
            cells += [None] * (rows - len(cells))
    return pa.table({name: as_arrow(cells) for name, cells in columns.items()})


def _csv(path: Path) -> pa.Table | None:
    header, delimiter = csv_header(path, UTF8)
    try:
        with open_bytes(path) as stream:
            if not _quotes_are_whole(stream, delimiter):
                return None
        with open_bytes(path) as stream:
            table = pa.csv.read_csv(
                stream,
                pa.csv.ReadOptions(block_size=BLOCK, use_threads=False),
                pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
                pa.csv.ConvertOptions(
                    column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=False
                ),
            )
    except (pa.ArrowInvalid, OSError):
        return None
    return table if table.column_names == header else None


def _quotes_are_whole(stream: Any, delimiter: str) -> bool:
    """Whether every quote opens or closes a cell, or stands twice within one.

    Arrow takes `"a"b` for `ab`, and a quote that is never closed for one that is. Where quotes are
    whole the first, third, ... of them open a cell and stand behind a delimiter, or are the second
    of two; the others close one and stand before a delimiter, or are the first of two.
    """
    edges = np.frombuffer(delimiter.encode() + LINE_ENDS + b'"', np.uint8)
    before, number = LINE_ENDS[-1:], 0
    closing = False
    for block in _blocks(stream):
        content = np.frombuffer(before + block, np.uint8)
        if closing and content[1] not in edges:
            return False
        places = np.flatnonzero(content[1:] == QUOTE) + 1
        opening = (np.arange(len(places)) + number) % 2 == 0
        number += len(places)
        closing = bool(len(places)) and not opening[-1] and places[-1] == len(content) - 1
        after = places[~opening][: -1 if closing else None] + 1
        neighbours = np.concatenate([content[places[opening] - 1], content[after]])
        if not np.isin(neighbours, edges).all():
            return False
        before = block[-1:]
    return number % 2 == 0


def _blocks(stream: Any) -> Iterator[bytes]:
    first = stream.read(BLOCK)
    yield first.removeprefix(MARK) or LINE_ENDS
    while block := stream.read(BLOCK):
        yield block


def _json_lines(path: Path) -> pa.Table | None:
    try:
        with open_bytes(path) as stream:
            table = pa.json.read_json(stream, pa.json.ReadOptions(block_size=BLOCK))
        with io.BufferedReader(open_bytes(path)) as stream:
            lines = sum(1 for line in stream if line.strip())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError):
        return None
    same = lines == len(table) and all(_is_as_written(column) for column in table.columns)
    return table if same else None


def _is_as_written(column: Any) -> bool:
    """Whether Arrow has left values as they are: it takes some text for times, and may round."""
    kind = column.type
    if pa.types.is_list(kind):
        return _is_as_written(column.combine_chunks().flatten())
    if pa.types.is_struct(kind):
        return all(_is_as_written(part) for part in column.combine_chunks().flatten())
    if pa.types.is_floating(kind):
        return bool((pc.max(pc.abs(column)).as_py() or 0) < MOST_EXACT)
    return not pa.types.is_temporal(kind)


FAST: dict[str, Callable[[Path], pa.Table | None]] = {
    ".csv": _csv,
    ".tsv": _csv,
    ".jsonl": _json_lines,
}
"""None where the careful reader must look."""
