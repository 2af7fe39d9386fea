"""Tokens a second of a training alone, and of two side by side on one machine, by how threads wait.

python -m benchmarks.speed.neighbour_load --data data/edos [--rounds 10] [--seconds 5]
    [--ways "as torch comes" passive] [--json]
python -m benchmarks.speed.neighbour_load --products [...]

A thread that has finished its part of a matrix product waits for the others. By default the OpenMP
runtime of torch lets it spin, which takes the core from whatever else could run there. Each way to
wait is set by environment variables, which the runtime reads when it is loaded. So there are two
trainings for each way from the start. They train in turns of some seconds and sleep between them,
so that whatever else the machine does meets all ways alike. With `--products` there are products of
matrices of the sizes of a small encoder in their place, which are loaded sooner.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

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
    "one thread": {"OMP_NUM_THREADS": "1"},
}
VARIABLES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OMP_NUM_THREADS")
WARM_UP = 3
ROWS, WIDTH = 1024, 384
STEPS = 100_000
"""More than all turns have."""


class Rate(NamedTuple):
    """Of a training in a turn.

    Attributes:
        tokens: a second.
        tokens_used: for each second that processors worked on it.
    """

    tokens: float
    tokens_used: float


class Turns:
    """Lets a training go on for some seconds whenever it is told to, and prints its rate."""

    def __init__(self) -> None:
        self._steps, self._seen, self._new = 0, 0, 0
        self._begun, self._end, self._used = 0.0, 0.0, 0.0

    def begin(self, model: nn.Module) -> None:
        """Nothing is to be prepared."""

    def saw(self, tokens: int | torch.Tensor) -> None:
        """Note the tokens of a step."""
        self._new = int(tokens)

    def after_step(self) -> None:
        """Count a step; after the last one of a turn, wait for the next turn.

        Raises:
            EOFError: there is none.
        """
        now = time.monotonic()
        self._steps, self._seen = self._steps + 1, self._seen + self._new
        if self._steps < WARM_UP or now < self._end:
            return
        used = time.process_time() - self._used
        print(self._seen / (now - self._begun), self._seen / used, flush=True)
        line = sys.stdin.readline()
        if not line:
            raise EOFError
        self._seen, self._begun, self._used = 0, time.monotonic(), time.process_time()
        self._end = self._begun + float(line)


def train_in_turns(task: Task) -> None:
    """Train until there are no more turns."""
    try:
        WithImbtool("imbtool").train(task, Turns())
    except EOFError:
        return


def multiply_in_turns() -> None:
    """Multiply what the layers of an encoder multiply until there are no more turns."""
    turns = Turns()
    states = torch.randn(ROWS, WIDTH)
    up, down = torch.randn(WIDTH, 4 * WIDTH), torch.randn(4 * WIDTH, WIDTH)
    try:
        while True:
            torch.nn.functional.gelu(states @ up) @ down
            turns.saw(ROWS)
            turns.after_step()
    except EOFError:
        return


def start(options: argparse.Namespace, way: dict[str, str]) -> subprocess.Popen[str]:
    """A training that waits for its first turn."""
    command = [sys.executable, "-m", __spec__.name, "--in-turns"]
    command += ["--products"] if options.products else ["--data", str(options.data)]
    if options.profile:
        command += ["--profile", str(options.profile)]
    environment = {key: value for key, value in os.environ.items() if key not in VARIABLES} | way
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True)


def turn(trainings: Sequence[subprocess.Popen[str]], seconds: float) -> list[Rate]:
    """The rates of trainings that go on at the same time."""
    for training in trainings:
        assert training.stdin
        training.stdin.write(f"{seconds}\n")
        training.stdin.flush()
    return [rate(training) for training in trainings]


def rate(training: subprocess.Popen[str]) -> Rate:
    """What a training prints at the end of its turn; the first one is its warm-up."""
    assert training.stdout
    return Rate(*map(float, training.stdout.readline().split()))


def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    """The rates of each way, alone and side by side, beside those of the first way alone."""
    pairs: dict[str, list[subprocess.Popen[str]]] = {}
    for name in options.ways:  # one after the other: loading them takes memory
        pairs[name] = [start(options, WAYS[name]) for _ in range(2)]
        for training in pairs[name]:
            rate(training)
        print(f"{name}: ready", file=sys.stderr)
    alone: dict[str, list[Rate]] = {name: [] for name in pairs}
    beside: dict[str, list[Rate]] = {name: [] for name in pairs}
    for _ in range(options.rounds):
        for name, pair in pairs.items():
            alone[name] += turn(pair[:1], options.seconds)
            beside[name] += turn(pair, options.seconds)
            print(f"{name}: {alone[name][-1]}, {beside[name][-2:]}", file=sys.stderr)
    for training in chain.from_iterable(pairs.values()):
        training.communicate()
    base = statistics.median(each.tokens for each in alone[options.ways[0]])
    base_used = statistics.median(each.tokens_used for each in alone[options.ways[0]])
    return [
        {
            "way": name,
            "alone": statistics.median(each.tokens for each in alone[name]) / base,
            "each_of_two": statistics.median(each.tokens for each in beside[name]) / base,
            "least_of_two": min(each.tokens for each in beside[name]) / base,
            "used": statistics.median(each.tokens_used for each in beside[name]) / base_used,
            "tokens_per_s": statistics.median(each.tokens for each in alone[name]),
        }
        for name in pairs
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    work = parser.add_mutually_exclusive_group(required=True)
    work.add_argument("--data", type=Path, help="folder with train.csv, ... to train on")
    work.add_argument("--products", action="store_true", help="multiply matrices instead")
    parser.add_argument("--profile", type=Path, help="default: the profile of this folder")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each turn")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--in-turns", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")
    options = parser.parse_args()
    if options.in_turns and options.products:
        multiply_in_turns()
        return
    if options.in_turns:
        train_in_turns(Task(options.data, options.profile, None, LEARNING_RATE, "cpu", STEPS))
        return
    rows = measure(options)
    head = (
        "threads wait",
        "alone",
        "each of two",
        "the slowest",
        "a used second",
        "tokens/s alone",
    )
    body = [
        (
            row["way"],
            f"{row['alone']:.2f}",
            f"{row['each_of_two']:.2f}",
            f"{row['least_of_two']:.2f}",
            f"{row['used']:.2f}",
            f"{row['tokens_per_s']:.0f}",
        )
        for row in rows
    ]
    print(table([head, *body]))
    if options.json:
        print(json.dumps({"ways": rows}))


if __name__ == "__main__":
    main()
