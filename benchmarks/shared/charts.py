"""Pictures that benchmarks draw: curves of a quality against what it cost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from matplotlib.axes import Axes

from imbtool.report.figures.figure import figure_style, new_figure, write_png


@contextmanager
def curve_chart(path: Path, title: str, cost: str, quality: str) -> Iterator[Axes]:
    """Axes for labelled curves that begin at no cost; they are saved as PNG when all are drawn.

    Args:
        path: of the PNG.
        title: of the picture.
        cost: what the x axis shows.
        quality: what the y axis shows.
    """
    figure = new_figure(8, 5)
    with figure_style():
        axes = figure.add_subplot()
        yield axes
        axes.set_xlim(left=0)
        axes.set_xlabel(cost)
        axes.set_ylabel(quality)
        axes.set_title(title)
        axes.grid(True)
        axes.legend(loc="best")
    write_png(figure, path)
