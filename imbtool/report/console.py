"""Result documents and events as rich tables and a live training view."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any, Self

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from imbtool.errors import counted, printable
from imbtool.report.order import rarest_first

Document = dict[str, Any]

TIER_STYLE = {"severe": "red", "moderate": "yellow", "head": "green"}
SEVERITY_STYLE = {"blocks": "bold red", "warns": "yellow", "note": "dim"}
LINE_EVERY = 30.0
"""Seconds between two lines of progress where there is no terminal for a bar."""
WEAK_PRECISION = 0.5


def analysis_views(document: Document) -> Iterator[RenderableType]:
    """Tables of analysis.json: labels rarest first, splits, co-occurrence, findings."""
    yield _label_counts(document["labels"])
    yield _splits(document["splits"])
    yield _pairs(document["co_occurrence"])
    yield from _findings(document["findings"])


def weight_views(labels: Document) -> Iterator[RenderableType]:
    """The weight of each label, rarest first, with tier and reason."""
    table = _table(
        "Weights", "label", "tier", right=("positives", "ratio", "weight", "eff. number")
    )
    table.add_column("why")
    for name, row in rarest_first(labels):
        table.add_row(
            _name(name),
            _tier(row["tier"]),
            f"{row['positives']:,}",
            _ratio(row["ratio"]),
            Text(f"{row['weight']:.3g}", style="bold"),
            f"{row['effective_number_weight']:.2f}",
            Text(row["reason"]),
        )
    yield table


def evaluation_views(document: Document) -> Iterator[RenderableType]:
    """Tables of evaluation.json: labels rarest first, then the aggregates and the hierarchy."""
    yield _measured_labels(document)
    yield _aggregates(document)
    yield Text.assemble(*_closing_lines(document))


class TrainingView:
    """Listens to a run's events: a bar on a terminal, a line every 30 s elsewhere."""

    def __init__(self, console: Console) -> None:
        """Draw on `console`."""
        self._console = console
        self._last_line: float | None = None
        self._tokens, self._seconds = 0, 0.0
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
            left = (event["steps"] - event["step"]) * self._seconds / event["step"]
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
    match event["event"]:
        case "start":
            yield from _start(event)
        case "head":
            yield _head(event)
        case "epoch":
            yield _epoch(event)
            yield from _epoch_lines(event)
            yield from _weak_labels(event["labels"])
        case "end":
            yield f"kept epoch {event['best_epoch']}, validation macro-F1 {event['f1_macro']:.3f}"
        case "resume":
            yield f"going on in epoch {event['epoch']} after step {event['step']:,}"
        case "interrupted":
            yield "stopped; `imbtool train --resume RUN` goes on from the last saved state"


def _start(event: Document) -> Iterator[str]:
    texts = event["texts"]
    yield (
        f"{event['encoder']} on {event['device']}: {counted(texts['train'], 'text')}, "
        f"{counted(event['labels'], 'label')}, {counted(event['epochs'], 'epoch')}, "
        f"{counted(event['steps'], 'step')}, "
        f"{event['tokens_an_epoch']:,} tokens an epoch"
    )
    for name in ("precision", "learning_rate"):
        choice = event[name]
        yield f"{name.replace('_', ' ')} {choice['value']} ({choice['reason']})"
    if event["cut_off"]:
        share = event["cut_off"] / texts["train"]
        yield f"{share:.1%} of the texts reach {event['max_length']} tokens and may be cut off"
    if event["head_first"]:
        yield "fitting the head first: one pass over the texts with the encoder frozen"


def _head(event: Document) -> str:
    if (
        event["average_precision"] is None
        or event["average_precision"] != event["average_precision"]
    ):
        return f"head first: left out, {event['reason']}"
    return (
        f"head first: mean average precision {event['average_precision']:.3f} on validation with "
        f"the encoder frozen, {event['reason']} ({event['baseline']:.3f})"
    )


def _epoch(event: Document) -> RenderableType:
    table = _table(f"Epoch {event['epoch']}" + (" (best so far)" if event["best"] else ""), "group")
    for heading in ("macro-F1", "recall", "precision"):
        table.add_column(heading, justify="right")
    for group in ("secondary_", "primary_", ""):
        if f"{group}recall" in event:
            values = (event[f"{group}{name}"] for name in ("f1_macro", "recall", "precision"))
            table.add_row(group.strip("_") or "all labels", *map(_number, values))
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
    table = _table("Recall 0 or precision under 0.5", "label", right=("positives",))
    for heading in ("precision", "recall", "F1"):
        table.add_column(heading, justify="right")
    for name, row in sorted(weak.items(), key=lambda item: item[1]["support"]):
        recall = Text(_number(row["recall"]), style="red" if row["recall"] == 0 else "")
        numbers = (_number(row["precision"]), recall, _number(row["f1"]))
        table.add_row(_name(name), str(row["support"]), *numbers)
    yield table


