"""A made-up label table before it is a file, and the files that it can become."""

import csv
import gzip
import io
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from labelwords import LABEL_HEADERS, TEXT_HEADERS, other_columns
from numpy.typing import NDArray

DELIMITED = ("csv", "csv", "csv", "tsv")
TYPED = ("jsonl", "jsonl", "json", "parquet")
ANY = (*DELIMITED, *DELIMITED, *TYPED)

Columns = dict[str, Any]
"""Cells by column: lists, or Arrow arrays where their type matters."""
ODDITIES = {
    "a line that names the delimiter": "csv",
    "empty columns behind": "csv",
    "delimited by bars": "csv",
    "one object of columns": "json",
    "lines in .json": "json",
}
"""What some files have, and in which format."""

Rows = Sequence[Sequence[str] | None]
Targets = NDArray[np.float32]


@dataclass(frozen=True)
class Draft:
    """What a table says, whatever its columns are called and its file is made of.

    Attributes:
        shape: the shape in words.
        format: csv, tsv, jsonl, json or parquet.
        texts: the texts in their order.
        cells: the label columns; one that is called "" gets one of the usual names.
        names: the labels, one a column of the targets.
        targets: float32 [n, L], NaN where unknown; none where the file alone cannot tell.
        may_refuse: the file alone cannot tell, or not surely.
        needs: `--set` overrides that settle it.
        whole: the cells are all columns there are, as a tool exports them.
        sparse: JSON leaves out what is null.
        oddity: one of `ODDITIES`, or nothing.
        encoding: of the bytes; none for UTF-8 with or without a byte order mark.
    """

    shape: str
    format: str
    texts: list[str]
    cells: Columns
    names: Sequence[str]
    targets: Targets | None
    may_refuse: bool = False
    needs: tuple[str, ...] = ()
    whole: bool = False
    sparse: bool = False
    oddity: str = ""
    encoding: str | None = None


def target_matrix(rows: Rows, names: Sequence[str]) -> Targets:
    """1 where a text has a label, 0 where not, NaN throughout where its labels are unknown."""
    blank = [[np.nan] * len(names)]
    filled = [
        [float(name in row) for name in names] if row is not None else blank[0] for row in rows
    ]
    return np.array(filled, dtype=np.float32).reshape(len(rows), len(names))


def file_of(rng: random.Random, draft: Draft) -> tuple[str, bytes]:
    """A suffix and the bytes of one of the files that a draft can become."""
    columns = draft.cells if draft.whole else _furnished(rng, draft)
    if draft.format == "parquet":
        return ".parquet", _parquet(columns)
    text = _json(rng, columns, draft) if draft.format in TYPED else _delimited(rng, columns, draft)
    marked = rng.random() < (0.04 if draft.format in TYPED else 0.2)
    content = text.encode(draft.encoding or ("utf-8-sig" if marked else "utf-8"))
    if rng.random() < 0.12:
        return f".{draft.format}.gz", gzip.compress(content, mtime=0)
    return f".{draft.format}", content


def _furnished(rng: random.Random, draft: Draft) -> Columns:
    """All columns in some order: the text and the labels under usual names, and others."""
    label = rng.choice(LABEL_HEADERS)
    labels = {name or label: cells for name, cells in draft.cells.items()}
    columns = {
        **other_columns(rng, draft.texts, most=rng.choice((0, 1, 4))),
        rng.choice(TEXT_HEADERS): draft.texts,
        **labels,
    }
    if rng.random() < 0.4:
        columns = {name: columns[name] for name in rng.sample(list(columns), len(columns))}
    if draft.format in DELIMITED and rng.random() < 0.12:
        columns = {"": list(range(len(draft.texts))), **columns}
    return columns


def _delimited(rng: random.Random, columns: Columns, draft: Draft) -> str:
    """csv or tsv text with one of the usual delimiters and ways to quote."""
    delimiter = "\t" if draft.format == "tsv" else rng.choice(",,,,;;\t")
    delimiter = "|" if draft.oddity == "delimited by bars" else delimiter
    behind = ["", ""] if draft.oddity == "empty columns behind" else []
    rows = [list(map(cell_text, row)) for row in zip(*columns.values(), strict=True)]
    ways = [csv.QUOTE_MINIMAL, csv.QUOTE_MINIMAL, csv.QUOTE_ALL]
    if draft.format == "tsv" and _needs_no_quotes([list(columns), *rows]):
        ways.append(csv.QUOTE_NONE)
    stream = io.StringIO()
    writer = csv.writer(
        stream,
        delimiter=delimiter,
        quoting=rng.choice(ways),
        quotechar='"',
        lineterminator=rng.choice(("\n", "\n", "\r\n")),
    )
    writer.writerows([*row, *behind] for row in [list(columns), *rows])
    told = draft.oddity == "a line that names the delimiter"
    return (f"sep={delimiter}\n" if told else "") + stream.getvalue()


def _needs_no_quotes(rows: Sequence[Sequence[str]]) -> bool:
    cells = "\0".join(cell for row in rows for cell in row)
    return not any(mark in cells for mark in '\t\n\r"')


def cell_text(value: object) -> str:
    """A value as a csv holds it."""
    return "" if value is None else str(value)


def _json(rng: random.Random, columns: Columns, draft: Draft) -> str:
    rows = zip(*columns.values(), strict=True)
    records = [dict(zip(columns, row, strict=True)) for row in rows]
    if draft.sparse:
        records = [
            {key: cell for key, cell in record.items() if cell is not None} for record in records
        ]
    if draft.oddity == "one object of columns":
        return json.dumps({name: dict(enumerate(cells)) for name, cells in columns.items()})
    form = "jsonl" if draft.oddity == "lines in .json" else draft.format
    ascii_only, indent = rng.random() < 0.5, rng.choice((None, 2))
    return json_text(records, form, ascii_only=ascii_only, indent=indent)


def json_text(
    records: Sequence[object], form: str, *, ascii_only: bool = False, indent: int | None = None
) -> str:
    """One record a line, or an array of them."""
    if form == "json":
        return json.dumps(records, ensure_ascii=ascii_only, indent=indent)
    return "".join(f"{json.dumps(record, ensure_ascii=ascii_only)}\n" for record in records)


def _parquet(columns: Columns) -> bytes:
    arrays = [
        cells if isinstance(cells, pa.Array) else pa.array(cells) for cells in columns.values()
    ]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(arrays, names=list(columns)), sink)
    return bytes(sink.getvalue().to_pybytes())
