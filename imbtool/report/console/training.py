"""A training on screen: its events as they come, and what a dry run says."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from functools import singledispatch
from typing import Self

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from imbtool.evaluation.estimates import is_known
from imbtool.evaluation.metrics import WEAK_PRECISION
from imbtool.events import (
    EndEvent,
    EpochEvent,
    Event,
    HeadEvent,
    InterruptedEvent,
    LabelEpochMetrics,
    NeighboursEvent,
    RequirementOutcome,
    ResumeEvent,
    RunPlan,
    SkippedEvent,
    StartEvent,
    StepEvent,
    WarningEvent,
    WordsEvent,
)
from imbtool.report.cells import label_text, number_text, plain_table
from imbtool.report.console.weights import weight_views
from imbtool.training.dry_run import DryRun
from imbtool.wording import counted, printable, some

LINE_EVERY = 30.0
"""Seconds between two lines of progress where there is no terminal for a bar."""


def dry_run_views(plan: DryRun) -> Iterator[RenderableType]:
    """What a dry run says: the plan, the weights, and the time and memory it would take."""
    yield from _plan_lines(plan)
    yield from weight_views(plan.weights)
    parts = ", ".join(f"{part} {value:.1f}" for part, value in plan.minutes.items() if value)
    yield (
        f"\n{plan.padding_share:.1%} of the tokens are padding; {plan.tokens_per_second:,.0f} "
        f"tokens/s in a few trial steps\nThe run would take about "
        f"{sum(plan.minutes.values()):.0f} min ({parts}) and about {plan.memory_gib:.1f} GiB for "
        "each process."
    )


class TrainingView:
    """Shows a run's events: a bar on a terminal, a line every 30 s elsewhere."""

    def __init__(self, console: Console) -> None:
        """Draw on `console`."""
        self._console = console
        self._last_line: float | None = None
        self._tokens, self._seconds, self._steps = 0, 0.0, 0
        self._progress = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total} steps"),
            TextColumn("loss {task.fields[loss]:.4f}  {task.fields[speed]:,.0f} tokens/s"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("", total=None, epoch=0, loss=0.0, speed=0.0)

    def __enter__(self) -> Self:
        """Start drawing."""
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop drawing."""
        self._progress.stop()

    def __call__(self, event: Event) -> None:
        """Show an event."""
        if isinstance(event, StepEvent):
            self._show_step(event)
        else:
            for view in event_views(event):
                self._progress.console.print(view)

    def _show_step(self, event: StepEvent) -> None:
        self._tokens += event.tokens
        self._seconds += event.seconds
        self._steps += 1
        speed = self._tokens / max(self._seconds, 1e-9)
        self._progress.update(
            self._task,
            completed=event.step,
            total=event.steps,
            epoch=event.epoch,
            loss=event.loss,
            speed=speed,
        )
        if not self._console.is_terminal and self._is_due(time.monotonic()):
            # a resumed run has steps that were not seen, a tuning's view those of earlier rounds
            left = (event.steps - event.step) * self._seconds / self._steps
            self._console.print(
                f"step {event.step}/{event.steps}  loss {event.loss:.4f}  "
                f"{speed:,.0f} tokens/s  about {left / 60:.1f} min left"
            )

    def _is_due(self, now: float) -> bool:
        due = self._last_line is not None and now - self._last_line >= LINE_EVERY
        if due or self._last_line is None:
            self._last_line = now
        return due


@singledispatch
def event_views(_: Event) -> Iterator[RenderableType]:
    """What a person sees of an event other than a step; of one without a view, nothing."""
    yield from ()


@event_views.register
def _start(event: StartEvent) -> Iterator[RenderableType]:
    yield from _plan_lines(event)


def _plan_lines(plan: RunPlan) -> Iterator[str]:
    texts, count = plan.texts, plan.processes
    where = plan.device if count == 1 else f"{count} processes, {plan.device}"
    yield (
        f"{plan.encoder} on {where}: {counted(texts['train'], 'text')}, "
        f"{counted(plan.labels, 'label')}, {counted(plan.epochs, 'epoch')}, "
        f"{counted(plan.steps, 'step')}, {plan.tokens_an_epoch:,} tokens an epoch"
    )
    if unlabelled := texts.get("unlabelled", 0):
        yield f"{counted(unlabelled, 'unlabelled text')} beside them, which the teacher has scored"
    if plan.epochs_reason.startswith("auto, "):
        yield f"at most {counted(plan.epochs, 'epoch')} ({plan.epochs_reason})"
    if plan.precision is not None:
        yield f"precision {plan.precision.value} ({plan.precision.reason})"
    yield f"learning rate {plan.learning_rate.value} ({plan.learning_rate.reason})"
    if plan.cut_off:
        share = plan.cut_off / (texts["train"] + unlabelled)
        yield f"{share:.1%} of the texts reach {plan.max_length} tokens and may be cut off"
    if plan.head_first:
        yield "fitting the head first: one pass over the texts with the encoder frozen"


@event_views.register
def _head(event: HeadEvent) -> Iterator[RenderableType]:
    if not is_known(event.average_precision):
        yield f"the head was not fitted first: {event.reason}"
        return
    where = "a sample of validation rich in positives" if event.sampled else "validation"
    yield (
        f"head first: mean average precision {number_text(event.average_precision)} on {where} "
        "with "
        f"the encoder frozen, {event.reason} ({number_text(event.baseline)})"
    )


@event_views.register
def _epoch(event: EpochEvent) -> Iterator[RenderableType]:
    yield _group_table(event)
    yield loss_line(event)
    yield (
        f"macro-F1 {number_text(event.f1_macro)} by thresholds '{event.threshold_rule}', "
        f"{number_text(event.f1_macro_at_half)} at 0.5; "
        f"mean average precision {number_text(event.average_precision_macro)}"
    )
    yield from _weak_labels(event.labels)


def loss_line(event: EpochEvent) -> str:
    """The losses of an epoch; a dash where one is not known."""
    train, validation = (
        f"{loss:.4f}" if is_known(loss) else "–"
        for loss in (event.train_loss, event.validation_loss)
    )
    return f"loss {train} training, {validation} validation"


def _group_table(event: EpochEvent) -> Table:
    title = f"Epoch {event.epoch}" + (" (best so far)" if event.best else "")
    table = plain_table(title, "group", right=("macro-F1", "recall", "precision"))
    for group in ("secondary_", "primary_", ""):
        if f"{group}recall" in event.model_fields_set:
            names = (f"{group}{name}" for name in ("f1_macro", "recall", "precision"))
            values = (number_text(event.metric(name)) for name in names)
            table.add_row(group.strip("_") or "all labels", *values)
    return table


def _weak_labels(labels: Mapping[str, LabelEpochMetrics]) -> Iterator[RenderableType]:
    weak = {name: row for name, row in labels.items() if row.support and _is_weak(row)}
    if not weak:
        return
    right = ("positives", "precision", "recall", "F1")
    table = plain_table("Recall 0 or precision under 0.5", "label", right=right)
    for name, row in sorted(weak.items(), key=lambda item: item[1].support):
        recall = Text(number_text(row.recall), style="red" if row.recall == 0 else "")
        numbers = (number_text(row.precision), recall, number_text(row.f1))
        table.add_row(label_text(name), str(row.support), *numbers)
    yield table


def _is_weak(row: LabelEpochMetrics) -> bool:
    return row.recall == 0 or (row.precision is not None and row.precision < WEAK_PRECISION)


@event_views.register
def _skipped(event: SkippedEvent) -> Iterator[RenderableType]:
    yield (
        f"step {event.step:,} skipped: loss {event.loss:g}, gradient norm "
        f"{event.gradient_norm:g}, rows {some(event.rows, 8)} of data.train"
    )


@event_views.register
def _warning(event: WarningEvent) -> Iterator[RenderableType]:
    about = f"{event.label}: " if event.label is not None else ""
    yield Text(f"warning: {event.id}: ", style="yellow") + label_text(about + event.message)


@event_views.register
def _words(event: WordsEvent) -> Iterator[RenderableType]:
    if not event.share:
        yield f"weights of words are not added: {event.reason}"
        return
    before, after = (event.average_precision[f"{share:g}"] for share in (0, event.share))
    yield (
        f"weights of {counted(event.tokens, 'word')} are added to the logits (training.words): "
        f"mean average precision goes from {number_text(before)} to {number_text(after)} "
        "on validation"
    )


@event_views.register
def _neighbours(event: NeighboursEvent) -> Iterator[RenderableType]:
    if not event.share:
        yield f"the nearest training texts get no weight: {event.reason}"
        return
    before, after = (event.average_precision[f"{share:g}"] for share in (0, event.share))
    yield (
        f"the nearest of {counted(event.texts, 'training text')} get a weight of "
        f"{event.share:.0%}: mean average precision goes from {number_text(before)} to "
        f"{number_text(after)} "
        "on validation"
    )


@event_views.register
def _end(event: EndEvent) -> Iterator[RenderableType]:
    if event.early:
        yield "stopped early: no better epoch for a while (training.patience)"
    yield f"kept epoch {event.best_epoch}, validation macro-F1 {number_text(event.f1_macro)}"
    for requirement in (event.requirements or {}).values():
        yield _sentence(requirement)


def _sentence(requirement: RequirementOutcome) -> Text:
    """What a requirement came to, in yellow unless it is met."""
    style = "" if requirement.verdict == "met" else "yellow"
    return Text(printable(requirement.sentence), style=style)


@event_views.register
def _resume(event: ResumeEvent) -> Iterator[RenderableType]:
    if event.step == 0:
        yield "no state was saved before the run stopped: it begins again at the first step"
        return
    yield f"going on in epoch {event.epoch} after step {event.step:,}"


@event_views.register
def _interrupted(_: InterruptedEvent) -> Iterator[RenderableType]:
    yield "stopped; `imbtool train --resume RUN` goes on from the last saved state"
