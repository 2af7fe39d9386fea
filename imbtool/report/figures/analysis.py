"""Figures of an analysis: training positives, weights, labels on the same texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, StrMethodFormatter
from numpy.typing import NDArray

from imbtool.analysis.document import CoOccurrence, LabelWeights
from imbtool.data.imbalance import TIERS, rarest_first
from imbtool.report.cells import rarest_together, ratio_text
from imbtool.report.figures.figure import (
    COLOURS,
    FAINT,
    GRID,
    INK,
    figure_style,
    legend_below,
    name_rows,
    name_width,
    new_figure,
    of_more,
    short_name,
)

Row = tuple[str, LabelWeights]

MOST_BARS = 200
"""Of more labels the rarest are drawn: an image has a largest size."""
MOST_CELLS = 100
COUNTED_CELLS = 16
"""The heat map has room for counts of so many labels."""
BELOW_ONE = 0.7
"""Where a log axis begins, so that a bar of length one can be seen."""
DARK_SHARE = 0.55
"""Cells of a larger share are dark: their counts are written in white."""


@figure_style()
def draw_counts(labels: Mapping[str, LabelWeights]) -> Figure:
    """Draw the training positives of each label on a log axis, the rarest label at the top.

    Args:
        labels: of an analysis.
    """
    rows = rarest_first(labels)[:MOST_BARS]
    ends = [max(row.positives, BELOW_ONE) for _, row in rows]
    figure = new_figure(9, 1.5 + 0.28 * len(rows))
    axes = figure.add_subplot()
    _bars(axes, rows, ends)
    axes.set_xscale("log")
    axes.set_xlim(BELOW_ONE, max(10, *ends))
    axes.xaxis.set_major_locator(LogLocator())
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    for place, (_, row) in enumerate(rows):
        ratio = f"  ·  {ratio_text(row.ratio)}" if row.positives else ""
        _write_at(axes, ends[place], place, f"{row.positives:,}{ratio}")
    axes.set_title("Training positives of each label" + of_more(rows, labels))
    axes.set_xlabel("training texts with the label, log scale  ·  negatives per positive")
    legend_below(figure, [_tier_patch(tier, _tier_ratios(rows, tier)) for tier in _tiers(rows)])
    return figure


@figure_style()
def draw_weights(labels: Mapping[str, LabelWeights]) -> Figure:
    """Draw the weight of each label, and its effective-number weight for comparison.

    Args:
        labels: of an analysis.
    """
    rows = rarest_first(labels)[:MOST_BARS]
    figure = new_figure(9, 1.5 + 0.28 * len(rows))
    axes = figure.add_subplot()
    _bars(axes, rows, [row.weight for _, row in rows])
    others = [row.effective_number_weight for _, row in rows]
    diamonds = axes.scatter(others, range(len(rows)), marker="D", s=28, color=INK, zorder=3)
    diamonds.set(edgecolor="white", label="effective-number weight, for comparison")
    for place, (_, row) in enumerate(rows):
        end = max(row.weight, others[place])
        _write_at(axes, end, place, f"{row.weight:.3g}")
    axes.set_xlim(left=0)
    axes.set_title("Weight of each label's positives in the loss" + of_more(rows, labels))
    axes.set_xlabel("weight")
    legend_below(figure, [*(_tier_patch(tier) for tier in _tiers(rows)), diamonds])
    return figure


@figure_style()
def draw_co_occurrence(together: CoOccurrence) -> Figure:
    """Draw how many training texts have two labels, as a share of the row label's texts.

    Args:
        together: of an analysis.
    """
    names, counts, shares = rarest_together(together, MOST_CELLS)
    labels = list(map(short_name, names))
    side = max(len(names) * (0.5 if len(names) <= COUNTED_CELLS else 0.22), 2)
    room = 0.075 * max(map(name_width, labels))
    figure = new_figure(side + room + 1.3, side + room + 0.6)
    axes = figure.add_subplot()
    _heat_map(axes, shares)
    axes.set_xticks(range(len(names)), labels=labels, rotation=90, color=INK)
    axes.set_yticks(range(len(names)), labels=labels)
    if len(names) <= COUNTED_CELLS:
        _write_counts(axes, counts, shares)
    axes.set_title("Training texts with both labels" + of_more(names, together.labels))
    return figure


def _tiers(rows: Sequence[Row]) -> list[str]:
    present = {row.tier for _, row in rows}
    return [tier for tier in TIERS if tier in present]


def _tier_ratios(rows: Sequence[Row], tier: str) -> str:
    own = [row.ratio for _, row in rows if row.tier == tier and row.ratio is not None]
    if not own:
        return ""
    low, high = ratio_text(min(own)), ratio_text(max(own))
    return f" ({low})" if low == high else f" ({low} to {high})"


def _tier_patch(tier: str, note: str = "") -> Patch:
    return Patch(color=COLOURS[tier], label=tier + note)


def _bars(axes: Axes, rows: Sequence[Row], lengths: Sequence[float]) -> None:
    colours = [COLOURS[row.tier] for _, row in rows]
    axes.barh(range(len(rows)), lengths, height=0.68, color=colours)
    name_rows(axes, rows)


def _write_at(axes: Axes, x: float, y: float, text: str) -> None:
    axes.annotate(
        text, (x, y), (6, 0), textcoords="offset points", va="center", color=FAINT, fontsize=8
    )


def _heat_map(axes: Axes, shares: NDArray[np.float64]) -> None:
    colours = matplotlib.colormaps["YlGnBu"].with_extremes(bad=GRID)
    others = np.ma.masked_array(shares, mask=np.eye(len(shares), dtype=bool))
    image = axes.imshow(others, cmap=colours, vmin=0, vmax=1, aspect="auto")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    bar = axes.figure.colorbar(image, ax=axes, fraction=0.2 / len(shares) + 0.02, aspect=30)
    bar.set_label("share of the row label's texts")
    bar.outline.set_visible(False)


def _write_counts(axes: Axes, counts: NDArray[np.int64], shares: NDArray[np.float64]) -> None:
    for (row, column), count in np.ndenumerate(counts):
        dark = row != column and shares[row, column] > DARK_SHARE
        colour = "white" if dark else INK if count else FAINT
        axes.text(column, row, f"{count:,}", ha="center", va="center", color=colour, fontsize=7)
