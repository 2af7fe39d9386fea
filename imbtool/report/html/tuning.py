"""A tuning as one page: the story round by round, each label's way, the final table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from imbtool.files.json_text import as_filed
from imbtool.files.writing import write_text
from imbtool.report.cells import rarest_first
from imbtool.report.figures.svg import inline_svg
from imbtool.report.figures.tuning import draw_objective
from imbtool.report.html.environment import make_environment
from imbtool.tuning.diagnosis import METRIC_NAMES
from imbtool.tuning.guide import SETTING_NAMES

Document = dict[str, Any]

FIGURES = ("precision", "recall", "f1")


def write_tuning_page(story: Document, path: Path) -> None:
    """Write the page of a tuning.

    Args:
        story: the document of a tuning.
        path: of the HTML file.
    """
    write_text(path, render_tuning_page(story))


def render_tuning_page(story: Document) -> str:
    """The HTML of `write_tuning_page`."""
    document = as_filed(story)
    metric, known = METRIC_NAMES[document["objective"]["name"]], _objectives(document)
    about = f"{metric} on validation by round: " + "; ".join(known)
    return (
        make_environment()
        .get_template("tuning.html")
        .render(
            **document,
            rows=[_row(name, row, document) for name, row in rarest_first(document["labels"])],
            metric=metric,
            settings=SETTING_NAMES,
            figure=inline_svg(draw_objective(document), "objective", about) if known else None,
        )
    )


def _objectives(story: Document) -> list[str]:
    """The objective of each round that has one, in words."""
    return [
        f"round {each['number']}: {each['outcome']['objective']:.3f}"
        + ("" if each["kept"] else ", undone")
        for each in story["rounds"]
        if each["outcome"]["objective"] is not None
    ]


def _row(name: str, label: Document, story: Document) -> Document:
    """A label with its figures in the first and the best round, and its F1 by round."""
    rounds = [each["outcome"]["labels"].get(name) for each in story["rounds"]]
    first, best = rounds[0], rounds[story["best_round"] - 1]
    return {
        "name": name,
        **label,
        "support": best["support"] if best else 0,
        "figures": {key: [each and each[key] for each in (first, best)] for key in FIGURES},
        "course": [
            (each["number"], row["f1"], each["kept"])
            for each, row in zip(story["rounds"], rounds, strict=True)
            if row and row["f1"] is not None
        ],
    }
