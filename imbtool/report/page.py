"""The evaluation as one page: a single HTML file that opens anywhere and loads nothing."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from imbtool.files import to_json, write_text
from imbtool.imbalance import TIERS
from imbtool.report.drawing import BOTTOM, LEFT, RIGHT, TOP, Scale, make_environment, round_ticks
from imbtool.report.order import rarest_first

Document = dict[str, Any]

MOST_EPOCH_TICKS = 10


def write_page(evaluation: Document, events: Iterable[Document], path: Path) -> None:
    """Write the page of an evaluation.

    Args:
        evaluation: the evaluation document.
        events: of the run that trained the checkpoint; none if they are not at hand.
        path: of the HTML file.
    """
    write_text(path, render_page(evaluation, events))


def render_page(evaluation: Document, events: Iterable[Document]) -> str:
    """The HTML of `write_page`."""
    # as the files say it: what is not finite is null
    document = json.loads(to_json(evaluation))
    rows = rarest_first(document["labels"])
    return (
        make_environment()
        .get_template("report.html")
        .render(
            **document,
            rows=rows,
            tier_order=TIERS,
            groups=_groups(document),
            scatter=_scatter(rows),
            curves=_curves(json.loads(to_json(list(events)))),
        )
    )


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


def _scatter(rows: Sequence[tuple[str, Document]]) -> Document:
    """F1 against training positives; `number` is the label's row in the table."""
    numbered = [(number, name, row) for number, (name, row) in enumerate(rows, start=1)]
    drawn = [item for item in numbered if item[2]["f1"]["value"] is not None]
    counts = [row["training_positives"] for _, _, row in drawn] or [1]
    x = Scale(math.log1p(min(counts)) - 0.3, math.log1p(max(counts)) + 0.3, LEFT, RIGHT)
    y = Scale(0, 1, BOTTOM, TOP)
    return {
        "points": [_point(number, name, row, x, y) for number, name, row in drawn],
        "left_out": len(rows) - len(drawn),
        "x_ticks": [(x(math.log1p(tick)), f"{tick:,}") for tick in _log_ticks(counts)],
        "y_ticks": [(y(tick), f"{tick:g}") for tick in (0, 0.25, 0.5, 0.75, 1)],
        "x_title": "training positives, log scale",
    }


def _point(number: int, name: str, row: Document, x: Scale, y: Scale) -> Document:
    f1 = row["f1"]
    return {
        "number": number,
        "name": name,
        "row": row,
        "x": x(math.log1p(row["training_positives"])),
        "y": y(f1["value"]),
        "ends": None if None in (f1["low"], f1["high"]) else (y(f1["low"]), y(f1["high"])),
    }


def _log_ticks(counts: Sequence[int]) -> list[int]:
    low, high = min(counts), max(counts)
    steps = (1, 2, 5) if high < 100 * max(low, 1) else (1,)
    powers = range(math.ceil(math.log10(high + 1)) + 1)
    ticks = [0, *(step * 10**power for power in powers for step in steps)]
    return [tick for tick in ticks if low / 1.3 <= tick <= high * 1.3]


def _curves(events: Sequence[Document]) -> list[Document]:
    # a resumed run repeats epochs: the last word counts
    by_epoch = {event["epoch"]: event for event in events if event["event"] == "epoch"}
    epochs = [by_epoch[number] for number in sorted(by_epoch)]
    charts = [
        ("Loss", {"validation": "validation_loss", "training": "train_loss"}),
        (
            "Macro-F1 on validation",
            {"chosen thresholds": "f1_macro", "threshold 0.5": "f1_macro_at_half"},
        ),
    ]
    return [chart for title, lines in charts if (chart := _chart(title, lines, epochs))]


def _chart(title: str, lines: Mapping[str, str], epochs: Sequence[Document]) -> Document | None:
    """A line for each of `lines` (its name: the key in the events); None if all are empty."""
    values = [e[key] for e in epochs for key in lines.values() if e.get(key) is not None]
    if not values:
        return None
    numbers = [epoch["epoch"] for epoch in epochs]
    ticks = round_ticks(min(values), max(values))
    x = Scale(numbers[0] - 0.5, numbers[-1] + 0.5, LEFT, RIGHT)
    y = Scale(ticks[0], ticks[-1], BOTTOM, TOP)
    best = [x(epoch["epoch"]) for epoch in epochs if epoch.get("best")]
    return {
        "title": title,
        "lines": {name: _line(epochs, key, x, y) for name, key in lines.items()},
        "best": best[-1] if best else None,
        "x_ticks": [(x(n), str(n)) for n in numbers[:: math.ceil(len(numbers) / MOST_EPOCH_TICKS)]],
        "y_ticks": [(y(tick), f"{tick:.3g}") for tick in ticks],
        "x_title": "epoch",
    }


def _line(
    epochs: Sequence[Document], key: str, x: Scale, y: Scale
) -> list[tuple[float, float, str]]:
    """Points in the drawing, each with what it says."""
    return [
        (x(epoch["epoch"]), y(epoch[key]), f"epoch {epoch['epoch']}: {epoch[key]:.4g}")
        for epoch in epochs
        if epoch.get(key) is not None
    ]
