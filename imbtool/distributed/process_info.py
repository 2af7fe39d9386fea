"""How many processes a launcher has started, and how many threads each of them may use.

A launcher (torchrun, accelerate launch) says so in RANK, WORLD_SIZE and LOCAL_RANK.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from imbtool.errors import user_error

VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK")


def world_size(environment: Mapping[str, str]) -> int:
    """How many processes a launcher has started; without its variables this is the only one.

    Raises:
        UserError: RANK or WORLD_SIZE is missing, or they contradict each other.
    """
    given = {name: environment[name] for name in VARIABLES if name in environment}
    if "RANK" not in given and given.get("WORLD_SIZE", "1") == "1":
        return 1
    try:
        rank, processes = int(given["RANK"]), int(given["WORLD_SIZE"])
        are_right = 0 <= rank < processes and int(given.get("LOCAL_RANK", rank)) >= 0
    except (KeyError, ValueError):
        are_right = False
    if not are_right:
        told = " ".join(f"{name}={value}" for name, value in given.items())
        expected = "RANK and WORLD_SIZE, whole numbers, RANK from 0 to WORLD_SIZE - 1"
        raise user_error("launch", told, expected, "set both as torchrun does, or unset both")
    return processes


def threads_per_process(processes: int) -> int:
    """How many threads each process may use without sharing a core with another process."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, (cores or 1) // processes)
