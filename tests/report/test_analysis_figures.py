"""The figures of an analysis: any label can be drawn, and a large data set has a limit."""

from collections.abc import Callable
from pathlib import Path

import matplotlib
import pytest
from figurefiles import require_picture
from matplotlib.figure import Figure

from imbtool.analysis.document import CoOccurrence, LabelWeights
from imbtool.report.figures.analysis import draw_co_occurrence, draw_counts, draw_weights
from imbtool.report.figures.figure import write_png

Draw = Callable[[dict[str, int]], Figure]

AWKWARD = {"$x_1$ $\\nope$": 0, "<script>": 3, "محتوى عنيف": 40, "a" * 80: 90, "😀 _暴力_ {": 800}
DRAW: dict[str, Draw] = {
    "counts": lambda positives: draw_counts(weights(positives)),
    "weights": lambda positives: draw_weights(weights(positives)),
    "co-occurrence": lambda positives: draw_co_occurrence(together(positives)),
}


def weights(positives: dict[str, int]) -> dict[str, LabelWeights]:
    return {
        name: LabelWeights(
            parent=None,
            positives=count,
            negatives=900,
            unknown=0,
            ratio=900 / count if count else None,
            tier="severe" if count < 9 else "moderate" if count < 90 else "common",
            weight=10.0,
            reason="",
            effective_number_weight=1.5,
            splits={},
        )
        for name, count in positives.items()
    }


def together(positives: dict[str, int]) -> CoOccurrence:
    texts = [[min(a, b) for a in positives.values()] for b in positives.values()]
    return CoOccurrence(labels=list(positives), texts=texts)


@pytest.mark.parametrize("name", DRAW)
@pytest.mark.parametrize(
    "positives",
    [AWKWARD, {"only": 17}, {"none": 0}],
    ids=["awkward names", "one label", "no positives"],
)
@pytest.mark.filterwarnings("error")
def test_any_labels_are_drawn_without_a_warning(
    name: str, positives: dict[str, int], tmp_path: Path
) -> None:
    before = dict(matplotlib.rcParams)
    write_png(DRAW[name](positives), tmp_path / "figure.png")
    require_picture(tmp_path / "figure.png")
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("name", DRAW)
def test_the_end_of_a_long_name_changes_no_byte(name: str, tmp_path: Path) -> None:
    longer = {label * (10 if len(label) == 80 else 1): count for label, count in AWKWARD.items()}
    write_png(DRAW[name](AWKWARD), tmp_path / "first.png")
    write_png(DRAW[name](longer), tmp_path / "second.png")
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()


def test_more_labels_make_a_taller_figure_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imbtool.report.figures.analysis.MOST_BARS", 20)
    heights = []
    for number in (5, 20, 60):
        positives = {f"label {index}": index + 1 for index in range(number)}
        heights.append(draw_counts(weights(positives)).get_figheight())
    assert heights[0] < heights[1] == heights[2]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "figure.png"
    path.write_bytes(b"old")

    def half_written(_figure: object, target: Path, **_options: object) -> None:
        target.write_bytes(b"\x89PNG")
        raise OSError("disk full")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", half_written)
    with pytest.raises(OSError, match="disk full"):
        write_png(draw_counts(weights({"only": 17})), path)
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [
        ("figure.png", b"old")
    ]
