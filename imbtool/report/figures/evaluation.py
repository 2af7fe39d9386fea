"""Figures of an evaluation: F1 by training positives, intervals, calibration, a comparison."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Annotation
from matplotlib.ticker import StrMethodFormatter, SymmetricalLogLocator
from matplotlib.transforms import Bbox, BboxBase

from imbtool.evaluation.document import (
    Estimate,
    Evaluation,
    LabelDifference,
    LabelMetrics,
    Reliability,
)
from imbtool.report.figures.figure import (
    COLOURS,
    FAINT,
    INK,
    SHAPES,
    figure_style,
    legend_below,
    marker,
    name_rows,
    new_figure,
    of_more,
    short_name,
    tier_handles,
)
from imbtool.wording import counted, printable

MOST_ROWS = 100
"""Of more labels the rarest are drawn."""
MOST_NAMES = 100
PANELS = {"precision": "Precision", "recall": "Recall", "f1": "F1"}
VERDICT_COLOURS = {"better": COLOURS["head"], "worse": COLOURS["severe"], "cannot be told": FAINT}
FORMS = {"raw": ("as the model gives them", FAINT), "calibrated": ("calibrated", COLOURS["head"])}
PROBABILITY_TICKS = (0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1)
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


@figure_style()
def draw_f1_by_positives(evaluation: Evaluation) -> Figure:
    """Draw the F1 of each label against its training positives.

    Each point links to `#label-N`, its label's row in a table of all labels, the rarest first.

    Args:
        evaluation: what is drawn.
    """
    rows = evaluation.rarest_first()
    links = {name: f"#label-{number}" for number, (name, _) in enumerate(rows, start=1)}
    points = [(name, row) for name, row in rows if row.f1.value is not None]
    height = min(5 + 0.06 * len(points), 12)
    figure = new_figure(1.6 * height, height)
    axes = figure.add_subplot()
    for name, row in points:
        _point(axes, row, links[name])
    _positives_axis(axes, [row.training_positives for _, row in points])
    axes.set_ylim(-0.04, 1.04)
    axes.set_ylabel("F1, with its 95% interval")
    axes.grid(True)
    absent = len(rows) - len(points)
    note = f" (not drawn: {counted(absent, 'label')} without an F1)" if absent else ""
    axes.set_title(f"F1 of each label on {printable(evaluation.data.split)}{note}")
    legend_below(figure, tier_handles(points, evaluation.data.min_support))
    _name_points(axes, points[:MOST_NAMES])
    return figure


@figure_style()
def draw_intervals(evaluation: Evaluation) -> Figure:
    """Draw precision, recall and F1 of each label with their intervals, rarest at the top.

    Args:
        evaluation: what is drawn.
    """
    rows = evaluation.rarest_first()[:MOST_ROWS]
    figure = new_figure(10, _height(rows))
    panels = figure.subplots(1, len(PANELS), sharey=True)
    for axes, (key, title) in zip(panels, PANELS.items(), strict=True):
        for place, (_, row) in enumerate(rows):
            style = marker(COLOURS[row.tier], SHAPES[row.tier], row.few)
            _interval(axes, place, row.metric(key), style)
        axes.set_xlim(-0.03, 1.03)
        axes.set_xticks((0, 0.25, 0.5, 0.75, 1), labels=("0", "", "0.5", "", "1"))
        axes.set_xlabel(title)
        name_rows(axes, rows)
    split = printable(evaluation.data.split)
    panels[0].set_title(
        f"Each label's metrics on {split}, with 95% intervals{of_more(rows, evaluation.labels)}"
    )
    legend_below(figure, tier_handles(rows, evaluation.data.min_support))
    return figure


@figure_style()
def draw_reliability(evaluation: Evaluation) -> Figure:
    """Draw the share of texts that have the label against the predicted probability.

    All labels count together. Both axes are square roots, since most probabilities of rare labels
    are near zero.

    Args:
        evaluation: what is drawn.
    """
    overall = evaluation.calibration.overall
    forms = {"raw": overall.raw, "calibrated": overall.calibrated}
    figure = new_figure(6.5, 6.5)
    axes = figure.add_subplot()
    axes.set_xscale("function", functions=(np.sqrt, np.square))
    axes.set_yscale("function", functions=(np.sqrt, np.square))
    axes.axline((0, 0), (1, 1), color=FAINT, linewidth=1, linestyle=":")
    handles = [_reliability(axes, form, of) for form, of in forms.items() if of]
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(PROBABILITY_TICKS, [f"{tick:g}" for tick in PROBABILITY_TICKS])
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="predicted probability, square-root scale")
    axes.set_ylabel("share of texts that have the label, with its 95% interval")
    axes.grid(True)
    axes.set_title(f"Calibration on {printable(evaluation.data.split)}, all labels")
    legend_below(figure, handles)
    return figure


@figure_style()
def draw_comparison(evaluation: Evaluation) -> Figure | None:
    """Draw each label's difference of F1 with its interval around 0; None without a comparison.

    Args:
        evaluation: what is drawn.
    """
    comparison = evaluation.comparison
    if not comparison:
        return None
    order = [name for name, _ in evaluation.rarest_first() if name in comparison.labels]
    rows = [(name, comparison.labels[name]) for name in order[:MOST_ROWS]]
    figure = new_figure(9, _height(rows))
    axes = figure.add_subplot()
    axes.axvline(0, color=INK, linewidth=0.8)
    for place, (_, row) in enumerate(rows):
        _interval(axes, place, row.f1, marker(VERDICT_COLOURS[row.verdict]))
    axes.set_xlim(*_around_zero(rows))
    axes.set_xlabel("difference of F1, with its 95% interval; right of 0 this model is better")
    name_rows(axes, rows)
    axes.set_title(f"F1 compared with {short_name(comparison.against)}{of_more(rows, order)}")
    present = {row.verdict for _, row in rows}
    styles = [(name, marker(colour)) for name, colour in VERDICT_COLOURS.items()]
    handles = [Line2D([], [], label=name, **style) for name, style in styles if name in present]
    legend_below(figure, handles)
    return figure


def _point(axes: Axes, row: LabelMetrics, link: str) -> None:
    f1, at, colour = row.f1, row.training_positives, COLOURS[row.tier]
    if f1.value is None:
        return
    if f1.low is not None and f1.high is not None:
        axes.vlines(at, f1.low, f1.high, color=colour, alpha=0.4, linewidth=1.2)
    axes.plot([at], [f1.value], **marker(colour, SHAPES[row.tier], row.few), url=link)


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
    assert figure is not None  # `axes` stand on a figure
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


def _height(rows: Sequence[object]) -> float:
    return 1.7 + 0.27 * max(len(rows), 2)


def _interval(axes: Axes, place: int, of: Estimate | None, style: dict[str, Any]) -> None:
    if of is None or of.value is None:
        return
    if of.low is not None and of.high is not None:
        colour = style["markeredgecolor"]
        axes.hlines(place, of.low, of.high, color=colour, alpha=0.45, linewidth=4)
    axes.plot([of.value], [place], **style)


def _reliability(axes: Axes, form: str, of: Reliability) -> Line2D:
    label, colour = FORMS[form]
    for bin in of.bins:
        if bin.share.low is not None and bin.share.high is not None:
            at = bin.mean_probability
            axes.vlines(at, bin.share.low, bin.share.high, color=colour, alpha=0.5)
    means = [bin.mean_probability for bin in of.bins]
    shares = np.array([bin.share.value for bin in of.bins], dtype=np.float64)
    error = label if of.ece is None else f"{label}, ECE {of.ece:.3f}"
    (line,) = axes.plot(means, shares, color=colour, marker="o", markersize=5, label=error)
    return line


def _around_zero(rows: Sequence[tuple[str, LabelDifference]]) -> tuple[float, float]:
    numbers = (end for _, row in rows for end in (row.f1.value, row.f1.low, row.f1.high))
    ends = [abs(end) for end in numbers if end is not None]
    most = 1.08 * max(ends, default=0.1) or 0.1
    return -most, most
