"""Copies on this machine of what stands in object stores."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from imbtool.errors import Problem, UserError, user_error
from imbtool.files.locks import turn
from imbtool.files.paths import cache_folder
from imbtool.files.stores import Location, StoredObject, StoreError, StorePath
from imbtool.files.writing import new_folder, space_for, temporary_folder
from imbtool.notes import tell

COPIES = "checkpoints"
"""The folder of copies that are kept, within the cache."""


@contextmanager
def local_copy(path: Location) -> Iterator[Path]:
    """Give a file's path on this machine: of an object that of a copy, which is deleted afterwards.

    What the block finds wrong with the copy is told of the object.

    Raises:
        UserError: the object cannot be read, or there is no space for it.
    """
    if isinstance(path, Path):
        yield path
        return
    with temporary_folder() as folder:
        copy = folder / path.name
        with space_for(path):
            path.download(copy)
        try:
            yield copy
        except StoreError:
            raise
        except UserError as error:
            told = [_renamed(problem, str(copy), str(path)) for problem in error.problems]
            raise UserError(*told) from error


def kept_copy(folder: StorePath, identity: str) -> Path:
    """A copy of a folder in the cache, where it stays; copied if it is not there yet.

    Its name depends on the names, sizes and times of all files and on the content of one, so that
    what has changed is copied anew.

    Args:
        folder: in the store.
        identity: the file that tells the folder from others of the same sizes.

    Raises:
        UserError: it cannot be read, changes meanwhile, or cannot be written.
    """
    objects = folder.objects(below=True)
    copy = cache_folder() / COPIES / _digest(folder, objects, identity)
    if copy.is_dir():
        return copy
    try:
        with turn(copy.with_name(f"{copy.name}.lock")):
            if not copy.is_dir():  # another process may just have done it
                size = sum(each.size for each in objects) / 2**20
                tell([f"copying {folder} ({size:.1f} MiB) to {copy}; this is done once"])
                _copy(folder, objects, copy)
    except OSError as error:
        fix = "free some space or make it writable, or set XDG_CACHE_HOME to another folder"
        found = f"it cannot be written ({error.strerror})"
        raise user_error(copy, found, "a folder for a copy of the checkpoint", fix) from None
    return copy


def _digest(folder: StorePath, objects: Sequence[StoredObject], identity: str) -> str:
    known = [[str(each.path), each.size, each.changed] for each in objects]
    content = (folder / identity).read_bytes()
    return hashlib.sha256(json.dumps(known).encode() + content).hexdigest()[:32]


def _copy(folder: StorePath, objects: Sequence[StoredObject], copy: Path) -> None:
    with new_folder(copy) as new:
        for each in objects:
            name = each.path.relative_to(folder)
            if ".." in name.parts:
                fix = "delete it, or copy the folder to this machine first"
                raise user_error(each.path, "a key that leads out of its folder", "a file", fix)
            target = new / name
            target.parent.mkdir(parents=True, exist_ok=True)
            each.path.download(target)
        if folder.objects(below=True) != objects:
            fix = "give the same command again once it is written"
            found = "files that change while they are copied"
            raise StoreError(Problem(str(folder), found, "a folder that stays as it is", fix))


def _renamed(problem: Problem, before: str, now: str) -> Problem:
    return replace(
        problem,
        where=problem.where.replace(before, now),
        found=problem.found.replace(before, now),
        fix=problem.fix.replace(before, now),
    )
