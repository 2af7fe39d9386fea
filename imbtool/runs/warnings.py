"""Training warnings: what the losses and the epochs of a run show; nothing here stops a run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from imbtool.evaluation.estimates import is_known
from imbtool.evaluation.intervals import exact_interval
from imbtool.evaluation.metrics import WEAK_PRECISION
from imbtool.events import EpochEvent, LabelEpochMetrics, WarningEvent
from imbtool.types import Floats

UNPROVEN_RECALL = 0.3
"""Where chance alone still allows a larger recall, positives are too few to say."""

CLEAR_RISE, SLIGHT_RISE = 0.03, 0.01
"""Of validation loss over its minimum: enough at once, and enough with two rises in a row."""

NARROWEST, FEWEST_WINDOWS = 4, 8
"""Losses of a window, windows of a run: fewer would be mistaken for noise, or noise for them."""
LEAST_RISE = math.log(1.5)
"""Of log loss. Losses drift by less with the order of texts, above all from epoch to epoch."""
REPEATED = 3
"""One rise is a warm-up or a stretch of hard texts; so many are a swing."""
RANGE_MARGIN = 1.25
"""For noise with longer tails than the normal distribution's."""
SPIKE_BLOCK = 16
LEAST_SPIKE = math.log(10)
SPIKE_DEVIATIONS = 8
MEDIAN_DIFFERENCE = 0.954
"""Median of |x - y| for two standard normal numbers."""


Losses = Sequence[float | None]


def training_warnings(epochs: Sequence[EpochEvent], losses: Losses) -> list[WarningEvent]:
    """All warnings so far: `oscillating` and `validation-rising` first, then those of labels.

    Args:
        epochs: of the run, oldest first.
        losses: of the steps, oldest first, all of them or every n-th.
    """
    run = (_oscillating(epochs, losses), _validation_rising(epochs))
    return [*filter(None, run), *_weak_labels(epochs)]


def _oscillating(epochs: Sequence[EpochEvent], losses: Losses) -> WarningEvent | None:
    """Does the loss swing, or spike again and again, by more than batches differ?

    All is measured on log losses, whose batch noise is about the same at any level. Batches are
    drawn independently, so noise makes neighbours differ as much as distant losses do: half the
    mean square of successive differences is its variance s², whatever the trend. By noise alone
    the moving means of w of n losses stay within a range of 2 sqrt(2 ln n) s / sqrt(w). A swing is
    a rise of these means (from a low to the next high, smaller turns ignored) beyond that range
    with a margin, and by half at least. Three of them at one width make a warning; a falling
    loss has none however steep it is, nor has a plateau. Widths double from 4, since wide means
    show slow swings in much noise and narrow ones quick swings. What swings within some eight
    losses cannot be told from batches that differ.

    A spike may last one step, which no window shows. It is a loss ten times the median of the
    block of 16 before it, and by eight robust deviations of the noise. Three blocks that have one
    make a warning; batches so different ask for the same care as a rate too high.
    """
    values = np.array(losses, dtype=np.float64)
    logs = np.log(values[np.isfinite(values) & (values > 0)])
    if len(logs) < NARROWEST * FEWEST_WINDOWS:
        return None
    noise = math.sqrt(np.mean(np.diff(logs) ** 2) / 2)
    width, rises = _swings(logs, noise)
    spikes = _spikes(logs)
    if not rises and spikes < REPEATED:
        return None
    evidence = {
        "losses": len(logs),
        "noise": noise,
        "window": width,
        "rises": len(rises),
        "largest_rise": math.exp(max(rises, default=0.0)),
        "spikes": spikes,
    }
    message = " and ".join(_oscillations(evidence))
    seen = [each.epoch for each in epochs]
    return _warning("oscillating", None, f"training loss {message}", evidence, seen)


def _oscillations(evidence: dict[str, float]) -> Iterator[str]:
    if evidence["rises"]:
        yield (
            f"swings (means of {evidence['window']} steps rose {evidence['rises']} times, "
            f"up to {evidence['largest_rise']:.1f}-fold)"
        )
    if evidence["spikes"] >= REPEATED:
        yield f"spikes (in {evidence['spikes']} places over ten times the losses before)"


def _swings(logs: Floats, noise: float) -> tuple[int, list[float]]:
    """The narrowest window whose means rise repeatedly, and these rises; (0, []) if none do."""
    by_chance = 2 * math.sqrt(2 * math.log(len(logs))) * noise
    width = NARROWEST
    while width * FEWEST_WINDOWS <= len(logs):
        means = np.convolve(logs, np.full(width, 1 / width), mode="valid")
        least = max(RANGE_MARGIN * by_chance / math.sqrt(width), LEAST_RISE)
        rises = _rises(means.tolist(), least)
        if len(rises) >= REPEATED:
            return width, rises
        width *= 2
    return 0, []


def _rises(values: Sequence[float], least: float) -> list[float]:
    """Heights of the rises from a low to the next high; turns of less than `least` are none."""
    rises: list[float] = []
    low = high = values[0]
    rising = False
    for value in values:
        if rising:
            high = max(high, value)
            if high - value > least:
                rises.append(high - low)
                low, rising = value, False
        else:
            low = min(low, value)
            if value - low > least:
                high, rising = value, True
    return [*rises, high - low] if rising else rises


