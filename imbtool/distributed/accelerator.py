"""Making the Accelerator: the device of this process, and the processes of a run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import torch
from accelerate import Accelerator

from imbtool.distributed.process_info import world_size
from imbtool.errors import user_error


def make_accelerator(trackers: Sequence[str] = (), folder: Path | None = None) -> Accelerator:
    """Join the processes of a run and choose the device of this one.

    Args:
        trackers: names of experiment trackers that log the run.
        folder: the run folder, which trackers write to.

    Raises:
        UserError: fewer processes have joined than the launcher has started, or the launcher
            numbers them wrongly.
    """
    launched = world_size(os.environ)
    accelerator = Accelerator(
        # without it Accelerate ignores the other processes on a machine without a GPU
        cpu=launched > 1 and not torch.accelerator.is_available(),
        log_with=list(trackers) or None,
        project_dir=folder,
    )
    if accelerator.num_processes != launched:
        found = f"{accelerator.num_processes} of {launched} processes"
        raise user_error("launch", found, "all of them", "start it by --processes N or torchrun")
    return accelerator
