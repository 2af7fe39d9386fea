"""The figure of a search: positives found against texts read, beside what chance would find."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from imbtool.annotation.batch import Batch
from imbtool.report.figures.figure import COLOURS, FAINT, figure_style, legend_below, new_figure
from imbtool.wording import counted

MOST_TICKS = 10


@figure_style()
def draw_search(batch: Batch) -> Figure:
    """Draw what earlier batches found of the labels in need, and what this one is expected to."""
    texts = np.cumsum([0, *(each.texts for each in batch.progress)])
    found = np.cumsum([0, *(each.positives for each in batch.progress)])
    chance = np.cumsum([0.0, *(each.at_random for each in batch.progress)])
    ahead = texts[-1] + len(batch.texts)
    expected = found[-1] + sum(need.expected for need in batch.needs)
    by_chance = chance[-1] + sum(need.at_random for need in batch.needs)
    figure = new_figure(8, 4.5)
    axes = figure.subplots()
    colour = COLOURS["severe"]
    if batch.progress:
        axes.plot(texts, found, color=colour, marker="o", clip_on=False, label="found so far")
    axes.plot(
        [texts[-1], ahead],
        [found[-1], expected],
        color=colour,
        linestyle="--",
        marker="o",
        markerfacecolor="white",
        markevery=[1],
        label="expected with this batch",
    )
    chance_label = "expected in as many random texts"
    axes.plot([*texts, ahead], [*chance, by_chance], color=FAINT, label=chance_label)
    axes.set(
        title=f"Positives of the {counted(len(batch.needs), 'label')} searched for",
        xlabel="texts of the pool that were read",
        ylabel="positives",
    )
    axes.set_xlim(0, 1.03 * ahead)
    axes.set_ylim(0, 1.08 * max(1.0, expected, found[-1], by_chance))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(MOST_TICKS, integer=True, min_n_ticks=1))
    axes.grid(True, axis="y")
    legend_below(figure, axes.lines)
    return figure
