"""What all plots share: colours, letters, and one PNG a plot.

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

from imbtool.files.writing import replacing
from imbtool.report.cells import Row

COLOURS = {"severe": "#b3391f", "moderate": "#e0a030", "common": "#4a83b5"}
"""They differ in lightness too: told apart in grey and by colour-blind eyes."""
SHAPES = {"severe": "o", "moderate": "s", "common": "^"}
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
def canvas(path: Path, width: float, height: float) -> Iterator[Figure]:
    """A figure to draw on; when the block ends well it is written to `path`.

    Args:
        path: of the PNG.
        width: in inches.
        height: in inches.
    """
    installed = {font.name for font in fontManager.ttflist}
    style = {**STYLE, "font.family": [font for font in FONTS if font in installed]}
    with matplotlib.style.context(["default", style]), warnings.catch_warnings():
        # a script that no font here has shows as boxes; the tables have the name
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
        FigureCanvasAgg(figure)
        yield figure
        with replacing(path) as temporary:
            figure.savefig(temporary, format="png")


@contextmanager
def axes_on(path: Path, width: float, height: float) -> Iterator[Axes]:
    """The only axes of a `canvas`."""
    with canvas(path, width, height) as figure:
        yield figure.add_subplot()


def legend_below(axes: Axes, handles: Sequence[Artist]) -> None:
    """A legend in one line under the axes."""
    axes.figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))


def marker(colour: str, shape: str = "o", hollow: bool = False) -> dict[str, Any]:
    """How a point is drawn; a hollow one is of a figure that says little."""
    return {
        "marker": shape,
        "markersize": 6,
        "linestyle": "none",
        "markerfacecolor": "white" if hollow else colour,
        "markeredgecolor": colour,
    }


def tier_handles(rows: Sequence[Row], min_support: int) -> list[Artist]:
    """What a legend says of labels drawn as points."""
    present = {row["tier"] for _, row in rows}
    handles: list[Artist] = [
        Line2D([], [], label=tier, **marker(colour, SHAPES[tier]))
        for tier, colour in COLOURS.items()
        if tier in present
    ]
    if any(row["few"] for _, row in rows):
        label = f"hollow: under {min_support} positives, too few to say"
        handles.append(Line2D([], [], label=label, **marker(FAINT, hollow=True)))
    return handles


def name_rows(axes: Axes, rows: Sequence[Row]) -> None:
    """Labels beside the rows of a drawing, the first at the top."""
    axes.set_yticks(range(len(rows)), labels=[short_name(name) for name, _ in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(True, axis="x")


def short_name(name: str) -> str:
    """A label's name on one line, cut where it is too long to be drawn."""
    line = " ".join(name.split())
    if name_width(line) <= NAME_WIDTH:
        return line
    return line[: len(line) * NAME_WIDTH // name_width(line) - 1].rstrip() + "…"


def name_width(text: str) -> int:
    """In letters of the Latin alphabet; those of East Asia take two."""
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def of_more(shown: Sized, every: Sized) -> str:
    """What a title says where not all labels are drawn."""
    if len(shown) == len(every):
        return ""
    return f": the {len(shown)} rarest of {len(every):,} labels"
