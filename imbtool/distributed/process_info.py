"""Which of several processes this is, and how many threads it may have.

Where a launcher (torchrun, accelerate launch, a job array) has started this process, RANK and
WORLD_SIZE say so.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from imbtool.errors import UserError, user_error

VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK")


@dataclass(frozen=True)
class ProcessInfo:
    """A process among others.

    Attributes:
        rank: from 0, over all machines.
        processes: how many there are.
        local: from 0, on this machine.
    """

    rank: int = 0
    processes: int = 1
    local: int = 0


def read_process_info(environment: Mapping[str, str]) -> ProcessInfo:
    """This process's place, by the variables that launchers set; alone where there are none.

    Raises:
        UserError: one of RANK and WORLD_SIZE is missing, or they do not fit.
    """
    given = {name: environment[name] for name in VARIABLES if name in environment}
    if "RANK" not in given and given.get("WORLD_SIZE", "1") == "1":
        return ProcessInfo()
    told = " ".join(f"{name}={value}" for name, value in given.items())
    try:
        rank, processes = int(given["RANK"]), int(given["WORLD_SIZE"])
        local = int(given.get("LOCAL_RANK", rank))
    except (KeyError, ValueError):
        raise _inconsistent(told) from None
    if not 0 <= rank < processes or local < 0:
        raise _inconsistent(told)
    return ProcessInfo(rank, processes, local)


def threads_per_process(processes: int) -> int:
    """How many threads a process may have so that all have a core each."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, (cores or 1) // processes)


def _inconsistent(told: str) -> UserError:
    expected = "RANK and WORLD_SIZE, whole numbers, RANK from 0 to WORLD_SIZE - 1"
    fix = "set both or none; number the tasks of a job array from 0"
    return user_error("launch", told, expected, fix)
