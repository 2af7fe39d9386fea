"""A run's story: every event written down, and what is unwell in it warned of, once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from imbtool.events import Emit, Event, read_events
from imbtool.files.json_text import append_line
from imbtool.files.writing import cut_half_line
from imbtool.runs.warnings import Finding, findings

EVERY_STEPS = 10
"""Of the steps, this one in so many is written down, with the losses since the one before."""


class Chronicle:
    """Writes a run's events to events.jsonl and passes them on; adds `warning` events.

    What is unwell in the run as a whole is warned of after the epoch that shows it, weak labels at
    the end: many heal on the way.
    """

    def __init__(self, path: Path, emit: Emit) -> None:
        """Go on where the file stands; steps are passed on all, and written down one in ten."""
        self._path, self._emit = path, emit
        cut_half_line(path)
        past = read_events(path.parent)
        self._epochs = [event for event in past if event["event"] == "epoch"]
        self._losses = [loss for event in past for loss in event.get("losses", ())]
        self._warned = {(row["id"], row["label"]) for row in past if row["event"] == "warning"}
        self._since: list[float] = []

    def __call__(self, event: Event) -> None:
        """Take an event in."""
        if event["event"] == "step":
            self._step(event)
            return
        if event["event"] == "end":
            self._warn(each for each in self._findings() if each.label is not None)
        self._write(event)
        if event["event"] == "epoch":
            self._epochs.append(event)
            self._warn(each for each in self._findings() if each.label is None)

    def _step(self, event: Event) -> None:
        self._losses.append(event["loss"])
        self._since.append(event["loss"])
        if event["step"] % EVERY_STEPS == 0:
            append_line(self._path, {**event, "losses": self._since})
            self._since = []
        self._emit(event)

    def _findings(self) -> list[Finding]:
        return findings(self._epochs, self._losses)

    def _warn(self, unwell: Iterator[Finding]) -> None:
        for finding in unwell:
            if (finding.id, finding.label) not in self._warned:
                self._warned.add((finding.id, finding.label))
                self._write({"event": "warning", **asdict(finding)})

    def _write(self, event: Event) -> None:
        append_line(self._path, event)
        self._emit(event)
