"""What a run tells while it goes: events, which are also the lines of its events.jsonl."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    BeforeValidator,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    ValidationInfo,
    model_serializer,
    model_validator,
)

from imbtool.errors import Problem, UserError, user_error
from imbtool.files.documents import Count, Number, Share, Typed, damaged
from imbtool.files.json_text import parse_json
from imbtool.files.writing import lines_of
from imbtool.wording import counted, some

EVENTS = "events.jsonl"
FIX = "restore the line, or delete it"


def _defined(value: Any, info: ValidationInfo) -> Any:
    """None for a metric that training finds to be NaN; a file says null, NaN in it is damage."""
    computed = info.mode == "python" and isinstance(value, float)
    return None if computed and not math.isfinite(value) else value


EpochNumber = Annotated[int, Field(ge=1, le=10**6)]
Metric = Annotated[Share | None, BeforeValidator(_defined)]
"""None where it is undefined."""
Loss = Annotated[
    Annotated[float, Field(ge=-1e60, le=1e60, allow_inf_nan=False)] | None,
    BeforeValidator(_defined),
]
"""The mean of no text, or more than a float holds, is None."""


Evidence = Mapping[
    str,
    Annotated[int, Field(ge=-(10**18), le=10**18)]
    | Annotated[float, Field(allow_inf_nan=False)]
    | None,
]
"""The numbers that a training warning or a diagnosis rests on."""


class EventPart(Typed):
    """A part of an event. It is written with the keys that it was made with, in their order."""

    @model_serializer(mode="wrap")
    def _keys_it_has(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        kept = {"event", *self.model_fields_set}
        return {key: value for key, value in dump(self).items() if key in kept}


class Event(EventPart):
    """What all events have."""

    event: str

    @property
    def at_step(self) -> int | None:
        """The optimizer steps that were done, for events that say so."""
        step: int | None = getattr(self, "step", None)
        return step


Emit = Callable[[Event], None]


def ignore(event: Event) -> None:
    """Discard an event."""


class OtherEvent(Event):
    """An event of another version, of which nothing else is known."""

    step: Count | None = None


class LearningRate(EventPart):
    """The learning rate, and why."""

    value: Annotated[Number, Field(gt=0)]
    reason: str = ""


class Precision(EventPart):
    """The precision, and why."""

    value: str
    reason: str


class RunPlan(EventPart):
    """What a run will do, and what was decided for it; runs of older versions say less."""

    encoder: str = ""
    device: str = ""
    processes: Count = 1
    precision: Precision | None = None
    learning_rate: LearningRate
    max_length: Count = 0
    epochs: EpochNumber
    epochs_reason: str = ""
    steps: Count = 0
    tokens_an_epoch: Count = 0
    token_cache: str | None = None
    cut_off: Count = 0
    """Training texts that have as many tokens as are read, or more."""
    texts: dict[str, Count] = Field({})
    labels: Count = 0
    head_first: bool = False


class StartEvent(RunPlan, Event):
    """A training begins."""

    event: Literal["start"] = "start"


class HeadEvent(Event):
    """The head was fitted first, with the encoder frozen."""

    event: Literal["head"] = "head"
    average_precision: Metric
    sampled: bool = False
    """Whether that is of a sample of validation, in which rare labels are more frequent."""
    baseline: Metric = None
    """What a constant score reaches."""
    l2: Annotated[float | None, BeforeValidator(_defined)] = None
    kept: bool = False
    reason: str = ""


class StepEvent(Event):
    """An optimizer step. In the file stands one in ten, with the losses of all since."""

    event: Literal["step"] = "step"
    epoch: EpochNumber = 1
    step: Count
    steps: Count = 0
    """Of the whole run."""
    loss: Loss
    learning_rate: Number = 0.0
    tokens: Count = 0
    seconds: Number = 0.0
    losses: list[Loss] = Field([])


class SkippedEvent(Event):
    """A step that was left out because its loss or gradient was not finite."""

    event: Literal["skipped"] = "skipped"
    epoch: int = 1
    step: Count = 0
    rows: list[int] = Field([])
    """Of the training table, 1-based, not counting the header."""
    learning_rate: float | None = None
    loss: float | None = None
    gradient_norm: float | None = None


class LabelEpochMetrics(EventPart):
    """What a label reaches on validation; None where it is undefined."""

    precision: Metric
    recall: Metric
    f1: Metric
    support: Count

    @model_validator(mode="after")
    def _found_is_found(self) -> Self:
        if self.recall and self.precision == 0:
            raise ValueError("a recall above 0 beside a precision of 0")
        return self


class Violations(EventPart):
    """On how many texts a child is predicted, and on how many of them without its parent."""

    child: str
    parent: str
    decided: Count
    texts: Count

    @model_validator(mode="after")
    def _some_of_them(self) -> Self:
        if self.texts > self.decided:
            raise ValueError("more texts without the parent than texts with the child")
        return self


class RequirementOutcome(EventPart):
    """What came of a requirement on validation."""

    asked: str = ""
    verdict: str
    validation: dict[str, float | None] = Field({})
    sentence: str


class ValidationMetrics(EventPart):
    """What a model reaches on validation, by cross-fitted predictions."""

    validation_loss: Loss
    f1_macro_at_half: Metric = None
    f1_macro: Metric
    average_precision_macro: Metric
    secondary_f1_macro: Metric = None
    secondary_recall: Metric = None
    secondary_precision: Metric = None
    primary_f1_macro: Metric = None
    primary_recall: Metric = None
    primary_precision: Metric = None
    recall: Metric = None
    precision: Metric = None
    labels: dict[str, LabelEpochMetrics]
    threshold_rule: str = ""
    threshold_scores: Mapping[str, Metric] = Field({})
    threshold_micro_scores: Mapping[str, Metric] = Field({})
    threshold_recalls: Mapping[str, Metric] = Field({})
    coherence: str | None = None
    violations: list[Violations] = Field([])
    requirements: dict[str, RequirementOutcome] = Field({})

    def as_given(self) -> dict[str, Any]:
        """The metrics that were measured, by their keys."""
        return {name: getattr(self, name) for name in self.model_fields_set}

    def metric(self, name: str) -> float | None:
        """A metric by its key."""
        value: float | None = getattr(self, name)
        return value


class WordsEvent(Event):
    """Whether weights of words are added to the logits was chosen."""

    event: Literal["words"] = "words"
    share: Share
    """Of a score beside a logit of the same standard deviation; 0 if they are not added."""
    tokens: Count = 0
    average_precision: dict[str, Metric] = Field({})
    """By share: without and with them."""
    figures: ValidationMetrics | None = None
    """With them."""
    reason: str = ""


class NeighboursEvent(Event):
    """The weight that the nearest training texts get in the probabilities was chosen."""

    event: Literal["neighbours"] = "neighbours"
    share: Share
    texts: Count = 0
    average_precision: dict[str, Metric] = Field({})
    """By weight."""
    figures: ValidationMetrics | None = None
    """With the chosen weight."""
    reason: str = ""


class TrainedEpoch(Event):
    """An epoch before it is validated."""

    epoch: EpochNumber
    train_loss: Loss


class EpochEvent(ValidationMetrics, TrainedEpoch):
    """An epoch ended."""

    event: Literal["epoch"] = "epoch"
    step: Count
    best: bool
    """Whether it is better than all epochs before it."""

    def with_metrics(self, metrics: ValidationMetrics | None) -> EpochEvent:
        """The epoch with other metrics of the same weights."""
        return self if metrics is None else self.model_copy(update=metrics.as_given())


class WarningEvent(Event):
    """A training warning."""

    event: Literal["warning"] = "warning"
    id: str
    label: str | None
    message: str = ""
    evidence: Evidence = Field({})
    epochs: list[int] = Field([])


class SaveEvent(Event):
    """The state is about to be saved, from which the run can be resumed at this step."""

    event: Literal["save"] = "save"
    step: Count
    seconds: Annotated[Number, Field(ge=0)] = 0.0
    """Since this process has begun to train."""


class ResumeEvent(Event):
    """The run went on from a step; what came after it was done over again."""

    event: Literal["resume"] = "resume"
    step: Count
    epoch: int = 1


class InterruptedEvent(Event):
    """The user or the system stopped the run."""

    event: Literal["interrupted"] = "interrupted"


class EndEvent(Event):
    """The training ended."""

    event: Literal["end"] = "end"
    best_epoch: int = 1
    early: bool = False
    """Whether patience ended it before its last epoch."""
    f1_macro: Metric = None
    requirements: dict[str, RequirementOutcome] | None = None


KINDS: dict[str, type[Event]] = {
    kind.model_fields["event"].default: kind
    for kind in (
        *(StartEvent, HeadEvent, StepEvent, SkippedEvent, EpochEvent, WordsEvent, NeighboursEvent),
        *(WarningEvent, SaveEvent, ResumeEvent, InterruptedEvent, EndEvent),
    )
}
"""By their names. Of an event of another name nothing is read but the name and the step."""

Kind = TypeVar("Kind", bound=Event)


def of_kind(events: Sequence[Event], kind: type[Kind]) -> list[Kind]:
    """The events of one kind, in their order."""
    return [event for event in events if isinstance(event, kind)]


def added_figures(events: Sequence[Event]) -> ValidationMetrics | None:
    """The metrics of the best epoch with what was added to its model since; None for nothing."""
    figures = None
    for event in events:
        if isinstance(event, EpochEvent | ResumeEvent):
            figures = None
        elif isinstance(event, WordsEvent | NeighboursEvent) and event.figures is not None:
            figures = event.figures
    return figures


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
            _take(log.events, _read_event(line, where), where)
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
    step = event.at_step
    if isinstance(event, ResumeEvent):
        events[:] = [past for past in events if not _is_undone(past, event)]
    elif step is not None:
        last = next((past.at_step for past in reversed(events) if past.at_step), 0)
        if step < last:
            raise user_error(where, f"step {step} after step {last}", "steps in their order", FIX)
    if isinstance(event, EpochEvent):
        _require_same_labels(events, event, where)
    events.append(event)


def _is_undone(past: Event, resumed: ResumeEvent) -> bool:
    """Whether a resumed run does it over again."""
    match past:
        case EndEvent():
            return True
        case EpochEvent():  # the state may be that of its last step, before it was validated
            return past.epoch >= resumed.epoch or past.step > resumed.step
        case _:
            return (past.at_step or 0) > resumed.step


def _require_same_labels(events: list[Event], epoch: EpochEvent, where: str) -> None:
    """An epoch has the labels of the one before it."""
    before = next((past for past in reversed(events) if isinstance(past, EpochEvent)), epoch)
    if differ := before.labels.keys() ^ epoch.labels.keys():
        found = f"an epoch that differs in the labels {some(sorted(differ))}"
        raise user_error(where, found, "the labels of the epoch before it", FIX)


def _read_event(line: bytes, where: str) -> Event:
    try:
        parse_json(line)
    except ValueError as error:
        raise user_error(where, repr(line[:60])[1:], f"an event ({error})", FIX) from None
    try:
        name = Event.model_validate_json(line).event
        return KINDS.get(name, OtherEvent).model_validate_json(line)
    except ValidationError as error:
        raise damaged(where, error, FIX) from None
