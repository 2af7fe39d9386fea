"""Rank, world size and local rank of this process, and how many threads it may use.

A launcher (torchrun, accelerate launch, a job array) passes them in RANK, WORLD_SIZE and
LOCAL_RANK.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from imbtool.errors import UserError, user_error

VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK")


@dataclass(frozen=True)
class ProcessInfo:
    """Which of several processes this is.

    Attributes:
        rank: number of the process, from 0, over all machines.
        processes: the world size: how many processes there are.
        local_rank: number of the process on its machine, from 0.
    """

    rank: int = 0
    processes: int = 1
    local_rank: int = 0


def read_process_info(environment: Mapping[str, str]) -> ProcessInfo:
    """Read what a launcher has set; without its variables this is the only process.

    Raises:
        UserError: RANK or WORLD_SIZE is missing, or they contradict each other.
    """
    given = {name: environment[name] for name in VARIABLES if name in environment}
    if "RANK" not in given and given.get("WORLD_SIZE", "1") == "1":
        return ProcessInfo()
    told = " ".join(f"{name}={value}" for name, value in given.items())
    try:
        rank, processes = int(given["RANK"]), int(given["WORLD_SIZE"])
        local_rank = int(given.get("LOCAL_RANK", rank))
    except (KeyError, ValueError):
        raise _inconsistent(told) from None
    if not 0 <= rank < processes or local_rank < 0:
        raise _inconsistent(told)
    return ProcessInfo(rank, processes, local_rank)


def threads_per_process(processes: int) -> int:
    """How many threads each process may use without sharing a core with another process."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, (cores or 1) // processes)


def _inconsistent(told: str) -> UserError:
    expected = "RANK and WORLD_SIZE, whole numbers, RANK from 0 to WORLD_SIZE - 1"
    fix = "set both or none; number the tasks of a job array from 0"
    return user_error("launch", told, expected, fix)
