"""Starting several training processes on one machine with torch's elastic launcher.

If a launcher (torchrun, accelerate launch) has already started this process, no further process is
started, and the launcher's number of processes must be the requested one.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import tempfile
import uuid
from collections.abc import Mapping, Sequence

import torch
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException, Std
from torch.distributed.elastic.multiprocessing.errors import (
    ChildFailedError,
    ProcessFailure,
    get_error_handler,
)
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from imbtool.distributed.collectives import PEER_LOST
from imbtool.distributed.process_info import threads_per_process, world_size
from imbtool.errors import user_error

SECONDS_TO_SAVE = 300
"""Processes that have not saved their state this long after a signal are killed."""
REFUSED = {"ACCELERATE_USE_FSDP": "FSDP", "ACCELERATE_USE_DEEPSPEED": "DeepSpeed"}


def processes_to_start(requested: int | None, environment: Mapping[str, str], devices: int) -> int:
    """How many processes this process must start; 0 means that it does the work itself.

    Args:
        requested: number of processes that the user requests; None means one for each GPU.
        environment: the environment variables, which hold those of a launcher.
        devices: number of visible GPUs.

    Raises:
        UserError: there are fewer processes or GPUs than requested, or the launcher is configured
            for another kind of parallelism.
    """
    for variable, name in REFUSED.items():
        if environment.get(variable, "").lower() == "true":
            found = f"{name} is switched on"
            fix = f"configure the launcher without {name}: encoders of this size do not need it"
            raise user_error("launch", found, "plain data parallelism", fix)
    if "RANK" in environment:
        running = world_size(environment)
        if requested is not None and requested != running:
            fix = "leave --processes out, or give the launcher's number"
            where, found = f"--processes {requested}", f"{running} launched"
            raise user_error(where, found, "the same number", fix)
        return 0
    if "MASTER_PORT" in environment:
        raise user_error(
            "launch",
            "a launcher that started one process (MASTER_PORT is set, RANK is not)",
            "one process a rank",
            "use `--processes N` or torchrun, or unset MASTER_PORT",
        )
    wanted = processes_wanted(requested, devices)
    return wanted if wanted > 1 else 0


def processes_wanted(requested: int | None, devices: int) -> int:
    """How many processes are to share a work on this machine.

    Args:
        requested: number of processes that the user requests; None means one for each GPU.
        devices: number of visible GPUs.

    Raises:
        UserError: there are fewer GPUs than requested processes.
    """
    wanted = requested if requested is not None else max(1, devices)
    if devices and wanted > devices:
        fix = "lower --processes, or make more GPUs visible"
        raise user_error(
            f"--processes {wanted}", f"{devices} visible GPUs", "one GPU a process", fix
        )
    return wanted


def launch(processes: int, arguments: Sequence[str]) -> int:
    """Run `imbtool ARGUMENTS` in several processes.

    Returns:
        0, or the exit code of the first failure.

    Raises:
        UserError: a process other than the first has failed; the first shows its own errors.
    """
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    os.environ.setdefault("OMP_NUM_THREADS", str(threads_per_process(processes)))
    with tempfile.TemporaryDirectory(prefix="imbtool-") as logs:
        # only the first process writes to the terminal
        quiet: dict[int, Std] = dict.fromkeys(range(1, processes), Std.ALL)
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=processes,
            run_id=uuid.uuid4().hex,
            rdzv_backend="c10d",
            rdzv_endpoint="localhost:0",
            local_addr="localhost",
            max_restarts=0,
            logs_specs=DefaultLogsSpecs(logs, redirects=quiet),
            shutdown_timeout=SECONDS_TO_SAVE,
        )
        try:
            elastic_launch(config, sys.executable)("-u", "-m", "imbtool", *arguments)
        except SignalException as stop:
            return 128 + stop.sigval
        except ChildFailedError as error:
            return _first_failure(error.failures)
    return 0


def _first_failure(failures: Mapping[int, ProcessFailure]) -> int:
    causes = {rank: each for rank, each in failures.items() if each.exitcode != PEER_LOST}
    if 0 in causes and causes[0].exitcode > 0:
        return causes[0].exitcode  # it has shown its error itself
    rank, failure = min((causes or failures).items(), key=lambda item: item[1].timestamp)
    fix = "free memory" if failure.exitcode == -signal.SIGKILL else "fix what it says"
    raise user_error(f"process {rank}", _message(failure), "every process to stay", fix)


def _message(failure: ProcessFailure) -> str:
    recorded = failure.error_file_data.get("message", failure.message)
    text = recorded["message"] if isinstance(recorded, dict) else recorded
    return "; ".join(line.strip() for line in text.splitlines())


def record_failure(error: BaseException) -> None:
    """Write an error to the file that the launcher of this process reads."""
    get_error_handler().record_exception(error)


def visible_devices() -> int:
    """Number of GPUs that are visible to this process."""
    return torch.cuda.device_count()
