"""Several processes of one machine take the tables of a folder in turn."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from conftest import Imbtool, read_csv, write_csv

from imbtool.files.locks import locked
from imbtool.inference.predict_folder import Shard, make_job, plan_shards
from imbtool.inference.process_engine import process_engine

RUN = "runs/first"
PREDICT = ("predict", RUN, "in", "-o", "out", "--processes", "2")


@pytest.fixture
def alone(project: Path, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """A folder `in` of four tables, and what one process with one thread makes of it."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    rows = read_csv(Path("test.csv"))
    Path("in").mkdir()
    for number in range(4):
        write_csv(Path("in", f"part-{number}.csv"), rows[10 * number : 10 * number + 10])
    assert imbtool("predict", RUN, "in", "-o", "alone").exit_code == 0
    return outputs("alone")


def outputs(folder: str) -> dict[str, bytes]:
    """The tables in a folder by name."""
    return {path.name: path.read_bytes() for path in sorted(Path(folder).glob("*.csv"))}


class Deadly(Shard):
    """A table at which the process that gets it dies."""

    def __reduce__(self) -> tuple[Callable[[int], None], tuple[int]]:
        return signal.raise_signal, (signal.SIGKILL,)


def test_a_process_that_dies_costs_the_table_that_it_was_at(alone: dict[str, bytes]) -> None:
    job = make_job(Path(RUN), Path("in"), None)
    first, second, *_ = plan_shards(job.source, Path("out"))
    tables = [Deadly(first.source, first.output), second]
    died, done = process_engine(1)(job, tables, Path("out"))
    assert (died.shard, died.state, done.shard, done.state) == (tables[0], "failed", second, "done")
    assert "a process that ended at this table with signal 9" in str(died.error)
    assert outputs("out") == {"part-1.csv": alone["part-1.csv"]}


@pytest.mark.slow
def test_two_processes_write_the_bytes_of_one(alone: dict[str, bytes], imbtool: Imbtool) -> None:
    Path("in/part-3.csv").write_text(Path("in/part-1.csv").read_text() + "a,b\n")
    result = imbtool(*PREDICT, "--json")
    assert result.exit_code == 2
    expected = {"output": "out", "files": 4, "done": 3, "skipped": 0, "failed": 1}
    assert json.loads(result.stdout) == expected
    assert result.stderr.count("error: in/part-3.csv:12\n") == 1
    assert result.stderr.count("4 files: 3 done, 0 skipped, 1 failed -> out") == 1
    assert outputs("out") == {name: alone[name] for name in alone if name != "part-3.csv"}


@pytest.mark.slow
@pytest.mark.usefixtures("alone")
def test_what_no_table_would_be_spared_ends_it(imbtool: Imbtool) -> None:
    Path(RUN, "checkpoint", "model.safetensors").write_bytes(b"nothing")
    result = imbtool(*PREDICT)
    assert result.exit_code == 2
    assert result.stderr.count("error:") == 1
    assert "model.safetensors" in result.stderr


@pytest.mark.slow
@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
def test_processes_end_with_the_one_that_has_started_them(number: int, code: int) -> None:
    for path in Path("in").iterdir():
        header, *rows = path.read_text().splitlines(keepends=True)
        path.write_text("".join([header, *(rows * 2000)]))
    command = [sys.executable, "-m", "imbtool", *PREDICT]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not (begun := [*Path("out").glob(".part-*.tmp")]):
        time.sleep(0.01)
    workers = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == code
    assert "Traceback" not in said
    assert psutil.wait_procs(workers, timeout=10)[1] == [], "none is left"
    if number != signal.SIGKILL:
        assert not any(path.exists() for path in begun)
    with locked(Path("out")):
        pass
