"""Writing files and folders: a reader finds them whole or not at all, in object stores too."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

from safetensors import SafetensorError

from imbtool.errors import Problem, UserError, user_error
from imbtool.files.locks import hold, is_abandoned, let_go
from imbtool.files.paths import refuse_endless
from imbtool.files.stores import Location, StoreError, StorePath

TEMPORARY = re.compile(r"\.(.+)\.[0-9a-f]{16}\.tmp", re.DOTALL)
SURROGATE = re.compile(r"[\ud800-\udfff]")
FULL = (errno.ENOSPC, errno.EDQUOT)
UNWRITABLE = (OSError, RuntimeError, SafetensorError)
"""What writing files, tensors among them, raises where a disk is full."""


@contextmanager
def replacing(path: Location) -> Iterator[Path]:
    """Give a temporary path beside `path`; when the block ends well, rename it over `path`.

    A reader sees the old file or the new one, never a half; a block that raises leaves no trace.
    What a kill has left of an earlier writing of the same file is deleted. What is to stand in an
    object store is uploaded when the block ends well: of a stream that breaks off, a store might
    show what it has got.

    Raises:
        UserError: the name is not UTF-8, the store cannot be used, or there is no space for what
            is to be uploaded.
    """
    require_utf8(path)
    if isinstance(path, StorePath):
        with temporary_folder() as folder, space_for(path):
            yield folder / path.name
            path.upload(folder / path.name)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    _delete_abandoned(path)
    temporary, held = _held_temporary(path, lambda new: new.touch(exist_ok=False))
    try:
        yield temporary
        _sync(temporary)
        temporary.replace(path)
        _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)
        let_go(held)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Give an empty folder in the system's folder of temporary files, and delete it afterwards.

    What kills have left of others is deleted, too.
    """
    name = Path(tempfile.gettempdir(), "imbtool")
    _delete_abandoned(name)
    folder, held = _held_temporary(name, lambda new: new.mkdir(0o700))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        let_go(held)


