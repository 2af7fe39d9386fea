"""The fast reader: a whole file through Arrow, where that gives what the careful reader gives."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from itertools import accumulate, pairwise
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq

from imbtool.files.stores import Location, StorePath
from imbtool.files.text_format import TextFormat
from imbtool.formats.cells import as_arrow, require_text_bytes
from imbtool.formats.classes import classes_of, with_names
from imbtool.formats.delimited import Layout, empty_rows_note, layout_of, refuse_repeated
from imbtool.formats.headers import SAMPLE_ROWS, refuse_row_as_header
from imbtool.formats.json_rows import MOST_DEPTH
from imbtool.formats.lines import UTF8, codec_of, unreadable
from imbtool.formats.quoting import decided
from imbtool.formats.sources import CODECS, open_bytes, source_format
from imbtool.formats.text_files import delimited_chunks, text_chunks

# Arrow reads the periods and intervals of pandas as mere numbers until this is imported
import_module("pandas.core.arrays.arrow.extension_types")

BLOCK = 1 << 21
"""Bytes read at once; a longer row is left to the careful reader."""
MOST_EXACT = 2.0**53
"""Whole numbers beyond it are not all floats."""
T = TypeVar("T")
BLANK_LINE = re.compile(rb"(?:^|\n|\r(?!\n))[\r\n]")
QUOTE, LINE_FEED = ord('"'), ord("\n")
LINE_ENDS, MARK = b"\r\n", b"\xef\xbb\xbf"


def read_file(path: Path, text_format: TextFormat) -> tuple[pa.Table, tuple[str, ...]]:
    """Read a file: text columns for csv and tsv, else its types; and the notes on it.

    Args:
        path: of the file.
        text_format: of a text file.

    Raises:
        UserError: as the careful reader, whose messages name file and line.
    """
    kind = source_format(path)
    if kind == ".parquet":
        return _parquet(path), ()
    if kind in (".csv", ".tsv"):
        return _delimited(layout_of(path, text_format))
    is_lines = kind == ".jsonl" and codec_of(path, text_format.encoding) == UTF8
    table = _json_lines(path) if is_lines else None
    return _careful(text_chunks(path, text_format, BLOCK)) if table is None else table, ()


def parquet_batches(path: Location, rows: int) -> Iterator[pa.RecordBatch]:
    """Yield a parquet file in batches of `rows`, with names for the numbers of classes.

    Raises:
        UserError: a damaged file, one with a column twice, a class without a name, or text that is
            not UTF-8.
    """
    before = 0
    try:
        with _opened(path) as file:
            classes = classes_of(path, file.schema_arrow)
            for batch in file.iter_batches(rows):
                require_text_bytes(path, batch, before)
                named = with_names(path, pa.Table.from_batches([batch]), classes, before)
                yield from named.to_batches() if classes else [batch]
                before += len(batch)
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from None


def parquet_rows(
    path: Location, rows: range, columns: Sequence[str], most: int
) -> Iterator[pa.Table]:
    """Yield some columns of some rows of a parquet file in tables of `most` rows.

    Only the row groups that hold these rows are read.

    Args:
        path: of the file.
        rows: which, from 0, one after the other; those behind the last are not there.
        columns: which; they are columns of the file.
        most: rows of a table; the last one may have fewer.

    Raises:
        UserError: as `parquet_batches`.
    """
    try:
        with _opened(path) as file:
            groups, before = _groups_around(file.metadata, rows)
            classes = classes_of(path, file.schema_arrow)
            batches = []
            for batch in file.iter_batches(most, row_groups=groups, columns=[*columns]):
                wanted = range(max(rows.start - before, 0), min(rows.stop - before, len(batch)))
                if wanted:
                    require_text_bytes(path, batch, before)
                    whole = pa.Table.from_batches([batch])
                    named = with_names(path, whole, classes, before)
                    batches.append(named.slice(wanted.start, len(wanted)))
                before += len(batch)
                if before >= rows.stop:
                    break
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from None
    if batches:
        table = pa.concat_tables(batches)
        yield from (table.slice(start, most) for start in range(0, len(table), most))


def _groups_around(metadata: pq.FileMetaData, rows: range) -> tuple[list[int], int]:
    """The row groups that hold some rows, and the number of rows before the first of them."""
    ends = [*accumulate(metadata.row_group(at).num_rows for at in range(metadata.num_row_groups))]
    groups = [
        at
        for at, (start, end) in enumerate(pairwise([0, *ends]))
        if start < rows.stop and rows.start < end
    ]
    return groups, [0, *ends][groups[0]] if groups else 0


def parquet_shape(path: Location) -> tuple[list[str], int]:
    """The columns of a parquet file, and its number of rows.

    Raises:
        UserError: as `parquet_batches`.
    """
    try:
        with _opened(path) as file:
            return list(file.schema_arrow.names), file.metadata.num_rows
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from None


def parquet_columns(path: Location) -> list[str]:
    """The columns of a parquet file.

    Raises:
        UserError: as `parquet_batches`.
    """
    return parquet_shape(path)[0]


def _parquet(path: Path) -> pa.Table:
    try:
        with _opened(path) as file:
            table = file.read()
            require_text_bytes(path, table)
            return with_names(path, table, classes_of(path, file.schema_arrow))
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from None


@contextmanager
def _opened(path: Location) -> Iterator[pq.ParquetFile]:
    with path.open() if isinstance(path, StorePath) else open_bytes(path) as stream:
        # parquet is read from its end: a compressed file must be decompressed first
        is_packed = path.suffix.lower() in CODECS
        file = pq.ParquetFile(pa.BufferReader(stream.read()) if is_packed else stream)
        refuse_repeated(str(path), file.schema_arrow.names)
        yield file


def _careful(frames: Iterable[pd.DataFrame]) -> pa.Table:
    """The careful reader's rows as an Arrow table, missing cells as such."""
    columns: dict[str, list[object]] = {}
    rows = 0
    for frame in frames:
        for name in frame.columns:
            columns.setdefault(str(name), [None] * rows).extend(frame[name].tolist())
        rows += len(frame)
        for cells in columns.values():
            cells += [None] * (rows - len(cells))
    return pa.table({name: as_arrow(cells) for name, cells in columns.items()})


