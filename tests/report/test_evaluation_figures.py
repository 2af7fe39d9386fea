from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import pytest
from matplotlib.image import imread

from imbtool.report.figures.evaluation import (
    plot_co_occurrence,
    plot_counts,
    plot_f1_by_positives,
    plot_weights,
)

Document = dict[str, Any]
Draw = Callable[[Path], None]

AWKWARD = {"$x_1$ $\\nope$": 0, "<script>": 3, "محتوى عنيف": 40, "a" * 80: 90, "😀 _暴力_ {": 800}
PLOTS = ("counts", "weights", "co_occurrence", "f1_by_positives")


def analysis(positives: dict[str, int]) -> Document:
    return {
        "labels": {
            name: {
                "positives": count,
                "ratio": 900 / count if count else None,
                "tier": "severe" if count < 9 else "moderate" if count < 90 else "common",
                "weight": 10.0,
                "effective_number_weight": 1.5,
            }
            for name, count in positives.items()
        },
        "co_occurrence": {
            "labels": list(positives),
            "texts": [[min(a, b) for a in positives.values()] for b in positives.values()],
        },
    }


def evaluation(positives: dict[str, int]) -> Document:
    rows = analysis(positives)["labels"]
    return {
        "data": {"split": "test", "min_support": 10},
        "labels": {
            name: {
                "f1": {"value": 0.5 if row["positives"] else None, "low": None, "high": None},
                "training_positives": row["positives"],
                "tier": row["tier"],
                "few": row["positives"] < 10,
            }
            for name, row in rows.items()
        },
    }


def drawing(plot: str, positives: dict[str, int]) -> Draw:
    document = analysis(positives)
    draws: dict[str, Draw] = {
        "counts": lambda path: plot_counts(document, path),
        "weights": lambda path: plot_weights(document["labels"], path),
        "co_occurrence": lambda path: plot_co_occurrence(document, path),
        "f1_by_positives": lambda path: plot_f1_by_positives(evaluation(positives), path),
    }
    return draws[plot]


@pytest.mark.parametrize("plot", PLOTS)
@pytest.mark.parametrize(
    "positives",
    [AWKWARD, {"only": 17}, {"none": 0}],
    ids=["awkward names", "one label", "no positives"],
)
@pytest.mark.filterwarnings("error")
def test_writes_an_image_without_a_warning(
    plot: str, positives: dict[str, int], tmp_path: Path
) -> None:
    path = tmp_path / "plot.png"
    before = dict(matplotlib.rcParams)
    drawing(plot, positives)(path)
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    pixels = imread(path)
    assert min(pixels.shape[:2]) > 200
    assert pixels[..., :3].std() > 0.02, "an empty canvas"
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("plot", PLOTS)
def test_same_bytes_again_and_whatever_follows_the_start_of_a_long_name(
    plot: str, tmp_path: Path
) -> None:
    longer = {name * (10 if len(name) == 80 else 1): count for name, count in AWKWARD.items()}
    drawing(plot, AWKWARD)(tmp_path / "first.png")
    drawing(plot, longer)(tmp_path / "second.png")
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()


def test_more_labels_make_a_taller_image_up_to_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imbtool.report.figures.evaluation.MOST_BARS", 20)
    heights = []
    for number in (5, 20, 60):
        positives = {f"label {index}": index + 1 for index in range(number)}
        drawing("counts", positives)(tmp_path / "plot.png")
        heights.append(imread(tmp_path / "plot.png").shape[0])
    assert heights[0] < heights[1] == heights[2]


def test_a_failed_drawing_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "plot.png"
    path.write_bytes(b"old")

    def half_written(_figure: object, target: Path, **_options: object) -> None:
        target.write_bytes(b"\x89PNG")
        raise OSError("disk full")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", half_written)
    with pytest.raises(OSError, match="disk full"):
        drawing("counts", {"only": 17})(path)
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("plot.png", b"old")]
