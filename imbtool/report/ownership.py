"""Which files of a folder are ours: what a document that imbtool wrote beside them says."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

from imbtool.errors import UserError, user_error
from imbtool.files.json_text import read_json
from imbtool.files.writing import require_utf8
from imbtool.wording import some


def our_document(path: Path, is_ours: Callable[[Any], bool]) -> dict[str, Any] | None:
    """The document in a file; None where there is none, or it is not of imbtool's making.

    Args:
        path: of the file.
        is_ours: tells so of any JSON; it may fail with a KeyError or a TypeError of others' files.
    """
    try:
        document: dict[str, Any] = read_json(path)
        return document if is_ours(document) else None
    except (UserError, KeyError, TypeError, AttributeError):
        return None


def require_ours(folder: Path, names: Iterable[str], ours: Collection[str]) -> None:
    """Check that a command replaces no file of the user's.

    Args:
        folder: where to.
        names: of the files that the command may write or delete.
        ours: those of them that imbtool has written.

    Raises:
        UserError: it would, or the folder's name is not UTF-8.
    """
    require_utf8(folder)
    there = (name for name in names if os.path.lexists(folder / name))
    others = [name for name in there if name not in ours]
    if others:
        found = f"{some(others)} that imbtool did not write"
        fix = "choose another folder with -o, or move them away"
        raise user_error(f"-o {folder}", found, "a folder without files of these names", fix)
