"""Kill a training run at random moments and see that it resumes to the same weights. Exit 1 if not.

python -m benchmarks.speed.kill --times 100

A tiny project is trained once without disturbance, then again and again with SIGKILL between the
first saved state and the end; some of the resumed runs are killed too. Every resumed run must end
with the undisturbed run's checkpoint, bit for bit.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
from conftest import write_project

SAVE_EVERY = (0.00001, 0.001)
"""Minutes, drawn for each run: after every step, so that kills hit saves, or every few steps."""
KILLED_AGAIN = 1 / 3
"""Share of the resumed runs that are killed once more."""
MOST_STARTS = 20
"""A run may end before its kill; after so many starts in a row something else is wrong."""


class Trial(NamedTuple):
    """How a run that was killed ended.

    Attributes:
        fault: why it is not the undisturbed run; empty if it is.
        kills: how often it was killed.
        saves: how many of these kills hit a save.
    """

    fault: str
    kills: int
    saves: int


class Project:
    """A folder with a tiny project, and the runs in it."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        write_project(folder, seed)

    def run(self, name: str) -> Path:
        """The folder of a run."""
        return self.folder / "runs" / name

    def weights(self, name: str) -> bytes:
        """The trained weights of a run."""
        return (self.run(name) / "checkpoint" / "model.safetensors").read_bytes()

    def start(self, name: str, save_every: float) -> subprocess.Popen[str]:
        """Train a new run in a process of its own."""
        settings = {"head_first": "true", "save_every": save_every}
        sets = [part for key in settings for part in ("--set", f"training.{key}={settings[key]}")]
        return self._call("--profile", "profile.yaml", "--run", name, *sets)

    def resume(self, name: str) -> subprocess.Popen[str]:
        """Go on with a run in a process of its own."""
        return self._call("--resume", f"runs/{name}")

    def _call(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "imbtool", "train", *arguments],
            cwd=self.folder,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )


def train_undisturbed(project: Project, name: str) -> float:
    """Train a run to its end. Returns the seconds from its first saved state to there."""
    process = project.start(name, min(SAVE_EVERY))
    wait_until(process, (project.run(name) / "last").exists)
    saved = time.perf_counter()
    fault = finish(process)
    if fault:
        raise SystemExit(f"the undisturbed run failed: {fault}")
    return time.perf_counter() - saved


def try_kill(project: Project, name: str, whole: str, seconds: float, rng: random.Random) -> Trial:
    """Kill a run at a random moment, perhaps its resumption too, then let it end."""
    saves = [kill_once(project, name, seconds, rng)]
    if rng.random() < KILLED_AGAIN:
        process = project.resume(name)
        wait_until(process, lambda: has_resumed(project.run(name)))
        if kill_after(process, rng.uniform(0, seconds)):
            saves.append(in_a_save(project.run(name)))
    fault = finish(project.resume(name))
    if not fault and project.weights(name) != project.weights(whole):
        fault = "other weights"
    return Trial(fault, len(saves), sum(saves))


def kill_once(project: Project, name: str, seconds: float, rng: random.Random) -> bool:
    """Start a run and kill it after its first saved state. Returns whether it was saving."""
    for _ in range(MOST_STARTS):
        shutil.rmtree(project.run(name), ignore_errors=True)
        process = project.start(name, rng.choice(SAVE_EVERY))
        wait_until(process, (project.run(name) / "last").exists)
        if kill_after(process, rng.uniform(0, seconds)):
            return in_a_save(project.run(name))
    raise SystemExit(f"no run could be killed before its end in {MOST_STARTS} starts")


def kill_after(process: subprocess.Popen[str], seconds: float) -> bool:
    """SIGKILL a process after some seconds. Returns whether it was still running."""
    time.sleep(seconds)
    process.kill()
    process.communicate()
    return process.returncode < 0


def wait_until(process: subprocess.Popen[str], ready: Callable[[], bool]) -> None:
    """Wait until something has come about, or the process has ended."""
    while not ready() and process.poll() is None:
        time.sleep(0.0005)


def finish(process: subprocess.Popen[str]) -> str:
    """Wait for a process to end. Returns what it said if it failed."""
    _, errors = process.communicate()
    return errors.strip() or "no message" if process.returncode else ""


def has_resumed(run: Path) -> bool:
    """Whether a run has been resumed."""
    return '"event": "resume"' in (run / "events.jsonl").read_text(encoding="utf-8")


def in_a_save(run: Path) -> bool:
    """Whether a run was killed with a folder half written, or an old one not yet deleted."""
    links = [run / "last", run / "checkpoint"]
    whole = {link.resolve().name for link in links if link.is_symlink()}
    found = {path.name for link in links for path in run.glob(f"{link.name}-*")}
    return found != whole or any(run.glob(".*"))


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--times", type=int, default=100, help="runs that are killed")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    return parser.parse_args()


def main() -> int:
    """Kill and resume, and print what came of it."""
    options = parse()
    folder = Path(mkdtemp(prefix="imbtool-kill-"))
    project = Project(folder, options.seed)
    seconds = train_undisturbed(project, "whole")
    print(f"undisturbed: {seconds:.2f} s from the first saved state to the end", flush=True)
    rng = random.Random(options.seed)
    trials = []
    for number in range(1, options.times + 1):
        name = f"killed-{number}"
        trials.append(try_kill(project, name, "whole", seconds, rng))
        print(f"{name}: {trials[-1].fault or 'equal'}", flush=True)
        if not trials[-1].fault:
            shutil.rmtree(project.run(name))
    equal = sum(not trial.fault for trial in trials)
    print(
        f"{equal} of {len(trials)} runs ended with the weights of the undisturbed one; "
        f"{sum(trial.saves for trial in trials)} of {sum(trial.kills for trial in trials)} kills "
        "hit a save"
    )
    if equal < len(trials):
        print(f"the others are kept in {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
