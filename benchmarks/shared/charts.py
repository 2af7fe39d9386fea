"""Pictures that benchmarks draw: curves of a quality against what it cost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from matplotlib.axes import Axes

from imbtool.report.figures.figure import axes_on


@contextmanager
def curve_chart(path: Path, title: str, cost: str, quality: str) -> Iterator[Axes]:
    """Axes for labelled curves that begin at no cost; they are saved as PNG when all are drawn.

    Args:
        path: of the PNG.
        title: of the picture.
        cost: what the x axis shows.
        quality: what the y axis shows.
    """
    with axes_on(path, 8, 5) as axes:
        yield axes
        axes.set_xlim(left=0)
        axes.set_xlabel(cost)
        axes.set_ylabel(quality)
        axes.set_title(title)
        axes.grid(True)
        axes.legend(loc="best")
