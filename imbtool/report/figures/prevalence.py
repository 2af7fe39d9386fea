"""The figure of prevalence: a point and an interval a label, or a small multiple over groups."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from imbtool.evaluation.document import Estimate
from imbtool.monitoring.prevalence_document import LabelPrevalence, Prevalence
from imbtool.report.figures.figure import (
    COLOURS,
    FAINT,
    figure_style,
    legend_below,
    name_rows,
    new_figure,
    of_more,
    short_name,
)

MOST_LABELS = 40
MOST_PANELS = 24
COLUMNS = 4
LEAST_SHARE = 1e-5
"""The left end of the axis, which is logarithmic."""

Row = tuple[str, LabelPrevalence]


@figure_style()
def draw_prevalence(document: Prevalence) -> Figure:
    """Draw the prevalence of each label, over the groups where there are some."""
    return _over_groups(document) if document.groups else _of_labels(document)


def _rarest(document: Prevalence, most: int) -> list[Row]:
    return sorted(document.labels.items(), key=_about)[:most]


def _about(row: Row) -> float:
    """The share of a label; that which is flagged if it is withheld."""
    share = row[1].prevalence.value
    return row[1].flagged if share is None else share


def _percent(share: float, _: object) -> str:
    return f"{100 * share:.3g}%"


def _of_labels(document: Prevalence) -> Figure:
    rows = _rarest(document, MOST_LABELS)
    figure = new_figure(8, 1.6 + 0.26 * len(rows))
    axes = figure.subplots()
    for place, (_, label) in enumerate(rows):
        _interval(axes, place, label.prevalence)
        axes.plot([max(label.flagged, LEAST_SHARE)], [place], **_tick())
    name_rows(axes, rows)
    axes.set_xscale("log")
    axes.set_xlim(LEAST_SHARE, 1)
    axes.xaxis.set_major_formatter(FuncFormatter(_percent))
    axes.set(title=f"Prevalence{of_more(rows, document.labels)}", xlabel="share of the texts")
    _legend(figure, axes)
    return figure


def _interval(axes: Axes, place: int, share: Estimate) -> None:
    low, high = max(share.low or 0.0, LEAST_SHARE), max(share.high or 0.0, LEAST_SHARE)
    if share.value is None:
        axes.plot([LEAST_SHARE, high], [place, place], color=FAINT, linestyle=":")
        axes.plot([high], [place], color=FAINT, marker=4, linestyle="none")
        return
    axes.plot([low, high], [place, place], color=COLOURS["common"])
    axes.plot([max(share.value, LEAST_SHARE)], [place], color=COLOURS["common"], marker="o")


def _tick() -> dict[str, Any]:
    return {"color": COLOURS["severe"], "marker": "|", "markersize": 9, "linestyle": "none"}


def _legend(figure: Figure, axes: Axes) -> None:
    colour = COLOURS["common"]
    handles = [
        *axes.plot([], [], color=colour, marker="o", label="prevalence, 95% interval"),
        *axes.plot([], [], color=FAINT, linestyle=":", marker=4, label="withheld: at most"),
        *axes.plot([], [], **_tick(), label="share flagged by the model"),
    ]
    legend_below(figure, handles)


def _over_groups(document: Prevalence) -> Figure:
    rows = _rarest(document, MOST_PANELS)
    columns = min(COLUMNS, len(rows))
    lines = -(-len(rows) // columns)
    figure = new_figure(2.6 * columns + 0.6, 1.9 * lines + 0.8)
    panels = figure.subplots(lines, columns, squeeze=False, sharex=True).ravel().tolist()
    values = [group.value for group in document.groups]
    for axes, (name, _) in zip(panels, rows, strict=False):
        for place, group in enumerate(document.groups):
            share = group.labels[name].prevalence
            colour = FAINT if share.value is None else COLOURS["common"]
            style = ":" if share.value is None else "-"
            ends = [share.low or 0.0, 1.0 if share.high is None else share.high]
            axes.plot([place, place], ends, color=colour, linestyle=style)
            if share.value is not None:
                axes.plot([place], [share.value], color=colour, marker="o", markersize=4)
            axes.plot([place], [group.labels[name].flagged], **(_tick() | {"marker": "_"}))
        axes.set_title(short_name(name, 28), fontsize=8)
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(FuncFormatter(_percent))
        step = max(1, len(values) // 6)
        shown = [short_name(value, 10) for value in values]
        axes.set_xticks(range(0, len(values), step), labels=shown[::step], rotation=60)
    for axes in panels[len(rows) :]:
        axes.set_visible(False)
    figure.suptitle(f"Prevalence by {document.by}{of_more(rows, document.labels)}")
    _legend(figure, panels[0])
    return figure
