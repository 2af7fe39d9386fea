"""The figure of a search: positives found against texts read, beside what chance would find."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from imbtool.annotation.batch import Batch
from imbtool.report.figures.figure import COLOURS, FAINT, INK, figure_style, new_figure


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
    axes.plot(texts, found, color=COLOURS["severe"], marker="o", label="found by the search")
    axes.plot(
        [texts[-1], ahead],
        [found[-1], expected],
        color=COLOURS["severe"],
        linestyle="--",
        marker="o",
        markerfacecolor="white",
        label="expected of this batch",
    )
    axes.plot([*texts, ahead], [*chance, by_chance], color=FAINT, label="read at random")
    labels = len(batch.needs)
    axes.set(
        title=f"Positives of {labels} label{'s' * (labels != 1)} in need",
        xlabel="texts of the pool that were read",
        ylabel="positives",
    )
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    axes.grid(True, axis="y")
    axes.yaxis.label.set_color(INK)
    axes.legend(loc="upper left")
    return figure
