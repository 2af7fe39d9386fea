"""A tuning on screen: as it goes, its story at the end, and what it would do after a run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Self

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from imbtool.report.cells import figure, label_text, plain_table, rarest_first, tier_text
from imbtool.report.console.training import TrainingView
from imbtool.tuning.diagnosis import METRIC_NAMES
from imbtool.tuning.guide import SETTING_NAMES
from imbtool.wording import counted

Document = dict[str, Any]

VERDICT_STYLE = {"act": "bold", "watch": "yellow", "leave": "dim"}
THE_RUN = "the run"
FIGURES = ("precision", "recall", "f1")


class TuningView:
    """Listens to a tuning: each round's changes, its course, and what came of it."""

    def __init__(self, console: Console) -> None:
        """Draw on `console`."""
        self._console = console
        self._training = TrainingView(console)
        self._terms: Document = {}
        self._runs, self._minutes = 0, 0.0

    def __enter__(self) -> Self:
        """Start drawing."""
        self._training.__enter__()
        return self

    def __exit__(self, *problem: object) -> None:
        """Stop drawing."""
        self._training.__exit__(*problem)

    def __call__(self, event: Document) -> None:
        """Show a decision, or an event of a training."""
        match event["event"]:
            case "step":
                self._training(event)
            case "session":
                self._terms = event
                self._runs, self._minutes = event["runs_done"], event["minutes_spent"]
            case "result":
                self._runs += 1
                self._minutes += event["result"]["seconds"] / 60
                self._print(_result(event["result"]))
                self._print([self._left()])
            case "round":
                self._print(_round(event))
            case "frozen":
                self._print(["trying weights and gammas with the encoder frozen"])
            case "explored":
                self._print([_explored(event)])
            case "epoch":
                self._print([_epoch(event)])

    def _print(self, views: Iterable[RenderableType]) -> None:
        for view in views:
            self._console.print(view)

    def _left(self) -> str:
        runs = counted(max(0, self._terms["budget_runs"] - self._runs), "run")
        minutes = self._terms["budget_minutes"]
        if minutes is None:
            return f"budget left: {runs}"
        return f"budget left: {runs}, {max(0.0, minutes - self._minutes):.0f} min"


def tuning_views(story: Document) -> Iterator[RenderableType]:
    """The rounds, the labels before and after, and where the result is."""
    yield _rounds(story)
    yield _labels(story)
    yield f"\nstopped: {story['stop']['sentence']}"
    yield f"checkpoint: {story['checkpoint']}"
    yield f"profile: {story['profile']}"


def preview_views(document: Document) -> Iterator[RenderableType]:
    """What the guide sees in a run, and what it would change."""
    value = document["objective"]["value"]
    name = METRIC_NAMES[document["objective"]["name"]]
    yield f"{document['run']}: {name} {figure(value)} on validation"
    yield from _findings(document["findings"])
    if document["healthy"]:
        yield "healthy: nothing would be changed"
    elif document["changes"]:
        yield _changes("For what was found the guide would change", document["changes"])
    else:
        yield "the guide has no change for what was found"


def _round(event: Document) -> Iterator[RenderableType]:
    if event["base"] is None:
        yield Text("\nRound 1: the profile as it is", style="bold")
    else:
        yield _changes(f"Round {event['round']}, from round {event['base']}", event["changes"])


def _explored(event: Document) -> str:
    heads, base = counted(event["heads"], "head"), event["base"]
    found = "some rank better" if event["changes"] else "none ranks clearly better"
    return f"fitted {heads}: {found} than the values of round {base}"


def _epoch(event: Document) -> str:
    return (
        f"epoch {event['epoch']}: macro-F1 {event['f1_macro']:.3f}, loss "
        f"{event['train_loss']:.4f} training, {event['validation_loss']:.4f} validation"
    )


def _result(result: Document) -> Iterator[RenderableType]:
    yield from _findings(result["outcome"]["findings"])
    yield Text(f"round {result['number']} {_verdict(result)}: {result['why']}", style="bold")


def _verdict(result: Document) -> str:
    return "kept" if result["kept"] else "undone"


def _changes(title: str, changes: Iterable[Document]) -> Table:
    table = plain_table(title, "change", "of", right=("from", "to"))
    table.add_column("because", overflow="fold")
    for change in changes:
        table.add_row(
            change["key"],
            label_text(change["label"] or THE_RUN),
            f"{change['before']:g}",
            f"{change['after']:g}",
            label_text(change["because"]),
        )
    return table


def _findings(findings: list[Document]) -> Iterator[RenderableType]:
    if not findings:
        yield "nothing unwell was found"
        return
    table = plain_table("Found", "", "what", "about", "numbers", "why")
    for finding in findings:
        table.add_row(
            Text(finding["verdict"], style=VERDICT_STYLE[finding["verdict"]]),
            finding["id"],
            label_text(finding["label"] or THE_RUN),
            label_text(finding["message"]),
            label_text(finding["reason"]),
        )
    yield table


def _rounds(story: Document) -> Table:
    right = ("from", METRIC_NAMES[story["objective"]["name"]], "rare recall", "min")
    table = plain_table("Rounds", "round", right=right)
    for heading in ("", "changed", "why"):
        table.add_column(heading, overflow="fold")
    for each in story["rounds"]:
        table.add_row(
            str(each["number"]),
            str(each["base"] or ""),
            figure(each["outcome"]["objective"]),
            figure(each["outcome"]["rare_recall"]),
            f"{each['seconds'] / 60:.1f}",
            _verdict(each),
            label_text(", ".join(map(_short, each["changes"]))),
            label_text(each["why"]),
        )
    return table


def _short(change: Document) -> str:
    """`gamma 2 -> 3 (threats)`."""
    label = f" ({change['label']})" if change["label"] is not None else ""
    moved = f"{change['before']:g} -> {change['after']:g}"
    return f"{SETTING_NAMES[change['key']]} {moved}{label}"


def _labels(story: Document) -> Table:
    first, best = (story["rounds"][number - 1] for number in (1, story["best_round"]))
    title = f"Labels, round 1 and round {best['number']}"
    right = ("gamma", "weight", "support", "precision", "recall", "F1")
    table = plain_table(title, "label", "tier", right=right)
    nothing = {"support": 0, "precision": None, "recall": None, "f1": None}
    for name, row in rarest_first(story["labels"]):
        before, after = (each["outcome"]["labels"].get(name, nothing) for each in (first, best))
        moved = (f"{figure(before[key])} {figure(after[key])}" for key in FIGURES)
        table.add_row(
            label_text(name),
            tier_text(row["tier"]),
            *(_setting(row[key]) for key in ("gamma", "weight")),
            f"{after['support']:,}",
            *moved,
        )
    return table


def _setting(values: list[float]) -> str:
    before, after = values
    return f"{before:g}" if before == after else f"{before:g} -> {after:g}"
