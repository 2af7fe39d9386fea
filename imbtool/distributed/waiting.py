"""How threads wait for each other: without taking the processor from other commands."""

from __future__ import annotations

import os
from collections.abc import MutableMapping

WAITING = {"OMP_WAIT_POLICY": "PASSIVE"}
"""Variables of OpenMP runtimes. By default a thread spins while it waits, and two commands on one
machine then stand in each other's way."""


def wait_passively(environment: MutableMapping[str, str] = os.environ) -> None:
    """Set how threads wait, unless the user has; it counts if torch is not loaded yet.

    Args:
        environment: of this process and of those it starts.
    """
    if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"} & environment.keys():
        environment.update(WAITING)
