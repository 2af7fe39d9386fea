"""The careful reader: csv, tsv, jsonl and json with every cell as it stands, errors by line.

pandas alone would turn `001` into 1, `NA` into a missing value and a long row into an index.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any

import pandas as pd

from imbtool.errors import UserError, counted, fail
from imbtool.tables.pairs import as_object
from imbtool.tables.sources import open_bytes, source_format

UTF8 = "utf-8-sig"
"""Also reads files without the mark."""

HALF_PAIR = "\\ud"
"""How JSON begins to write a character as two halves, or one half of none."""

Rows = tuple[list[str] | None, Iterator[Any]]
"""The header, if the rows do not bring their own, and the rows."""


def text_chunks(path: Path, encoding: str, rows: int) -> Iterator[pd.DataFrame]:
    """Yield the rows of a csv, tsv, jsonl or json file in frames of `rows`.

    Raises:
        UserError: with the file and the line.
    """
    parse = PARSERS[source_format(path)]
    codec = codec_of(encoding)
    try:
        with io.TextIOWrapper(open_bytes(path), encoding=codec, newline="") as stream:
            columns, cells = parse(path, stream)
            while block := list(islice(cells, rows)):
                yield pd.DataFrame(block, columns=columns, dtype=object)
    except UnicodeDecodeError:
        raise _broken_encoding(path, codec) from None
    except OSError as error:
        raise damaged(path, error) from None


def csv_header(path: Path, encoding: str) -> tuple[list[str], str]:
    """The columns of a csv or tsv file, and its delimiter.

    Raises:
        UserError: as `text_chunks`.
    """
    codec = codec_of(encoding)
    try:
        with io.TextIOWrapper(open_bytes(path), encoding=codec, newline="") as stream:
            first = stream.readline()
            header, _ = _parsed(path, chain([first], stream), _delimiter(path, first))
            return header, _delimiter(path, first)
    except UnicodeDecodeError:
        raise _broken_encoding(path, codec) from None
    except OSError as error:
        raise damaged(path, error) from None


def codec_of(encoding: str) -> str:
    """UTF-8 with or without the mark that spreadsheets put in front; any other as it is named."""
    return UTF8 if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else encoding


def damaged(path: Path, error: Exception) -> UserError:
    """A file whose bytes cannot be read, a compressed one that was cut off, say."""
    expected = f"a {''.join(path.suffixes[-2:])} file"
    return fail(path, str(error).splitlines()[0], expected, "write it anew")


def refuse_repeated(where: str, columns: Sequence[str]) -> None:
    """Check that no two columns have the same name.

    Raises:
        UserError: two have.
    """
    repeated = sorted({name for name in columns if columns.count(name) > 1})
    if repeated:
        found = f"the column {repeated[0]!r} twice"
        raise fail(where, found, "each column once", "rename one of the two")


def _broken_encoding(path: Path, encoding: str) -> UserError:
    name = encoding.removesuffix("-sig")
    mend = "save it as UTF-8, or name its encoding: `data.encoding: cp1252`, say"
    with open_bytes(path) as stream:
        content = stream.read()
    try:
        content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].decode(encoding, "replace").count("\n") + 1
        found = f"bytes that are not {name} ({content[error.start : error.start + 4]!r})"
        return fail(f"{path}:{line}", found, f"text in {name}", mend)
    return fail(path, f"bytes that are not {name}", f"text in {name}", mend)


def _csv_rows(path: Path, stream: IO[str]) -> Rows:
    first = stream.readline()
    return _parsed(path, chain([first], stream), _delimiter(path, first))


def _parsed(
    path: Path, lines: Iterator[str], delimiter: str
) -> tuple[list[str], Iterator[list[str]]]:
    csv.field_size_limit(sys.maxsize)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    header = next(_checked(path, reader, None), [])
    refuse_repeated(f"{path}:1", header)
    return header, _checked(path, reader, len(header))


def _delimiter(path: Path, header: str) -> str:
    """Tab for .tsv; for .csv the comma, semicolon or tab that gives the header most cells."""
    if source_format(path) == ".tsv":
        return "\t"
    return max(",;\t", key=lambda mark: len(next(csv.reader([header], delimiter=mark), [])))


def _checked(path: Path, reader: Any, width: int | None) -> Iterator[list[str]]:
    line = reader.line_num + 1
    try:
        for row in reader:
            if row and width is not None and len(row) != width:
                mend = "quote cells that hold the delimiter or a line break; complete short rows"
                found = f"{counted(len(row), 'cell')}, beginning with {row[0][:60]!r}"
                raise fail(
                    f"{path}:{line}", found, f"{counted(width, 'cell')}, as in the header", mend
                )
            if row:
                yield row
            line = reader.line_num + 1
    except csv.Error as error:
        mend = 'close every quote, and write a quote inside a quoted cell twice ("")'
        raise fail(f"{path}:{line}", str(error), "CSV", mend) from None


def _line_rows(path: Path, stream: IO[str]) -> Rows:
    return None, _line_objects(path, stream)


def _line_objects(path: Path, stream: IO[str]) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(stream, start=1):
        if not line.strip():
            continue
        row = as_object(_json(line.strip(), path, number, "mend the line"))
        if not isinstance(row, dict):
            found = f"a JSON {type(row).__name__}"
            raise fail(f"{path}:{number}", found, "one JSON object a line", "mend the line")
        yield row


def _array_rows(path: Path, stream: IO[str]) -> Rows:
    mend = "write [{...}, {...}]; a file of one object a line is a .jsonl"
    rows = _json(stream.read(), path, 1, mend)
    if not isinstance(rows, list):
        raise fail(path, f"a JSON {type(rows).__name__}", "an array of objects", mend)
    rows = list(map(as_object, rows))
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            found = f"a JSON {type(row).__name__} as element {number}"
            raise fail(path, found, "an array of objects", mend)
    return None, iter(rows)


def _json(text: str, path: Path, line: int, mend: str) -> Any:
    """What the JSON that begins on a line says.

    Half of a surrogate pair, which is no text, becomes a question mark.
    """
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise fail(f"{path}:{line + error.lineno - 1}", error.msg, "JSON", mend) from None
    except RecursionError:
        raise fail(f"{path}:{line}", "values nested too deep", "JSON", mend) from None
    except ValueError as error:  # a number of thousands of digits
        raise fail(f"{path}:{line}", str(error).partition(":")[0], "JSON", mend) from None
    return _encodable(value) if HALF_PAIR in text.lower() else value


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return list(map(_encodable, value))
    if isinstance(value, dict):
        return {_encodable(key): _encodable(inner) for key, inner in value.items()}
    return value


PARSERS: dict[str, Callable[[Path, IO[str]], Rows]] = {
    ".csv": _csv_rows,
    ".tsv": _csv_rows,
    ".jsonl": _line_rows,
    ".json": _array_rows,
}
