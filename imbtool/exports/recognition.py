"""Which files are exports: rows of a shape that only one tool writes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import TypeVar

import pyarrow as pa

from imbtool.exports import argilla, doccano, label_studio, label_studio_rows, prodigy, spacy
from imbtool.exports.shape import TEXT_ID, AnswerTool, Export, ExportRow, Given, Tool
from imbtool.files.stores import Location
from imbtool.files.text_format import TextFormat
from imbtool.formats.arrow import parquet_batches, parquet_columns
from imbtool.formats.cells import python_values
from imbtool.formats.json_rows import Row
from imbtool.formats.lines import codec_of
from imbtool.formats.sources import open_bytes, source_format
from imbtool.formats.text_files import text_chunks

TOOLS = (
    prodigy.TOOL,
    label_studio.TOOL,
    *argilla.TOOLS,
    *spacy.TOOLS,
    doccano.TOOL,
)
AS_TEXT = argilla.AS_TEXT
"""Those whose cells can be told in a csv."""

ANSWERED = (
    prodigy.ANSWERS_OF_PEOPLE,
    label_studio.ANSWERS,
    label_studio_rows.ANSWERS,
    *argilla.ANSWERS,
    doccano.ANSWERS,
)
ANSWERED_AS_TEXT = (*argilla.ANSWERS_AS_TEXT, label_studio_rows.ANSWERS)
"""Those of which it can be told what each person has answered."""

SAMPLE = 100
"""Rows of which one tells the tool."""
HEAD = 1 << 20
"""Bytes of a JSON file that show whether it is worth a closer look."""
HEADER = 1 << 14
"""Those of a csv that its header may take."""
TELLING_HEADER = re.compile(rb"annotation|responses|suggestion")
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


def read_export(path: Path, text_format: TextFormat) -> Export | None:
    """A file of an annotation tool as a flat table; None where it is an ordinary table.

    Args:
        path: of the file.
        text_format: of csv, tsv, jsonl and json.

    Raises:
        UserError: the rows are a tool's, but not all, or do not say what the labels are; or the
            file cannot be read.
    """
    if not _may_be_export(path, text_format.encoding):
        return None
    kind = source_format(path)
    tools = TOOLS if kind in (".jsonl", ".json", ".parquet") else AS_TEXT
    tool = _tool_of(list(islice(_rows(path, text_format), SAMPLE)), tools)
    return _flat(path, tool, _rows(path, text_format)) if tool else None


def is_parquet_export(path: Location) -> bool:
    """Whether a parquet file is one of an annotation tool; no more than some rows are read.

    Raises:
        UserError: the file cannot be read.
    """
    if not any(map(TELLING_COLUMNS.fullmatch, parquet_columns(path))):
        return False
    return _tool_of(list(islice(_parquet_rows(path), SAMPLE)), TOOLS) is not None


def read_answers(path: Path, text_format: TextFormat) -> list[Given] | None:
    """What each person has answered in a file of an annotation tool; None for any other table.

    Args:
        path: of the file.
        text_format: of csv, tsv, jsonl and json.

    Raises:
        UserError: as `read_export`.
    """
    if not _may_be_export(path, text_format.encoding, answers=True):
        return None
    kind = source_format(path)
    tools = ANSWERED if kind in (".jsonl", ".json", ".parquet") else ANSWERED_AS_TEXT
    tool = _tool_of(list(islice(_rows(path, text_format), SAMPLE)), tools)
    if tool is None:
        return None
    return list(tool.answers(_numbered(path, tool.name, _rows(path, text_format))))


def export_of(path: Path, data: pa.Table) -> Export | None:
    """A data set as a flat table, if an annotation tool has made it; None otherwise.

    Raises:
        UserError: as `read_export`.
    """
    if not any(map(TELLING_COLUMNS.fullmatch, data.column_names)):
        return None
    tool = _tool_of(_records(data.slice(0, SAMPLE)), TOOLS)
    return _flat(path, tool, _records(data)) if tool else None


def _flat(path: Path, tool: Tool, rows: Iterable[Row]) -> Export:
    return tool.flatten(_numbered(path, tool.name, rows))


def _numbered(path: Path, tool: str, rows: Iterable[Row]) -> list[ExportRow]:
    numbered = enumerate(rows, start=1)
    return [ExportRow(path, tool, number, cells) for number, cells in numbered]


def _may_be_export(path: Path, encoding: str, answers: bool = False) -> bool:
    """A cheap look at the keys or columns; those of `answers` are in more kinds of exports."""
    kind = source_format(path)
    if kind == ".parquet":
        return any(map(TELLING_COLUMNS.fullmatch, parquet_columns(path)))
    is_json = kind in (".jsonl", ".json")
    try:
        with open_bytes(path) as stream:
            head: bytes = stream.read(HEAD if is_json else HEADER)
    except OSError:  # the reader of the rows says what is wrong with it
        return False
    telling = TELLING if is_json else TELLING_HEADER
    text = _in_utf8(head, codec_of(path, encoding))
    if answers and (TEXT_ID.encode() in text or b'"annotation_id"' in text):
        return True
    return telling.search(text) is not None


def _in_utf8(head: bytes, encoding: str) -> bytes:
    try:
        return head.decode(encoding, "replace").encode("utf-8", "replace")
    except (LookupError, ValueError):  # as above
        return head


AnyTool = TypeVar("AnyTool", Tool, AnswerTool)


def _tool_of(rows: Sequence[Row], tools: Sequence[AnyTool]) -> AnyTool | None:
    return next((tool for tool in tools if any(map(tool.matches, rows))), None)


def _rows(path: Path, text_format: TextFormat) -> Iterator[Row]:
    if source_format(path) == ".parquet":
        return _parquet_rows(path)
    frames = text_chunks(path, text_format, SAMPLE)
    return (_without_missing(row) for frame in frames for row in frame.to_dict("records"))


def _parquet_rows(path: Location) -> Iterator[Row]:
    batches = parquet_batches(path, SAMPLE)
    return chain.from_iterable(_records(pa.Table.from_batches([each])) for each in batches)


def _records(table: pa.Table) -> list[Row]:
    columns = map(python_values, table.columns)
    return [
        dict(zip(table.column_names, cells, strict=True)) for cells in zip(*columns, strict=True)
    ]


def _without_missing(row: Mapping[object, object]) -> Row:
    """A row without the keys that only other rows have."""
    return {str(key): value for key, value in row.items() if value == value}
