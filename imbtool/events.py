"""What a run has told while it went, read from its events.jsonl."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError, model_validator

from imbtool.errors import Problem, UserError, user_error
from imbtool.files.documents import Count, Number, Share, Typed, damaged
from imbtool.files.json_text import parse_json
from imbtool.files.writing import lines_of
from imbtool.wording import counted, some

Event = dict[str, Any]
Emit = Callable[[Event], None]

EVENTS = "events.jsonl"
FIX = "restore the line, or delete it"


class AnyEvent(Typed):
    """What all events have."""

    event: str
    step: Count | None = None


class Step(AnyEvent):
    """One step in ten, with the losses of all since."""

    step: Count
    loss: Number | None
    losses: list[Number | None] = Field([])


class LabelFigures(Typed):
    """What a label reaches on validation; None where it is not defined."""

    precision: Share | None
    recall: Share | None
    f1: Share | None
    support: Count

    @model_validator(mode="after")
    def _found_is_found(self) -> Self:
        if self.recall and self.precision == 0:
            raise ValueError("a recall above 0 beside a precision of 0")
        return self


class Violations(Typed):
    """On how many texts a child is decided, and on how many of them without its parent."""

    child: str
    decided: Count
    texts: Count


class Figures(Typed):
    """What an epoch reaches on validation."""

    f1_macro: Share | None
    average_precision_macro: Share | None
    f1_macro_at_half: Share | None = None
    secondary_f1_macro: Share | None = None
    labels: dict[str, LabelFigures]
    violations: list[Violations] = Field([])


class Epoch(AnyEvent, Figures):
    """The end of an epoch."""

    epoch: Annotated[int, Field(ge=1, le=10**6)]
    step: Count
    train_loss: Number | None
    validation_loss: Number | None
    best: bool


class Rate(Typed):
    """The learning rate, and why."""

    value: Annotated[Number, Field(gt=0)]
    reason: str = ""


class Precision(Typed):
    """The precision, and why."""

    value: str
    reason: str


class Start(AnyEvent):
    """What a training begins with; runs of older versions say less."""

    learning_rate: Rate
    epochs: Annotated[int, Field(ge=1, le=10**6)]
    encoder: str = ""
    device: str = ""
    precision: Precision | None = None
    max_length: Count = 0
    steps: Count = 0
    texts: dict[str, Count] = Field({})


class Head(AnyEvent):
    """The head was fitted first."""

    average_precision: Share | None


class Neighbours(AnyEvent):
    """The nearest training texts were asked."""

    share: Share
    figures: Figures | None = None


class Warned(AnyEvent):
    """Something unwell."""

    id: str
    label: str | None


class Resumed(AnyEvent):
    """The run went on from a step; what came after it was done over again."""

    step: Count


KINDS: Mapping[str, type[AnyEvent]] = {
    "step": Step,
    "epoch": Epoch,
    "start": Start,
    "head": Head,
    "neighbours": Neighbours,
    "warning": Warned,
    "resume": Resumed,
}
"""What events of a name must hold; of others nothing is read but the name."""


@dataclass(frozen=True)
class EventLog:
    """The events of a run.

    Attributes:
        events: oldest first, without what a resumed run did over again.
        damaged: what is wrong with each line that is none, which is left out.
    """

    events: list[Event]
    damaged: list[Problem]

    @property
    def warning(self) -> str | None:
        """That lines were left out, and what is wrong with the first; None where none was."""
        if not self.damaged:
            return None
        first = self.damaged[0]
        lines = counted(len(self.damaged), "damaged line")
        wrong = f"found {first.found}, expected {first.expected}"
        return f"{lines} left out, the first at {first.where} ({wrong})"


def read_log(run: Path) -> EventLog:
    """The events of a run, and the lines that are none; empty where there is no run."""
    log = EventLog([], [])
    for where, line in lines_of(run / EVENTS):
        try:
            _take(log.events, _event(line, where), where)
        except UserError as error:
            # a kill leaves the last line without its end: that is no damage
            log.damaged.extend(error.problems if line.endswith((b"\n", b"\r")) else ())
    return log


def read_events(run: Path) -> list[Event]:
    """The events of a run, oldest first; none where there is no run.

    A line that is no event, half of one or damaged, is left out, and so is what a resumed run did
    over again.
    """
    return read_log(run).events


def require_events(run: Path) -> list[Event]:
    """The events of a run on which something is to be decided.

    Raises:
        UserError: a line is damaged.
    """
    log = read_log(run)
    if log.damaged:
        raise UserError(log.damaged[0])
    return log.events


def _take(events: list[Event], event: Event, where: str) -> None:
    if event["event"] == "resume":
        events[:] = [past for past in events if (past.get("step") or 0) <= event["step"]]
    elif (step := event.get("step")) is not None:
        last = next((past["step"] for past in reversed(events) if past.get("step")), 0)
        if step < last:
            raise user_error(where, f"step {step} after step {last}", "steps in their order", FIX)
    if event["event"] == "epoch":
        _require_same_labels(events, event, where)
    events.append(event)


def _require_same_labels(events: list[Event], epoch: Event, where: str) -> None:
    """An epoch has the labels of the one before it."""
    before = next((past for past in reversed(events) if past["event"] == "epoch"), epoch)
    if differ := before["labels"].keys() ^ epoch["labels"].keys():
        found = f"an epoch that differs in the labels {some(sorted(differ))}"
        raise user_error(where, found, "the labels of the epoch before it", FIX)


def _event(line: bytes, where: str) -> Event:
    try:
        event: Event = parse_json(line)
    except ValueError as error:
        raise user_error(where, repr(line[:60])[1:], f"an event ({error})", FIX) from None
    try:
        kind = KINDS.get(AnyEvent.model_validate(event).event, AnyEvent)
        kind.model_validate(event)
    except ValidationError as error:
        raise damaged(where, error, FIX) from None
    return event
