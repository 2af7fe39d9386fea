"""The folder of a run: its name, how it is made and locked, and its saved state."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from imbtool.config.reader import read_profile
from imbtool.config.schema import Profile
from imbtool.config.writer import render_profile
from imbtool.errors import user_error
from imbtool.events import EndEvent, EpochEvent, of_kind, read_events
from imbtool.files.json_text import write_json
from imbtool.files.locks import locked
from imbtool.files.model_folder import is_file
from imbtool.files.writing import new_folder, require_utf8, write_text
from imbtool.runs.manifest import FIX, MANIFEST, PROFILE, Manifest


@dataclass(frozen=True)
class Resumption:
    """How a run is resumed.

    Attributes:
        has_state: whether there is a saved state; without one the run starts at its first step.
        allow_changed: whether profile, data, versions or processes may have changed.
        knows_encoder: whether the manifest has the digests of the encoder's files.
    """

    has_state: bool
    allow_changed: bool
    knows_encoder: bool


def run_name(wanted: str | None, profile_path: Path, parent: Path) -> str:
    """The requested name, or the name of the profile with the first free number.

    Args:
        wanted: name that the user requests; None if there is none.
        profile_path: of the profile.
        parent: folder of the runs.

    Raises:
        UserError: the name is not a plain name of a folder.
    """
    if wanted is not None:
        if not re.fullmatch(r"\w[\w.+-]*", wanted):
            found = repr(wanted)
            raise user_error("--run", found, "letters, digits and . _ + -", "choose a plain name")
        return wanted
    stem = re.sub(r"[^\w.+-]+", "-", profile_path.stem).strip("-.") or "run"
    number = 1
    while (parent / f"{stem}-{number}").exists():
        number += 1
    return f"{stem}-{number}"


def require_free_name(folder: Path) -> None:
    """Check that a new run can have this folder.

    Raises:
        UserError: the name is taken, or is not UTF-8.
    """
    require_utf8(folder)
    if os.path.lexists(folder):
        fix = "choose another --run, move the old run away, or go on with --resume"
        raise user_error(folder, "a run of this name", "a new name", fix)


def make_folder(
    folder: Path,
    profile: Profile,
    manifest: Manifest,
    fill: Callable[[Path], None] = lambda _: None,
) -> None:
    """Make the folder of a run with its profile and manifest, or not at all.

    Args:
        folder: of the run.
        profile: resolved.
        manifest: of the run.
        fill: writes what else the folder is to hold from the beginning.

    Raises:
        UserError: another command has taken the name in the meantime.
    """
    with new_folder(folder) as draft:
        write_text(draft / PROFILE, render_profile(profile))
        write_json(draft / MANIFEST, manifest.model_dump(mode="json"))
        fill(draft)


def read_run_profile(folder: Path) -> Profile:
    """The resolved profile of a run; one of a version without weights of words has none.

    Raises:
        UserError: it is missing, no regular file, or damaged.
    """
    path = folder / PROFILE
    if not is_file(path):
        found = "something other than a file" if os.path.lexists(path) else "no such file"
        raise user_error(path, found, "the profile of the run", FIX)
    return as_written(read_profile(path))


def as_written(profile: Profile) -> Profile:
    """A resolved profile as the version meant it that wrote it; one without a key lacked it."""
    if "words" in profile.training.model_fields_set:
        return profile
    training = profile.training.model_copy(update={"words": False})
    return profile.model_copy(update={"training": training})


def hold_run(folder: Path, first: bool) -> AbstractContextManager[object]:
    """Lock a run's folder; of several processes only the first locks it, since it writes all."""
    return locked(folder) if first else nullcontext()


def find_state(folder: Path) -> bool:
    """Whether a run has a saved state; a kill before the first save leaves none.

    Raises:
        UserError: the state is missing although the run has saved one.
    """
    if os.path.lexists(folder / "last"):
        return True
    events = read_events(folder)
    # the event of an epoch is written just before its state is saved
    if len(of_kind(events, EpochEvent)) > 1 or of_kind(events, EndEvent):
        found = "no saved state, although the run went further than its first save"
        fix = "restore `last`, or start a new run"
        raise user_error(folder / "last", found, "the state of the run", fix)
    return False
