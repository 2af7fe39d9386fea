"""What all figures share: colours, fonts, legends, and how a figure becomes a PNG image.

matplotlib is used through its object interface alone, so that no plot leaves state behind.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence, Sized
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unicodedata import east_asian_width

import matplotlib.style
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.lines import Line2D

from imbtool.evaluation.document import LabelMetrics
from imbtool.files.writing import replacing
from imbtool.wording import printable

COLOURS = {"severe": "#b3391f", "moderate": "#e0a030", "head": "#4a83b5"}
"""They differ in lightness too: told apart in grey and by colour-blind eyes."""
SHAPES = {"severe": "o", "moderate": "s", "head": "^"}
INK, FAINT, GRID = "#26292e", "#6d737c", "#e4e6ea"

NAME_WIDTH = 40
DPI = 150
FONTS = ("DejaVu Sans", "Noto Sans", "Noto Sans CJK SC", "Arial Unicode MS", "Segoe UI")
"""Each letter is drawn in the first of these that has it; the first comes with matplotlib."""
STYLE: dict[str, Any] = {
    "text.parse_math": False,  # a label may hold a dollar sign
    "axes.edgecolor": FAINT,
    "axes.labelcolor": FAINT,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.axisbelow": True,
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.titlecolor": INK,
    "axes.titlepad": 12,
    "font.size": 9,
    "grid.color": GRID,
    "legend.frameon": False,
    "text.color": INK,
    "xtick.color": FAINT,
    "xtick.minor.size": 0,
    "ytick.color": FAINT,
    "ytick.labelcolor": INK,
}


@contextmanager
def figure_style() -> Iterator[None]:
    """The settings under which a figure is drawn, and written, for matplotlib reads some late.

    It also decorates the functions that do either.
    """
    installed = {font.name for font in fontManager.ttflist}
    style = {**STYLE, "font.family": [font for font in FONTS if font in installed]}
    with matplotlib.style.context(["default", style]), warnings.catch_warnings():
        # a script that no font here has shows as boxes; the tables have the name
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure; width and height are in inches."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


@figure_style()
def write_png(figure: Figure, path: Path) -> None:
    """Write a figure as a PNG image, whole or not at all."""
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")


def legend_below(figure: Figure, handles: Sequence[Artist]) -> None:
    """Draw a legend in one line under the axes."""
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))


def marker(colour: str, shape: str = "o", hollow: bool = False) -> dict[str, Any]:
    """How a point is drawn: hollow where it rests on too few positives."""
    return {
        "marker": shape,
        "markersize": 6,
        "linestyle": "none",
        "markerfacecolor": "white" if hollow else colour,
        "markeredgecolor": colour,
    }


def tier_handles(rows: Sequence[tuple[str, LabelMetrics]], min_support: int) -> list[Artist]:
    """The entries of a legend for labels that are drawn as points."""
    present = {row.tier for _, row in rows}
    handles: list[Artist] = [
        Line2D([], [], label=tier, **marker(colour, SHAPES[tier]))
        for tier, colour in COLOURS.items()
        if tier in present
    ]
    if any(row.few for _, row in rows):
        label = f"hollow: fewer than {min_support} positives, too few to say"
        handles.append(Line2D([], [], label=label, **marker(FAINT, hollow=True)))
    return handles


def name_rows(axes: Axes, rows: Sequence[tuple[str, object]]) -> None:
    """Write the labels' names beside the rows of a figure, the first at the top."""
    axes.set_yticks(range(len(rows)), labels=[short_name(name) for name, _ in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(True, axis="x")


def short_name(name: str, most: int = NAME_WIDTH) -> str:
    """A label's name on one line, without control characters, cut where it is too long."""
    line = printable(" ".join(name.split()))
    if name_width(line) <= most:
        return line
    return line[: len(line) * most // name_width(line) - 1].rstrip() + "…"


def name_width(text: str) -> int:
    """The width of a text in Latin letters; an East Asian letter is as wide as two."""
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def of_more(shown: Sized, every: Sized) -> str:
    """What a title adds where only some of the labels are drawn."""
    if len(shown) == len(every):
        return ""
    return f": the {len(shown)} rarest of {len(every):,} labels"
