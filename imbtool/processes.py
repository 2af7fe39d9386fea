"""Several processes that need not talk: which one this is, and starting them.

One that dies costs its own work alone. Where a launcher (torchrun, accelerate launch, a job array)
has started this process, RANK and WORLD_SIZE say so.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from types import FrameType

from torch.distributed.rendezvous import rendezvous

from imbtool.errors import UserError, fail
from imbtool.training.launch import threads_each
from imbtool.training.stopping import Stopped

PATIENCE = timedelta(seconds=60)
"""With the launcher's store."""
VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK")


@dataclass(frozen=True)
class Place:
    """A process among others.

    Attributes:
        rank: from 0, over all machines.
        processes: how many there are.
        local: from 0, on this machine.
    """

    rank: int = 0
    processes: int = 1
    local: int = 0


def place_in(environment: Mapping[str, str]) -> Place:
    """This process's place, by the variables that launchers set; alone where there are none.

    Raises:
        UserError: one of RANK and WORLD_SIZE is missing, or they do not fit.
    """
    given = {name: environment[name] for name in VARIABLES if name in environment}
    if not {"RANK", "WORLD_SIZE"} & set(given):
        return Place()
    told = " ".join(f"{name}={value}" for name, value in given.items())
    try:
        rank, processes = int(given["RANK"]), int(given["WORLD_SIZE"])
        local = int(given.get("LOCAL_RANK", rank))
    except (KeyError, ValueError):
        raise _misplaced(told) from None
    if not 0 <= rank < processes or local < 0:
        raise _misplaced(told)
    return Place(rank, processes, local)


def run_all(processes: int, arguments: Sequence[str]) -> list[int]:
    """Run `imbtool ARGUMENTS` in several processes, each to its end; their exit codes.

    The first one's stdout is left out: the caller tells the result.
    """
    environment = {"OMP_NUM_THREADS": str(threads_each(processes)), **os.environ}
    command = [sys.executable, "-m", "imbtool", *arguments]
    children = [
        subprocess.Popen(
            command, env=environment | _numbered(rank, processes), stdout=subprocess.DEVNULL
        )
        for rank in range(processes)
    ]
    try:
        return [child.wait() for child in children]
    finally:
        for child in children:
            child.terminate()
        for child in children:
            child.wait()


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C does, so that no half of a file is left."""

    def stop(signum: int, _: FrameType | None) -> None:
        raise Stopped(signum)

    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def failures_to_answer_for(failed: int, environment: Mapping[str, str]) -> int:
    """How many failures this process must end with an error for: its own.

    Torchrun ends all processes as soon as one fails, whatever they are at. So there those that end
    first leave theirs with the launcher's store, and the last answers for all.
    """
    if environment.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        return failed
    attempt = environment.get("TORCHELASTIC_RESTART_COUNT", "0")
    try:
        store, _, processes = next(rendezvous("env://", timeout=PATIENCE))
        total: int = store.add(f"imbtool/failed/{attempt}", failed)
        ended: int = store.add(f"imbtool/ended/{attempt}", 1)
    except RuntimeError:  # the machine with the store is gone
        return failed
    return total if ended == processes else 0


def _misplaced(told: str) -> UserError:
    expected = "RANK and WORLD_SIZE, whole numbers, RANK from 0 to WORLD_SIZE - 1"
    mend = "set both or none; number the tasks of a job array from 0"
    return fail("launch", told, expected, mend)


def _numbered(rank: int, processes: int) -> dict[str, str]:
    return dict(zip(VARIABLES, map(str, (rank, processes, rank)), strict=True))
