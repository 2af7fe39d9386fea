"""JSON, one object a line or an array of them: what other readers would guess at is refused."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any

from imbtool.errors import counted, fail
from imbtool.tables.lines import numbered_lines
from imbtool.tables.pairs import as_object

HALF_PAIR = "\\ud"
"""How JSON begins to write a character as two halves, or one half of none."""

MOST_DEPTH = 64
"""Of lists and objects in each other; what works on values calls itself for each level."""

MOST_ARRAY = 1 << 28
"""Characters of a JSON array, which is read at once."""


def json_lines(path: Path, stream: IO[str]) -> Iterator[dict[str, Any]]:
    """Yield the objects of a file of one object a line.

    Raises:
        UserError: with the line.
    """
    for number, line in numbered_lines(path, stream):
        if not line.strip():
            continue
        row = as_object(_json(line.strip(), path, number, "mend the line"))
        if not isinstance(row, dict):
            found = f"a JSON {type(row).__name__}"
            raise fail(f"{path}:{number}", found, "one JSON object a line", "mend the line")
        yield row


def json_array(path: Path, stream: IO[str]) -> Iterator[dict[str, Any]]:
    """Yield the objects of a file that is one array of them.

    Two other ways to write a table are read too: one object a line, and one object of columns, as
    pandas writes them.

    Raises:
        UserError: with the line, or the number of the element.
    """
    mend = "write [{...}, {...}]; a file of one object a line is a .jsonl"
    text = stream.read(MOST_ARRAY + 1).removeprefix("\ufeff")
    if len(text) > MOST_ARRAY:
        found = f"a JSON array of over {counted(MOST_ARRAY, 'character')}, which is read at once"
        raise fail(path, found, "a shorter one", "write .jsonl, one object a line")
    if _are_lines(text):
        return json_lines(path, io.StringIO(text))
    rows = _rows_of(_json(text, path, 1, mend))
    if not isinstance(rows, list):
        raise fail(f"{path}:1", f"a JSON {type(rows).__name__}", "an array of objects", mend)
    rows = list(map(as_object, rows))
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            found = f"a JSON {type(row).__name__} as element {number}"
            raise fail(path, found, "an array of objects", mend)
    return iter(rows)


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


def _rows_of(value: Any) -> Any:
    """The rows of an object of columns, each a list or a map from row names to cells.

    Anything else is left as it is.
    """
    columns = list(value.values()) if isinstance(value, dict) else []
    if not columns or not all(isinstance(column, type(columns[0])) for column in columns):
        return value
    if isinstance(columns[0], list):
        return _transposed(value) if len(set(map(len, columns))) == 1 else value
    if not isinstance(columns[0], dict):
        return value
    names = list(columns[0])
    alike = all(each.keys() == columns[0].keys() for each in columns)
    # numbers name the rows: else nobody knows whether the outer names are of rows or of columns
    if alike and all(map(str.isdigit, names)):
        return _transposed({name: [cells[row] for row in names] for name, cells in value.items()})
    return value


def _transposed(columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    cells = zip(*columns.values(), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in cells]


def _json(text: str, path: Path, line: int, mend: str) -> Any:
    """What the JSON that begins on a line says.

    Half of a surrogate pair, which is no text, becomes a question mark. NaN, which is no JSON
    but is written by many for a missing value, stays one.
    """
    where = f"{path}:{line}"
    try:
        value = json.loads(
            text,
            object_pairs_hook=partial(_object, where),
            parse_constant=partial(_constant, where),
        )
    except json.JSONDecodeError as error:
        raise fail(f"{path}:{line + error.lineno - 1}", error.msg, "JSON", mend) from None
    except RecursionError:
        raise fail(where, "values nested too deep", "JSON", mend) from None
    except ValueError as error:  # a number of thousands of digits
        raise fail(where, str(error).partition(":")[0], "JSON", mend) from None
    if text.count("[") + text.count("{") > MOST_DEPTH and _depth(value) > MOST_DEPTH:
        expected = f"lists and objects at most {MOST_DEPTH} deep in each other"
        raise fail(where, "values nested too deep", expected, mend)
    return _encodable(value) if HALF_PAIR in text.lower() else value


def _object(where: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        keys = [key for key, _ in pairs]
        repeated = next(key for key in keys if keys.count(key) > 1)
        found = f"the key {repeated!r} twice in one object, beginning with {str(pairs)[:60]}"
        raise fail(where, found, "each key once", "delete one of the two")
    return value


def _constant(where: str, name: str) -> float:
    if name == "NaN":
        return float("nan")
    raise fail(where, name, "a number", "write null for what is missing")


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level:
        depth += 1
        inner = (each.values() if isinstance(each, dict) else each for each in level)
        level = [item for items in inner for item in items if isinstance(item, list | dict)]
    return depth


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return list(map(_encodable, value))
    if isinstance(value, dict):
        return {_encodable(key): _encodable(inner) for key, inner in value.items()}
    return value
