"""Requests predicted together: threads share the model, and each takes what has arrived."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from imbtool.serving.limits import queue_full, stopping
from imbtool.serving.served_model import MOST_BATCHES, Predicted, ServedModel


@dataclass(frozen=True)
class Batching:
    """How requests are gathered.

    Attributes:
        texts: a batch is complete with as many. A request is never divided, so that all of its
            texts have one model.
        wait: seconds that the first request of a batch waits for others.
    """

    texts: int = 32
    wait: float = 0.005


@dataclass(frozen=True)
class _Job:
    """A request's texts, and where their predictions go."""

    texts: Sequence[str]
    future: Future[Predicted] = field(default_factory=Future)
    arrived: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class _Batch:
    """Requests to predict together.

    Attributes:
        jobs: in the order of arrival.
        model: that predicts them.
        alone: whether nothing else is predicted or waits.
    """

    jobs: Sequence[_Job]
    model: ServedModel
    alone: bool


class Batcher:
    """A queue of requests and the threads that predict them.

    While one thread answers, another predicts, so that no core waits. One gathers a batch at a
    time. A text that makes the model fail fails its own request only: the others of its batch are
    then predicted one by one.
    """

    def __init__(
        self,
        model: ServedModel,
        batching: Batching,
        most_texts: int,
        observe: Callable[[int], object],
    ) -> None:
        """Start the threads.

        Args:
            model: that they share.
            batching: how requests are gathered.
            most_texts: that may wait or be predicted at a time.
            observe: called with the number of texts of each batch.
        """
        self._model = model
        self._batching = batching
        self._most_texts = most_texts
        self._observe = observe
        self._jobs: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._open_texts = 0
        self._batches = self._texts = 0  # that are being predicted
        self._gathers = False
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"model {number}", daemon=True)
            for number in range(MOST_BATCHES)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def model(self) -> ServedModel:
        """The model that the next batch is predicted with."""
        return self._model

    @property
    def open_texts(self) -> int:
        """Number of texts that wait or are being predicted."""
        return self._open_texts

    @property
    def closed(self) -> bool:
        """Whether no more requests are taken in."""
        return self._closed

    @property
    def alive(self) -> bool:
        """Whether a thread is at work."""
        return any(thread.is_alive() for thread in self._threads)

    def submit(self, texts: Sequence[str]) -> Future[Predicted]:
        """Queue the texts of a request.

        Raises:
            Refused: the queue is full, or closed.
        """
        job = _Job(texts)
        with self._changed:
            if self._closed:
                raise stopping()
            if self._open_texts + len(texts) > self._most_texts:
                raise queue_full(self._most_texts)
            self._open_texts += len(texts)
            self._jobs.append(job)
            self._changed.notify_all()
        return job.future

    def replace(self, model: ServedModel) -> None:
        """Predict with another model from the next batch on."""
        self._model = model

    def close(self) -> None:
        """Take in nothing more; what is queued is predicted."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def join(self) -> None:
        """Wait until what was queued is predicted, after `close`."""
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while batch := self._collect():
            self._answer(batch)
            with self._changed:
                self._batches -= 1
                self._texts -= _texts_of(batch.jobs)
                self._changed.notify_all()

    def _answer(self, batch: _Batch) -> None:
        # a client may have gone; from here on a request can no longer be cancelled
        jobs = [job for job in batch.jobs if job.future.set_running_or_notify_cancel()]
        with self._changed:
            self._open_texts -= _texts_of(batch.jobs) - _texts_of(jobs)
        if not jobs:
            return
        self._observe(_texts_of(jobs))
        for job, outcome in _predict(batch.model, jobs, batch.alone):
            with self._changed:
                self._open_texts -= len(job.texts)
            if isinstance(outcome, Predicted):
                job.future.set_result(outcome)
            else:
                job.future.set_exception(outcome)

    def _collect(self) -> _Batch | None:
        """The next batch; None once the queue is closed and empty."""
        with self._changed:
            self._changed.wait_for(self._may_gather)
            if not self._jobs:
                return None
            self._gathers = True
            while (rest := self._rest()) > 0:
                self._changed.wait(rest)
            jobs = self._taken()
            self._gathers = False
            self._batches += 1
            self._texts += _texts_of(jobs)
            self._changed.notify_all()
            return _Batch(jobs, self._model, alone=self._batches == 1 and not self._jobs)

    def _rest(self) -> float:
        """Seconds to wait for more requests, of which one may come at any time.

        The core that would predict them idles meanwhile. Where another batch is being predicted,
        batches of one size keep both at work: then they may come one after the other.
        """
        waiting = _texts_of(self._jobs)
        enough = min(self._batching.texts, self._texts or self._batching.texts)
        if self._closed or waiting >= enough:
            return 0.0
        since = self._jobs[-1 if self._texts else 0].arrived
        return since + self._batching.wait - time.monotonic()

    def _taken(self) -> list[_Job]:
        """The first requests, as many as one batch may have; others are left to the next one."""
        most = min(self._batching.texts, -(-self._open_texts // self._model.at_once))
        jobs = [self._jobs.popleft()]
        texts = len(jobs[0].texts)
        while self._jobs and texts + len(self._jobs[0].texts) <= most:
            jobs.append(self._jobs.popleft())
            texts += len(jobs[-1].texts)
        return jobs

    def _may_gather(self) -> bool:
        """Whether there is something to gather and a thread's turn to do it, or nothing more."""
        if not self._jobs:
            return self._closed
        return not self._gathers and self._batches < self._model.at_once


def _texts_of(jobs: Iterable[_Job]) -> int:
    return sum(len(job.texts) for job in jobs)


def _predict(
    model: ServedModel, jobs: Sequence[_Job], alone: bool
) -> list[tuple[_Job, Predicted | Exception]]:
    """What the model says of the texts of each request, or why it fails on them."""
    try:
        predicted = model.predict([text for job in jobs for text in job.texts], alone)
    except BaseException as error:
        if len(jobs) == 1:
            return [(jobs[0], _as_exception(error))]
        return [outcome for job in jobs for outcome in _predict(model, [job], alone)]
    outcomes: list[tuple[_Job, Predicted | Exception]] = []
    start = 0
    for job in jobs:
        rows = slice(start, start + len(job.texts))
        outcomes.append((job, predicted.of_texts(rows)))
        start = rows.stop
    return outcomes


def _as_exception(error: BaseException) -> Exception:
    """Panics of Rust are no `Exception`, and would end what waits for the predictions."""
    if isinstance(error, Exception):
        return error
    return RuntimeError(type(error).__name__).with_traceback(error.__traceback__)
