"""Tables predicted by several processes of this machine, which take them in turn.

Each process has a connection of its own to this one, so that one that dies costs the table that it
was at, and no other.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path

from imbtool.distributed.process_info import threads_per_process
from imbtool.distributed.signals import stopped_by_signals
from imbtool.errors import UserError, user_error
from imbtool.inference.precision import tell_precision
from imbtool.inference.predict_folder import (
    Engine,
    FileResult,
    PredictionJob,
    Shard,
    load_model,
    predict_shard,
)


def process_engine(processes: int) -> Engine:
    """The engine that starts so many processes; each of them takes the GPU with its number."""
    return partial(_predict_in_processes, processes)


def _predict_in_processes(
    processes: int, job: PredictionJob, shards: Sequence[Shard], _folder: Path
) -> Iterator[FileResult]:
    """Yield the result of each table as it comes.

    Raises:
        UserError: the checkpoint is damaged.
        OSError: the folder cannot be written.
    """
    os.environ.setdefault("OMP_NUM_THREADS", str(threads_per_process(processes)))
    waiting = deque(shards)
    idle = [_Worker(job, number) for number in range(min(processes, len(shards)))]
    busy: dict[Connection, _Worker] = {}
    try:
        while waiting or busy:
            while waiting and idle:
                worker = idle.pop()
                worker.begin(waiting.popleft())
                busy[worker.connection] = worker
            for connection in wait([*busy]):
                worker = busy[connection]  # type: ignore[index]
                result = worker.result()
                del busy[worker.connection]
                idle.append(worker if worker.is_there() else _Worker(job, worker.number))
                yield result
    finally:
        for worker in busy.values():
            worker.stop()
        for worker in idle:
            worker.end()


class _Worker:
    """A process that predicts tables, and our end of the connection to it.

    Attributes:
        connection: that it gets tables by, and gives their results.
        number: of its GPU.
    """

    def __init__(self, job: PredictionJob, number: int) -> None:
        context = get_context("spawn")  # a fork would share the threads and the GPU of this one
        self.connection, theirs = context.Pipe()
        self.number = number
        self._process = context.Process(target=_work, args=(job, number, theirs), daemon=True)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._process.start()  # it never sees Ctrl-C, at which this process stops it
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()

    def begin(self, shard: Shard) -> None:
        """Give it a table."""
        self._shard = shard
        with suppress(BrokenPipeError):  # it has died, as reading its result will show
            self.connection.send(shard)

    def result(self) -> FileResult:
        """The result of the table that it was given.

        Raises:
            UserError: the checkpoint is damaged.
            OSError: the folder cannot be written.
        """
        try:
            result: FileResult | UserError | OSError = self.connection.recv()
        except (EOFError, ConnectionResetError):
            self._process.join()
            return FileResult(self._shard, "failed", error=self._death())
        if isinstance(result, Exception):
            raise result
        return result

    def is_there(self) -> bool:
        """Whether it can be given another table."""
        return self._process.is_alive()

    def stop(self) -> None:
        """End it in the middle of a table."""
        self._process.terminate()
        self._process.join()

    def end(self) -> None:
        """Tell it that there are no more tables."""
        self.connection.close()
        self._process.join()

    def _death(self) -> UserError:
        code = self._process.exitcode or 0
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        fix = "free memory, or start fewer processes, and give the same command again"
        found = f"a process that ended at this table with {how}"
        return user_error(self._shard.source, found, "a process that stays", fix)


def _work(job: PredictionJob, number: int, connection: Connection) -> None:
    """Predict tables until there are no more, in a process of its own."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(KeyboardInterrupt), stopped_by_signals():
        _predict_all(job, number, connection)


def _predict_all(job: PredictionJob, number: int, connection: Connection) -> None:
    model = None
    while True:
        try:
            shard = connection.recv()
        except EOFError:
            break
        try:
            model = model or load_model(job, number)
            result: FileResult | UserError | OSError = predict_shard(model, job, shard)
        except (UserError, OSError) as error:  # that no other table would be spared
            result = error
        connection.send(result)
    if model is not None:
        tell_precision(model)


def _end_with_parent() -> None:
    """Leave no process behind that would write to a folder which nobody holds any more."""
    if (parent := parent_process()) is not None:
        parent.join()
        os._exit(1)
