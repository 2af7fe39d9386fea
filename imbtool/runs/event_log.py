"""The event log of a run: every event becomes a line of events.jsonl, and training warnings too."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from imbtool.events import (
    Emit,
    EndEvent,
    EpochEvent,
    Event,
    NeighboursEvent,
    ResumeEvent,
    StepEvent,
    WarningEvent,
    WordsEvent,
    added_figures,
    of_kind,
    read_events,
)
from imbtool.files.json_text import append_line
from imbtool.files.writing import cut_half_line
from imbtool.runs.warnings import training_warnings

EVERY_STEPS = 10
"""Of the steps, this one in so many is written down, with the losses since the one before."""


SEEN = (EpochEvent, WordsEvent, NeighboursEvent, ResumeEvent)
"""Events that warnings are made of."""


class EventLogWriter:
    """Writes a run's events to events.jsonl and passes them on; adds training warnings.

    A warning of the whole run follows the epoch that shows it. Warnings of labels come at the end:
    many labels that are weak after the first epochs are not weak then.
    """

    def __init__(self, path: Path, emit: Emit) -> None:
        """Go on where the file ends.

        Args:
            path: of the file.
            emit: called with every event, and with every step; one step in ten is written.
        """
        self._path, self._emit = path, emit
        cut_half_line(path)
        past = read_events(path.parent)
        self._events = [each for each in past if isinstance(each, SEEN)]
        self._losses = [loss for step in of_kind(past, StepEvent) for loss in step.losses]
        self._warned = {(each.id, each.label) for each in of_kind(past, WarningEvent)}
        self._unwritten: list[float | None] = []

    def __call__(self, event: Event) -> None:
        """Write an event, and the warnings that it gives rise to."""
        if isinstance(event, StepEvent):
            self._take_step(event)
            return
        if isinstance(event, EndEvent):
            self._warn(each for each in self._warnings() if each.label is not None)
        self._write(event)
        if isinstance(event, SEEN):
            self._events.append(event)
        if isinstance(event, EpochEvent):
            self._warn(each for each in self._warnings() if each.label is None)

    def _take_step(self, event: StepEvent) -> None:
        self._losses.append(event.loss)
        self._unwritten.append(event.loss)
        if event.step % EVERY_STEPS == 0:
            append_line(self._path, event.model_copy(update={"losses": self._unwritten}))
            self._unwritten = []
        self._emit(event)

    def _warnings(self) -> list[WarningEvent]:
        """Of the epochs; of the model that is kept, where something was added to it."""
        epochs, figures = of_kind(self._events, EpochEvent), added_figures(self._events)
        kept = [epoch for epoch in epochs if epoch.best][-1:]
        added = [epoch.with_metrics(figures) for epoch in kept if figures is not None]
        return training_warnings([*epochs, *added], self._losses)

    def _warn(self, warnings: Iterable[WarningEvent]) -> None:
        for warning in warnings:
            if (warning.id, warning.label) not in self._warned:
                self._warned.add((warning.id, warning.label))
                self._write(warning)

    def _write(self, event: Event) -> None:
        append_line(self._path, event)
        self._emit(event)
