"""Tables predicted by a Ray cluster: Ray schedules whole tables and parts of large ones.

Each unit is a task. Ray runs it where a GPU or a CPU is free, on machines that may come and go, and
runs it again if its worker or machine dies. A worker loads the model once. Units leave whole files
behind (an output, or the stored logits of a part), so that a stop costs the units in progress only.
"""

from __future__ import annotations

import importlib
import os
import signal
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any, Literal

from imbtool.errors import UserError, user_error
from imbtool.files.copies import local_copy
from imbtool.files.stores import Location, StoreError
from imbtool.files.text_format import TextFormat
from imbtool.inference.output_folder import delete_folder, delete_parts, whole_files
from imbtool.inference.predict import predicted_frames, write_file
from imbtool.inference.predict_folder import (
    Engine,
    FileResult,
    PredictionJob,
    Shard,
    load_model,
    predict_table,
)
from imbtool.inference.table_parts import (
    Parts,
    StoredLogits,
    local_parts,
    part_file,
    parts_folder,
    plan_parts,
    predict_part,
    store_part,
)
from imbtool.notes import tell
from imbtool.trained.checkpoint import Checkpoint, checkpoint_folder
from imbtool.trained.metadata import read_meta

RETRIES = 8
"""How often a unit is run again whose worker or machine has died."""
MOST_SUBMITTED = 1000
"""Units that are handed to Ray at once."""
OBJECT_STORE = 80 * 1024 * 1024
"""Bytes of shared memory of a Ray of our own, the least that it takes: no texts pass through it."""
QUIET = {"log_to_driver": False, "logging_level": "error"}
STARTS = 3
"""How often a Ray of our own is started until one is up."""
ALL_GPUS = {"env_vars": {"RAY_EXPERIMENTAL_NOSET_CUDA_VISIBLE_DEVICES": "1"}}
"""Lets a worker see all GPUs: the next task may come with another one, and torch looks once."""


@dataclass(frozen=True)
class Table:
    """A table of the job, by paths that hold on every machine.

    Attributes:
        shard: the table and its output.
        parts: that it is predicted in.
        folder: of their stored logits.
    """

    shard: Shard
    parts: Parts
    folder: Location


@dataclass(frozen=True)
class Unit:
    """What one task does: predict a table whole, or a part of it, or join its parts.

    Attributes:
        kind: which of these.
        table: that it belongs to.
        number: of the part.
    """

    kind: Literal["whole", "part", "join"]
    table: Table
    number: int = 0


def ray_engine(address: str | None = None) -> Engine:
    """The engine that lets Ray schedule the tables of a job.

    Args:
        address: of a cluster; None starts Ray on this machine, and ends it.

    Raises:
        UserError: Ray is not installed.
    """
    return partial(_predict_with_ray, _library(), address)


def _predict_with_ray(
    ray: Any, address: str | None, job: PredictionJob, shards: Sequence[Shard], folder: Location
) -> Iterator[FileResult]:
    """Yield the result of each table as it comes.

    Raises:
        UserError: there is no such cluster, or the checkpoint is damaged.
        OSError: the folder cannot be written.
    """
    failed = False
    if shards:
        with _connected(ray, address):
            for result in _Schedule(ray, job, shards, folder).results():
                failed = failed or result.state == "failed"
                yield result
    if not failed:
        delete_parts(folder)


class _Schedule:
    """The units of a job: those that wait, and those that Ray has."""

    def __init__(
        self, ray: Any, job: PredictionJob, shards: Sequence[Shard], folder: Location
    ) -> None:
        self._ray = ray
        self._job = ray.put(replace(job, checkpoint=job.checkpoint.absolute()))
        gpus = ray.cluster_resources().get("GPU", 0)
        run = ray.remote(max_retries=RETRIES, max_calls=0)(run_unit)
        self._join = run
        self._predict = run.options(num_gpus=1, runtime_env=ALL_GPUS) if gpus else run
        self._shards: dict[Table, Shard] = {}
        self._waiting: deque[Unit] = deque()
        self._parts_left: dict[Table, int] = {}
        self._failed: set[Table] = set()
        text_format = read_meta(checkpoint_folder(job.checkpoint)).data.text_format
        for shard in shards:
            self._plan(job, shard, folder, text_format)

    def _plan(
        self, job: PredictionJob, shard: Shard, folder: Location, text_format: TextFormat
    ) -> None:
        parts = plan_parts(shard.source, job.text, text_format)
        stored = parts_folder(folder.absolute(), job.manifest, shard.source, parts)
        table = Table(Shard(shard.source.absolute(), shard.output.absolute()), parts, stored)
        self._shards[table] = shard
        if parts.count == 1:
            self._waiting.append(Unit("whole", table))
            return
        files = [part_file(stored, at) for at in range(parts.count)]
        there = whole_files(stored, files)
        left = [at for at, file in enumerate(files) if file not in there]
        self._parts_left[table] = len(left)
        self._waiting.extend(Unit("part", table, number) for number in left)
        if not left:
            self._waiting.append(Unit("join", table))

    def results(self) -> Iterator[FileResult]:
        """Let Ray run all units, and yield the result of each table."""
        running: dict[Any, Unit] = {}
        while True:
            while self._waiting and len(running) < MOST_SUBMITTED:
                unit = self._waiting.popleft()
                if unit.table not in self._failed:
                    task = self._join if unit.kind == "join" else self._predict
                    running[task.remote(self._job, unit)] = unit
            if not running:
                return
            (done,), _ = self._ray.wait([*running])
            unit = running.pop(done)
            if unit.table not in self._failed:
                yield from self._result(unit, self._outcome(done, unit))

    def _outcome(self, done: Any, unit: Unit) -> int | UserError:
        """What a unit has returned.

        Raises:
            BaseException: what no other unit would be spared: a damaged checkpoint, a full disk.
        """
        errors = self._ray.exceptions
        try:
            outcome: int | UserError = self._ray.get(done)
        except errors.RayTaskError as error:
            raise error.cause from error
        except errors.RayError as error:
            found = f"a worker that died each of {RETRIES + 1} times ({str(error).splitlines()[0]})"
            fix = "give the workers more memory, and give the same command again"
            return user_error(self._shards[unit.table].source, found, "a worker that stays", fix)
        return outcome

    def _result(self, unit: Unit, outcome: int | UserError) -> Iterator[FileResult]:
        shard = self._shards[unit.table]
        if isinstance(outcome, UserError):
            self._failed.add(unit.table)
            yield FileResult(shard, "failed", error=outcome)
        elif unit.kind == "part":
            self._parts_left[unit.table] -= 1
            if not self._parts_left[unit.table]:
                self._waiting.appendleft(Unit("join", unit.table))
        else:
            # not by the worker, which may die behind this and have to join them once more
            delete_folder(unit.table.folder)
            yield FileResult(shard, "done", outcome)


