"""A run as it goes: its events on screen, and what a run would be."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, Self

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from imbtool.evaluation.measures import is_known
from imbtool.evaluation.metrics import WEAK_PRECISION
from imbtool.report.cells import figure, label_text, plain_table
from imbtool.report.console.weights import weight_views
from imbtool.wording import counted, printable, some

Document = dict[str, Any]

LINE_EVERY = 30.0
"""Seconds between two lines of progress where there is no terminal for a bar."""


def rehearsal_views(document: Document) -> Iterator[RenderableType]:
    """What a dry run says: the plan, the weights, and the time and memory it would take."""
    yield from _start(document)
    yield from weight_views(document["weights"])
    minutes = document["minutes"]
    parts = ", ".join(f"{part} {value:.1f}" for part, value in minutes.items() if value)
    yield (
        f"\npadding {document['padding_share']:.1%}; {document['tokens_per_second']:,.0f} tokens/s "
        f"in a few trial steps\nabout {sum(minutes.values()):.0f} min ({parts}); "
        f"about {document['memory_gib']:.1f} GiB for each process"
    )


class TrainingView:
    """Listens to a run's events: a bar on a terminal, a line every 30 s elsewhere."""

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

    def __call__(self, event: Document) -> None:
        """Show an event."""
        if event["event"] == "step":
            self._step(event)
        else:
            for view in event_views(event):
                self._progress.console.print(view)

    def _step(self, event: Document) -> None:
        self._tokens += event["tokens"]
        self._seconds += event["seconds"]
        self._steps += 1
        speed = self._tokens / max(self._seconds, 1e-9)
        self._progress.update(
            self._task,
            completed=event["step"],
            total=event["steps"],
            epoch=event["epoch"],
            loss=event["loss"],
            speed=speed,
        )
        if not self._console.is_terminal and self._is_due(time.monotonic()):
            # a resumed run has steps that were not seen, a tuning's view those of earlier rounds
            left = (event["steps"] - event["step"]) * self._seconds / self._steps
            self._console.print(
                f"step {event['step']}/{event['steps']}  loss {event['loss']:.4f}  "
                f"{speed:,.0f} tokens/s  about {left / 60:.1f} min left"
            )

    def _is_due(self, now: float) -> bool:
        due = self._last_line is not None and now - self._last_line >= LINE_EVERY
        if due or self._last_line is None:
            self._last_line = now
        return due


def event_views(event: Document) -> Iterator[RenderableType]:
    """What a person sees of an event other than a step."""
    if event["event"] in VIEWS:
        yield from VIEWS[event["event"]](event)


def _start(event: Document) -> Iterator[str]:
    texts, count = event["texts"], event["processes"]
    where = event["device"] if count == 1 else f"{count} processes, {event['device']}"
    yield (
        f"{event['encoder']} on {where}: {counted(texts['train'], 'text')}, "
        f"{counted(event['labels'], 'label')}, {counted(event['epochs'], 'epoch')}, "
        f"{counted(event['steps'], 'step')}, "
        f"{event['tokens_an_epoch']:,} tokens an epoch"
    )
    if event["epochs_reason"].startswith("auto, "):
        yield f"epochs {event['epochs']} at most ({event['epochs_reason']})"
    for name in ("precision", "learning_rate"):
        choice = event[name]
        yield f"{name.replace('_', ' ')} {choice['value']} ({choice['reason']})"
    if event["cut_off"]:
        share = event["cut_off"] / texts["train"]
        yield f"{share:.1%} of the texts reach {event['max_length']} tokens and may be cut off"
    if event["head_first"]:
        yield "fitting the head first: one pass over the texts with the encoder frozen"


def _head(event: Document) -> Iterator[str]:
    if not is_known(event["average_precision"]):
        yield f"head first: left out, {event['reason']}"
        return
    yield (
        f"head first: mean average precision {event['average_precision']:.3f} on validation with "
        f"the encoder frozen, {event['reason']} ({event['baseline']:.3f})"
    )


