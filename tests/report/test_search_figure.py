"""The figure of a search: what it shows, and that any batch can be drawn."""

from pathlib import Path

import pytest
from figurefiles import require_picture
from matplotlib.axes import Axes
from searches import answered, need, search

from imbtool.annotation.batch import Batch
from imbtool.report.figures.figure import write_png
from imbtool.report.figures.search import draw_search

THREE = [answered("01", 100, 12), answered("02", 100, 30), answered("03", 50, 5)]
SEARCHES = {
    "first batch": search(),
    "three answered": search(progress=THREE),
    "nothing expected": search([need("threat", 0, 0.0, 0.0)], chosen=["random"]),
    "many positives": search([need("spam", 900, 4000.0, 20.0)], [answered("01", 9000, 7000)]),
}


@pytest.mark.parametrize("name", SEARCHES)
@pytest.mark.filterwarnings("error")
def test_writes_an_image_without_a_warning_and_again_the_same(name: str, tmp_path: Path) -> None:
    for file in ("first.png", "second.png"):
        write_png(draw_search(SEARCHES[name]), tmp_path / file)
        require_picture(tmp_path / file)
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()


def drawn(batch: Batch) -> tuple[Axes, dict[str, tuple[list[float], list[float]]]]:
    (axes,) = draw_search(batch).axes
    lines = {
        str(line.get_label()): (list(line.get_xdata()), list(line.get_ydata()))
        for line in axes.lines
    }
    return axes, lines


def test_what_was_found_is_drawn_by_texts_read_and_goes_on_as_expected() -> None:
    axes, lines = drawn(SEARCHES["three answered"])
    assert lines["found so far"] == ([0, 100, 200, 250], [0, 12, 42, 47])
    assert lines["expected with this batch"] == ([250, 255], [47, 50])
    texts, by_chance = lines["expected in as many random texts"]
    assert texts == [0, 100, 200, 250, 255]
    assert by_chance == pytest.approx([0, 1, 2, 2.5, 2.7])
    assert axes.get_title(loc="left") == "Positives of the 2 labels searched for"
    (legend,) = axes.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == list(lines)


def test_before_any_answer_only_expectations_are_drawn() -> None:
    _, lines = drawn(search([need("threat", 0)]))
    assert list(lines) == ["expected with this batch", "expected in as many random texts"]


@pytest.mark.parametrize("name", SEARCHES)
def test_ticks_are_whole_numbers_and_every_point_is_inside(name: str) -> None:
    axes, lines = drawn(SEARCHES[name])
    assert [tick for tick in (*axes.get_xticks(), *axes.get_yticks()) if tick % 1] == []
    assert axes.get_xlim()[1] > max(max(xs) for xs, _ in lines.values())
    assert axes.get_ylim()[1] > max(max(ys) for _, ys in lines.values())
