"""Text files as lines of bounded length: their encoding, and what is wrong with it."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from imbtool.errors import UserError, user_error
from imbtool.files.stores import Location, StorePath
from imbtool.files.text_format import text_codec
from imbtool.formats.sources import open_bytes
from imbtool.wording import counted

UTF8 = "utf-8"
MARKS = {
    codecs.BOM_UTF8: UTF8,
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""What a file may begin with, and how it is encoded then; UTF-32 begins as UTF-16 does."""

OTHERS = {
    b"PK\x03\x04": ("a spreadsheet, or another zip file", "open it and save it as CSV UTF-8"),
    b"\xd0\xcf\x11\xe0": ("a spreadsheet of an old kind", "open it and save it as CSV UTF-8"),
    b"PAR1": ("a parquet file", "rename it to .parquet"),
    b"\x1f\x8b": ("a file compressed with gzip", "add .gz to its name"),
    b"\x28\xb5\x2f\xfd": ("a file compressed with zstd", "add .zst to its name"),
    b"%PDF": ("a PDF", "put the texts into a spreadsheet, one a row, and save it as CSV UTF-8"),
}
"""What files of other kinds begin with, whatever their name says; and what to do with them."""
PAGES = (b"<!doctype", b"<html")

MOST_CHARACTERS = 1 << 26
"""Of a line or a cell: a longer one is damage or an attack, and would fill the memory."""
BLOCK = 1 << 20


@contextmanager
def open_text(path: Path, encoding: str) -> Iterator[IO[str]]:
    """Open a file, compressed or not, as text with its line ends as they are.

    Raises:
        UserError: the encoding is unknown or another one, or the file is damaged; also while the
            block reads.
    """
    codec = codec_of(path, encoding)
    try:
        # the mark is cut off where the first line is read
        with io.TextIOWrapper(open_bytes(path), encoding=codec, newline="") as stream:
            yield stream
    except UnicodeError:
        raise _broken_encoding(path, codec) from None
    except OSError as error:
        raise unreadable(path, error) from None


def numbered_lines(path: Path, stream: IO[str]) -> Iterator[tuple[int, str]]:
    """Yield the lines of a text with their numbers, line ends included, the mark left out.

    Raises:
        UserError: a line that is too long, or that holds a NUL.
    """
    number = 0
    while line := stream.readline(MOST_CHARACTERS + 1):
        number += 1
        if len(line) > MOST_CHARACTERS:
            raise too_long(f"{path}:{number}", "line")
        if "\0" in line:
            fix = f"delete it; if the file is UTF-16, {encoding_key('utf-16-le')}"
            raise user_error(f"{path}:{number}", "a NUL character", "text", fix)
        yield number, line.removeprefix("\ufeff") if number == 1 else line


def too_long(where: str, noun: str) -> UserError:
    """A line or cell that no one has written on purpose."""
    found = f"a {noun} of over {counted(MOST_CHARACTERS, 'character')}"
    fix = "check the quotes and line ends of the file, or cut the text"
    return user_error(where, found, f"a shorter {noun}", fix)


def encoding_key(encoding: str) -> str:
    """How to name an encoding, with a profile or before there is one."""
    return f"set `data.encoding: {encoding}` in the profile, or `--set data.encoding={encoding}`"


def codec_of(path: Path, encoding: str) -> str:
    """The codec that reads a file: as named, or as the file's mark says.

    Raises:
        UserError: there is no such codec, or the mark is that of another one.
    """
    codec = text_codec(encoding)
    if codec is None:
        fix = "try utf-8, cp1252 or latin-1"
        raise user_error(path, f"the encoding {encoding!r}", "the name of a text encoding", fix)
    try:
        with open_bytes(path) as stream:
            start = stream.read(64)
    except OSError as error:
        raise unreadable(path, error) from None
    _refuse_other_kinds(path, start)
    mark = next((name for mark, name in MARKS.items() if start.startswith(mark)), None)
    codec = codec.removesuffix("-sig")
    if mark is None or codec == UTF8 or codec.startswith(mark):
        return mark or codec
    found = f"the mark with which a file in {mark} begins"
    raise user_error(path, found, f"text in {codec}", encoding_key(mark))


def _refuse_other_kinds(path: Path, start: bytes) -> None:
    """Check by its first bytes that a file is none of another kind under the name of a text."""
    kind, fix = next((told for mark, told in OTHERS.items() if start.startswith(mark)), ("", ""))
    if start.removeprefix(codecs.BOM_UTF8).lstrip().lower().startswith(PAGES):
        kind = "an HTML page"
        fix = "download the file itself (the page may ask you to log in, or show the table)"
    if kind:
        raise user_error(path, f"{kind}, by its first bytes", "text", fix)


def unreadable(path: Location, error: Exception) -> UserError:
    """A file whose bytes cannot be read, a compressed one that was cut off, say."""
    if isinstance(path, StorePath):
        return path.error(error)  # what cannot be read there is seldom the file
    expected = f"a {''.join(path.suffixes[-2:])} file"
    return user_error(path, str(error).splitlines()[0], expected, "write it anew")


def _broken_encoding(path: Path, codec: str) -> UserError:
    decoder = codecs.getincrementaldecoder(codec)()
    line = 1
    with open_bytes(path) as stream:
        try:
            while block := stream.read(BLOCK):
                line += decoder.decode(block).count("\n")
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            line += error.object[: error.start].decode(codec, "ignore").count("\n")
            found = f"bytes that are not {codec} ({error.object[error.start : error.start + 4]!r})"
        except UnicodeError as error:  # no mark where the codec needs one
            found = f"bytes that are not {codec} ({error})"
    fix = f"save it as UTF-8, or name its encoding, for example: {encoding_key('cp1252')}"
    if codec in MARKS.values() and codec != UTF8:
        fix = f"save it as UTF-8, or {encoding_key(f'{codec}-le')}, or -be"
    return user_error(f"{path}:{line}", found, f"text in {codec}", fix)
