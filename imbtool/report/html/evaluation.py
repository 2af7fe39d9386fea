"""The evaluation as one page: a single HTML file that opens anywhere and loads nothing."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from imbtool.data.corpus import SPLITS
from imbtool.data.imbalance import TIERS
from imbtool.files.json_text import as_filed
from imbtool.files.writing import write_text
from imbtool.report.cells import Row, rarest_first
from imbtool.report.figures.svg import inline_svg
from imbtool.report.html.environment import make_environment
from imbtool.report.verdict import rare_rows, verdict
from imbtool.wording import counted

Document = dict[str, Any]

VERDICTS = ("worse", "better", "cannot be told")
REACHES = (0.05, 0.1, 0.2, 0.5, 1.0)
"""How far strips of differences may go to either side of zero."""
DESCRIPTIONS = {
    "f1": "F1 of each label by its training positives; each point links to its row in the table",
    "reliability": "Share of texts that have the label, by predicted probability; tables follow",
    "training": "Losses and figures on validation during training; a table follows",
}
"""The figures of the page, and what a screen reader says of them."""


def write_evaluation_page(
    evaluation: Document, events: Iterable[Document], figures: Mapping[str, Figure], path: Path
) -> None:
    """Write the page of an evaluation.

    Args:
        evaluation: the evaluation document.
        events: of the run that trained the checkpoint; none if they are not at hand.
        figures: the drawn figures by name; the page shows those of `DESCRIPTIONS`.
        path: of the HTML file.
    """
    write_text(path, render_evaluation_page(evaluation, events, figures))


def render_evaluation_page(
    evaluation: Document, events: Iterable[Document], figures: Mapping[str, Figure]
) -> str:
    """The HTML of `write_evaluation_page`."""
    document, course = as_filed(evaluation), as_filed(list(events))
    rows, comparison = rarest_first(document["labels"]), document["comparison"]
    return (
        make_environment()
        .get_template("evaluation.html")
        .render(
            **document,
            rows=rows,
            verdict=verdict(document),
            rare=rare_rows(document),
            tier_order=TIERS,
            groups=_groups(document),
            requirements=_requirements(document),
            compared=comparison and _compared(comparison),
            reach=comparison and _reach(comparison),
            start=_start(course),
            epochs=[event for event in course if event["event"] == "epoch"],
            command=_command(document),
            figures={
                name: inline_svg(figures[name], name, about, _links(rows) if name == "f1" else {})
                for name, about in DESCRIPTIONS.items()
                if name in figures
            },
        )
    )


def _links(rows: Sequence[Row]) -> dict[str, str]:
    """What a screen reader says of each point of the F1 figure, which leads to its label's row."""
    return {
        f"#label-{number}": f"{name}: F1 {row['f1']['value']:.3f}, "
        + counted(row["training_positives"], "training positive")
        for number, (name, row) in enumerate(rows, start=1)
        if row["f1"]["value"] is not None
    }


def _reach(comparison: Document) -> float:
    """How far the strips of differences go to either side of zero."""
    groups = [*comparison["overall"].values(), *comparison["labels"].values()]
    ends = [abs(group["f1"][end] or 0) for group in groups for end in ("value", "low", "high")]
    return next((each for each in REACHES if each >= max(ends, default=0)), REACHES[-1])


def _start(events: Sequence[Document]) -> Document | None:
    """What the training began with; None where a run of an older version does not say it all."""
    starts = [event for event in events if event["event"] == "start"]
    return next(filter(_is_told, starts), None)


def _is_told(start: Document) -> bool:
    named = all(key in start for key in ("encoder", "device", "max_length", "steps"))
    chosen = start.get("precision") and "reason" in start["learning_rate"]
    return bool(named and chosen and "train" in start.get("texts", ()))


def _groups(document: Document) -> list[tuple[str, Document]]:
    """Every group of labels with its figures: all of them three ways, tiers, levels."""
    overall = document["overall"]
    levels = [(name, overall[name]) for name in ("primary", "secondary") if name in overall]
    return [
        ("macro", overall["macro"]),
        ("micro", overall["micro"]),
        ("weighted by positives", overall["weighted"]),
        *document["tiers"].items(),
        *levels,
    ]


def _requirements(document: Document) -> list[Row]:
    labels = document["thresholds"]["labels"]
    return [(name, row["requirement"]) for name, row in labels.items() if row["requirement"]]


def _compared(comparison: Document) -> Sequence[Row]:
    """Labels by verdict, the largest difference first."""

    def place(item: Row) -> tuple[int, float]:
        return VERDICTS.index(item[1]["verdict"]), -abs(item[1]["f1"]["value"] or 0)

    return sorted(comparison["labels"].items(), key=place)


def _command(document: Document) -> str:
    data, slices, comparison = (document[key] for key in ("data", "slices", "comparison"))
    own = data["split"] in SPLITS
    where = ("--split", data["split"]) if own else ("--data", data["source"])
    against = ("--against", comparison["against"]) if comparison else ()
    by = ("--by", slices["column"]) if slices else ()
    gates = (part for gate in document["gates"] for part in ("--require", gate["requirement"]))
    return shlex.join(("imbtool", "evaluate", data["checkpoint"], *where, *against, *by, *gates))
