"""Several processes that need not talk: starting them, and how they end.

One that dies costs its own work alone.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta

from torch.distributed.rendezvous import rendezvous

from imbtool.distributed.process_info import VARIABLES, threads_per_process
from imbtool.files.locks import Lock

PATIENCE = timedelta(seconds=60)
"""With the launcher's store."""


def run_workers(processes: int, arguments: Sequence[str], lock: Lock) -> list[int]:
    """Run `imbtool ARGUMENTS` in several processes, each to its end; their exit codes.

    The first one's stdout is left out: the caller tells the result.

    Args:
        processes: how many.
        arguments: of the command line.
        lock: of the folder that they write to, which they hold together with this process.
    """
    environment = {"OMP_NUM_THREADS": str(threads_per_process(processes)), **os.environ}
    environment |= lock.environment
    command = [sys.executable, "-m", "imbtool", *arguments]
    children = [
        subprocess.Popen(
            command,
            env=environment | _numbered(rank, processes),
            stdout=subprocess.DEVNULL,
            pass_fds=lock.inherited,
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


def failures_to_report(failed: int, environment: Mapping[str, str]) -> int:
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
