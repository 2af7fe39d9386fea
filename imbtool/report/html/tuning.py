"""A tuning as one page: the story round by round, each label's way, the final table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from imbtool.files.json_text import to_json
from imbtool.files.writing import write_text
from imbtool.report.cells import rarest_first
from imbtool.report.html.environment import (
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    Scale,
    make_environment,
    round_ticks,
)
from imbtool.tuning.diagnosis import METRIC_NAMES
from imbtool.tuning.guide import SETTING_NAMES

Document = dict[str, Any]

SPARK_WIDTH, SPARK_HEIGHT, SPARK_MARGIN = 132, 32, 5
MOST_ROUND_TICKS = 12
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
    # as the files say it: what is not finite is null
    document = json.loads(to_json(story))
    return (
        make_environment()
        .get_template("tuning.html")
        .render(
            **document,
            rows=[_row(name, row, document) for name, row in rarest_first(document["labels"])],
            metric=METRIC_NAMES[document["objective"]["name"]],
            settings=SETTING_NAMES,
            chart=_chart(document),
        )
    )


def _row(name: str, label: Document, story: Document) -> Document:
    """A label: its figures in the first and the best round, and its F1 from round to round."""
    rounds = [each["outcome"]["labels"].get(name) for each in story["rounds"]]
    first, best = rounds[0], rounds[story["best_round"] - 1]
    figures = {key: [each and each[key] for each in (first, best)] for key in FIGURES}
    values = [each and each["f1"] for each in rounds]
    support = best["support"] if best else 0
    return {
        "name": name,
        **label,
        "support": support,
        "figures": figures,
        "spark": _spark(values, story["rounds"]),
    }


def _spark(values: Sequence[float | None], rounds: Sequence[Document]) -> Document:
    """Points of a small drawing, those of kept rounds joined."""
    low = min((each["number"] for each in rounds), default=1)
    x = Scale(low, low + max(1, len(rounds) - 1), SPARK_MARGIN, SPARK_WIDTH - SPARK_MARGIN)
    y = Scale(0, 1, SPARK_HEIGHT - SPARK_MARGIN, SPARK_MARGIN)
    return _points(values, rounds, x, y)


def _chart(story: Document) -> Document | None:
    """The objective from round to round; None if no round has one."""
    rounds = story["rounds"]
    values = [each["outcome"]["objective"] for each in rounds]
    known = [value for value in values if value is not None]
    if not known:
        return None
    ticks = round_ticks(min(known), max(known))
    x = Scale(0.5, len(rounds) + 0.5, LEFT, RIGHT)
    y = Scale(ticks[0], ticks[-1], BOTTOM, TOP)
    step = -(-len(rounds) // MOST_ROUND_TICKS)
    return {
        **_points(values, rounds, x, y),
        "x_ticks": [(x(each["number"]), str(each["number"])) for each in rounds[::step]],
        "y_ticks": [(y(tick), f"{tick:.3g}") for tick in ticks],
        "x_title": "round",
    }


def _points(
    values: Sequence[float | None], rounds: Sequence[Document], x: Scale, y: Scale
) -> Document:
    points = [
        {
            "x": x(each["number"]),
            "y": y(value),
            "kept": each["kept"],
            "text": f"round {each['number']}: {value:.3f}{'' if each['kept'] else ', undone'}",
        }
        for value, each in zip(values, rounds, strict=True)
        if value is not None
    ]
    return {"points": points, "joined": [point for point in points if point["kept"]]}
