"""The figures of a tuning: a panel a label, kept rounds joined, and any tuning can be drawn."""

from pathlib import Path

import pytest
from matplotlib.image import imread
from tunings import NAMES, round_, tuning

from imbtool.report.figures.figure import write_png
from imbtool.report.figures.tuning import draw_objective, draw_rounds

TUNINGS = {
    "three rounds": tuning(),
    "one round": tuning([round_(1, 0.4, True, [0.1, 0.2, 0.3])]),
    "nothing known": tuning([round_(1, None, True, [None] * 3)]),
}


@pytest.mark.parametrize("name", TUNINGS)
@pytest.mark.filterwarnings("error")
def test_writes_an_image_without_a_warning_and_again_the_same(name: str, tmp_path: Path) -> None:
    for file in ("first.png", "second.png"):
        write_png(draw_rounds(TUNINGS[name]), tmp_path / file)
    assert imread(tmp_path / "first.png")[..., :3].std() > 0.01, "an empty canvas"
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()


def test_each_label_has_a_panel_with_kept_rounds_joined() -> None:
    figure = draw_rounds(tuning())
    panels = {axes.get_title(loc="left"): axes for axes in figure.axes if axes.axison}
    assert list(panels) == ["macro-F1", NAMES[0], 'say "&amp;" \\u202eno', NAMES[2]]
    drawn = [(list(line.get_xdata()), list(line.get_ydata())) for line in panels[NAMES[0]].lines]
    assert drawn == [([1, 3], [0, 0.3]), ([2], [0.1])] * 2, "recall and F1"


def test_the_objective_is_drawn_alike_beside_the_labels_and_alone() -> None:
    for figure in (draw_rounds(tuning()), draw_objective(tuning())):
        assert [list(line.get_ydata()) for line in figure.axes[0].lines] == [[0.3, 0.45], [0.25]]
    assert figure.axes[0].get_ylabel() == "macro-F1"
