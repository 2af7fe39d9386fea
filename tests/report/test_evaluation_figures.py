"""The figures of an evaluation: any evaluation can be drawn, and they show what it says."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from evaluations import NAMES, Document, evaluation, full_evaluation, typed
from figurefiles import require_picture
from matplotlib.figure import Figure

from imbtool.evaluation.document import Evaluation
from imbtool.report.figures.evaluation import (
    draw_comparison,
    draw_f1_by_positives,
    draw_intervals,
    draw_reliability,
)
from imbtool.report.figures.figure import write_png

Draw = Callable[[Evaluation], Figure]

DRAW = (draw_f1_by_positives, draw_intervals, draw_reliability, draw_comparison)


def one_label(value: float | None) -> Document:
    document = full_evaluation()
    name = "a" * 80
    for rows in (document["labels"], document["comparison"]["labels"]):
        row = rows[NAMES[2 if value else 3]]
        rows.clear()
        rows[name] = row
    return document


DOCUMENTS = {
    "awkward names": full_evaluation(),
    "one label": one_label(0.8),
    "nothing known": one_label(None),
}


@pytest.mark.parametrize("draw", DRAW)
@pytest.mark.parametrize("document", DOCUMENTS)
@pytest.mark.filterwarnings("error")
def test_any_evaluation_is_drawn_without_a_warning(
    draw: Draw, document: str, tmp_path: Path
) -> None:
    write_png(draw(typed(DOCUMENTS[document])), tmp_path / "figure.png")
    require_picture(tmp_path / "figure.png")


def test_without_a_comparison_there_is_no_figure_of_one() -> None:
    assert draw_comparison(typed(evaluation())) is None


def segments(axes: Any) -> list[list[list[float]]]:
    return [part.tolist() for lines in axes.collections for part in lines.get_segments()]


def test_each_measure_of_each_label_has_its_point_and_interval_rarest_at_the_top() -> None:
    figure = draw_intervals(typed(full_evaluation()))
    assert [axes.get_xlabel() for axes in figure.axes] == ["Precision", "Recall", "F1"]
    recall = figure.axes[1]
    assert segments(recall) == [[[0.122, 2], [0.738, 2]]]
    points = [(line.get_xdata()[0], line.get_ydata()[0]) for line in recall.lines]
    assert points == [(0.0, 1), (0.4, 2), (0.8, 3)], "the label without positives has none"
    assert recall.get_ylim()[0] > recall.get_ylim()[1]
    hollow = [line.get_markerfacecolor() == "white" for line in recall.lines]
    assert hollow == [True, False, False]


def test_reliability_draws_raw_and_calibrated_with_the_shares_intervals() -> None:
    (axes,) = draw_reliability(typed(full_evaluation())).axes
    lines = {line.get_label(): line for line in axes.lines}
    raw = lines["as the model gives them, ECE 0.031"]
    assert list(raw.get_xdata()) == [0.001, 0.05, 0.6]
    assert list(raw.get_ydata()) == [0.001, 0.05, 0.6]
    assert "calibrated, ECE 0.004" in lines
    assert [[0.6, 0.5], [0.6, 0.7]] in segments(axes)


def test_differences_stand_around_zero_in_the_colour_of_their_verdict() -> None:
    (axes,) = draw_comparison(typed(full_evaluation())).axes
    low, high = axes.get_xlim()
    assert low == -high and high == pytest.approx(1.08 * 0.25)
    zero, *points = axes.lines
    assert list(zero.get_xdata()) == [0, 0]
    assert [line.get_xdata()[0] for line in points] == [0.2, -0.1, 0.01]
    assert len({line.get_markeredgecolor() for line in points}) == 3


def test_a_point_stands_at_its_positives_and_f1_and_links_to_its_row() -> None:
    (axes,) = draw_f1_by_positives(typed(full_evaluation())).axes
    points = [(*line.get_xydata()[0], line.get_url()) for line in axes.lines]
    assert points == [(3, 0, "#label-2"), (40, 0.4, "#label-3"), (900, 0.8, "#label-4")]
    assert segments(axes) == [[[40, 0.122], [40, 0.738]]]
    names = [text.get_text() for text in axes.texts]
    assert names == [NAMES[0], 'say "&amp;" \\u202eno', NAMES[2]]


@pytest.mark.parametrize("draw", DRAW)
def test_the_same_evaluation_gives_the_same_bytes(draw: Draw, tmp_path: Path) -> None:
    for name in ("first.png", "second.png"):
        write_png(draw(typed(full_evaluation())), tmp_path / name)
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()
