"""The evaluation as one page: a single HTML file that opens anywhere and loads nothing."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from imbtool.data.corpus import SPLITS
from imbtool.data.imbalance import TIERS
from imbtool.events import Event
from imbtool.files.json_text import as_filed
from imbtool.files.writing import write_text
from imbtool.report.cells import Row, rarest_first
from imbtool.report.html.charts import curves, reach, reliability, scatter
from imbtool.report.html.pages import make_environment
from imbtool.report.verdict import rare_rows, verdict

Document = dict[str, Any]

VERDICTS = ("worse", "better", "cannot be told")


def write_page(evaluation: Document, events: Iterable[Event], path: Path) -> None:
    """Write the page of an evaluation.

    Args:
        evaluation: the evaluation document.
        events: of the run that trained the checkpoint; none if they are not at hand.
        path: of the HTML file.
    """
    write_text(path, render_page(evaluation, events))


def render_page(evaluation: Document, events: Iterable[Event]) -> str:
    """The HTML of `write_page`."""
    document, course = as_filed(evaluation), [as_filed(event) for event in events]
    rows, comparison = rarest_first(document["labels"]), document["comparison"]
    return (
        make_environment()
        .get_template("report.html")
        .render(
            **document,
            rows=rows,
            verdict=verdict(document),
            rare=rare_rows(document),
            tier_order=TIERS,
            groups=_groups(document),
            scatter=scatter(rows),
            requirements=_requirements(document),
            reliability=reliability(document["calibration"]["overall"]),
            compared=comparison and _compared(comparison),
            reach=comparison and reach(comparison),
            start=_start(course),
            curves=curves(course),
            command=_command(document),
        )
    )


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
