"""The one way to write a file, and to read JSON: what is on disk is whole, always."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any

from safetensors import SafetensorError

from imbtool.errors import UserError, fail

TEMPORARY = re.compile(r"\.(.+)\.[0-9a-f]{16}\.tmp")
UNWRITABLE = (OSError, RuntimeError, SafetensorError)
"""What writing files, tensors among them, raises where a disk is full."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; when the block ends well, rename it over `path`.

    A reader sees the old file or the new one, never a half; a block that raises leaves no trace.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # by chance, not by process: on a shared disk processes of several machines have one number
    temporary = path.with_name(f".{path.name}.{token_hex(8)}.tmp")
    try:
        yield temporary
        _sync(temporary)
        temporary.replace(path)
        _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def leftovers(folder: Path) -> Iterator[tuple[Path, Path]]:
    """What kills have left of files being written in a folder, each with the file's path."""
    for temporary in folder.glob(".*.tmp"):
        if match := TEMPORARY.fullmatch(temporary.name):
            yield temporary, temporary.with_name(match[1])


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 with LF line ends, whole or not at all."""
    with replacing(path) as temporary:
        # the name of a file may hold bytes that are no text; JSON reads their escape back
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")


def write_json(path: Path, document: Any) -> None:
    """Write a JSON document; numbers that are not finite become null."""
    write_text(path, to_json(document) + "\n")


def to_json(document: Any, indent: int | None = 2) -> str:
    """The JSON text of a document; NaN and infinities, which JSON lacks, become null."""
    return json.dumps(_finite(document), indent=indent, ensure_ascii=False, allow_nan=False)


def as_filed(document: Any) -> Any:
    """A document as its file gives it back: what is not finite is null."""
    return json.loads(to_json(document))


def read_json(path: Path) -> Any:
    """Read a JSON document.

    Raises:
        UserError: the file is missing or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise fail(path, "no such file", "a JSON file", "check the path") from None
    except (OSError, ValueError) as error:
        raise fail(path, str(error), "a JSON file", "restore it or write it anew") from None


def append_line(path: Path, document: Any) -> None:
    """Append one JSON object as a line, in a single write."""
    with path.open("a", encoding="utf-8", newline="\n") as stream:
        stream.write(to_json(document, indent=None) + "\n")


def cut_half_line(path: Path) -> None:
    """Cut a last line without an end, as a kill leaves it, off a file of lines."""
    content = path.read_bytes() if path.is_file() else b""
    if content and not content.endswith(b"\n"):
        with path.open("r+b") as stream:
            stream.truncate(content.rfind(b"\n") + 1)


def publish_folder(link: Path, write: Callable[[Path], None]) -> None:
    """Fill a new folder beside `link` and point the symlink `link` at it, atomically.

    A folder cannot be renamed over a full one, so `checkpoint` is a link to `checkpoint-N`;
    the folders before it, what a kill has left among them, are deleted only once the new one is in
    place.

    Raises:
        UserError: it cannot be written (a full disk, say); what was there before stays whole.
    """
    before = link.resolve() if link.is_symlink() else None
    number = int(before.name.rpartition("-")[2]) + 1 if before else 1
    folder = link.with_name(f"{link.name}-{number}")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        write(folder)
        for path in folder.rglob("*"):
            _sync(path)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, UNWRITABLE):
            raise _no_space(link, error) from error
        raise
    _sync(folder)
    pointer = link.with_name(f".{link.name}.tmp")
    pointer.unlink(missing_ok=True)
    pointer.symlink_to(folder.name)
    pointer.replace(link)
    _sync(link.parent)
    for older in link.parent.glob(f"{link.name}-*"):
        if older != folder and older.name.removeprefix(f"{link.name}-").isdecimal():
            shutil.rmtree(older, ignore_errors=True)


def _no_space(link: Path, error: Exception) -> UserError:
    found = f"it could not be written ({str(error).strip().splitlines()[0]})"
    mend = "free some space; what was saved before is whole"
    return fail(link, found, "space for a folder beside it", mend)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
