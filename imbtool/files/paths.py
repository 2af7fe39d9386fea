"""Where paths lead: links in a circle, pipes and devices are found before they do harm."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from imbtool.errors import user_error
from imbtool.files.stores import Location, StorePath


def real_path(path: Path) -> Path:
    """The absolute path with all links followed; of links in a circle, as far as they lead.

    `Path.resolve` raises an error at a circle, before Python 3.13.
    """
    return Path(os.path.realpath(path))


def cache_folder() -> Path:
    """Where imbtool keeps what it can make again, by the XDG base directory specification.

    Raises:
        UserError: there is no home folder, and no other is named.
    """
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if given.is_absolute():  # a relative path is to be ignored
        return given / "imbtool"
    try:
        return Path.home() / ".cache" / "imbtool"
    except RuntimeError:
        found, fix = "no home folder", "set the variable XDG_CACHE_HOME to a folder"
        raise user_error("the user's cache", found, "a folder to unpack into", fix) from None


def refuse_endless(path: Location, expected: str) -> None:
    """Check that a path leads to no pipe or device, whose reading or writing might never end.

    Args:
        path: of a file, or of nothing.
        expected: what it should be, for the user.

    Raises:
        UserError: it leads to one.
    """
    if isinstance(path, StorePath):
        return
    try:
        mode = path.stat().st_mode
    except OSError:  # whoever reads it says so
        return
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise user_error(path, "a pipe or a device", expected, "give a file, not a pipe")
