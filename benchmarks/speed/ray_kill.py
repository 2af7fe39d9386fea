"""Kill a worker, the head or the driver of Ray as it predicts. Exit 1 if anything is lost by it.

python -m benchmarks.speed.ray_kill --times 20

A tiny project is trained, and one process predicts a folder of tables. A cluster with one machine
predicts the same folder again and again. At a random moment between its first result and its end a
process gets SIGKILL: a worker, whose work the command must have done again by itself; the head of
the cluster (its node, its store of metadata, or all of it), after which the head is started again
and the same command given; or the command itself, which is given again. The outputs must be those
of the one process, byte for byte.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from tempfile import mkdtemp
from typing import NamedTuple

import pandas as pd
import psutil

from imbtool.data.tables import CHUNK_ROWS

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
from conftest import read_csv, write_project

TARGETS = ("worker", "head", "driver")
HEADS = ("gcs_server", "raylet", "all")
"""What of the head dies, drawn for each trial."""
PROGRAM = f"""
from imbtool.inference import table_parts
table_parts.BLOCK_ROWS, table_parts.TEXT_PART_BYTES = {CHUNK_ROWS}, 200_000
from imbtool.__main__ import main
main()
"""
"""imbtool with small parts, so that a small table has several."""
CPUS = 2
OBJECT_STORE = 80 * 1024 * 1024
MOST_STARTS = 20
"""A head may not come up on a busy machine, and a command may end before its kill; after so many
starts in a row something else is wrong."""
LONGEST = 900.0
"""Seconds after which a command that goes on is taken for one that never ends."""


class Trial(NamedTuple):
    """How a prediction whose target was killed ended.

    Attributes:
        killed: the process.
        done: units that were done at that moment, parts and whole tables.
        fault: why the outputs are not those of one process; empty if they are.
        seconds: that the command took to end whose head was killed.
    """

    killed: str
    done: int
    fault: str
    seconds: float = 0.0

    def __str__(self) -> str:
        """A line of the log."""
        ended = f", its command ended after {self.seconds:.0f} s" if self.seconds else ""
        return f"{self.killed} killed after {self.done} units{ended}: {self.fault or 'equal'}"


class Cluster:
    """A cluster of one machine, which can be started again at the same address.

    Attributes:
        folder: of its files.
        port: that it listens at; commands know its token from the environment.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self._log = folder, folder / "head.log"
        os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=token_hex(32))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    @property
    def address(self) -> str:
        """For `--address`."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the head, again if it does not come up in time."""
        options = {
            "--port": self.port,
            "--num-cpus": CPUS,
            "--num-gpus": 0,
            "--object-store-memory": OBJECT_STORE,
            "--include-dashboard": "false",
            "--temp-dir": self.folder,
        }
        ray = Path(sys.executable).with_name("ray")
        words = [str(word) for option in options.items() for word in option]
        command = [ray, "start", "--head", "--block", "--disable-usage-stats", *words]
        for _ in range(MOST_STARTS):
            with self._log.open("w") as log:
                self._head = subprocess.Popen(
                    command, stdout=log, stderr=log, start_new_session=True
                )
            while self._head.poll() is None:
                if "Ray runtime started" in self._log.read_text():
                    return
                time.sleep(0.1)
            self.stop()
        raise SystemExit(f"the head did not come up in {MOST_STARTS} starts: {self._log}")

    def stop(self) -> None:
        """Kill all of it, as a machine dies that loses its power."""
        for process in self._processes():
            with suppress(psutil.Error):
                process.kill()
        self._head.wait()

    def kill(self, what: str) -> None:
        """Kill the head: a program of it, without which the rest must end as well, or all."""
        for process in self._processes():
            if what == "all" or name_of(process) == what:
                process.kill()
        self._head.wait()
        self.stop()

    def kill_worker(self, rng: random.Random) -> bool:
        """Kill a worker that is at a unit. Returns whether there was one."""
        busy = [each for each in self._processes() if name_of(each).startswith("ray::run_unit")]
        try:
            rng.choice(busy).kill()
        except (IndexError, psutil.Error):  # there is none, or none any more
            return False
        return True

    def _processes(self) -> list[psutil.Process]:
        """All processes of the session that the head began."""
        found = []
        for process in psutil.process_iter():
            with suppress(OSError):
                if os.getsid(process.pid) == self._head.pid:
                    found.append(process)
        return found


def name_of(process: psutil.Process) -> str:
    """Its name; empty once it is gone."""
    try:
        return process.name()
    except psutil.Error:
        return ""


