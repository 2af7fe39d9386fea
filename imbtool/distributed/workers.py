"""Starting several independent processes, and reporting how they end.

The processes do not communicate: if one of them dies, only its own work is lost.
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

STORE_TIMEOUT = timedelta(seconds=60)
"""How long to wait for the launcher's key-value store."""


def run_workers(processes: int, arguments: Sequence[str], lock: Lock) -> list[int]:
    """Run `imbtool ARGUMENTS` in several processes and wait for all of them.

    Their stdout is discarded, since the caller reports the result.

    Args:
        processes: number of processes.
        arguments: of the command line.
        lock: lock on the output folder, which the processes share with this one.

    Returns:
        The exit code of each process.
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
    """Number of failures for which this process must end with an error.

    Usually these are its own. Torchrun, however, ends all processes as soon as one of them fails.
    Under torchrun each process therefore adds its failures to the launcher's key-value store, and
    only the process that ends last reports all of them.

    Args:
        failed: number of failures in this process.
        environment: the environment variables, which hold those of the launcher.
    """
    if environment.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        return failed
    attempt = environment.get("TORCHELASTIC_RESTART_COUNT", "0")
    try:
        store, _, processes = next(rendezvous("env://", timeout=STORE_TIMEOUT))
        total: int = store.add(f"imbtool/failed/{attempt}", failed)
        ended: int = store.add(f"imbtool/ended/{attempt}", 1)
    except RuntimeError:  # the machine that holds the store is gone
        return failed
    return total if ended == processes else 0


def _numbered(rank: int, processes: int) -> dict[str, str]:
    return dict(zip(VARIABLES, map(str, (rank, processes, rank)), strict=True))
