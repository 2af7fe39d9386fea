"""JSON in and out: what JSON lacks becomes null, a list of plain values stands on one line."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from imbtool.errors import user_error
from imbtool.files.paths import refuse_endless
from imbtool.files.stores import Location
from imbtool.files.writing import SURROGATE, write_text
from imbtool.wording import shown

MOST_DEPTH = 100
"""Levels of a JSON document; none of imbtool's has a tenth of them."""


def to_json(document: object, indent: int | None = 2) -> str:
    """The JSON text of a document; NaN and infinities, which JSON lacks, become null.

    Args:
        document: a pydantic model, or maps, lists and plain values, models among them.
        indent: blanks before each level; a list of plain values stands on one line. None puts all
            on one line.
    """
    if isinstance(document, BaseModel):
        document = document.model_dump(mode="json")
    text = _flat(document) if indent is None else "".join(_lines(document, "\n", " " * indent))
    # as names of files have them whose bytes are not UTF-8
    return SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def write_json(path: Location, document: object) -> None:
    """Write a document, see `to_json`, whole or not at all."""
    write_text(path, to_json(document) + "\n")


def append_line(path: Path, document: object, sync: bool = False) -> None:
    """Append one JSON object as a line, in a single write.

    Args:
        path: of the file.
        document: the object.
        sync: whether a power failure must not lose the line.

    Raises:
        UserError: a pipe or a device stands there.
    """
    refuse_endless(path, "a file of lines")
    with path.open("a", encoding="utf-8", newline="\n") as stream:
        stream.write(to_json(document, indent=None) + "\n")
        if sync:
            stream.flush()
            os.fsync(stream.fileno())


def read_json(
    path: Location, fix: str = "restore it or write it anew", unique: bool = False
) -> Any:
    """Read a JSON document.

    Args:
        path: of the file.
        fix: how the user can help, where it is not JSON.
        unique: whether to refuse a key that stands twice in an object; else the last one counts.

    Raises:
        UserError: the file is missing or is not JSON.
    """
    refuse_endless(path, "a JSON file")
    try:
        return parse_json(path.read_bytes(), unique)
    except FileNotFoundError:
        raise user_error(path, "no such file", "a JSON file", "check the path") from None
    except (OSError, ValueError) as error:
        raise user_error(path, str(error), "a JSON file", fix) from None


def parse_json(
    text: str | bytes,
    unique: bool = False,
    most_depth: int = MOST_DEPTH,
    constant: Callable[[str], float] = float,
) -> Any:
    """The document in a text, or in bytes of UTF-8.

    Args:
        text: the JSON.
        unique: whether to refuse a key that stands twice in an object; else the last one counts.
        most_depth: how many lists and objects may stand in each other.
        constant: what `NaN`, `Infinity` and `-Infinity` mean, which are no JSON.

    Raises:
        ValueError: it is no JSON, or is nested so deep that nothing could work on it.
    """
    text = text if isinstance(text, str) else text.decode("utf-8")
    hook = _once if unique else None
    try:
        document = json.loads(text, object_pairs_hook=hook, parse_constant=constant)
    except RecursionError:
        raise ValueError("nested too deep") from None
    if text.count("[") + text.count("{") > most_depth and _is_deeper(document, most_depth):
        raise ValueError(f"nested too deep: more than {most_depth} levels")
    return document


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    document = dict(pairs)
    if len(document) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {shown(twice)} twice in one object")
    return document


def _is_deeper(document: object, levels: int) -> bool:
    level = [document] if isinstance(document, dict | list) else []
    for _ in range(levels):
        inner = (each.values() if isinstance(each, dict) else each for each in level)
        level = [item for items in inner for item in items if isinstance(item, dict | list)]
    return bool(level)


def _lines(value: object, line_break: str, step: str) -> Iterator[str]:
    """The JSON text of a value in parts, each item of a map or a list of lists on its own line."""
    inner = line_break + step
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    if isinstance(value, dict) and value:
        items = (
            (f"{json.dumps(str(key), ensure_ascii=False)}: ", each) for key, each in value.items()
        )
        marks = "{}"
    elif isinstance(value, list | tuple) and any(
        isinstance(each, dict | list | tuple | BaseModel) for each in value
    ):
        items, marks = (("", each) for each in value), "[]"
    else:
        yield _flat(value)
        return
    before = marks[0]
    for key, each in items:
        yield before + inner + key
        yield from _lines(each, inner, step)
        before = ","
    yield line_break + marks[1]


def _flat(value: object) -> str:
    """The JSON text of a value on one line, by the encoder in C."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_plain)
    except ValueError:
        return json.dumps(_finite(value), ensure_ascii=False, allow_nan=False)


def _plain(value: object) -> object:
    """A model among plain values as maps, lists and plain values."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__name__} is not JSON serializable")


def _finite(value: object) -> object:
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
