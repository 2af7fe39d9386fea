"""The charts of the evaluation's page: where each thing stands in a drawing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from imbtool.report.html.environment import BOTTOM, LEFT, RIGHT, TOP, Scale, round_ticks

Document = dict[str, Any]

MOST_EPOCH_TICKS = 10
REACHES = (0.05, 0.1, 0.2, 0.5, 1.0)
"""How far a drawing of differences may go to either side of zero."""
PROBABILITY_TICKS = (0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1)


def scatter(rows: Sequence[tuple[str, Document]]) -> Document:
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


def curves(events: Sequence[Document]) -> list[Document]:
    """Losses and macro-F1 by epoch; those without a value are left out."""
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


def reliability(overall: Document) -> Document:
    """Observed shares against probabilities, both on a square-root scale: most are near zero."""
    x, y = Scale(0, 1, LEFT, RIGHT), Scale(0, 1, BOTTOM, TOP)
    lines = {name: overall[name] for name in ("calibrated", "raw") if overall[name]}
    ticks = [(math.sqrt(tick), f"{tick:g}") for tick in PROBABILITY_TICKS]
    return {
        "lines": {name: [_bin(bin, x, y) for bin in it["bins"]] for name, it in lines.items()},
        "x_ticks": [(x(place), text) for place, text in ticks],
        "y_ticks": [(y(place), text) for place, text in ticks],
        "x_title": "probability, square-root scale",
    }


def reach(comparison: Document) -> float:
    """How far drawn differences go to either side of zero."""
    groups = [*comparison["overall"].values(), *comparison["labels"].values()]
    ends = [
        abs(group["f1"][end])
        for group in groups
        for end in ("value", "low", "high")
        if group["f1"][end] is not None
    ]
    return next((each for each in REACHES if each >= max(ends, default=0)), REACHES[-1])


def _point(number: int, name: str, row: Document, x: Scale, y: Scale) -> Document:
    return {
        "number": number,
        "name": name,
        "row": row,
        "x": x(math.log1p(row["training_positives"])),
        "y": y(row["f1"]["value"]),
        "ends": _ends(row["f1"], y),
    }


def _ends(figure: Document, y: Scale) -> tuple[float, float] | None:
    low, high = figure["low"], figure["high"]
    return None if low is None or high is None else (y(low), y(high))


def _bin(bin: Document, x: Scale, y: Scale) -> Document:
    share = {key: value and math.sqrt(value) for key, value in bin["share"].items()}
    at = y(share["value"])
    place = {"x": x(math.sqrt(bin["mean_probability"])), "y": at}
    return {**bin, **place, "ends": _ends(share, y) or (at, at)}


def _log_ticks(counts: Sequence[int]) -> list[int]:
    low, high = min(counts), max(counts)
    steps = (1, 2, 5) if high < 100 * max(low, 1) else (1,)
    powers = range(math.ceil(math.log10(high + 1)) + 1)
    ticks = [0, *(step * 10**power for power in powers for step in steps)]
    return [tick for tick in ticks if low / 1.3 <= tick <= high * 1.3]


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