def _epoch(event: Document) -> Iterator[RenderableType]:
    yield _group_table(event)
    yield from _epoch_lines(event)
    yield from _weak_labels(event["labels"])


def _group_table(event: Document) -> Table:
    title = f"Epoch {event['epoch']}" + (" (best so far)" if event["best"] else "")
    table = plain_table(title, "group", right=("macro-F1", "recall", "precision"))
    for group in ("secondary_", "primary_", ""):
        if f"{group}recall" in event:
            values = (event[f"{group}{name}"] for name in ("f1_macro", "recall", "precision"))
            table.add_row(group.strip("_") or "all labels", *map(figure, values))
    return table


def _epoch_lines(event: Document) -> Iterator[str]:
    yield f"loss {event['train_loss']:.4f} training, {event['validation_loss']:.4f} validation"
    yield (
        f"macro-F1 {event['f1_macro']:.3f} by thresholds '{event['threshold_rule']}', "
        f"{event['f1_macro_at_half']:.3f} at 0.5; "
        f"mean average precision {event['average_precision_macro']:.3f}"
    )


def _weak_labels(labels: Document) -> Iterator[RenderableType]:
    weak = {
        name: row
        for name, row in labels.items()
        if row["support"] and (row["recall"] == 0 or row["precision"] < WEAK_PRECISION)
    }
    if not weak:
        return
    right = ("positives", "precision", "recall", "F1")
    table = plain_table("Recall 0 or precision under 0.5", "label", right=right)
    for name, row in sorted(weak.items(), key=lambda item: item[1]["support"]):
        recall = Text(figure(row["recall"]), style="red" if row["recall"] == 0 else "")
        numbers = (figure(row["precision"]), recall, figure(row["f1"]))
        table.add_row(label_text(name), str(row["support"]), *numbers)
    yield table


def _skipped(event: Document) -> Iterator[str]:
    yield (
        f"step {event['step']:,} skipped: loss {event['loss']:g}, gradient norm "
        f"{event['gradient_norm']:g}, rows {some(event['rows'], 8)} of data.train"
    )


def _warning(event: Document) -> Iterator[RenderableType]:
    about = f"{event['label']}: " if event["label"] is not None else ""
    yield Text(f"warning: {event['id']}: ", style="yellow") + label_text(about + event["message"])


def _neighbours(event: Document) -> Iterator[str]:
    if not event["share"]:
        yield f"nearest training texts have no say: {event['reason']}"
        return
    share, ranked = event["share"], event["average_precision"]
    yield (
        f"the nearest of {counted(event['texts'], 'training text')} have {share:.0%} of the say: "
        f"mean average precision {ranked['0']:.3f} to {ranked[f'{share:g}']:.3f} on validation"
    )


def _end(event: Document) -> Iterator[RenderableType]:
    if event["early"]:
        yield "stopped early: no better epoch for a while (training.patience)"
    yield f"kept epoch {event['best_epoch']}, validation macro-F1 {event['f1_macro']:.3f}"
    for requirement in (event.get("requirements") or {}).values():
        yield _sentence(requirement)


def _sentence(requirement: Document) -> Text:
    """What a requirement came to, in yellow unless it is met."""
    style = "" if requirement["verdict"] == "met" else "yellow"
    return Text(printable(requirement["sentence"]), style=style)


def _resume(event: Document) -> Iterator[str]:
    if event["step"] == 0:
        yield "no state was saved before it stopped: beginning again at the first step"
        return
    yield f"going on in epoch {event['epoch']} after step {event['step']:,}"


def _interrupted(_: Document) -> Iterator[str]:
    yield "stopped; `imbtool train --resume RUN` goes on from the last saved state"


VIEWS: dict[str, Callable[[Document], Iterator[RenderableType]]] = {
    "start": _start,
    "head": _head,
    "epoch": _epoch,
    "skipped": _skipped,
    "warning": _warning,
    "neighbours": _neighbours,
    "end": _end,
    "resume": _resume,
    "interrupted": _interrupted,
}
