"""Folders and files that one job at a time may write: locks that the kernel releases on death.

They are `flock` locks. Where a platform or a file system has none (Windows, some network disks),
nothing is locked: two jobs in one folder are then not told apart.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from imbtool.errors import UserError, user_error
from imbtool.files.paths import real_path
from imbtool.wording import printable

try:
    import fcntl
except ImportError:  # not on this platform
    fcntl = None  # type: ignore[assignment]

LOCK = ".imbtool.lock"
HELD = "IMBTOOL_HELD_FOLDER"
"""The variable that tells a process which folder the one that has started it holds for it."""
MOST_BYTES = 1000
"""That are read of a lock: who holds it."""
TRIES, PAUSE = 100, 0.02
"""How often and after how many seconds a member tries to join: another one may be at the start."""


@dataclass(frozen=True)
class Member:
    """One of several processes that share a job.

    Attributes:
        job: what tells it from others, number of processes included.
        rank: of this process.
    """

    job: str
    rank: int


@dataclass(frozen=True)
class Lock:
    """A folder that is held.

    Attributes:
        folder: which.
        descriptor: of the lock; None where this process has none of its own.
    """

    folder: Path
    descriptor: int | None

    @property
    def inherited(self) -> tuple[int, ...]:
        """Descriptors that processes of the same job inherit: the lock lasts until all ended."""
        return () if self.descriptor is None else (self.descriptor,)

    @property
    def environment(self) -> dict[str, str]:
        """Variables that tell them so."""
        return {HELD: str(real_path(self.folder))}


@contextmanager
def locked(folder: Path, member: Member | None = None) -> Iterator[Lock]:
    """Hold a folder for this job while the block runs; make the folder if it is not there.

    A folder that was made and in which nothing was written is removed again.

    Args:
        folder: that the job writes to.
        member: which of several processes this is that a launcher has started for one job: all of
            them may be in, each once. Default: the only one. Processes that the holder has started
            with the lock's `inherited` and `environment` need none.

    Raises:
        UserError: another job is at work in it.
    """
    if os.environ.get(HELD) == str(real_path(folder)):
        yield Lock(folder, None)
        return
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with ExitStack() as stack:
            if member is None:
                held = stack.enter_context(_alone(folder / LOCK, folder))
            else:
                held = stack.enter_context(_joined(folder / LOCK, folder, member.job))
                stack.enter_context(_alone(folder / f"{LOCK}.{member.rank}", folder))
            yield Lock(folder, held)
    finally:
        if is_new:
            with suppress(OSError):  # not empty
                folder.rmdir()


@contextmanager
def _alone(path: Path, folder: Path) -> Iterator[int]:
    descriptor = _opened(path)
    try:
        _flock(descriptor, exclusive=True)
    except BlockingIOError:
        raise _busy(folder, descriptor) from None
    if not _is_at(descriptor, path):  # the holder before has just deleted it
        os.close(descriptor)
        with _alone(path, folder) as descriptor:
            yield descriptor
        return
    _write(descriptor, f"process {os.getpid()} on {socket.gethostname()}")
    try:
        yield descriptor
    finally:
        _leave(path, descriptor)


@contextmanager
def _joined(path: Path, folder: Path, job: str) -> Iterator[int]:
    descriptor = _shared(path, folder, job)
    try:
        if _content(descriptor) != job:
            raise _busy(folder, os.dup(descriptor))
        yield descriptor
    finally:
        _leave(path, descriptor)


def _shared(path: Path, folder: Path, job: str) -> int:
    """Share a lock; the first one to do so writes down for which job."""
    for _ in range(TRIES):
        descriptor = _opened(path)
        with suppress(BlockingIOError):
            with suppress(BlockingIOError):
                _flock(descriptor, exclusive=True)
                _write(descriptor, job)
            _flock(descriptor, exclusive=False)
            if _is_at(descriptor, path):
                return descriptor
        os.close(descriptor)
        time.sleep(PAUSE)
    raise _busy(folder, _opened(path))


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
        _flock(descriptor, exclusive=True)
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
        return _flock(descriptor, exclusive=True)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)


def _flock(descriptor: int, exclusive: bool) -> bool:
    """Lock a file; False where there are no locks.

    Raises:
        BlockingIOError: another process has locked it.
    """
    if fcntl is None:
        return False
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
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


def _leave(path: Path, descriptor: int) -> None:
    """Close a lock; the last one to leave deletes its file."""
    try:
        with suppress(BlockingIOError):
            _flock(descriptor, exclusive=True)
            if _is_at(descriptor, path):
                path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


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
