"""The plot of a tuning: a panel a label, kept rounds joined, and any story can be drawn."""

from pathlib import Path

import pytest
from drawn import keep_figures
from matplotlib.image import imread
from stories import NAMES, round_, story

from imbtool.report.figures.tuning import plot_trajectories

STORIES = {
    "three rounds": story(),
    "one round": story([round_(1, 0.4, True, [0.1, 0.2, 0.3])]),
    "nothing known": story([round_(1, None, True, [None] * 3)]),
}


@pytest.mark.parametrize("name", STORIES)
@pytest.mark.filterwarnings("error")
def test_writes_an_image_without_a_warning_and_again_the_same(name: str, tmp_path: Path) -> None:
    for file in ("first.png", "second.png"):
        plot_trajectories(STORIES[name], tmp_path / file)
    assert imread(tmp_path / "first.png")[..., :3].std() > 0.01, "an empty canvas"
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()


def test_each_label_has_a_panel_with_kept_rounds_joined(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    figures = keep_figures(monkeypatch)
    plot_trajectories(story(), tmp_path / "plot.png")
    panels = {axes.get_title(loc="left"): axes for axes in figures[0].axes if axes.axison}
    assert list(panels) == ["macro-F1", *NAMES]
    drawn = [(list(line.get_xdata()), list(line.get_ydata())) for line in panels[NAMES[0]].lines]
    assert drawn == [([1, 3], [0, 0.3]), ([2], [0.1])] * 2, "recall and F1"
    objective = [list(line.get_ydata()) for line in panels["macro-F1"].lines]
    assert objective == [[0.3, 0.45], [0.25]]
