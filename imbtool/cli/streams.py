"""stdin, stdout and stderr as they are found: of any encoding, closed, full, a pipe unread.

It imports nothing but what `imbtool --help` needs.
"""

from __future__ import annotations

import codecs
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from imbtool.errors import UserError, user_error

STREAMS = ("stdin", "stdout", "stderr")
SHOWN = "imbtool.shown"
"""Name of the way in which characters are written that a terminal's encoding lacks."""
PLAIN = {
    **dict.fromkeys("–—−─━╌╍", "-"),
    **dict.fromkeys("│┃", "|"),
    **dict.fromkeys("·•", "*"),
    "…": "...",
    "→": "->",
    "×": "x",
    "≥": ">=",
    "≤": "<=",
    "¦": "|",
}


def prepare_streams() -> None:
    """Let no character end the program, and no file become stdout in place of a closed one."""
    for descriptor, name in enumerate(STREAMS):
        with suppress(OSError):
            os.fstat(descriptor)
            continue
        # the lowest free number is taken: this one
        os.open(os.devnull, os.O_RDONLY if name == "stdin" else os.O_WRONLY)
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    codecs.register_error(SHOWN, _shown)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=SHOWN)


def write_data_as_utf8() -> None:
    """Make stdout UTF-8, whatever the terminal has: what follows is read by programs.

    Halves of a character, as names of files have them that are not UTF-8, become JSON's escapes.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")


@contextmanager
def writing_stdout() -> Iterator[None]:
    """What is printed in the block has arrived at its end.

    Raises:
        UserError: stdout does not take it (a full disk, say).
    """
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.filename is not None:
            raise
        raise unusable("stdout", error) from None


def unusable(where: object, error: OSError) -> UserError:
    """What the file system has against a path or a stream."""
    fix = "check the path, its permissions and the free space"
    return user_error(where, error.strerror or str(error), "a usable file", fix)


def undelivered(stream: TextIO) -> OSError | None:
    """What keeps a stream from passing on what was written; what follows then goes nowhere."""
    try:
        stream.flush()
    except OSError as error:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
        stream.flush()
        return error
    return None


def _shown(error: UnicodeError) -> tuple[str, int]:
    """A plain character that looks alike, else the escape of the one that cannot be shown."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    plain = (
        PLAIN.get(each) or each.encode("ascii", "backslashreplace").decode() for each in missing
    )
    return "".join(plain), error.end
