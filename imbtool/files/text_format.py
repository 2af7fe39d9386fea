"""How text files are written: their encoding, and whether quotes enclose cells."""

from __future__ import annotations

import codecs
from dataclasses import dataclass

NOT_FOR_FILES = {
    *("charmap", "idna", "mbcs", "oem", "punycode", "raw-unicode-escape", "undefined"),
    "unicode-escape",
}
"""Encodings of Python that are of domain names, of source code or of one machine."""


@dataclass(frozen=True)
class TextFormat:
    """How the text files of a table are written, as far as the user says it.

    Attributes:
        encoding: of csv, tsv, jsonl and json.
        quotes: whether quotes enclose the cells of csv and tsv; None decides by each file.
    """

    encoding: str = "utf-8"
    quotes: bool | None = None


AS_FOUND = TextFormat()
"""UTF-8, with quotes as each file shows."""


def text_codec(name: str) -> str | None:
    """The usual name of a text encoding; None where there is no such one."""
    try:
        "".encode(name)
        codec = codecs.lookup(name).name
    except (LookupError, ValueError):  # a NUL or half a surrogate pair in the name, say
        return None
    return None if codec in NOT_FOR_FILES else codec
