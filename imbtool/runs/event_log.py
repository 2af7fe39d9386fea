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
"""Of the steps, this one in so many is written down, with the losses since the one before, and the
last one before another event."""


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
            emit: called with every event, and with every step.
        """
        self._path, self._emit = path, emit
        cut_half_line(path)
        self._unwritten: list[float | None] = []
        self._last: StepEvent | None = None
        self._remember()

    def __call__(self, event: Event) -> None:
        """Write an event, and the warnings that it gives rise to."""
        if isinstance(event, StepEvent):
            self._take_step(event)
            return
        self._write_steps()
        if isinstance(event, EndEvent):
            self._warn(each for each in self._warnings() if each.label is not None)
        self._write(event)
        if isinstance(event, ResumeEvent):
            self._remember()
        elif isinstance(event, SEEN):
            self._events.append(event)
        if isinstance(event, EpochEvent):
            self._warn(each for each in self._warnings() if each.label is None)

    def _take_step(self, event: StepEvent) -> None:
        self._losses.append(event.loss)
        self._unwritten.append(event.loss)
        self._last = event
        if event.step % EVERY_STEPS == 0:
            self._write_steps()
        self._emit(event)

    def _write_steps(self) -> None:
        """Write the last step with the losses that are not written yet, if there are any."""
        if self._last is not None and self._unwritten:
            append_line(self._path, self._last.model_copy(update={"losses": self._unwritten}))
        self._unwritten = []

    def _remember(self) -> None:
        """Take from the file what stands, without what a resumed run does over again."""
        past = read_events(self._path.parent)
        self._events = [each for each in past if isinstance(each, SEEN)]
        self._losses = [loss for step in of_kind(past, StepEvent) for loss in step.losses]
        self._warned = {(each.id, each.label) for each in of_kind(past, WarningEvent)}

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
        append_line(self._path, event, sync=True)
        self._emit(event)
