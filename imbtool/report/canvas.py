"""What all plots share: colours, letters, and one PNG a plot.

matplotlib is used through its object interface alone, so that no plot leaves state behind.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib.style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager

from imbtool.files import replacing

COLOURS = {"severe": "#b3391f", "moderate": "#e0a030", "head": "#4a83b5"}
"""They differ in lightness too: told apart in grey and by colour-blind eyes."""
INK, FAINT, GRID = "#26292e", "#6d737c", "#e4e6ea"

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
