"""Requests predicted together: one thread owns the model and takes what has arrived."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from imbtool.serving.limits import queue_full, stopping
from imbtool.serving.served_model import Predicted, ServedModel


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


class Batcher:
    """A queue of requests and the thread that predicts them.

    A text that makes the model fail fails its own request only: the others of its batch are then
    predicted one by one.
    """

    def __init__(
        self,
        model: ServedModel,
        batching: Batching,
        most_texts: int,
        observe: Callable[[int], object],
    ) -> None:
        """Start the thread.

        Args:
            model: that it owns.
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
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="model", daemon=True)
        self._thread.start()

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
        """Whether the thread is at work."""
        return self._thread.is_alive()

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
            self._changed.notify()
        return job.future

    def replace(self, model: ServedModel) -> None:
        """Predict with another model from the next batch on."""
        self._model = model

    def close(self) -> None:
        """Take in nothing more; what is queued is predicted."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def join(self) -> None:
        """Wait until what was queued is predicted, after `close`."""
        self._thread.join()

    def _work(self) -> None:
        while collected := self._collect():
            model = self._model
            # a client may have gone; from here on a request can no longer be cancelled
            jobs = [job for job in collected if job.future.set_running_or_notify_cancel()]
            with self._changed:
                self._open_texts -= _texts_of(collected) - _texts_of(jobs)
            if not jobs:
                continue
            self._observe(_texts_of(jobs))
            for job, outcome in _predict(model, jobs):
                with self._changed:
                    self._open_texts -= len(job.texts)
                if isinstance(outcome, Predicted):
                    job.future.set_result(outcome)
                else:
                    job.future.set_exception(outcome)

    def _collect(self) -> list[_Job]:
        """The requests of the next batch; none once the queue is closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._jobs or self._closed)
            if not self._jobs:
                return []
            rest = self._jobs[0].arrived + self._batching.wait - time.monotonic()
            self._changed.wait_for(self._is_complete, timeout=max(0.0, rest))
            jobs = [self._jobs.popleft()]
            texts = len(jobs[0].texts)
            while self._jobs and texts + len(self._jobs[0].texts) <= self._batching.texts:
                jobs.append(self._jobs.popleft())
                texts += len(jobs[-1].texts)
        return jobs

    def _is_complete(self) -> bool:
        return self._closed or _texts_of(self._jobs) >= self._batching.texts


def _texts_of(jobs: Iterable[_Job]) -> int:
    return sum(len(job.texts) for job in jobs)


def _predict(model: ServedModel, jobs: Sequence[_Job]) -> list[tuple[_Job, Predicted | Exception]]:
    """What the model says of the texts of each request, or why it fails on them."""
    try:
        predicted = model.predict([text for job in jobs for text in job.texts])
    except BaseException as error:
        if len(jobs) == 1:
            return [(jobs[0], _as_exception(error))]
        return [outcome for job in jobs for outcome in _predict(model, [job])]
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
