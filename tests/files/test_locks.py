"""A folder is written by one job at a time; the kernel ends a lock with the process."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from imbtool.errors import UserError
from imbtool.files import locks
from imbtool.files.locks import LOCK, Member, hold, is_abandoned, let_go, locked

BUSY = "another imbtool command at work"


@pytest.fixture(autouse=True)
def few_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "TRIES", 2)


def enter(folder: Path, member: Member | None = None) -> None:
    with locked(folder, member):
        pass


def test_another_job_is_refused_until_the_first_has_ended(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(UserError, match=BUSY):
        enter(tmp_path)
    enter(tmp_path)
    assert list(tmp_path.iterdir()) == [], "nothing is left of a lock"


def test_an_error_ends_the_lock_and_an_empty_new_folder_goes(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with pytest.raises(RuntimeError), locked(folder):
        assert folder.is_dir()
        raise RuntimeError
    assert not folder.exists()
    with locked(folder):
        (folder / "result").touch()
    assert [path.name for path in folder.iterdir()] == ["result"]


def test_members_of_one_job_share_a_folder_each_once(tmp_path: Path) -> None:
    with locked(tmp_path, Member("a", 0)), locked(tmp_path, Member("a", 1)):
        for member in (Member("a", 1), Member("b", 2), None):
            with pytest.raises(UserError, match=BUSY):
                enter(tmp_path, member)
        enter(tmp_path, Member("a", 2))
    enter(tmp_path, Member("b", 0))
    assert list(tmp_path.iterdir()) == []


def test_a_member_does_not_join_a_job_of_one_process(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(UserError, match=BUSY):
        enter(tmp_path, Member("a", 0))


def test_a_process_that_the_holder_has_started_needs_no_lock_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with locked(tmp_path) as lock:
        for name, value in lock.environment.items():
            monkeypatch.setenv(name, value)
        enter(tmp_path)
        with locked(tmp_path / "other"), pytest.raises(UserError, match=BUSY):
            enter(tmp_path / "other")


HOLDS = """
import sys, time
from pathlib import Path
from imbtool.files.locks import Lock, locked
with locked(Path(sys.argv[1])) as lock:
    if len(sys.argv) > 2:
        import subprocess
        child = subprocess.Popen(["sleep", "60"], pass_fds=lock.inherited, stdout=2)
        print(child.pid, flush=True)
    else:
        print("held", flush=True)
    time.sleep(60)
"""


def holder(folder: Path, *options: str) -> tuple[subprocess.Popen[str], str]:
    command = [sys.executable, "-c", HOLDS, str(folder), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    process, _ = holder(tmp_path)
    with pytest.raises(UserError, match=f"process {process.pid} on "):
        enter(tmp_path)
    process.kill()
    process.wait()
    assert (tmp_path / LOCK).exists()
    enter(tmp_path)
    assert not (tmp_path / LOCK).exists()


def test_where_the_holder_is_killed_its_processes_hold_on(tmp_path: Path) -> None:
    process, child = holder(tmp_path, "with a child")
    process.kill()
    process.wait()
    with pytest.raises(UserError, match=BUSY):
        enter(tmp_path)
    subprocess.run(["kill", f"-{signal.SIGKILL.value}", child], check=True)
    while not is_abandoned(tmp_path / LOCK):
        time.sleep(0.01)
    enter(tmp_path)


def test_where_there_are_no_locks_nothing_is_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "fcntl", None)
    with locked(tmp_path):
        enter(tmp_path)
        enter(tmp_path, Member("a", 0))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "f").touch()
    assert hold(tmp_path / "f") is None
    assert not is_abandoned(tmp_path / "f"), "that cannot be told"


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir])
def test_what_nobody_holds_any_more_is_abandoned(make, tmp_path: Path) -> None:
    path = tmp_path / "half"
    make(path)
    held = hold(path)
    assert not is_abandoned(path)
    let_go(held)
    assert is_abandoned(path)