def _label_counts(labels: Document) -> Table:
    table = _table("Labels, rarest first", "label", "under", "tier")
    for heading in ("train", "validation", "test", "ratio", "weight"):
        table.add_column(heading, justify="right")
    for name, row in rarest_first(labels):
        counts = (f"{row['splits'][split]:,}" for split in ("train", "validation", "test"))
        table.add_row(
            _name(name),
            _name(row["parent"] or ""),
            _tier(row["tier"]),
            *counts,
            _ratio(row["ratio"]),
            f"{row['weight']:.3g}",
        )
    return table


def _splits(splits: Document) -> Table:
    right = ("texts", "labels a text", "unlabelled", "duplicates")
    table = _table("Splits", "split", right=right)
    for name, row in splits.items():
        table.add_row(
            name,
            f"{row['texts']:,}",
            f"{row['mean_labels']:.2f}",
            f"{row['unlabelled_share']:.0%}",
            f"{row['duplicates']:,}",
        )
    return table


def _pairs(co_occurrence: Document, most: int = 8) -> RenderableType:
    names, texts = co_occurrence["labels"], co_occurrence["texts"]
    pairs = [
        (texts[a][b], names[a], names[b])
        for a in range(len(names))
        for b in range(a)
        if texts[a][b]
    ]
    table = _table("Labels that stand together most", "label", "with", right=("texts",))
    for count, first, second in sorted(pairs, reverse=True)[:most]:
        table.add_row(_name(first), _name(second), f"{count:,}")
    return table if pairs else Text("No text has two labels.")


def _findings(findings: Iterable[Document]) -> Iterator[RenderableType]:
    listed = list(findings)
    yield Text(f"Findings: {len(listed)}" if listed else "No findings.", style="bold")
    for row in listed:
        mark = Text(f"{row['severity']:<6} ", style=SEVERITY_STYLE[row["severity"]])
        yield Padding(mark + _name(f"{row['id']}: {row['message']}; {row['mend']}"), (0, 0, 0, 2))


def _measured_labels(document: Document) -> Table:
    data = document["data"]
    table = _table(
        f"{data['split']}: {data['texts']:,} texts, labels rarest first", "label", "tier"
    )
    for heading in ("train +", "support", "threshold", "precision", "recall", "F1", "AP", ""):
        table.add_column(heading, justify="right" if heading else "left")
    for name, row in rarest_first(document["labels"]):
        figures = (row[key]["value"] for key in ("precision", "recall", "f1", "average_precision"))
        table.add_row(
            _name(name),
            _tier(row["tier"]),
            f"{row['training_positives']:,}",
            f"{row['support']:,}",
            f"{row['threshold']:.3f}",
            *map(_number, figures),
            Text("too few to say" if row["few"] else "", style="dim"),
        )
    return table


def _aggregates(document: Document) -> Table:
    table = _table("Together", "labels")
    for heading in ("precision", "recall", "F1", "AP"):
        table.add_column(heading, justify="right")
    overall = document["overall"]
    groups = {name: row for name, row in overall.items() if isinstance(row, dict)}
    tiers = {f"tier {name} ({row['labels']})": row for name, row in document["tiers"].items()}
    for name, row in {**groups, **tiers}.items():
        keys = ("precision", "recall", "f1", "average_precision")
        table.add_row(name, *(_number(row.get(key, {}).get("value")) for key in keys))
    return table


def _closing_lines(document: Document) -> Iterator[str]:
    overall, hierarchy = document["overall"], document["hierarchy"]
    thresholds = document["thresholds"]
    rivals = len(thresholds["scores"])
    why = f"chosen of {rivals} on validation" if rivals > 1 else "as the profile asks"
    yield f"thresholds: rule '{thresholds['rule']}', {why}\n"
    yield f"labels at zero recall: {overall['labels_at_zero_recall']}"
    if overall["labels_without_positives"]:
        yield f"; without positives here, so left out: {overall['labels_without_positives']}"
    if hierarchy["edges"]:
        yield (
            f"\ntexts with a child but not its parent: {hierarchy['violation_rate_before']:.1%}, "
            f"{hierarchy['violation_rate_after']:.1%} after {hierarchy['coherence']}"
        )
    if document["data"]["seen_in_training"]:
        yield "\nthese texts were used in training: the figures are too good"


def _table(title: str, *left: str, right: Iterable[str] = ()) -> Table:
    # the line break keeps a table apart from what stands above it
    table = Table(title=f"\n{title}", title_justify="left", title_style="bold")
    table.box, table.pad_edge = None, False
    for heading in left:
        table.add_column(heading, overflow="fold")
    for heading in right:
        table.add_column(heading, justify="right")
    return table


def _name(label: str) -> Text:
    return Text(printable(label))


def _tier(tier: str) -> Text:
    return Text(tier, style=TIER_STYLE[tier])


def _ratio(ratio: float) -> str:
    return f"{ratio:,.0f}:1" if ratio >= 10 else f"{ratio:.1f}:1"


def _number(value: float | None) -> str:
    return "–" if value is None or value != value else f"{value:.3f}"
