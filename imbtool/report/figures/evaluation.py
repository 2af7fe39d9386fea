"""Plots of the analysis and evaluation documents, each one PNG."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.text import Annotation
from matplotlib.ticker import LogLocator, StrMethodFormatter, SymmetricalLogLocator
from matplotlib.transforms import Bbox, BboxBase
from numpy.typing import NDArray

from imbtool.data.imbalance import TIERS
from imbtool.evaluation.document import Evaluation, LabelMetrics
from imbtool.report.cells import Row, rarest_first, rarest_together, ratio_text
from imbtool.report.figures.figure import (
    COLOURS,
    FAINT,
    GRID,
    INK,
    SHAPES,
    axes_on,
    legend_below,
    marker,
    name_rows,
    name_width,
    of_more,
    short_name,
    tier_handles,
)
from imbtool.wording import printable

Document = dict[str, Any]

MOST_BARS = 200
"""Of more labels the rarest are drawn: an image has a largest size."""
MOST_CELLS = 100
COUNTED_CELLS = 16
"""Up to so many labels the heat map has room for counts."""
MOST_NAMES = 100
BELOW_ONE = 0.7
"""Where a log axis begins, so that a bar of length one can be seen."""
DARK_SHARE = 0.55
"""Cells of a larger share are dark: their counts are written in white."""

NAME_PLACES = (
    ((7, 0), "left", "center"),
    ((-7, 0), "right", "center"),
    ((0, 6), "center", "bottom"),
    ((0, -6), "center", "top"),
    ((5, 4), "left", "bottom"),
    ((5, -4), "left", "top"),
    ((-5, 4), "right", "bottom"),
    ((-5, -4), "right", "top"),
)
"""Where a name may stand beside its point: offset in points, alignment."""


def plot_counts(document: Document, path: Path) -> None:
    """Draw the training positives of each label on a log axis, rarest at the top.

    Args:
        document: the analysis document.
        path: of the PNG.
    """
    labels = document["labels"]
    rows = rarest_first(labels)[:MOST_BARS]
    ends = [max(row["positives"], BELOW_ONE) for _, row in rows]
    with axes_on(path, 9, 1.5 + 0.28 * len(rows)) as axes:
        _bars(axes, rows, ends)
        axes.set_xscale("log")
        axes.set_xlim(BELOW_ONE, max(10, *ends))
        axes.xaxis.set_major_locator(LogLocator())
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        for place, (_, row) in enumerate(rows):
            ratio = f"  ·  {ratio_text(row['ratio'])}" if row["positives"] else ""
            _write_at(axes, ends[place], place, f"{row['positives']:,}{ratio}")
        axes.set_title("Training positives" + of_more(rows, labels))
        axes.set_xlabel("texts with the label, log scale  ·  negatives for each of them")
        legend_below(axes, [_tier_patch(tier, _tier_ratios(rows, tier)) for tier in _tiers(rows)])


def plot_weights(labels: Document, path: Path) -> None:
    """Draw the weight of each label, and beside it its effective-number weight.

    Args:
        labels: the `labels` of the analysis document.
        path: of the PNG.
    """
    rows = rarest_first(labels)[:MOST_BARS]
    with axes_on(path, 9, 1.5 + 0.28 * len(rows)) as axes:
        _bars(axes, rows, [row["weight"] for _, row in rows])
        others = [row["effective_number_weight"] for _, row in rows]
        diamonds = axes.scatter(others, range(len(rows)), marker="D", s=28, color=INK, zorder=3)
        diamonds.set(edgecolor="white", label="effective-number weight")
        for place, (_, row) in enumerate(rows):
            end = max(row["weight"], others[place])
            _write_at(axes, end, place, f"{row['weight']:.3g}")
        axes.set_xlim(left=0)
        axes.set_title("Weights of positives in the loss" + of_more(rows, labels))
        axes.set_xlabel("weight")
        legend_below(axes, [*(_tier_patch(tier) for tier in _tiers(rows)), diamonds])


def plot_co_occurrence(document: Document, path: Path) -> None:
    """Draw how often two labels stand on the same text, as a share of the row label's texts.

    Args:
        document: the analysis document.
        path: of the PNG.
    """
    together = document["co_occurrence"]
    names, counts, shares = rarest_together(together, MOST_CELLS)
    labels = list(map(short_name, names))
    side = max(len(names) * (0.5 if len(names) <= COUNTED_CELLS else 0.22), 2)
    room = 0.075 * max(map(name_width, labels))
    with axes_on(path, side + room + 1.3, side + room + 0.6) as axes:
        _heat_map(axes, shares)
        axes.set_xticks(range(len(names)), labels=labels, rotation=90, color=INK)
        axes.set_yticks(range(len(names)), labels=labels)
        if len(names) <= COUNTED_CELLS:
            _write_counts(axes, counts, shares)
        axes.set_title("Labels on the same text" + of_more(names, together["labels"]))


def plot_f1_by_positives(evaluation: Evaluation, path: Path) -> None:
    """Draw the F1 of each label against its training positives.

    Args:
        evaluation: what is drawn.
        path: of the PNG.
    """
    rows = evaluation.rarest_first()
    points = [(name, row) for name, row in rows if row.f1.value is not None]
    height = min(5 + 0.06 * len(points), 12)
    with axes_on(path, 1.6 * height, height) as axes:
        for _, row in points:
            _point(axes, row)
        _positives_axis(axes, [row.training_positives for _, row in points])
        axes.set_ylim(-0.04, 1.04)
        axes.set_ylabel("F1, with its 95% interval")
        axes.grid(True)
        absent = len(rows) - len(points)
        note = f" (not drawn: {absent:,} without an F1)" if absent else ""
        axes.set_title(f"F1 on {printable(evaluation.data.split)}{note}")
        legend_below(axes, tier_handles(points, evaluation.data.min_support))
        _name_points(axes, points[:MOST_NAMES])


def _tiers(rows: Sequence[Row]) -> list[str]:
    present = {row["tier"] for _, row in rows}
    return [tier for tier in TIERS if tier in present]


def _tier_ratios(rows: Sequence[Row], tier: str) -> str:
    own = [row["ratio"] for _, row in rows if row["tier"] == tier and row["positives"]]
    if not own:
        return ""
    low, high = ratio_text(min(own)), ratio_text(max(own))
    return f" ({low})" if low == high else f" ({low} to {high})"


def _tier_patch(tier: str, note: str = "") -> Patch:
    return Patch(color=COLOURS[tier], label=tier + note)


def _bars(axes: Axes, rows: Sequence[Row], lengths: Sequence[float]) -> None:
    colours = [COLOURS[row["tier"]] for _, row in rows]
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


def _point(axes: Axes, row: LabelMetrics) -> None:
    f1, at, colour = row.f1, row.training_positives, COLOURS[row.tier]
    if f1.value is None:
        return
    if f1.low is not None and f1.high is not None:
        axes.vlines(at, f1.low, f1.high, color=colour, alpha=0.4, linewidth=1.2)
    axes.plot([at], [f1.value], **marker(colour, SHAPES[row.tier], row.few))


def _positives_axis(axes: Axes, positives: Sequence[int]) -> None:
    """A log axis that has a place for zero where a label has no training positives."""
    axes.set_xscale("symlog", linthresh=1)
    low, high = min(positives, default=1), max(positives, default=1)
    axes.set_xlim(low / 1.5 if low else -0.2, high * 2 + 1)
    steps = (1, 2, 5) if high < 100 * max(low, 1) else (1,)
    axes.xaxis.set_major_locator(SymmetricalLogLocator(base=10, linthresh=1, subs=steps))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.set_xlabel("training positives, log scale")


def _name_points(axes: Axes, points: Sequence[tuple[str, LabelMetrics]]) -> None:
    """Write each name beside its point, rarest first, where it covers nothing drawn before."""
    figure = axes.get_figure(root=True)
    assert figure is not None  # `axes` come from `axes_on`
    figure.draw_without_rendering()  # only a laid out figure knows where things are
    taken = [line.get_window_extent().padded(1) for line in axes.lines]
    for name, row in points:
        at = (row.training_positives, row.f1.value)
        text = axes.annotate(short_name(name), at, (0, 0), textcoords="offset points", fontsize=7.5)
        text.set_in_layout(False)
        place = next((box for box in _places(text) if _is_free(box, axes.bbox, taken)), None)
        if place is None:
            text.remove()
        else:
            taken.append(place)


def _places(text: Annotation) -> Iterator[Bbox]:
    """Move the text from place to place and tell where it then stands."""
    for offset, horizontal, vertical in NAME_PLACES:
        text.set_position(offset)
        text.set(ha=horizontal, va=vertical)
        yield text.get_window_extent()


def _is_free(box: Bbox, within: BboxBase, taken: Sequence[Bbox]) -> bool:
    inside = within.contains(box.x0, box.y0) and within.contains(box.x1, box.y1)
    return inside and not box.count_overlaps(taken)