class Project:
    """A folder with a tiny project, a trained run, and tables to predict."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        write_project(folder, seed)
        self._call("train", "-p", "profile.yaml", "--run", "first").wait()
        tables = folder / "in"
        tables.mkdir()
        frame = pd.DataFrame(read_csv(folder / "test.csv") * 400)
        frame["id"] = range(len(frame))
        frame.to_parquet(tables / "large.parquet", row_group_size=5000)
        frame[:11_000].to_json(tables / "lines.jsonl", orient="records", lines=True)
        for number in range(4):
            frame[500 * number :][:500].to_csv(tables / f"small-{number}.csv", index=False)
        if fault := finish(self.predict("alone")):
            raise SystemExit(f"one process failed: {fault}")

    def predict(self, output: str, *options: str) -> subprocess.Popen[str]:
        """Predict the folder in a process of its own."""
        return self._call("predict", "runs/first", "in", "-o", output, *options)

    def done(self) -> int:
        """How many units with Ray have left their result."""
        out = self.folder / "out"
        return sum(1 for path in out.rglob("*") if path.name[0] not in "._" and path.is_file())

    def fault(self) -> str:
        """What tells the outputs with Ray from those of one process."""
        ours, theirs = self._written("out"), self._written("alone")
        return "" if ours == theirs else f"other outputs: {sorted(ours)}"

    def _written(self, output: str) -> dict[str, bytes]:
        paths = (self.folder / output).rglob("*")
        return {path.name: path.read_bytes() for path in paths if path.is_file()}

    def _call(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *arguments],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )


def finish(process: subprocess.Popen[str]) -> str:
    """Wait for a command to end. Returns what it said if it failed."""
    try:
        _, said = process.communicate(timeout=LONGEST)
    except subprocess.TimeoutExpired:
        process.kill()
        return f"no end after {LONGEST:.0f} s"
    return said.strip() or "no message" if process.returncode else ""


def begin(project: Project, cluster: Cluster) -> subprocess.Popen[str]:
    """Predict anew with Ray, and wait until the first unit is done."""
    shutil.rmtree(project.folder / "out", ignore_errors=True)
    process = project.predict("out", "--engine", "ray", "--address", cluster.address)
    while not project.done() and process.poll() is None:
        time.sleep(0.01)
    return process


def predict_undisturbed(project: Project, cluster: Cluster) -> float:
    """Predict to the end. Returns the seconds from the first unit to there."""
    process = begin(project, cluster)
    start = time.perf_counter()
    if fault := finish(process) or project.fault():
        raise SystemExit(f"the undisturbed prediction failed: {fault}")
    return time.perf_counter() - start


def begin_for_a_kill(
    project: Project, cluster: Cluster, seconds: float, rng: random.Random
) -> tuple[subprocess.Popen[str], int]:
    """A prediction at a random moment, and how many units are done."""
    for _ in range(MOST_STARTS):
        process = begin(project, cluster)
        time.sleep(rng.uniform(0, seconds))
        done = project.done()
        if process.poll() is None:
            return process, done
        finish(process)
        seconds *= 0.7  # the machine has become faster
    raise SystemExit(f"no prediction lasted until its kill in {MOST_STARTS} starts")


def try_kill(
    project: Project, cluster: Cluster, target: str, seconds: float, rng: random.Random
) -> Trial:
    """Kill a target at a random moment, and let the command go on."""
    process, done = begin_for_a_kill(project, cluster, seconds, rng)
    killed, ended = target, 0.0
    if target == "worker":
        while not (hit := cluster.kill_worker(rng)) and process.poll() is None:
            time.sleep(0.01)
        fault = finish(process)
        return Trial(killed if hit else "nothing", done, fault or project.fault())
    if target == "driver":
        process.kill()
        process.communicate()
    else:
        killed = f"head ({(what := rng.choice(HEADS))})"
        start = time.perf_counter()
        cluster.kill(what)
        finish(process)
        ended = time.perf_counter() - start
        cluster.start()
    fault = finish(project.predict("out", "--engine", "ray", "--address", cluster.address))
    return Trial(killed, done, fault or project.fault(), ended)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--times", type=int, default=20, help="kills of each target")
    parser.add_argument("--targets", nargs="+", choices=TARGETS, default=TARGETS)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    return parser.parse_args()


def main() -> int:
    """Kill and go on, and print what came of it."""
    options = parse()
    folder = Path(mkdtemp(prefix="ray-kill-"))  # short, since paths of sockets have few bytes
    (folder / "project").mkdir()
    project = Project(folder / "project", options.seed)
    rng = random.Random(options.seed)
    cluster = Cluster(folder)
    cluster.start()
    try:
        seconds = predict_undisturbed(project, cluster)
        print(f"undisturbed: {seconds:.1f} s from the first unit to the end", flush=True)
        trials = []
        for number in range(options.times):
            for target in options.targets:
                trials.append(try_kill(project, cluster, target, seconds, rng))
                print(f"{number + 1}: {trials[-1]}", flush=True)
    finally:
        cluster.stop()
    equal = sum(not trial.fault for trial in trials)
    print(f"{equal} of {len(trials)} predictions ended with the bytes of one process")
    if equal == len(trials):
        shutil.rmtree(folder)
    return int(equal < len(trials))


if __name__ == "__main__":
    sys.exit(main())
