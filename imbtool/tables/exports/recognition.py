"""Which files are exports: rows of a shape that only one tool writes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from imbtool.tables.arrow import parquet_batches, parquet_columns
from imbtool.tables.exports import argilla, doccano, label_studio, prodigy, spacy
from imbtool.tables.exports.shape import Export, Row, Rows, Tool
from imbtool.tables.sources import open_bytes, source_format
from imbtool.tables.text import text_chunks

TOOLS = (
    prodigy.TOOL,
    label_studio.TOOL,
    *argilla.TOOLS,
    *spacy.TOOLS,
    doccano.TOOL,
)
AS_TEXT = argilla.AS_TEXT
"""Those whose cells can be told in a csv."""

SAMPLE = 100
"""Rows of which one tells the tool."""
HEAD = 1 << 20
"""Bytes of a JSON file that show whether it is worth a closer look."""
TELLING = re.compile(
    rb'"(answer|annotations?|completions|predictions|responses|paragraphs|cats|entities|Comments|'
    rb'annotation_approver|[^"]*-suggestion|[^"]*\.suggestion|[^"]*\.responses)"\s*:'
    rb'|\[\s*\[\s*\d+\s*,\s*\d+\s*,\s*"'
)
"""Keys, and spans, one of which each tool's rows have."""
TELLING_COLUMNS = re.compile(
    r"answer|annotations?|completions|predictions|responses|paragraphs|cats|entities|Comments|"
    r"annotation_approver|labels?|.*-suggestion|.*\.suggestion|.*\.responses"
)


def read_export(path: Path, encoding: str, quotes: bool | None = None) -> Export | None:
    """A file of an annotation tool as a flat table; None where it is an ordinary table.

    Args:
        path: of the file.
        encoding: of text files.
        quotes: whether they enclose the cells of csv and tsv; None decides by the file.

    Raises:
        UserError: the rows are a tool's, but not all, or do not say what the labels are; or the
            file cannot be read.
    """
    if not _may_be_export(path, encoding, quotes):
        return None
    kind = source_format(path)
    tools = TOOLS if kind in (".jsonl", ".json", ".parquet") else AS_TEXT
    tool = _tool_of(list(islice(_rows(path, encoding, quotes), SAMPLE)), tools)
    return (
        tool.flatten(Rows(path, tool.name, list(_rows(path, encoding, quotes)))) if tool else None
    )


def export_of(path: Path, data: pa.Table) -> Export | None:
    """A data set as a flat table, if an annotation tool has made it; None otherwise.

    Raises:
        UserError: as `read_export`.
    """
    if not any(map(TELLING_COLUMNS.fullmatch, data.column_names)):
        return None
    tool = _tool_of(data.slice(0, SAMPLE).to_pylist(), TOOLS)
    return tool.flatten(Rows(path, tool.name, data.to_pylist())) if tool else None


def _may_be_export(path: Path, encoding: str, quotes: bool | None) -> bool:
    """A cheap look at the keys or columns."""
    kind = source_format(path)
    if kind in (".jsonl", ".json"):
        with open_bytes(path) as stream:
            head: bytes = stream.read(HEAD)
        return TELLING.search(_in_utf8(head, encoding)) is not None
    if kind == ".parquet":
        columns = parquet_columns(path)
    else:
        columns = list(
            map(str, next(text_chunks(path, encoding, 1, quotes), pd.DataFrame()).columns)
        )
    return any(map(TELLING_COLUMNS.fullmatch, columns))


def _in_utf8(head: bytes, encoding: str) -> bytes:
    try:
        return head.decode(encoding, "replace").encode("utf-8", "replace")
    except (LookupError, ValueError):  # the reader of the rows says what is wrong with it
        return head


def _tool_of(rows: Sequence[Row], tools: Sequence[Tool]) -> Tool | None:
    return next((tool for tool in tools if any(map(tool.matches, rows))), None)


def _rows(path: Path, encoding: str, quotes: bool | None) -> Iterator[Row]:
    if source_format(path) == ".parquet":
        return chain.from_iterable(batch.to_pylist() for batch in parquet_batches(path, SAMPLE))
    frames = text_chunks(path, encoding, SAMPLE, quotes)
    return (_without_missing(row) for frame in frames for row in frame.to_dict("records"))


def _without_missing(row: Mapping[Any, Any]) -> Row:
    """A row without the keys that only other rows have."""
    return {str(key): value for key, value in row.items() if value == value}
