"""Contenders in processes of their own that take turns to train, a round of some steps each.

The processes stay alive and only one of them computes at a time, so that whatever else the machine
does meets all of them, and that starting them is no part of a round.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.shared.contenders import Contender, count_parameters
from benchmarks.shared.tasks import Task


@dataclass(frozen=True)
class Round:
    """What a contender did in one round.

    Attributes:
        tokens: trained on, without padding.
        positions: computed, padding and all; 0 if the model does not show them.
        seconds: it took.
        memory: most bytes that the process, or on CUDA the device, has held so far.
    """

    tokens: int
    positions: int
    seconds: float
    memory: int

    @property
    def rate(self) -> float:
        """Tokens a second."""
        return self.tokens / self.seconds


class ContenderError(Exception):
    """A contender's process ended with an error."""


# ---- in the process of a contender


class Rounds:
    """Lets a contender train for as many steps as it is told, and waits between two rounds."""

    def __init__(self, connection: Connection, device: str) -> None:
        self._connection, self._device = connection, device
        self._left, self._start = 0, 0.0
        self._tokens: Any = 0
        self._positions = 0

    def begin(self, model: nn.Module) -> None:
        """Report the model's size and wait for the first round."""

        def count(_: nn.Module, inputs: tuple[torch.Tensor]) -> None:
            if not torch.compiler.is_compiling():  # a count would be compiled anew at every step
                self._positions += inputs[0].numel()

        model.get_input_embeddings().register_forward_pre_hook(count)
        self._connection.send(count_parameters(model))
        self._wait()

    def saw(self, tokens: int | torch.Tensor) -> None:
        """Count tokens; a tensor stays on its device until the round ends."""
        self._tokens += tokens

    def after_step(self) -> None:
        """At the end of a round report it and wait for the next."""
        self._left -= 1
        if self._left:
            return
        seconds = self._now() - self._start
        memory = peak_memory(self._device)
        self._connection.send(Round(int(self._tokens), self._positions, seconds, memory))
        self._wait()

    def _wait(self) -> None:
        self._left = self._connection.recv()
        self._tokens, self._positions = 0, 0
        self._start = self._now()

    def _now(self) -> float:
        if self._device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()


def serve(contender: Contender, task: Task, connection: Connection) -> None:
    """Train, a round at a time, until the other side hangs up."""
    silence()
    try:
        contender.train(task, Rounds(connection, task.device))
    except EOFError:
        return
    except Exception:
        connection.send(traceback.format_exc())


def silence() -> None:
    """Send what this process prints, bars and logs, nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


def in_its_own_process(work: Callable[..., Any], *arguments: Any) -> Any:
    """What a silent process of its own makes of the arguments: the work may patch modules."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, initializer=silence) as pool:
        return pool.submit(work, *arguments).result()


def peak_memory(device: str) -> int:
    """Most bytes held so far by this process, or on CUDA by its tensors."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    status = Path("/proc/self/status")
    if status.exists():
        # ru_maxrss of a new process begins with the size of the one it was forked from
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return 1024 * int(lines["VmHWM"].split()[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


# ---- in the process that compares


class Child:
    """A contender's process. Starting one waits until it is ready to train."""

    def __init__(self, contender: Contender, task: Task) -> None:
        self.name = contender.name
        context = multiprocessing.get_context("spawn")
        self._connection, other = context.Pipe()
        self._process = context.Process(target=serve, args=(contender, task, other), daemon=True)
        self._process.start()
        other.close()
        self.parameters: int = self._receive()

    def round(self, steps: int) -> Round:
        """Have it train for some steps."""
        self._connection.send(steps)
        return self._receive()

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        self._process.join()

    def _receive(self) -> Any:
        try:
            message = self._connection.recv()
        except EOFError:
            self._process.join()
            message = f"it ended with exit code {self._process.exitcode}"
        if isinstance(message, str):
            raise ContenderError(f"{self.name}: {message}")
        return message


@dataclass(frozen=True)
class Measured:
    """The rounds of every contender, in order, and the model's parameters outside embeddings."""

    rounds: dict[str, list[Round]]
    parameters: int

    def rate(self, name: str) -> float:
        """Median tokens a second of a contender."""
        return statistics.median(each.rate for each in self.rounds[name])

    def ratios(self, name: str, other: str) -> list[float]:
        """How much faster a contender was than another in each round."""
        pairs = zip(self.rounds[name], self.rounds[other], strict=True)
        return [one.rate / two.rate for one, two in pairs]


def take_turns(
    contenders: Sequence[Contender],
    task: Task,
    steps: int,
    rounds: int,
    between: Callable[[], None] = lambda: None,
    skip_failed: bool = False,
) -> Measured:
    """Let contenders train in turn: a round that is not measured, then `rounds` that are.

    Args:
        contenders: in the order of their turns.
        task: of all of them.
        steps: of a round.
        rounds: that are measured.
        between: called after each round of all.
        skip_failed: leave out those that cannot start instead of raising `ContenderError`.
    """
    with ExitStack() as stack:
        children: list[Child] = []
        for contender in contenders:
            try:
                children.append(stack.enter_context(Child(contender, task)))
            except ContenderError as error:
                if not skip_failed:
                    raise
                say(f"left out: {str(error).splitlines()[-1]}")
        if not children:
            raise ContenderError("no contender could start")
        for child in children:
            child.round(steps)
        result: dict[str, list[Round]] = {child.name: [] for child in children}
        for number in range(1, rounds + 1):
            for child in children:
                result[child.name].append(child.round(steps))
                say(f"round {number}: {result[child.name][-1].rate:7.0f} tokens/s  {child.name}")
            between()
        return Measured(result, children[0].parameters)


def say(line: str) -> None:
    """Tell how far it is, beside the result."""
    print(line, file=sys.stderr, flush=True)
