"""Folders and files that one job at a time may write: locks that the kernel releases on death.

They are `flock` locks. Where a platform or a file system has none (Windows, some network disks),
nothing is locked: two jobs in one folder are then not told apart.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from imbtool.errors import UserError, user_error
from imbtool.wording import printable

try:
    import fcntl
except ImportError:  # not on this platform
    fcntl = None  # type: ignore[assignment]

LOCK = ".imbtool.lock"
MOST_BYTES = 1000
"""That are read of a lock: who holds it."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder for this job while the block runs; make the folder if it is not there.

    A folder that was made and in which nothing was written is removed again.

    Raises:
        UserError: another job is at work in it.
    """
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with _held(folder / LOCK, folder):
            yield
    finally:
        if is_new:
            with suppress(OSError):  # not empty
                folder.rmdir()


@contextmanager
def _held(path: Path, folder: Path) -> Iterator[None]:
    descriptor = _opened(path)
    try:
        _flock(descriptor)
    except BlockingIOError:
        raise _busy(folder, descriptor) from None
    if not _is_at(descriptor, path):  # the holder before has just deleted it
        os.close(descriptor)
        with _held(path, folder):
            yield
        return
    _write(descriptor, f"process {os.getpid()} on {socket.gethostname()}")
    try:
        yield
    finally:
        if _is_at(descriptor, path):
            path.unlink(missing_ok=True)
        os.close(descriptor)


@contextmanager
def turn(path: Path) -> Iterator[None]:
    """Wait for one's turn: of all processes that name this file, one at a time runs the block.

    The file stays there, since another process may be waiting for it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = _opened(path)
    try:
        if fcntl is not None:
            with suppress(OSError):  # no locks on this file system
                fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def hold(path: Path) -> int | None:
    """Hold a new file or folder until `let_go`; None where there are no locks.

    Raises:
        BlockingIOError: another process holds it.
        FileNotFoundError: it is gone.
    """
    if fcntl is None:
        return None
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        _flock(descriptor)
        if not _is_at(descriptor, path):
            raise FileNotFoundError(path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def let_go(descriptor: int | None) -> None:
    """Let go of what `hold` has given."""
    if descriptor is not None:
        os.close(descriptor)


def is_abandoned(path: Path) -> bool:
    """Whether nobody holds a file or folder any more; False where that cannot be told."""
    if fcntl is None:
        return False
    try:
        descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    except OSError:
        return False
    try:
        return _flock(descriptor)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)


def _flock(descriptor: int) -> bool:
    """Lock a file; False where there are no locks.

    Raises:
        BlockingIOError: another process has locked it.
    """
    if fcntl is None:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:  # not on this file system
        return False
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether an open file still stands at its path."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _content(descriptor: int) -> str:
    os.lseek(descriptor, 0, os.SEEK_SET)
    return os.read(descriptor, MOST_BYTES).decode(errors="replace")


def _write(descriptor: int, text: str) -> None:
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.write(descriptor, text.encode())


def _busy(folder: Path, descriptor: int) -> UserError:
    """The error that another job is at work; closes the descriptor."""
    by = printable(_content(descriptor))
    os.close(descriptor)
    found = f"another imbtool command at work in it ({by})"
    fix = "wait until it has ended, or stop it; or choose another folder"
    return user_error(folder, found, "one command at a time", fix)