def run_unit(job: PredictionJob, unit: Unit) -> int | UserError:
    """Do what a unit says, in a worker.

    Returns:
        The number of texts, or what the table cannot be used for.

    Raises:
        UserError: the checkpoint is damaged, or a store cannot be used.
    """
    work = partial(_join, job, unit.table)
    if unit.kind != "join":
        model = _model(job, _gpu())
        work = partial(_predict, model, job, unit)
    try:
        return work()
    except StoreError:
        raise
    except UserError as error:
        return error


def _predict(checkpoint: Checkpoint, job: PredictionJob, unit: Unit) -> int:
    table = unit.table
    if unit.kind == "whole":
        return predict_table(checkpoint, job, table.shard)
    logits = predict_part(checkpoint, table.shard.source, job.text, table.parts, unit.number)
    store_part(table.folder, unit.number, logits)
    return len(logits)


def _join(job: PredictionJob, table: Table) -> int:
    """Write the output of a table whose parts are all stored."""
    checkpoint = checkpoint_folder(job.checkpoint)
    with local_copy(table.shard.source) as path, local_parts(table.folder, table.parts) as files:
        stored = StoredLogits(checkpoint, read_meta(checkpoint), files, table.parts)

        def frames() -> Iterator[Any]:
            yield from predicted_frames(stored, path, job.text, job.calibrated)
            stored.require_all_read()

        return write_file(frames(), table.shard.output)


_model = lru_cache(load_model)
"""The model, which a worker keeps; the sha256 of its job tells it from another at the same path."""


def _gpu() -> int:
    """The number of the GPU that Ray gives to the task that this worker runs."""
    numbers = _library().get_gpu_ids()
    return int(numbers[0]) if numbers else 0


def _library() -> Any:
    try:
        return importlib.import_module("ray")
    except ImportError:
        fix = "pip install 'imbtool[ray]'"
        raise user_error("--engine ray", "no package ray", "the package installed", fix) from None


@contextmanager
def _connected(ray: Any, address: str | None) -> Iterator[None]:
    """Be connected to a cluster, that of this process if it has one already."""
    if ray.is_initialized():
        yield
        return
    at_sigterm = signal.getsignal(signal.SIGTERM)
    if address is None:
        _start(ray)
    else:
        _connect(ray, address)
    try:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, at_sigterm)  # Ray has set its own
        yield
    finally:
        ray.shutdown()


def _connect(ray: Any, address: str) -> None:
    try:
        ray.init(address=address, **QUIET)
    except Exception as error:  # of many kinds
        fix = (
            "start one with `ray start --head`, or leave out --address; if this cluster wants a "
            "token, set RAY_AUTH_MODE=token"
        )
        raise _no_ray(f"--address {address}", error, fix) from error


def _start(ray: Any) -> None:
    """Start Ray on this machine.

    Its node gives up where its helpers, programs in Python, have not begun within 15 seconds, which
    happens on a busy machine. They begin sooner the next time, since their files have been read.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would send them
    for left in reversed(range(STARTS)):
        try:
            ray.init(
                address="local",
                include_dashboard=False,
                object_store_memory=OBJECT_STORE,
                **QUIET,
            )
            return
        except Exception as error:  # of no class of its own where Ray starts too slowly
            if not left:
                fix = "give the same command again where the machine has less to do"
                raise _no_ray("--engine ray", error, fix) from error
            tell(["Ray did not start in time on this busy machine, and is started again."])


def _no_ray(where: str, error: Exception, fix: str) -> UserError:
    found = (str(error) or type(error).__name__).splitlines()[0]
    return user_error(where, found, "a running Ray", fix)
