"""The fast reader: a whole file through Arrow, where that gives what the careful reader gives."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq

from imbtool.tables.cells import as_arrow
from imbtool.tables.sources import CODECS, open_bytes, source_format
from imbtool.tables.text import (
    UTF8,
    codec_of,
    csv_header,
    damaged,
    refuse_repeated,
    text_chunks,
)

BLOCK = 1 << 20
"""Bytes read at once; a longer row is left to the careful reader."""
MOST_EXACT = 2.0**53
"""Whole numbers beyond it are not all floats."""
QUOTE, LINE_ENDS, MARK = ord('"'), b"\r\n", b"\xef\xbb\xbf"


def read_file(path: Path, encoding: str) -> tuple[pa.Table, tuple[str, ...]]:
    """Read a file: text columns for csv and tsv, else its types; and the notes on it.

    Raises:
        UserError: as the careful reader, whose messages name file and line.
    """
    kind = source_format(path)
    if kind == ".parquet":
        return _parquet(path), ()
    fast = FAST.get(kind) if codec_of(encoding) == UTF8 else None
    table = fast(path) if fast else None
    return _careful(path, encoding) if table is None else table, ()


def parquet_batches(path: Path, rows: int) -> Iterator[pa.RecordBatch]:
    """Yield a parquet file in batches of `rows`.

    Raises:
        UserError: a damaged file, or one with a column twice.
    """
    try:
        yield from _opened(path).iter_batches(rows)
    except (OSError, ValueError) as error:
        raise damaged(path, error) from None


def _parquet(path: Path) -> pa.Table:
    try:
        return _opened(path).read()
    except (OSError, ValueError) as error:
        raise damaged(path, error) from None


def _opened(path: Path) -> pq.ParquetFile:
    file = pq.ParquetFile(_seekable(path))
    refuse_repeated(str(path), file.schema_arrow.names)
    return file


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
            parse = partial(_parsed, header=header, delimiter=delimiter)
            table = pa.concat_tables(_in_threads(parse, _row_blocks(stream)))
    except (ValueError, OSError):
        return None
    first = [column[0].as_py() for column in table.columns]
    return table.slice(1) if first == header else None


def _in_threads(work: Callable[[bytes], pa.Table], blocks: Iterable[bytes]) -> Iterator[pa.Table]:
    """Yield what becomes of each block, in order; no more blocks are read than are worked on."""
    threads = pa.cpu_count()
    with ThreadPoolExecutor(threads) as pool:
        begun: deque[Future[pa.Table]] = deque()
        for block in blocks:
            begun.append(pool.submit(work, block))
            if len(begun) > threads:
                yield begun.popleft().result()
        for last in begun:
            yield last.result()


def _row_blocks(stream: Any) -> Iterator[bytes]:
    """Yield a csv file in blocks of whole rows.

    Raises:
        ValueError: a row that is longer than a block.
    """
    rest = stream.read(BLOCK).removeprefix(MARK)
    while more := stream.read(BLOCK):
        end = _end_of_rows(rest)
        if not end:
            raise ValueError("a row longer than a block")
        yield rest[:end]
        rest = rest[end:] + more
    yield rest if rest.endswith(b"\n") else rest + b"\n"


def _end_of_rows(block: bytes) -> int:
    """Behind the last line end that no quotes hold, where the block begins with a row."""
    end = block.rfind(b"\n") + 1
    quotes = np.count_nonzero(np.frombuffer(block, np.uint8, end) == QUOTE)
    while end and quotes % 2:
        start = block.rfind(b"\n", 0, end - 1) + 1
        quotes -= block.count(b'"', start, end)
        end = start
    return end


def _parsed(block: bytes, header: list[str], delimiter: str) -> pa.Table:
    """Whole rows of a csv file as text columns, a header among them taken for a row.

    Raises:
        ValueError: rows that Arrow would read otherwise than the careful reader.
    """
    # Arrow takes a byte order mark for none of the text, and `"a"b` for `ab`
    if block.startswith(MARK) or not _quotes_are_whole(block, delimiter):
        raise ValueError("a mark or a quote within the text")
    return pa.csv.read_csv(
        pa.BufferReader(block),
        pa.csv.ReadOptions(column_names=header, block_size=len(block) + 1, use_threads=False),
        pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        pa.csv.ConvertOptions(
            column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=False
        ),
    )


def _quotes_are_whole(block: bytes, delimiter: str) -> bool:
    """Whether every quote opens or closes a cell, or stands twice within one.

    Where they do the first, third, ... of them open a cell and stand behind a delimiter, or are the
    second of two; the others close one and stand before a delimiter, or are the first of two.

    Args:
        block: whole rows with a line end behind the last.
        delimiter: of the cells.
    """
    is_edge = np.zeros(256, np.bool_)
    is_edge[list(delimiter.encode() + LINE_ENDS + b'"')] = True
    content = np.frombuffer(block, np.uint8)
    places = np.flatnonzero(content == QUOTE)
    # before the first byte stands, by its number -1, the last one: a line end
    neighbours = content[places[::2] - 1], content[places[1::2] + 1]
    return len(places) % 2 == 0 and all(is_edge[each].all() for each in neighbours)


def _json_lines(path: Path) -> pa.Table | None:
    try:
        with open_bytes(path) as stream:
            table = pa.json.read_json(stream, pa.json.ReadOptions(block_size=BLOCK))
        with io.BufferedReader(open_bytes(path)) as stream:
            lines = sum(1 for line in stream if line.strip())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError):
        return None
    chunks = (chunk for column in table.columns for chunk in column.chunks)
    return table if lines == len(table) and all(map(_is_as_written, chunks)) else None


def _is_as_written(values: pa.Array) -> bool:
    """Whether Arrow has left values as they are: it takes some text for times, and may round."""
    kind = values.type
    if pa.types.is_list(kind):
        return _is_as_written(values.flatten())
    if pa.types.is_struct(kind):
        return all(map(_is_as_written, values.flatten()))
    if pa.types.is_floating(kind):
        return bool((pc.max(pc.abs(values)).as_py() or 0) < MOST_EXACT)
    return not pa.types.is_temporal(kind)


FAST: dict[str, Callable[[Path], pa.Table | None]] = {
    ".csv": _csv,
    ".tsv": _csv,
    ".jsonl": _json_lines,
}
"""None where the careful reader must look."""