@contextmanager
def space_for(path: StorePath) -> Iterator[None]:
    """Say where there is no space for the copy of an object that the block writes.

    Raises:
        StoreError: there is none.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        place = tempfile.gettempdir()
        fix = "free some space, or set TMPDIR to a folder on a larger disk"
        found = f"no space left in {place}, where it is copied to first"
        raise StoreError(Problem(str(path), found, "space for a copy", fix)) from error


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder beside `path`; when the block ends well, rename it to `path`.

    So the folder is there with all that is written in the block, or not at all.

    Raises:
        UserError: the name is taken, or is not UTF-8.
    """
    require_utf8(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _delete_abandoned(path)
    temporary, held = _held_temporary(path, Path.mkdir)
    try:
        yield temporary
        _sync_all(temporary)
        try:
            temporary.rename(path)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                raise
            raise user_error(
                path, "a file or folder of this name", "a new name", "choose another"
            ) from None
        _sync(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        let_go(held)


def require_utf8(path: Location) -> None:
    """Check that a name can be written down, in JSON and by libraries that know UTF-8 alone.

    Raises:
        UserError: it cannot.
    """
    if SURROGATE.search(str(path)):
        found = "a name with bytes that are not UTF-8"
        raise user_error(
            path, found, "a name in UTF-8", "choose another name, or rename the folder"
        )


def _held_temporary(path: Path, make: Callable[[Path], None]) -> tuple[Path, int | None]:
    """A new file or folder beside a path, held so that it does not pass for abandoned."""
    while True:
        # by chance, not by process: on a shared disk processes of several machines have one number
        temporary = path.with_name(f".{path.name}.{token_hex(8)}.tmp")
        make(temporary)
        try:
            return temporary, hold(temporary)
        except (BlockingIOError, FileNotFoundError):  # deleted before it was held
            continue
        except BaseException:
            delete(temporary)
            raise


def _delete_abandoned(path: Path) -> None:
    """Delete what kills have left of a path's earlier writing."""
    for temporary, target in leftovers(path.parent):
        if target.name == path.name and is_abandoned(temporary):
            delete(temporary)


def delete(path: Path) -> None:
    """Delete a file, a link or a whole folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def leftovers(folder: Path) -> Iterator[tuple[Path, Path]]:
    """What kills have left of files being written in a folder, each with the file's path."""
    for temporary in folder.glob(".*.tmp"):
        if match := TEMPORARY.fullmatch(temporary.name):
            yield temporary, temporary.with_name(match[1])


def write_text(path: Location, text: str) -> None:
    """Write `text` as UTF-8 with LF line ends, whole or not at all.

    Bytes of file names that UTF-8 lacks become escapes.
    """
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")


def sha256(path: Path, expected: str) -> str:
    """The digest of a file.

    Args:
        path: of the file.
        expected: what it should be, for the user.

    Raises:
        UserError: it cannot be read.
    """
    refuse_endless(path, expected)
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        found = f"it cannot be read ({error.strerror})"
        raise user_error(path, found, expected, "restore it") from None


def lines_of(path: Path) -> Iterator[tuple[str, bytes]]:
    """The lines of a file with their ends, and where each stands; none where there is no file."""
    # of bytes: a text's lines would also end at separators that JSON leaves in strings
    lines = path.read_bytes().splitlines(keepends=True) if path.is_file() else []
    for number, line in enumerate(lines, start=1):
        yield f"{path}:{number}", line


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
    place. A folder that stands at the link's place, as copying with links followed makes it, gets
    a number and a link first.

    Raises:
        UserError: it cannot be written (a full disk, say), or a file stands at the link's place;
            what was there before stays whole.
    """
    require_utf8(link)
    _make_link(link)
    folder = _numbered(link, _linked(link) or _highest(link))
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        write(folder)
        readers = folder.stat().st_mode & 0o666
        for path in folder.rglob("*"):
            if path.is_file():
                path.chmod(readers)  # safetensors leaves its files to their owner alone
        _sync_all(folder)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, UNWRITABLE):
            raise _no_space(link, error) from error
        raise
    _point(link, folder)
    for older in published(link):
        if older != folder:
            shutil.rmtree(older, ignore_errors=True)


def published(link: Path) -> list[Path]:
    """The folders beside a link that are or were published by it."""
    numbered = re.compile(re.escape(link.name) + "-[0-9]+")
    return [path for path in link.parent.glob("*") if numbered.fullmatch(path.name)]


def _make_link(link: Path) -> None:
    if link.is_symlink() or not link.exists():
        return
    if not link.is_dir():
        raise user_error(link, "a file", "a link to a folder, or nothing", "move it away")
    folder = _numbered(link, _highest(link))
    link.rename(folder)
    _point(link, folder)


def _point(link: Path, folder: Path) -> None:
    pointer = link.with_name(f".{link.name}.tmp")
    delete(pointer)
    pointer.symlink_to(folder.name)
    pointer.replace(link)
    _sync(link.parent)


def _linked(link: Path) -> int | None:
    """The number that a link points at; None where it points at nothing of its own."""
    if not link.is_symlink() or not link.exists():
        return None
    target = link.readlink()
    return _number(link, target) if len(target.parts) == 1 else None


def _highest(link: Path) -> int:
    return max((_number(link, path) or 0 for path in published(link)), default=0)


def _number(link: Path, path: Path) -> int | None:
    digits = path.name.removeprefix(f"{link.name}-")
    return int(digits) if re.fullmatch("[0-9]{1,18}", digits) else None


def _numbered(link: Path, before: int) -> Path:
    return link.with_name(f"{link.name}-{before + 1}")


def _no_space(link: Path, error: Exception) -> UserError:
    found = f"it could not be written ({str(error).strip().splitlines()[0]})"
    fix = "free some space; what was saved before is whole"
    return user_error(link, found, "space for a folder beside it", fix)


def _sync_all(folder: Path) -> None:
    """Let a folder and all that is in it survive a power failure."""
    for path in [*folder.rglob("*"), folder]:
        if not path.is_symlink():
            _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
