"""Figures of a tuning: its objective and its labels, from round to round."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from imbtool.data.imbalance import TIERS
from imbtool.report.figures.figure import COLOURS, FAINT, INK, figure_style, new_figure, short_name
from imbtool.tuning.diagnosis import METRIC_NAMES
from imbtool.tuning.history import Round
from imbtool.tuning.summary import TuningSummary

COLUMNS = 4
MOST_LABELS = 100
"""Of more labels the rarest are drawn: an image has a largest size."""
TITLE_WIDTH = 34


@figure_style()
def draw_rounds(summary: TuningSummary) -> Figure:
    """Draw F1 and recall of each label by round, rarest first, and the objective before them.

    Rounds that were kept are joined and filled; those that were undone are hollow.

    Args:
        summary: of a tuning.
    """
    labels = summary.rarest_first[:MOST_LABELS]
    rows = math.ceil((1 + len(labels)) / COLUMNS)
    figure = new_figure(2.6 * COLUMNS, 0.4 + 1.7 * rows)
    grid = figure.subplots(rows, COLUMNS, sharex=True, sharey=True, squeeze=False).flat
    for axes in grid:
        axes.set_axis_off()
    _objective(grid[0], summary)
    for axes, (name, label) in zip(grid[1:], labels, strict=False):
        _panel(axes, name)
        for key, colour in (("recall", FAINT), ("f1", COLOURS[label.tier])):
            _draw(axes, summary, [_label_value(each, name, key) for each in summary.rounds], colour)
    figure.supxlabel("round", fontsize=9, color=FAINT)
    figure.legend(handles=_legend(), loc="outside upper right", ncols=4, fontsize=8)
    return figure


@figure_style()
def draw_objective(summary: TuningSummary) -> Figure:
    """Draw the objective by round, as the first panel of `draw_rounds` does.

    Args:
        summary: of a tuning.
    """
    figure = new_figure(6, 2.6)
    axes = figure.add_subplot()
    _objective(axes, summary)
    axes.autoscale(axis="y")
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.set(xlabel="round", ylabel=axes.get_title("left"), title="")
    axes.tick_params(labelsize=9)
    return figure


def _objective(axes: Axes, summary: TuningSummary) -> None:
    _panel(axes, METRIC_NAMES[summary.objective.name])
    _draw(axes, summary, [each.outcome.objective for each in summary.rounds], INK)


def _legend() -> list[Line2D]:
    f1 = [Line2D([], [], color=COLOURS[tier], marker="o", label=f"F1, {tier}") for tier in TIERS]
    return [*f1, Line2D([], [], color=FAINT, marker="o", label="recall")]


def _panel(axes: Axes, title: str) -> None:
    axes.set_axis_on()
    axes.set_title(short_name(title, TITLE_WIDTH), fontsize=8, pad=4)
    axes.set_ylim(-0.04, 1.04)
    axes.set_yticks([0, 0.5, 1])
    axes.grid(True, axis="y")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    axes.tick_params(labelsize=7, labelbottom=True)


def _draw(axes: Axes, summary: TuningSummary, values: list[float | None], colour: str) -> None:
    numbers = np.array([each.number for each in summary.rounds])
    drawn = np.array(values, dtype=np.float64)
    kept = np.array([each.kept for each in summary.rounds])
    axes.plot(numbers[kept], drawn[kept], color=colour, marker="o", markersize=3.5)
    axes.plot(numbers[~kept], drawn[~kept], "o", color=colour, markersize=3.5, fillstyle="none")


def _label_value(each: Round, name: str, key: str) -> float | None:
    value: float | None = getattr(each.outcome.labels.get(name), key, None)
    return value
