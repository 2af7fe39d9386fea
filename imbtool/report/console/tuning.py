"""A tuning on screen: its rounds as they come, its summary, and what it would do after a run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Self

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from imbtool.evaluation.document import DECISION_METRICS
from imbtool.events import EpochEvent, Event, StepEvent
from imbtool.report.cells import label_text, number_text, plain_table, tier_text
from imbtool.report.console.training import TrainingView, loss_line
from imbtool.tuning.decision_log import (
    ResultRecord,
    RoundRecord,
    SearchRecord,
    SearchStart,
    SessionRecord,
)
from imbtool.tuning.diagnosis import METRIC_NAMES, Diagnosis
from imbtool.tuning.finished_run import Preview
from imbtool.tuning.guide import SETTING_NAMES, Change, Value
from imbtool.tuning.history import Round
from imbtool.tuning.summary import TuningSummary
from imbtool.wording import counted

VERDICT_STYLE = {"act": "bold", "watch": "yellow", "leave": "dim"}
THE_RUN = "the run"


class TuningView:
    """Shows a tuning as it goes: each round's changes, its epochs, and what came of it."""

    def __init__(self, console: Console) -> None:
        """Draw on `console`."""
        self._console = console
        self._training = TrainingView(console)
        self._budget_runs = 0
        self._budget_minutes: float | None = None
        self._runs, self._minutes = 0, 0.0

    def __enter__(self) -> Self:
        """Start drawing."""
        self._training.__enter__()
        return self

    def __exit__(self, *problem: object) -> None:
        """Stop drawing."""
        self._training.__exit__(*problem)

    def __call__(self, event: Event) -> None:
        """Show a decision, or an event of a training."""
        match event:
            case StepEvent():
                self._training(event)
            case SessionRecord():
                self._budget_runs, self._budget_minutes = event.budget_runs, event.budget_minutes
                self._runs, self._minutes = event.runs_done, event.minutes_spent
            case ResultRecord():
                self._runs += 1
                self._minutes += event.result.seconds / 60
                self._print([*_result(event.result), self._left()])
            case RoundRecord():
                self._print([_round(event)])
            case SearchStart():
                self._print(["trying weights and gammas with the encoder frozen"])
            case SearchRecord():
                self._print([_search(event)])
            case EpochEvent():
                macro_f1 = number_text(event.f1_macro)
                self._print([f"epoch {event.epoch}: macro-F1 {macro_f1}, {loss_line(event)}"])

    def _print(self, views: Iterable[RenderableType]) -> None:
        for view in views:
            self._console.print(view)

    def _left(self) -> str:
        runs = counted(max(0, self._budget_runs - self._runs), "run")
        if self._budget_minutes is None:
            return f"budget left: {runs}"
        return f"budget left: {runs}, {max(0.0, self._budget_minutes - self._minutes):.0f} min"


def tuning_views(summary: TuningSummary) -> Iterator[RenderableType]:
    """The rounds, the labels before and after, and where the result is."""
    yield _rounds(summary)
    yield _labels(summary)
    yield f"\nstopped: {summary.stop.sentence}"
    yield f"checkpoint: {summary.checkpoint}"
    yield f"profile: {summary.profile}"


def preview_views(preview: Preview) -> Iterator[RenderableType]:
    """The diagnoses of a run, and what the guide would change."""
    objective = preview.objective
    yield (
        f"{preview.run}: {METRIC_NAMES[objective.name]} {number_text(objective.value)} on "
        "validation"
    )
    yield _diagnoses(preview.findings)
    if preview.healthy:
        yield "The run is healthy: the guide would change nothing."
    elif preview.changes:
        yield _changes("The guide would change", preview.changes)
    else:
        yield "The guide has no change for these diagnoses."


def _round(record: RoundRecord) -> RenderableType:
    if record.base is None:
        return Text("\nRound 1: the profile as it is", style="bold")
    return _changes(f"Round {record.round}, from round {record.base}", record.changes)


def _search(record: SearchRecord) -> str:
    heads, base = counted(record.heads, "head"), record.base
    found = "some rank better" if record.changes else "none ranks clearly better"
    return f"fitted {heads}: {found} than with the values of round {base}"


def _result(done: Round) -> Iterator[RenderableType]:
    yield _diagnoses(done.outcome.findings)
    yield Text(f"round {done.number} {_verdict(done)}: {done.why}", style="bold")


def _verdict(done: Round) -> str:
    return "kept" if done.kept else "undone"


def _changes(title: str, changes: Iterable[Change]) -> Table:
    table = plain_table(title, "change", "of", right=("from", "to"))
    table.add_column("because", overflow="fold")
    for change in changes:
        table.add_row(
            change.key,
            label_text(change.label or THE_RUN),
            f"{change.before:g}",
            f"{change.after:g}",
            label_text(change.because),
        )
    return table


def _diagnoses(diagnoses: Sequence[Diagnosis]) -> RenderableType:
    if not diagnoses:
        return "nothing is wrong with the run"
    table = plain_table("Diagnoses", "", "what", "about", "numbers", "why")
    for diagnosis in diagnoses:
        table.add_row(
            Text(diagnosis.verdict, style=VERDICT_STYLE[diagnosis.verdict]),
            diagnosis.id,
            label_text(diagnosis.label or THE_RUN),
            label_text(diagnosis.message),
            label_text(diagnosis.reason),
        )
    return table


def _rounds(summary: TuningSummary) -> Table:
    right = ("from", METRIC_NAMES[summary.objective.name], "rare recall", "min")
    table = plain_table("Rounds", "round", right=right)
    for heading in ("", "changed", "why"):
        table.add_column(heading, overflow="fold")
    for each in summary.rounds:
        table.add_row(
            str(each.number),
            str(each.base or ""),
            number_text(each.outcome.objective),
            number_text(each.outcome.rare_recall),
            f"{each.seconds / 60:.1f}",
            _verdict(each),
            label_text(", ".join(map(_short, each.changes))),
            label_text(each.why),
        )
    return table


def _short(change: Change) -> str:
    """`gamma 2 -> 3 (threats)`."""
    label = f" ({change.label})" if change.label is not None else ""
    return f"{SETTING_NAMES[change.key]} {change.before:g} -> {change.after:g}{label}"


def _labels(summary: TuningSummary) -> Table:
    first, best = summary.rounds[0], summary.best
    title = f"Labels, round 1 and round {best.number}"
    right = ("gamma", "weight", "support", "precision", "recall", "F1")
    table = plain_table(title, "label", "tier", right=right)
    for name, label in summary.rarest_first:
        before, after = (each.outcome.labels.get(name) for each in (first, best))
        moved = (
            " ".join(number_text(getattr(row, key, None)) for row in (before, after))
            for key in DECISION_METRICS
        )
        table.add_row(
            label_text(name),
            tier_text(label.tier),
            _setting(label.gamma),
            _setting(label.weight),
            f"{after.support if after else 0:,}",
            *moved,
        )
    return table


def _setting(values: Sequence[Value]) -> str:
    before, after = values
    return f"{before:g}" if before == after else f"{before:g} -> {after:g}"
