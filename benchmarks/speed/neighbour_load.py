"""Tokens a second of a training alone, and of two side by side on one machine, by how threads wait.

python -m benchmarks.speed.neighbour_load --data data/edos [--rounds 3] [--seconds 20] [--json]

A thread that has finished its part of a matrix product waits for the others. By default the OpenMP
runtime of torch lets it spin, which takes the core from whatever else could run there. Each way to
wait is set by environment variables of the trainings' processes. Ways take turns, so that whatever
else the machine does meets all of them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.shared.contenders import WithImbtool
from benchmarks.shared.tasks import LEARNING_RATE, Task
from benchmarks.shared.texttable import table

WAYS: dict[str, dict[str, str]] = {
    "as torch comes": {},
    "passive": {"OMP_WAIT_POLICY": "PASSIVE"},
    "spin 1,000": {"GOMP_SPINCOUNT": "1000"},
    "spin 10,000": {"GOMP_SPINCOUNT": "10000"},
}
VARIABLES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
START = 30.0
"""Seconds until the window in which tokens are counted: trainings load and warm up before it."""
STEPS = 100_000
"""More than any window has."""


class Window:
    """Counts the tokens of a training between two moments, then ends it."""

    def __init__(self, start: float, end: float) -> None:
        self._start, self._end = start, end
        self._seen, self._new = 0, 0
        self._first: float | None = None
        self._last = start

    def begin(self, model: nn.Module) -> None:
        """Nothing is to be prepared."""

    def saw(self, tokens: int | torch.Tensor) -> None:
        """Note the tokens of a step."""
        self._new = int(tokens)

    def after_step(self) -> None:
        """Count a step that lies in the window; end the training after it."""
        now = time.time()
        if self._first is not None:
            self._seen, self._last = self._seen + self._new, now
        elif now >= self._start:
            self._first = now
        if now >= self._end:
            raise EOFError

    @property
    def rate(self) -> float:
        """Tokens a second between the first step's end in the window and the last one's."""
        return self._seen / (self._last - (self._first or self._start))


def train_in_window(task: Task, start: float, end: float) -> None:
    """Train until the window ends; print the rate."""
    window = Window(start, end)
    try:
        WithImbtool("imbtool").train(task, window)
    except EOFError:
        print(window.rate)


def rates(options: argparse.Namespace, way: dict[str, str], trainings: int) -> list[float]:
    """Tokens a second of so many trainings at a time."""
    start = time.time() + START
    window = ("--window", str(start), str(start + options.seconds))
    command = [sys.executable, "-m", __spec__.name, "--data", str(options.data), *window]
    if options.profile:
        command += ["--profile", str(options.profile)]
    environment = {key: value for key, value in os.environ.items() if key not in VARIABLES} | way
    processes = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(trainings)
    ]
    return [float(process.communicate()[0].split()[-1]) for process in processes]


def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    """The rates of each way, alone and side by side, beside those of torch as it comes, alone."""
    ways = {name: WAYS[name] for name in options.ways}
    alone: dict[str, list[float]] = {name: [] for name in ways}
    beside: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.rounds):
        for name, way in ways.items():
            alone[name] += rates(options, way, 1)
            beside[name] += rates(options, way, 2)
            print(f"{name}: {alone[name][-1]:.0f}, {beside[name][-2:]}", file=sys.stderr)
    base = statistics.median(alone[options.ways[0]])
    return [
        {
            "way": name,
            "alone": statistics.median(alone[name]) / base,
            "each_of_two": statistics.median(beside[name]) / base,
            "least_of_two": min(beside[name]) / base,
            "tokens_per_s": statistics.median(alone[name]),
        }
        for name in ways
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with train.csv, ...")
    parser.add_argument("--profile", type=Path, help="default: the profile of this folder")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--window", nargs=2, type=float, help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")
    options = parser.parse_args()
    if options.window:
        task = Task(options.data, options.profile, None, LEARNING_RATE, "cpu", STEPS)
        train_in_window(task, *options.window)
        return
    rows = measure(options)
    head = ("threads wait", "alone", "each of two", "the slowest", "tokens/s alone")
    body = [
        (
            row["way"],
            f"{row['alone']:.2f}",
            f"{row['each_of_two']:.2f}",
            f"{row['least_of_two']:.2f}",
            f"{row['tokens_per_s']:.0f}",
        )
        for row in rows
    ]
    print(table([head, *body]))
    if options.json:
        print(json.dumps({"ways": rows}))


if __name__ == "__main__":
    main()
