"""Plots of what is uncertain: that they draw any evaluation, and draw what it says."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from drawn import keep_figures
from evaluations import NAMES, Document, evaluation, full_evaluation, typed
from matplotlib.figure import Figure
from matplotlib.image import imread

from imbtool.evaluation.document import Evaluation
from imbtool.report.figures.intervals import plot_comparison, plot_intervals, plot_reliability

Plot = Callable[[Evaluation, Path], None]
Draw = Callable[[Plot, Document], Figure]

PLOTS = (plot_intervals, plot_reliability, plot_comparison)


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


@pytest.mark.parametrize("plot", PLOTS)
@pytest.mark.parametrize("document", DOCUMENTS)
@pytest.mark.filterwarnings("error")
def test_writes_an_image_without_a_warning(plot: Plot, document: str, tmp_path: Path) -> None:
    plot(typed(DOCUMENTS[document]), tmp_path / "plot.png")
    pixels = imread(tmp_path / "plot.png")
    assert min(pixels.shape[:2]) > 200
    assert pixels[..., :3].std() > 0.02, "an empty canvas"


def test_without_a_comparison_no_file_is_left(tmp_path: Path) -> None:
    plot_comparison(typed(evaluation()), tmp_path / "plot.png")
    assert not list(tmp_path.iterdir())


@pytest.fixture
def draw(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Draw:
    """Draw a document and give the figure."""
    figures = keep_figures(monkeypatch)

    def drawn(plot: Plot, document: Document) -> Figure:
        plot(typed(document), tmp_path / "plot.png")
        return figures[-1]

    return drawn


def segments(axes: Any) -> list[list[list[float]]]:
    return [part.tolist() for lines in axes.collections for part in lines.get_segments()]


def test_each_measure_of_each_label_has_its_point_and_interval_rarest_at_the_top(
    draw: Draw,
) -> None:
    figure = draw(plot_intervals, full_evaluation())
    assert [axes.get_xlabel() for axes in figure.axes] == ["Precision", "Recall", "F1"]
    recall = figure.axes[1]
    assert segments(recall) == [[[0.122, 2], [0.738, 2]]]
    points = [(line.get_xdata()[0], line.get_ydata()[0]) for line in recall.lines]
    assert points == [(0.0, 1), (0.4, 2), (0.8, 3)], "the label without positives has none"
    assert recall.get_ylim()[0] > recall.get_ylim()[1]
    hollow = [line.get_markerfacecolor() == "white" for line in recall.lines]
    assert hollow == [True, False, False]


def test_reliability_draws_raw_and_calibrated_with_the_shares_intervals(draw: Draw) -> None:
    (axes,) = draw(plot_reliability, full_evaluation()).axes
    lines = {line.get_label(): line for line in axes.lines}
    raw = lines["as the model gives them, ECE 0.031"]
    assert list(raw.get_xdata()) == [0.001, 0.05, 0.6]
    assert list(raw.get_ydata()) == [0.001, 0.05, 0.6]
    assert "calibrated, ECE 0.004" in lines
    assert [[0.6, 0.5], [0.6, 0.7]] in segments(axes)


def test_differences_stand_around_zero_in_the_colour_of_their_verdict(draw: Draw) -> None:
    (axes,) = draw(plot_comparison, full_evaluation()).axes
    low, high = axes.get_xlim()
    assert low == -high and high == pytest.approx(1.08 * 0.25)
    zero, *points = axes.lines
    assert list(zero.get_xdata()) == [0, 0]
    assert [line.get_xdata()[0] for line in points] == [0.2, -0.1, 0.01]
    assert len({line.get_markeredgecolor() for line in points}) == 3


def test_same_bytes_again(tmp_path: Path) -> None:
    for plot in PLOTS:
        for name in ("first.png", "second.png"):
            plot(typed(full_evaluation()), tmp_path / name)
        assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()
