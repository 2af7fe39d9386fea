"""Plots of how far figures can be trusted: intervals, calibration, differences; each one PNG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from imbtool.evaluation.measures import is_known
from imbtool.report.cells import Row, rarest_first
from imbtool.report.figures.figure import (
    COLOURS,
    FAINT,
    INK,
    SHAPES,
    axes_on,
    canvas,
    legend_below,
    marker,
    name_rows,
    of_more,
    short_name,
    tier_handles,
)
from imbtool.report.html.charts import PROBABILITY_TICKS
from imbtool.wording import printable

Document = dict[str, Any]

MOST_ROWS = 100
"""Of more labels the rarest are drawn."""
PANELS = {"precision": "Precision", "recall": "Recall", "f1": "F1"}
VERDICT_COLOURS = {"better": COLOURS["common"], "worse": COLOURS["severe"], "cannot be told": FAINT}
FORMS = {"raw": ("as the model gives them", FAINT), "calibrated": ("calibrated", COLOURS["common"])}


def plot_intervals(document: Document, path: Path) -> None:
    """Draw precision, recall and F1 of each label with their intervals, rarest at the top.

    Args:
        document: the evaluation document.
        path: of the PNG.
    """
    labels = document["labels"]
    rows = rarest_first(labels)[:MOST_ROWS]
    with canvas(path, 10, _height(rows)) as figure:
        panels = figure.subplots(1, len(PANELS), sharey=True)
        for axes, (key, title) in zip(panels, PANELS.items(), strict=True):
            for place, (_, row) in enumerate(rows):
                style = marker(COLOURS[row["tier"]], SHAPES[row["tier"]], row["few"])
                _interval(axes, place, row[key], style)
            axes.set_xlim(-0.03, 1.03)
            axes.set_xticks((0, 0.25, 0.5, 0.75, 1), labels=("0", "", "0.5", "", "1"))
            axes.set_xlabel(title)
            name_rows(axes, rows)
        split = document["data"]["split"]
        panels[0].set_title(f"95% intervals on {printable(split)}{of_more(rows, labels)}")
        legend_below(panels[0], tier_handles(rows, document["data"]["min_support"]))


def plot_reliability(document: Document, path: Path) -> None:
    """Draw how often probabilities come true, all labels pooled.

    Both axes are square roots, since most probabilities of rare labels are near zero.

    Args:
        document: the evaluation document.
        path: of the PNG.
    """
    overall = document["calibration"]["overall"]
    with axes_on(path, 6.5, 6.5) as axes:
        axes.set_xscale("function", functions=(np.sqrt, np.square))
        axes.set_yscale("function", functions=(np.sqrt, np.square))
        axes.axline((0, 0), (1, 1), color=FAINT, linewidth=1, linestyle=":")
        drawn = [form for form in FORMS if overall[form]]
        handles = [_reliability(axes, form, overall[form]) for form in drawn]
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_ticks(PROBABILITY_TICKS, [f"{tick:g}" for tick in PROBABILITY_TICKS])
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="probability, square-root scale")
        axes.set_ylabel("share of texts that have the label, with its 95% interval")
        axes.grid(True)
        axes.set_title(f"Calibration on {printable(document['data']['split'])}, all labels")
        legend_below(axes, handles)


def plot_comparison(document: Document, path: Path) -> None:
    """Draw each label's difference of F1 with its interval around 0; nothing without `comparison`.

    Args:
        document: the evaluation document.
        path: of the PNG.
    """
    comparison = document["comparison"]
    if not comparison:
        return
    order = [name for name, _ in rarest_first(document["labels"]) if name in comparison["labels"]]
    rows = [(name, comparison["labels"][name]) for name in order[:MOST_ROWS]]
    with axes_on(path, 9, _height(rows)) as axes:
        axes.axvline(0, color=INK, linewidth=0.8)
        for place, (_, row) in enumerate(rows):
            _interval(axes, place, row["f1"], marker(VERDICT_COLOURS[row["verdict"]]))
        axes.set_xlim(*_around_zero(rows))
        axes.set_xlabel("difference of F1, with its 95% interval; right of 0 this one is better")
        name_rows(axes, rows)
        axes.set_title(
            f"F1 against {printable(short_name(comparison['against']))}{of_more(rows, order)}"
        )
        present = {row["verdict"] for _, row in rows}
        styles = [(name, marker(colour)) for name, colour in VERDICT_COLOURS.items()]
        legend_below(
            axes, [Line2D([], [], label=name, **it) for name, it in styles if name in present]
        )


def _height(rows: Sequence[Row]) -> float:
    return 1.7 + 0.27 * max(len(rows), 2)


def _interval(axes: Axes, place: int, figure: Document, style: dict[str, Any]) -> None:
    if is_known(figure["low"]) and is_known(figure["high"]):
        ends, colour = (figure["low"], figure["high"]), style["markeredgecolor"]
        axes.hlines(place, *ends, color=colour, alpha=0.45, linewidth=4)
    if is_known(figure["value"]):
        axes.plot([figure["value"]], [place], **style)


def _reliability(axes: Axes, form: str, of: Document) -> Line2D:
    label, colour = FORMS[form]
    bins = [bin for bin in of["bins"] if is_known(bin["share"]["value"])]
    said = [bin["mean_probability"] for bin in bins]
    for bin, at in zip(bins, said, strict=True):
        axes.vlines(at, bin["share"]["low"], bin["share"]["high"], color=colour, alpha=0.5)
    shares = [bin["share"]["value"] for bin in bins]
    error = f"{label}, ECE {of['ece']:.3f}" if is_known(of["ece"]) else label
    (line,) = axes.plot(said, shares, color=colour, marker="o", markersize=5, label=error)
    return line


def _around_zero(rows: Sequence[Row]) -> tuple[float, float]:
    ends = [
        abs(row["f1"][end])
        for _, row in rows
        for end in ("value", "low", "high")
        if is_known(row["f1"][end])
    ]
    most = 1.08 * max(ends, default=0.1) or 0.1
    return -most, most
