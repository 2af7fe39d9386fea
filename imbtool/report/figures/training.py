"""The figure of a training: losses above, figures on validation below."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from imbtool.evaluation.measures import is_known
from imbtool.events import EpochEvent, Event, StepEvent, of_kind
from imbtool.report.figures.figure import COLOURS, FAINT, INK, figure_style, new_figure
from imbtool.types import Floats

SMOOTHED_PARTS = 25
"""The smoothed loss is the mean over a window of one part in so many of the run."""
MOST_EPOCH_TICKS = 12
TRAINING, VALIDATION = COLOURS["common"], COLOURS["severe"]
FIGURES = (
    ("f1_macro", "macro-F1", INK, "o"),
    ("average_precision_macro", "mean average precision", COLOURS["moderate"], "s"),
    ("secondary_f1_macro", "macro-F1 of secondary labels", COLOURS["severe"], "^"),
)
"""Key in the event, name, colour and marker."""


@figure_style()
def draw_training(events: Sequence[Event]) -> Figure:
    """Draw the losses of a run, and its figures on validation, by step.

    Args:
        events: of the run, oldest first and no step twice; without steps or epochs the figure has
            only the others.
    """
    steps = [step for step in of_kind(events, StepEvent) if is_known(step.loss)]
    epochs = of_kind(events, EpochEvent)
    figure = new_figure(9, 6.5)
    losses, figures = figure.subplots(2, 1, sharex=True, height_ratios=(1.15, 1))
    _loss_axis(losses)
    figures.set(title="On validation", xlabel="step")
    if steps:
        _draw_steps(losses, steps)
    if epochs:
        _draw_losses(losses, epochs)
        _draw_figures(figures, epochs)
        _epoch_axis(figures, epochs)
    for axes in (losses, figures):
        axes.grid(True, axis="y")
        handles, _ = axes.get_legend_handles_labels()
        axes.legend(handles=handles, loc="lower right", bbox_to_anchor=(1, 1), ncols=5)
    return figure


def _loss_axis(axes: Axes) -> None:
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_title("Loss, log scale")


def _draw_steps(axes: Axes, steps: Sequence[StepEvent]) -> None:
    at, loss = _values(steps, "step"), _values(steps, "loss")
    axes.plot(at, loss, color=TRAINING, alpha=0.4, linewidth=0.7, label="training step")
    axes.plot(at, _smoothed(loss), color=TRAINING, linewidth=1.8, label="smoothed")


def _draw_losses(axes: Axes, epochs: Sequence[EpochEvent]) -> None:
    ends = _values(epochs, "step")
    # a mean belongs to the whole epoch, not to its end
    starts = np.array([0, *ends[:-1]])
    means = _values(epochs, "train_loss")
    axes.hlines(means, starts, ends, color=INK, linestyle="--", label="mean of the epoch")
    validation = _values(epochs, "validation_loss")
    axes.plot(ends, validation, color=VALIDATION, marker="o", label="validation")
    _mark_kept(axes, epochs)


def _draw_figures(axes: Axes, epochs: Sequence[EpochEvent]) -> None:
    for key, name, colour, marker in FIGURES:
        drawn = [event for event in epochs if key in event.model_fields_set]
        if drawn:
            at, values = _values(drawn, "step"), _values(drawn, key)
            axes.plot(at, values, color=colour, marker=marker, label=name)
    _mark_kept(axes, epochs)


def _epoch_axis(axes: Axes, epochs: Sequence[EpochEvent]) -> None:
    """Name the steps at which epochs end."""
    shown = epochs[:: -(-len(epochs) // MOST_EPOCH_TICKS)]
    axes.set_xlim(left=0)
    axes.set_xticks(
        [event.step for event in shown],
        labels=[f"{event.epoch}\nstep {event.step:,}" for event in shown],
    )
    axes.set_xlabel("end of epoch")


def _mark_kept(axes: Axes, epochs: Sequence[EpochEvent]) -> None:
    """Draw a line where the best epoch ends, whose checkpoint is kept."""
    kept = [event for event in epochs if event.best][-1:]
    for event in kept:
        axes.axvline(event.step, color=FAINT, linestyle=":", zorder=1, label="kept epoch")


def _values(events: Sequence[Event], key: str) -> Floats:
    """The values of a key; None becomes NaN, which is not drawn."""
    return np.array([getattr(event, key) for event in events], dtype=np.float64)


def _smoothed(loss: Floats) -> Floats:
    """The mean of a window around each step; the window is cut at both ends of the run."""
    window = np.ones(len(loss) // SMOOTHED_PARTS + 1)
    sums: Floats = np.convolve(loss, window, mode="same")
    return sums / np.convolve(np.ones(len(loss)), window, mode="same")