def _delimited(layout: Layout) -> tuple[pa.Table, tuple[str, ...]]:
    table, has_long_rows = _csv(layout)
    if table is None or (layout.quotes is None and has_long_rows):
        is_text = layout.quotes is False
        layout = decided(layout)
        if table is not None and layout.quotes is is_text:
            table, _ = _csv(layout)
    if table is None:
        table = _careful(delimited_chunks(layout, BLOCK))
        return table, layout.notes
    sample = table.slice(0, SAMPLE_ROWS)
    refuse_row_as_header(layout, [column.to_pylist() for column in sample.columns])
    empty = _empty_at_end(table) if layout.width > 1 else 0
    notes = empty_rows_note(layout, empty) if empty < len(table) else ()
    return table.slice(0, len(table) - empty), (*layout.notes, *notes)


def _empty_at_end(table: pa.Table) -> int:
    """How many rows at the end have empty cells alone."""
    for number in range(len(table)):
        if any(column[len(table) - 1 - number].as_py() for column in table.columns):
            return number
    return len(table)


def _csv(layout: Layout) -> tuple[pa.Table | None, bool]:
    """The rows of a csv or tsv file, if Arrow reads them rightly; whether any has several lines."""
    if not layout.header or codec_of(layout.path, layout.encoding) != UTF8:
        return None, False
    try:
        with open_bytes(layout.path) as stream:
            blocks = _row_blocks(stream, layout)
            parts = [*_in_threads(partial(_parsed, layout=layout), blocks)]
            table = pa.concat_tables(rows for rows, _ in parts)
    except (ValueError, OSError):
        return None, False
    first = [column[0].as_py() for column in table.columns]
    table = table.slice(1) if first == layout.header else None
    if table is not None and layout.width > 1 and pc.any(pc.equal(table[0], first[0])).as_py():
        return None, False  # the header once more, perhaps
    named = len(layout.columns)
    if table is not None and any(
        pc.any(pc.not_equal(column, "")).as_py() for column in table.columns[named:]
    ):
        return None, False  # the careful reader says in which line
    table = table and table.select(range(named))
    return table, any(has_long_rows for _, has_long_rows in parts)


