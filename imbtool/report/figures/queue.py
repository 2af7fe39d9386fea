"""The figure of a queue: what is found against how many texts are read."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from imbtool.monitoring.queue import Queue
from imbtool.report.figures.figure import (
    COLOURS,
    FAINT,
    figure_style,
    legend_below,
    new_figure,
)


@figure_style()
def draw_queue(queue: Queue) -> Figure:
    """Draw the mean recall over all labels, and over rare ones, against the texts read."""
    figure = new_figure(8, 4.5)
    axes = figure.subplots()
    lines = {
        "all labels": ([point.recall for point in queue.course], COLOURS["common"], "^"),
        "severe and moderate labels": (
            [point.rare for point in queue.course],
            COLOURS["severe"],
            "o",
        ),
    }
    texts = [point.texts for point in queue.course]
    drawn = [
        axes.plot(
            texts, np.array(values, float), color=colour, marker=shape, clip_on=False, label=name
        )[0]
        for name, (values, colour, shape) in lines.items()
        if None not in values
    ]
    axes.axvline(queue.read, color=FAINT, linewidth=1, linestyle=":")
    axes.annotate(
        f"this queue: {queue.read:,} texts",
        (queue.read, 0.02),
        (6, 0),
        textcoords="offset points",
        color=FAINT,
    )
    axes.set(title="What more or fewer readers would find", xlabel="texts read")
    axes.set_ylabel("mean recall over labels")
    axes.set_xlim(0, 1.03 * texts[-1])
    axes.set_ylim(0, 1.02)
    axes.grid(True)
    legend_below(figure, drawn)
    return figure