def _spikes(logs: Floats) -> int:
    """Blocks with a loss far above the block before."""
    blocks = logs[: len(logs) // SPIKE_BLOCK * SPIKE_BLOCK].reshape(-1, SPIKE_BLOCK)
    # of medians: a spike must not count as the noise that it is measured by
    noise = np.median(np.abs(np.diff(logs))) / MEDIAN_DIFFERENCE
    least = max(LEAST_SPIKE, SPIKE_DEVIATIONS * noise)
    return int((blocks.max(axis=1)[1:] > np.median(blocks, axis=1)[:-1] + least).sum())


def _validation_rising(epochs: Sequence[EpochEvent]) -> WarningEvent | None:
    """Does validation loss stand above its minimum while training loss fell on from there?

    By 3%, or by 1% where the last two epochs both raised it.
    """
    known = [
        (each, each.train_loss, each.validation_loss)
        for each in epochs
        if is_known(each.train_loss) and is_known(each.validation_loss)
    ]
    if not known:
        return None
    losses = [validation for _, _, validation in known]
    lowest, train_then, minimum = known[losses.index(min(losses))]
    _, train_now, validation_now = known[-1]
    twice = len(losses) > 2 and losses[-3] < losses[-2] < losses[-1]
    least = 1 + (SLIGHT_RISE if twice else CLEAR_RISE)
    if validation_now <= least * minimum or train_now >= train_then:
        return None
    evidence = {
        "lowest_validation_loss": minimum,
        "validation_loss": validation_now,
        "train_loss_at_lowest": train_then,
        "train_loss": train_now,
        **_average_precision([each for each, _, _ in known]),
    }
    message = (
        f"validation loss rose from {evidence['lowest_validation_loss']:.4f} to "
        f"{evidence['validation_loss']:.4f} while training loss fell from "
        f"{evidence['train_loss_at_lowest']:.4f} to {evidence['train_loss']:.4f}; "
        + _what_it_means(evidence)
    )
    seen = [each.epoch for each, _, _ in known if each.epoch >= lowest.epoch]
    return _warning("validation-rising", None, message, evidence, seen)


def _average_precision(epochs: Sequence[EpochEvent]) -> dict[str, float]:
    """Mean average precision of the last epoch and the best before it; empty if not known."""
    *before, last = (each.average_precision_macro for each in epochs)
    earlier = [value for value in before if is_known(value)]
    if not earlier or not is_known(last):
        return {}
    return {"best_average_precision_before": max(earlier), "average_precision": last}


def _what_it_means(evidence: dict[str, float]) -> str:
    if "average_precision" not in evidence:
        return "mean average precision, which would tell what it means, is not known"
    before, now = evidence["best_average_precision_before"], evidence["average_precision"]
    if now > before:
        return (
            f"mean average precision still improves ({before:.3f} to {now:.3f}), "
            "so the model only grows overconfident"
        )
    return f"mean average precision no longer improves ({before:.3f} to {now:.3f}): overfitting"


def _weak_labels(epochs: Sequence[EpochEvent]) -> Iterator[WarningEvent]:
    """Warnings of the labels by the predictions of the last epoch."""
    for epoch in epochs[-1:]:
        for name, row in epoch.labels.items():
            if row.support and is_known(row.precision) and is_known(row.recall):
                if row.recall == 0:
                    yield _zero_recall(name, row.support, epoch.epoch)
                elif found := _over_predicted(name, row, epoch.epoch):
                    yield found


def _zero_recall(label: str, support: int, epoch: int) -> WarningEvent:
    """Always a warning; its message says where positives are too few to prove anything."""
    _, most = exact_interval(0, support)
    message = f"none of {support} positives found; " + (
        f"too few to say: a recall of up to {most:.0%} would still be possible by chance"
        if most > UNPROVEN_RECALL
        else f"a recall above {most:.0%} is ruled out"
    )
    evidence = {"support": support, "recall_at_most": most}
    return _warning("zero-recall", label, message, evidence, [epoch])


def _over_predicted(label: str, row: LabelEpochMetrics, epoch: int) -> WarningEvent | None:
    """A precision whose 95% interval lies wholly under 0.5, so that chance alone gives no warning.

    Counts come from recall, support and precision. They are means over the half-splits that
    thresholds are cross-fitted on, hence need not be whole. Where a label is predicted less often
    than it has positives, it is predicted wrongly rather than too often: the evidence tells.
    """
    precision, support = row.precision or 0.0, row.support
    right = (row.recall or 0.0) * support
    predicted = right / precision
    low, high = exact_interval(right, predicted)
    if high >= WEAK_PRECISION:
        return None
    message = (
        f"precision {precision:.0%} (95% interval {low:.0%} to {high:.0%}): predicted "
        f"{predicted:.0f} times, {right:.0f} of them rightly, for {support} positives"
    )
    evidence = {
        "precision": precision,
        "precision_at_least": low,
        "precision_at_most": high,
        "predicted": predicted,
        "true_positives": right,
        "support": support,
    }
    return _warning("over-predicted", label, message, evidence, [epoch])


def _warning(
    name: str, label: str | None, message: str, evidence: dict[str, float], epochs: list[int]
) -> WarningEvent:
    return WarningEvent(id=name, label=label, message=message, evidence=evidence, epochs=epochs)