def _in_threads(work: Callable[[bytes], T], blocks: Iterable[bytes]) -> Iterator[T]:
    """Yield what becomes of each block, in order; no more blocks are read than are worked on."""
    threads = pa.cpu_count()
    with ThreadPoolExecutor(threads) as pool:
        begun: deque[Future[T]] = deque()
        for block in blocks:
            begun.append(pool.submit(work, block))
            if len(begun) > threads:
                yield begun.popleft().result()
        for last in begun:
            yield last.result()


def _row_blocks(stream: BinaryIO, layout: Layout) -> Iterator[bytes]:
    """Yield a csv file in blocks of whole rows, from the header on.

    Raises:
        ValueError: a row that is longer than a block.
    """
    above = "".join(layout.above).encode()
    rest = stream.read(BLOCK + len(above)).removeprefix(MARK).removeprefix(above)
    while more := stream.read(BLOCK):
        end = rest.rfind(b"\n") + 1 if layout.quotes is False else _end_of_rows(rest)
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


def _parsed(block: bytes, layout: Layout) -> tuple[pa.Table, bool]:
    """Whole rows of a csv file as text columns, a header among them taken for a row.

    Returns:
        The rows, and whether any goes over several lines.

    Raises:
        ValueError: rows that Arrow would read otherwise than the careful reader.
    """
    encloses = layout.quotes is not False
    # Arrow takes a byte order mark for none of the text, and `"a"b` for `ab`
    if block.startswith(MARK) or (encloses and not _quotes_are_whole(block, layout.delimiter)):
        raise ValueError("a mark or a quote within the text")
    lines = np.count_nonzero(np.frombuffer(block, np.uint8) == LINE_FEED)
    lines += block.count(b"\r") - block.count(b"\r\n")
    if b"\0" in block or (layout.width == 1 and BLANK_LINE.search(block)):
        raise ValueError("a NUL, or a blank line that is a row")
    table = pa.csv.read_csv(
        pa.BufferReader(block),
        pa.csv.ReadOptions(
            column_names=layout.header, block_size=len(block) + 1, use_threads=False
        ),
        pa.csv.ParseOptions(
            delimiter=layout.delimiter,
            quote_char='"' if encloses else False,
            newlines_in_values=encloses,
        ),
        pa.csv.ConvertOptions(
            column_types=dict.fromkeys(layout.header, pa.string()), strings_can_be_null=False
        ),
    )
    return table, encloses and lines != len(table)


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
        lines = _count_lines(path)
        with open_bytes(path) as stream:
            table = pa.json.read_json(stream, pa.json.ReadOptions(block_size=BLOCK))
        table.validate(full=True)  # Arrow itself lets bytes pass that are no UTF-8
        columns = zip(table.column_names, table.columns, strict=True)
        chunks = [chunk for _, column in columns for chunk in column.chunks]
    except (ValueError, pa.ArrowNotImplementedError, OSError):
        return None
    return table if lines == len(table) and all(map(_is_as_written, chunks)) else None


def _count_lines(path: Path) -> int:
    """How many lines of a JSON file are not blank.

    Raises:
        ValueError: a line that is too long or too deep for Arrow, which would end the process.
    """
    lines = 0
    with open_bytes(path) as stream:
        while line := stream.readline(BLOCK + 1):
            if len(line) > BLOCK or line.count(b"[") + line.count(b"{") > MOST_DEPTH:
                raise ValueError("a line for the careful reader")
            lines += bool(line.strip())
    return lines


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
