"""JSON, one object a line or an array of them: what other readers would guess at is refused."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from imbtool.errors import UserError, user_error
from imbtool.files.json_text import parse_json
from imbtool.formats.lines import numbered_lines
from imbtool.notes import tell
from imbtool.wording import counted, some

HALF_PAIR = "\\ud"
"""How JSON begins to write a character as two halves, or one half of none."""

MOST_DEPTH = 64
"""Of lists and objects in each other; what works on values calls itself for each level."""

MOST_ARRAY = 1 << 28
"""Characters of a JSON array, which is read at once."""

Row = dict[str, Any]
"""A JSON object."""

KINDS = {dict: "object", list: "array", str: "string", int: "number", float: "number"}
RECORDS = 'write an array of objects, [{...}, {...}]; in pandas: to_json(path, orient="records")'
LINES = 'orient="records", lines=True'
ARRAY_FIX = "if the file is one array, [{...}, {...}], rename it to .json"
CONTAINERS = (
    *("data", "dataset", "documents", "docs", "entries", "examples", "instances", "items"),
    *("records", "results", "rows", "samples", "texts", "train", "training"),
)
"""Keys under which an object that also says other things has its rows."""


def json_lines(path: Path, stream: IO[str]) -> Iterator[Row]:
    """Yield the objects of a file of one object a line.

    Raises:
        UserError: with the line.
    """
    for number, line in numbered_lines(path, stream):
        if not line.strip():
            continue
        row = _as_object(_line_json(line.strip(), path, number))
        if not isinstance(row, dict):
            fix = ARRAY_FIX if isinstance(row, list) else "fix the line"
            raise user_error(f"{path}:{number}", _kind(row), "one JSON object a line", fix)
        yield row


def _line_json(line: str, path: Path, number: int) -> object:
    where, expected = f"{path}:{number}", "one JSON object a line"
    if line.endswith(","):
        fix = f"delete the comma behind each object; {ARRAY_FIX}"
        raise user_error(where, "a comma at the end of the line", expected, fix)
    if line.endswith(("{", "[")):
        fix = f"write each object into one line, in pandas: to_json(path, {LINES}); {ARRAY_FIX}"
        raise user_error(where, "a value that goes on in the next line", expected, fix)
    return _json(line, path, number, "fix the line")


def json_array(path: Path, stream: IO[str]) -> Iterator[Row]:
    """Yield the objects of a file that is one array of them.

    Two other ways to write a table are read too: one object a line, and one object of columns, as
    pandas writes them.

    Raises:
        UserError: with the line, or the number of the element.
    """
    fix = "write [{...}, {...}]; a file of one object a line is a .jsonl"
    text = stream.read(MOST_ARRAY + 1).removeprefix("\ufeff")
    if len(text) > MOST_ARRAY:
        found = f"a JSON array of over {counted(MOST_ARRAY, 'character')}, which is read at once"
        raise user_error(path, found, "a shorter one", "write .jsonl, one object a line")
    if _are_lines(text):
        return json_lines(path, io.StringIO(text))
    value = _json(text, path, 1, fix)
    rows = _rows_of(path, value) if isinstance(value, dict) else value
    if not isinstance(rows, list):
        raise user_error(f"{path}:1", _kind(value), "an array of objects", fix)
    rows = list(map(_as_object, rows))
    for number, row in enumerate(rows, start=1):
        if isinstance(row, list):
            raise _of_orient(path, "values")
        if not isinstance(row, dict):
            found = f"{_kind(row)} as element {number}"
            raise user_error(path, found, "an array of objects", fix)
    return iter(rows)


def _kind(value: object) -> str:
    name = "null" if value is None else KINDS.get(type(value), "truth value")
    return f"a JSON {name}"


def _are_lines(text: str) -> bool:
    """Whether the first line is an object of its own, and more follow."""
    first, _, rest = text.lstrip().partition("\n")
    if not (first.startswith("{") and rest.lstrip().startswith("{")):
        return False
    try:
        json.loads(first)
    except (ValueError, RecursionError):
        return False
    return True


def _rows_of(path: Path, value: Row) -> list[Any]:
    """The rows of an object: of columns, or with the rows as one of several things it says.

    Raises:
        UserError: it is a table in another form.
    """
    if {"columns", "data"} <= value.keys() and _is_table(value["data"], list):
        raise _of_orient(path, "split")
    columns = list(value.values())
    if columns and all(isinstance(column, dict) for column in columns):
        return _of_named_rows(path, value)
    tables = [name for name, column in value.items() if _is_table(column, dict)]
    alone = tables[0] if len(tables) == 1 else None
    are_lists = all(isinstance(column, list) for column in columns)
    if alone and (len(columns) == 1 or (alone in CONTAINERS and not _has_width(columns))):
        others = [name for name in value if name != alone]
        what = f"; left out: {some(others, 8)}" if others else ""
        tell([f"The rows of {path.name} are those under {alone!r}{what}."])
        return list(value[alone])
    if len(tables) > 1 and (len(tables) == len(columns) or not are_lists):
        found = f"several lists of objects in one object: {some(tables, 8)}"
        raise user_error(
            path, found, "an array of objects", f"write each into a file of its own; {RECORDS}"
        )
    if _has_width(columns):
        return _transposed(value)
    found = f"one JSON object with the keys {some(value, 8)}" if value else "an empty JSON object"
    raise user_error(f"{path}:1", found, "an array of objects", RECORDS)


def _is_table(column: object, kind: type) -> bool:
    """Whether a value is a list of rows, each an object or each a list."""
    return (
        isinstance(column, list) and bool(column) and all(isinstance(row, kind) for row in column)
    )


def _has_width(columns: list[Any]) -> bool:
    """Whether values are columns: lists of one length."""
    are_lists = all(isinstance(column, list) for column in columns)
    return bool(columns) and are_lists and len(set(map(len, columns))) == 1


def _of_named_rows(path: Path, value: Row) -> list[Any]:
    """The rows of an object of columns, each a map from the names of the rows to cells."""
    columns = list(value.values())
    names = list(columns[0])
    alike = all(each.keys() == columns[0].keys() for each in columns)
    # numbers name the rows: else nobody knows whether the outer names are of rows or of columns
    if not (alike and all(map(str.isdigit, names))) or all(map(str.isdigit, value)):
        raise _of_orient(path, "index")
    return _transposed({name: [cells[row] for row in names] for name, cells in value.items()})


def _of_orient(path: Path, orient: str) -> UserError:
    found = f"a table as pandas writes it with orient={orient!r}"
    return user_error(f"{path}:1", found, "an array of objects", RECORDS)


def _transposed(columns: dict[str, list[object]]) -> list[Row]:
    cells = zip(*columns.values(), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in cells]


def _json(text: str, path: Path, line: int, fix: str) -> object:
    """What the JSON that begins on a line says.

    Half of a surrogate pair, which is no text, becomes a question mark. NaN, which is no JSON
    but is written by many for a missing value, stays one.
    """
    try:
        value = parse_json(text, unique=True, most_depth=MOST_DEPTH, constant=_nan)
    except json.JSONDecodeError as error:
        found, fix = _syntax(text, error, fix)
        raise user_error(f"{path}:{line + error.lineno - 1}", found, "JSON", fix) from None
    except ValueError as error:  # a number of thousands of digits is one of them
        raise user_error(f"{path}:{line}", str(error).partition(":")[0], "JSON", fix) from None
    return _encodable(value) if HALF_PAIR in text.lower() else value


def _nan(name: str) -> float:
    if name == "NaN":
        return float("nan")
    raise ValueError(f"{name} instead of a number; null is what is missing")


def _syntax(text: str, error: json.JSONDecodeError, fix: str) -> tuple[str, str]:
    """What is wrong with a text that is no JSON, and how to fix it."""
    close = text[error.pos : error.pos + 1]
    # Python points at the bracket, or, from 3.13 on, at the comma
    before = text[max(error.pos - 99, 0) : error.pos].rstrip()
    if close in ("]", "}") and before.endswith(","):
        return f"a comma before {close!r}", "delete the comma"
    if error.msg == "Extra data":
        return "more behind the end of the value", fix
    return error.msg, fix


def _encodable(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return list(map(_encodable, value))
    if isinstance(value, dict):
        return {_encodable(key): _encodable(inner) for key, inner in value.items()}
    return value


def _as_object(row: object) -> Any:
    """A pair of a text and its annotations, as spaCy writes it, as one object."""
    if not isinstance(row, list) or len(row) != 2:
        return row
    text, annotations = row
    is_pair = isinstance(text, str) and isinstance(annotations, dict) and "cats" in annotations
    return {"text": text, **annotations} if is_pair else row
