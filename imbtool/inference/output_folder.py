"""The output folder of `predict`, whose manifest records what made the outputs."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable
from pathlib import Path

from pydantic import ConfigDict

from imbtool.errors import UserError, user_error
from imbtool.files.documents import Typed, read_document
from imbtool.files.json_text import write_json
from imbtool.files.stores import Location, StorePath
from imbtool.files.writing import require_utf8
from imbtool.formats.sources import names_table
from imbtool.wording import shown, some

PARTS = ".parts"
"""The folder of what engines store until an output is whole, within the folder of the outputs."""
MANIFEST = "_predict.json"
"""Readers that take the folder as one table skip it, as they skip all names that begin with `_`."""


class FolderManifest(Typed):
    """The content of the manifest: what made the outputs of a folder."""

    model_config = ConfigDict(extra="forbid")

    checkpoint: str
    """sha256 of its files; where the checkpoint stands does not matter."""
    input: str
    text: list[str]
    calibrated: bool
    precision: str = "fp32"
    """The numbers that the model computes with; manifests of earlier versions lack it."""


def require_claimable(folder: Location) -> None:
    """Check that a folder can hold outputs, before anything is written to it.

    Raises:
        UserError: it is a file, it holds files without a manifest, or its name is not UTF-8.
    """
    require_utf8(folder)
    _is_claimed(folder)


def read_claim(folder: Location) -> FolderManifest | None:
    """The manifest of a folder; None if it has none and can be claimed.

    Raises:
        UserError: the manifest is damaged, or the folder cannot hold outputs.
    """
    if not _is_claimed(folder):
        return None
    return read_document(
        folder / MANIFEST, FolderManifest, "choose another -o, or delete the folder"
    )


def claim_folder(
    folder: Location, manifest: FolderManifest, outputs: Collection[Location], start_over: bool
) -> None:
    """Make sure that all outputs of a folder come from one job, and write the manifest of the job.

    A folder without outputs can be claimed anew. The outputs of another job are deleted before the
    new manifest is written, so that a kill never leaves outputs under the wrong manifest.

    Args:
        folder: of the outputs; it need not exist.
        manifest: of the job that fills the folder.
        outputs: the files that the job writes.
        start_over: whether to delete those that exist.

    Raises:
        UserError: the folder belongs to another job, or holds files without a manifest.
    """
    before = read_claim(folder)
    if start_over:
        _delete_outputs(folder, outputs)
    elif (
        before is not None
        and before != manifest
        and (_tables(folder) or whole_files(folder, outputs))
    ):
        raise _other_job(folder, before, manifest)
    if before != manifest:
        write_json(folder / MANIFEST, manifest.model_dump())


def whole_files(folder: Location, files: Collection[Location]) -> dict[Location, int]:
    """Those files of a folder that are there, whole, and when they were written, in nanoseconds.

    Raises:
        UserError: the store that they are in cannot be used.
    """
    if isinstance(folder, StorePath):  # listed at once: a request for each would take minutes
        objects = {file for file in files if isinstance(file, StorePath)}
        nested = any(len(each.relative_to(folder).parts) > 1 for each in objects)
        there = folder.objects(below=nested)
        return {each.path: each.changed for each in there if each.size and each.path in objects}
    local = [file for file in files if isinstance(file, Path)]
    return {file: file.stat().st_mtime_ns for file in local if file.exists()}


def delete_parts(folder: Location) -> None:
    """Delete what engines have stored in a folder."""
    delete_folder(folder / PARTS)


def delete_folder(folder: Location) -> None:
    """Delete a folder, if it is there."""
    if isinstance(folder, StorePath):
        folder.delete_below()
    else:
        shutil.rmtree(folder, ignore_errors=True)


def _is_claimed(folder: Location) -> bool:
    """Whether a folder has a manifest; a folder without one must be empty."""
    names = [name for name in _names(folder) if not name.startswith(".")]
    if names and MANIFEST not in names:
        found = f"files, and no {MANIFEST} that says what made them: {some(sorted(names))}"
        expected = "a new folder, or one that predict has written"
        raise user_error(f"-o {folder}", found, expected, "choose another -o")
    return bool(names)


def _names(folder: Location) -> list[str]:
    """What stands in a folder, which need not be there."""
    if folder.is_file():
        raise user_error(f"-o {folder}", "a file", "a folder", "choose another -o")
    if isinstance(folder, StorePath):
        return folder.names()
    return [path.name for path in folder.iterdir()] if folder.exists() else []


def _other_job(folder: Location, before: FolderManifest, now: FolderManifest) -> UserError:
    known = before.model_dump()
    changed = [
        f"{key} ({shown(known[key])} -> {shown(value)})"
        for key, value in now.model_dump().items()
        if known[key] != value
    ]
    return user_error(
        f"-o {folder}",
        f"outputs made with another {', another '.join(changed)}",
        "the checkpoint, input and options that it was begun with",
        "choose another -o, or --force to delete them and start over",
    )


def _delete_outputs(folder: Location, outputs: Collection[Location]) -> None:
    others = [path for path in _tables(folder) if path not in outputs]
    if others:
        found = f"tables that this input does not give: {some(others)}"
        fix = "move them away, or choose another -o"
        raise user_error(f"-o {folder}", found, "none but those to be written anew", fix)
    for output in outputs:
        if isinstance(output, StorePath):
            output.unlink()
        else:
            output.unlink(missing_ok=True)
    delete_parts(folder)


def _tables(folder: Location) -> list[Location]:
    files: Iterable[Location]
    if isinstance(folder, StorePath):
        files = [each.path for each in folder.objects(below=True)]
    else:
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return [path for path in files if names_table(path) and not path.name.startswith((".", "_"))]
