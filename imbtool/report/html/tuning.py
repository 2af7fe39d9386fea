"""A tuning as one page: its rounds, and each label before and after."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from imbtool.evaluation.document import DECISION_METRICS
from imbtool.files.writing import write_text
from imbtool.report.figures.svg import inline_svg
from imbtool.report.figures.tuning import draw_objective
from imbtool.report.html.environment import make_environment
from imbtool.tuning.diagnosis import METRIC_NAMES
from imbtool.tuning.guide import SETTING_NAMES
from imbtool.tuning.summary import LabelSummary, TuningSummary


def write_tuning_page(summary: TuningSummary, path: Path) -> None:
    """Write the page of a tuning.

    Args:
        summary: of the tuning.
        path: of the HTML file.
    """
    write_text(path, render_tuning_page(summary))


def render_tuning_page(summary: TuningSummary) -> str:
    """The HTML of `write_tuning_page`."""
    metric, known = METRIC_NAMES[summary.objective.name], _objectives(summary)
    about = f"{metric} on validation by round: " + "; ".join(known)
    return (
        make_environment()
        .get_template("tuning.html")
        .render(
            **dict(summary),
            rows=[_row(name, label, summary) for name, label in summary.rarest_first],
            metric=metric,
            settings=SETTING_NAMES,
            figure=inline_svg(draw_objective(summary), "objective", about) if known else None,
        )
    )


def _objectives(summary: TuningSummary) -> list[str]:
    """The objective of each round that has one, in words."""
    return [
        f"round {each.number}: {each.outcome.objective:.3f}" + ("" if each.kept else ", undone")
        for each in summary.rounds
        if each.outcome.objective is not None
    ]


def _row(name: str, label: LabelSummary, summary: TuningSummary) -> dict[str, Any]:
    """A label with its metrics in the first and the best round, and its F1 by round."""
    rounds = [each.outcome.labels.get(name) for each in summary.rounds]
    first, best = rounds[0], rounds[summary.best_round - 1]
    return {
        "name": name,
        **dict(label),
        "support": best.support if best else 0,
        "metrics": {
            key: [row and getattr(row, key) for row in (first, best)] for key in DECISION_METRICS
        },
        "course": [
            (each.number, row.f1, each.kept)
            for each, row in zip(summary.rounds, rounds, strict=True)
            if row and row.f1 is not None
        ],
    }
