"""Documents as JSON text: what JSON lacks becomes null, a list of plain values one line."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

SURROGATE = re.compile(r"[\ud800-\udfff]")


def to_json(document: Any, indent: int | None = 2) -> str:
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


def as_filed(document: Any) -> Any:
    """A document as its file gives it back: what is not finite is null."""
    return json.loads(to_json(document))


def _lines(value: Any, line_break: str, step: str) -> Iterator[str]:
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


def _flat(value: Any) -> str:
    """The JSON text of a value on one line, by the encoder in C."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_plain)
    except ValueError:
        return json.dumps(_finite(value), ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    """A model among plain values as maps, lists and plain values."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__name__} is not JSON serializable")


def _finite(value: Any) -> Any:
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
