"""The evaluation as one page: a single HTML file that opens anywhere and loads nothing."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from imbtool.data.corpus import SPLITS
from imbtool.data.imbalance import TIERS
from imbtool.evaluation.document import (
    Comparison,
    DecisionMetrics,
    Estimate,
    Evaluation,
    LabelDifference,
)
from imbtool.events import Event
from imbtool.files.json_text import as_filed
from imbtool.files.writing import write_text
from imbtool.report.html.charts import curves, reach, reliability, scatter
from imbtool.report.html.pages import make_environment
from imbtool.report.verdict import rare_rows, verdict


def write_page(evaluation: Evaluation, events: Iterable[Event], path: Path) -> None:
    """Write the page of an evaluation.

    Args:
        evaluation: what it shows.
        events: of the run that trained the checkpoint; none if they are not at hand.
        path: of the HTML file.
    """
    write_text(path, render_page(evaluation, events))


def render_page(evaluation: Evaluation, events: Iterable[Event]) -> str:
    """The HTML of `write_page`."""
    course, comparison = as_filed(list(events)), evaluation.comparison
    rows = evaluation.rarest_first()
    drawn = as_filed(evaluation)
    return (
        make_environment()
        .get_template("report.html")
        .render(
            **dict(evaluation),
            rows=rows,
            verdict=verdict(evaluation),
            rare=rare_rows(evaluation),
            tier_order=TIERS,
            groups=_groups(evaluation),
            scatter=scatter([(name, drawn["labels"][name]) for name, _ in rows]),
            requirements=evaluation.requirements,
            reliability=reliability(drawn["calibration"]["overall"]),
            compared=comparison and _compared(comparison),
            reach=comparison and reach(drawn["comparison"]),
            start=_start(course),
            curves=curves(course),
            command=_command(evaluation),
        )
    )


def _start(events: Sequence[Event]) -> Event | None:
    """What the training began with; None where a run of an older version does not say it all."""
    starts = [event for event in events if event["event"] == "start"]
    return next(filter(_is_told, starts), None)


def _is_told(start: Event) -> bool:
    named = all(key in start for key in ("encoder", "device", "max_length", "steps"))
    chosen = start.get("precision") and "reason" in start["learning_rate"]
    return bool(named and chosen and "train" in start.get("texts", ()))


def _groups(evaluation: Evaluation) -> dict[str, DecisionMetrics[Estimate]]:
    """Every group of labels with its metrics: all of them three ways, tiers, levels."""
    overall = evaluation.overall
    levels = {"primary": overall.primary, "secondary": overall.secondary}
    return {
        "macro": overall.macro,
        "micro": overall.micro,
        "weighted by positives": overall.weighted,
        **evaluation.tiers,
        **{name: level for name, level in levels.items() if level},
    }


def _compared(comparison: Comparison) -> list[tuple[str, LabelDifference]]:
    """Labels by verdict, worse ones first, and the largest difference first."""

    def order(item: tuple[str, LabelDifference]) -> tuple[bool, bool, float]:
        row = item[1]
        return row.verdict != "worse", row.verdict != "better", -abs(row.f1.value or 0)

    return sorted(comparison.labels.items(), key=order)


def _command(evaluation: Evaluation) -> str:
    data, slices, comparison = evaluation.data, evaluation.slices, evaluation.comparison
    where = ("--split", data.split) if data.split in SPLITS else ("--data", data.source)
    against = ("--against", comparison.against) if comparison else ()
    by = ("--by", slices.column) if slices else ()
    gates = (part for gate in evaluation.gates for part in ("--require", gate.requirement))
    return shlex.join(("imbtool", "evaluate", data.checkpoint, *where, *against, *by, *gates))
