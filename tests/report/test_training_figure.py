"""The figure of a training: what it shows, and that any run can be drawn."""

import math
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.image import imread

from imbtool.events import EndEvent, EpochEvent, Event, LearningRate, StartEvent, StepEvent
from imbtool.report.figures.figure import write_png
from imbtool.report.figures.training import draw_training


def step(number: int, loss: float | None) -> StepEvent:
    return StepEvent(step=number, loss=loss)


def epoch(number: int, best: bool = True, **metrics: Any) -> EpochEvent:
    usual = {
        "epoch": number,
        "step": 100 * number,
        "best": best,
        "train_loss": 0.5 / number,
        "validation_loss": 0.4,
        "f1_macro": min(0.1 * number, 1.0),
        "average_precision_macro": 0.2,
        "labels": {},
    }
    return EpochEvent(**usual | metrics)


STEPS = [step(number, 0.6 - number / 1000) for number in range(10, 310, 10)]
EPOCHS = [epoch(1), epoch(2, secondary_f1_macro=0.1), epoch(3, best=False, secondary_f1_macro=0.2)]
NOTHING = {
    "train_loss": None,
    "validation_loss": None,
    "f1_macro": None,
    "secondary_f1_macro": None,
}
START = StartEvent(learning_rate=LearningRate(value=1e-4), epochs=3)
RUNS: dict[str, list[Event]] = {
    "whole": [START, *STEPS, *EPOCHS, EndEvent(best_epoch=2)],
    "one epoch": [*STEPS[:10], epoch(1)],
    "no step": EPOCHS,
    "one step": [STEPS[0]],
    "no epoch": STEPS,
    "no event": [],
    "nothing known of an epoch": [epoch(1), epoch(2, best=False, **NOTHING)],
    "nothing known at all": [step(10, None), step(20, math.nan), epoch(1, **NOTHING)],
    "many epochs": [epoch(number) for number in range(1, 60)],
}


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.filterwarnings("error")
def test_writes_an_image_without_a_warning_and_again_the_same(run: str, tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    for name in ("first.png", "second.png"):
        write_png(draw_training(RUNS[run]), tmp_path / name)
    pixels = imread(tmp_path / "first.png")
    assert min(pixels.shape[:2]) > 200
    assert pixels[..., :3].std() > 0.02, "an empty canvas"
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()
    assert dict(matplotlib.rcParams) == before


def panels(events: list[Event]) -> list[Axes]:
    """The two panels of the figure, losses and figures on validation."""
    return draw_training(events).axes


def lines(axes: Axes) -> dict[str, tuple[list[float], list[float]]]:
    return {
        str(line.get_label()): (list(line.get_xdata()), list(line.get_ydata()))
        for line in axes.lines
    }


def legend(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_losses_are_drawn_by_step_and_figures_at_the_end_of_their_epochs() -> None:
    losses, figures = panels(RUNS["whole"])
    drawn = lines(losses)
    assert drawn["training step"][0] == [event.step for event in STEPS]
    assert drawn["training step"][1] == [event.loss for event in STEPS]
    assert drawn["validation"] == ([100, 200, 300], [0.4, 0.4, 0.4])
    (means,) = losses.collections
    assert [segment.tolist() for segment in means.get_segments()] == [
        [[0, 0.5], [100, 0.5]],
        [[100, 0.25], [200, 0.25]],
        [[200, 0.5 / 3], [300, 0.5 / 3]],
    ]
    drawn = lines(figures)
    assert drawn["macro-F1"] == ([100, 200, 300], pytest.approx([0.1, 0.2, 0.3]))
    assert drawn["mean average precision"] == ([100, 200, 300], [0.2, 0.2, 0.2])
    assert drawn["macro-F1 of secondary labels"] == ([200, 300], [0.1, 0.2])


def test_the_smoothed_loss_keeps_the_level_and_loses_the_noise() -> None:
    noise = np.random.default_rng(0).standard_normal(1000)
    events = [step(at + 1, loss) for at, loss in enumerate(1 + 0.2 * noise)]
    (_, raw), (_, smoothed) = list(lines(panels(events)[0]).values())
    assert np.mean(smoothed) == pytest.approx(1, abs=0.02)
    assert np.std(smoothed) < np.std(raw) / 4
    assert min(smoothed) > 0.8, "the ends sink"


def test_the_last_best_epoch_is_marked_as_the_kept_one() -> None:
    for axes in panels(RUNS["whole"]):
        assert lines(axes)["kept epoch"][0] == [200, 200]


def test_a_value_that_is_not_known_is_a_gap() -> None:
    events = [step(10, 0.5), step(20, None), step(30, 0.4), epoch(1), epoch(2, f1_macro=None)]
    losses, figures = panels(events)
    assert lines(losses)["training step"] == ([10, 30], [0.5, 0.4])
    assert lines(losses)["smoothed"][1] == [0.5, 0.4]
    assert lines(figures)["macro-F1"][1] == pytest.approx([0.1, math.nan], nan_ok=True)


def test_the_legend_names_what_is_drawn_and_nothing_else() -> None:
    losses, figures = panels(RUNS["one epoch"])
    assert set(legend(losses)) == {*lines(losses), "mean of the epoch"}
    assert legend(figures) == ["macro-F1", "mean average precision", "kept epoch"]
    losses, figures = panels(RUNS["no epoch"])
    assert legend(losses) == ["training step", "smoothed"]
    assert legend(figures) == []


def test_ticks_name_the_epochs_but_not_too_many() -> None:
    for run, number in (("whole", 3), ("many epochs", 12)):
        ticks = [text.get_text() for text in panels(RUNS[run])[1].get_xticklabels()]
        assert ticks[0] == "1\nstep 100"
        assert number - 1 <= len(ticks) <= number
