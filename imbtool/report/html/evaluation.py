"""The evaluation as one page: a single HTML file that opens anywhere and loads nothing."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from imbtool.data.corpus import SPLITS
from imbtool.data.imbalance import TIERS
from imbtool.evaluation.document import (
    Comparison,
    DecisionMetrics,
    Estimate,
    Evaluation,
    LabelDifference,
    LabelMetrics,
)
from imbtool.events import EpochEvent, Event, StartEvent, of_kind
from imbtool.files.writing import write_text
from imbtool.report.figures.svg import inline_svg
from imbtool.report.html.environment import make_environment
from imbtool.report.verdict import rare_rows, verdict
from imbtool.wording import counted

REACHES = (0.05, 0.1, 0.2, 0.5, 1.0)
"""How far strips of differences may go to either side of zero."""
DESCRIPTIONS = {
    "f1": "F1 of each label by its training positives; each point links to its row in the table",
    "reliability": "Share of texts that have the label, by predicted probability; tables follow",
    "training": "Losses and metrics on validation during training; a table follows",
}
"""The figures of the page, and what a screen reader says of them."""


def write_evaluation_page(
    evaluation: Evaluation, events: Sequence[Event], figures: Mapping[str, Figure], path: Path
) -> None:
    """Write the page of an evaluation.

    Args:
        evaluation: what it shows.
        events: of the run that trained the checkpoint; none if they are not at hand.
        figures: the drawn figures by name; the page shows those of `DESCRIPTIONS`.
        path: of the HTML file.
    """
    write_text(path, render_evaluation_page(evaluation, events, figures))


def render_evaluation_page(
    evaluation: Evaluation, events: Sequence[Event], figures: Mapping[str, Figure]
) -> str:
    """The HTML of `write_evaluation_page`."""
    comparison, rows = evaluation.comparison, evaluation.rarest_first()
    return (
        make_environment()
        .get_template("evaluation.html")
        .render(
            **dict(evaluation),
            rows=rows,
            verdict=verdict(evaluation),
            rare=rare_rows(evaluation),
            tier_order=TIERS,
            groups=_groups(evaluation),
            requirements=evaluation.requirements,
            compared=comparison and _compared(comparison),
            reach=comparison and _reach(comparison),
            start=_start(events),
            epochs=of_kind(events, EpochEvent),
            command=_command(evaluation),
            figures={
                name: inline_svg(figures[name], name, about, _links(rows) if name == "f1" else {})
                for name, about in DESCRIPTIONS.items()
                if name in figures
            },
        )
    )


def _links(rows: Sequence[tuple[str, LabelMetrics]]) -> dict[str, str]:
    """What a screen reader says of each point of the F1 figure, which leads to its label's row."""
    return {
        f"#label-{number}": f"{name}: F1 {row.f1.value:.3f}, "
        + counted(row.training_positives, "training positive")
        for number, (name, row) in enumerate(rows, start=1)
        if row.f1.value is not None
    }


def _reach(comparison: Comparison) -> float:
    """How far the strips of differences go to either side of zero."""
    groups = (*comparison.overall.values(), *comparison.labels.values())
    differences = [group.f1 for group in groups]
    ends = [abs(end or 0) for f1 in differences for end in (f1.value, f1.low, f1.high)]
    return next((each for each in REACHES if each >= max(ends, default=0)), REACHES[-1])


def _start(events: Sequence[Event]) -> StartEvent | None:
    """What the training began with; None where a run of an older version does not say it all."""
    return next((start for start in of_kind(events, StartEvent) if _says_all(start)), None)


def _says_all(start: StartEvent) -> bool:
    told = {"encoder", "device", "max_length", "steps", "precision"} <= start.model_fields_set
    return told and bool(start.learning_rate.reason) and "train" in start.texts


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
    own = data.own and data.split in SPLITS
    where = ("--split", data.split) if own else ("--data", data.source)
    against = ("--against", comparison.against) if comparison else ()
    by = ("--by", slices.column) if slices else ()
    gates = (part for gate in evaluation.gates for part in ("--require", gate.requirement))
    return shlex.join(("imbtool", "evaluate", data.checkpoint, *where, *against, *by, *gates))
