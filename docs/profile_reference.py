"""Writes docs/profile.md, which lists every key of the profile, from the schema.

python docs/profile_reference.py
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from imbtool.config.schema import Profile
from imbtool.config.section import Section
from imbtool.files.writing import write_text

REQUIRED = "train.csv"
PAGE = Path(__file__).with_name("profile.md")
TOP = """\
# The profile, key by key

The profile is a YAML file that decides everything about a run. You may leave out every key except
`data.train`. `--set section.key=value` sets a key on the command line. An unknown key, a wrong type
and a key without effect are errors, and all errors are reported at once with their lines.

This page is generated from the schema by `python docs/profile_reference.py`.
"""


def reference() -> str:
    """Return the page: a table of keys for each section."""
    defaults = Profile.model_validate({"data": {"train": REQUIRED}})
    parts = [TOP]
    for name, section in defaults:
        rows = [f"| `{key}` | {default} | {what} |" for key, default, what in _rows(section, name)]
        said = (section.__doc__ or "").partition("\n")[0]
        head = ["| key | default | meaning |", "| --- | --- | --- |"]
        parts.append("\n".join([f"## {name}", "", said, "", *head, *rows, ""]))
    return "\n".join(parts)


def _rows(section: Section, key: str) -> Iterator[tuple[str, str, str]]:
    for name, field in type(section).model_fields.items():
        value, here = getattr(section, name), f"{key}.{name}"
        if isinstance(value, Section):
            yield from _rows(value, here)
        else:
            yield here, _default(value), _cell(_meaning(field))


def _meaning(field: FieldInfo) -> str:
    """The description of a field, and its allowed values if they are listed."""
    words = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    choice = f"One of {', '.join(f'`{word}`' for word in words)}." if words else ""
    return " ".join(filter(None, [field.description, choice]))


def _default(value: Any) -> str:
    if value == Path(REQUIRED):
        return "must be given"
    if value is None or value in ({}, []):
        return "none"
    if isinstance(value, float):
        return f"`{value:g}`"
    return _cell(f"`{value if isinstance(value, str) else json.dumps(value)}`")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    write_text(PAGE, reference())
