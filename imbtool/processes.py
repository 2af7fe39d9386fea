"""Several processes that need not talk: starting them, and how they end.

One that dies costs its own work alone.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from types import FrameType

from torch.distributed.rendezvous import rendezvous

from imbtool.place import VARIABLES, threads_each
from imbtool.training.stopping import Stopped

PATIENCE = timedelta(seconds=60)
"""With the launcher's store."""


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


def _numbered(rank: int, processes: int) -> dict[str, str]:
    return dict(zip(VARIABLES, map(str, (rank, processes, rank)), strict=True))
