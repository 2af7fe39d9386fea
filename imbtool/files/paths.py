"""Where paths lead: links in a circle, pipes and devices are found before they do harm."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from imbtool.errors import user_error


def real_path(path: Path) -> Path:
    """The absolute path with all links followed; of links in a circle, as far as they lead.

    `Path.resolve` raises an error at a circle, before Python 3.13.
    """
    return Path(os.path.realpath(path))


def refuse_endless(path: Path, expected: str) -> None:
    """Check that a path leads to no pipe or device, whose reading or writing might never end.

    Args:
        path: of a file, or of nothing.
        expected: what it should be, for the user.

    Raises:
        UserError: it leads to one.
    """
    try:
        mode = path.stat().st_mode
    except OSError:  # whoever reads it says so
        return
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise user_error(path, "a pipe or a device", expected, "give a file, not a pipe")
