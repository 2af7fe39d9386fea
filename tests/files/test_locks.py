"""A folder is written by one job at a time; the kernel ends a lock with the process."""

import subprocess
import sys
from pathlib import Path

import pytest

from imbtool.errors import UserError
from imbtool.files import locks
from imbtool.files.locks import LOCK, hold, is_abandoned, let_go, locked

BUSY = "another imbtool command at work"


def enter(folder: Path) -> None:
    with locked(folder):
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


HOLDS = """
import sys, time
from pathlib import Path
from imbtool.files.locks import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDS, str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with pytest.raises(UserError, match=f"process {process.pid} on "):
        enter(tmp_path)
    process.kill()
    process.wait()
    assert (tmp_path / LOCK).exists()
    enter(tmp_path)
    assert not (tmp_path / LOCK).exists()


def test_where_there_are_no_locks_nothing_is_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "fcntl", None)
    with locked(tmp_path):
        enter(tmp_path)
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
