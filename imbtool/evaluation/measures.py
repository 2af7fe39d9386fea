"""Figures of labels and of groups of labels, each with its 95% interval."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray

from imbtool.evaluation.intervals import (
    Interval,
    as_wide_as_splits,
    auc_interval,
    exact_interval,
    f1_interval,
    mean_trials,
    resample,
    resampled_interval,
    unseen_pull,
)
from imbtool.evaluation.metrics import Confusion, left_out_precision, mean_of_each, measure
from imbtool.types import Counts, Decisions, Floats

Figure = dict[str, float]


def figure(value: float, low: float, high: float) -> Figure:
    """A number and its interval; one that is undefined has none."""
    missing = np.isnan(value)
    ends = (np.nan, np.nan) if missing else (low, high)
    return {"value": float(value), "low": float(ends[0]), "high": float(ends[1])}


def is_known(value: float | None) -> TypeGuard[float]:
    """Whether a figure is defined: neither NaN nor null, which it is in a file."""
    return value is not None and math.isfinite(value)


def figure_text(of: Mapping[str, float | None], digits: int = 2) -> str:
    """A figure with its interval, `0.67 [.30–.90]`; a dash where it is undefined."""
    value, low, high = (of[key] for key in ("value", "low", "high"))
    if not (is_known(value) and is_known(low) and is_known(high)):
        return "–"
    ends = "–".join(f"{end:.{digits}f}".removeprefix("0") for end in (low, high))
    return f"{value:.{digits}f} [{ends}]"


@dataclass(frozen=True)
class Estimate:
    """A figure of a split with what its interval was made of.

    Attributes:
        value: the figure; NaN where it is undefined, and so are its ends.
        low: where its 95% interval begins.
        high: where it ends.
        resamples: the figure in each resample of the texts [R]; none where it is undefined.
        trials: what the figure rests on.
    """

    value: float
    low: float
    high: float
    resamples: Floats
    trials: float


class Estimates:
    """The measures of a split, and of resamples of its texts."""

    def __init__(
        self, decisions: Decisions, scores: Floats | None, targets: NDArray[np.float32]
    ) -> None:
        """Measure decisions and scores [n, L] against targets [n, L], NaN unknown.

        Without scores average precision and AUC are undefined.
        """
        measured, resampled = (of(decisions, scores, targets) for of in (measure, resample))
        self.counts, self._resampled_counts = measured.counts, resampled.counts
        self._values = measured.by_name()
        self._trials = {
            **_trials(self.counts),
            "average_precision": self.counts.support.astype(np.float64),
            "roc_auc": self.counts.support.astype(np.float64),
        }
        self._resampled = {
            name: as_wide_as_splits(resamples, self._trials[name])
            for name, resamples in resampled.by_name().items()
        }
        self._less_bias = (
            {"average_precision": left_out_precision(scores, targets)} if scores is not None else {}
        )

    def label(self, index: int) -> dict[str, Estimate]:
        """Every measure of one label."""
        return {name: self._of_label(name, index) for name in self._values}

    def macro(self, rows: Sequence[int]) -> dict[str, Estimate]:
        """The mean of every measure over those of some labels that have positives."""
        ones = np.ones(len(rows), dtype=np.int64)
        return {name: self._mean(name, rows, ones, ones) for name in self._values}

    def weighted(self) -> dict[str, Estimate]:
        """The mean of every measure over all labels, each as often as it has positives."""
        support, resampled = self.counts.support, self._resampled_counts.support
        rows = range(len(support))
        return {name: self._mean(name, rows, support, resampled) for name in self._values}

    def micro(self) -> dict[str, Estimate]:
        """Precision, recall and F1 of all labels pooled into one."""
        pooled = self.counts.micro()
        values, trials = pooled.by_name(), _trials(pooled)
        resampled = self._resampled_counts.micro().by_name()
        return {
            name: _resampled(value[0], resampled[name][:, 0], trials[name][0])
            for name, value in values.items()
        }

    def _of_label(self, name: str, index: int) -> Estimate:
        value, trials = self._values[name][index], self._trials[name][index]
        found, resamples = self.counts.true_positives[index], self._resampled[name][:, index]
        if name in ("precision", "recall"):
            return _estimate(value, exact_interval(found, trials), resamples, trials)
        if name == "f1":
            ends = f1_interval(found, 2 * (trials - found))
            return _estimate(value, ends, resamples, trials)
        return self._spread(name, [index], np.ones(1), value, resamples, trials)

    def _spread(
        self,
        name: str,
        rows: Sequence[int] | Counts,
        parts: Floats,
        value: float,
        resamples: Floats,
        trials: float,
    ) -> Estimate:
        """A figure that is the sum of those of some labels, each in its part, by resamples."""
        if name == "roc_auc":
            pulls = parts * unseen_pull(self._values[name][rows], self._trials[name][rows])
            ends = auc_interval(value, resamples, trials, pulls)
            return _estimate(value, ends, resamples, trials)
        known = self._less_bias.get(name)
        centre = None if known is None else float(mean_of_each(known[rows], parts))
        return _resampled(value, resamples, trials, centre)

    def _mean(
        self, name: str, rows: Sequence[int], shares: Counts, resampled_shares: Counts
    ) -> Estimate:
        values = self._values[name][rows]
        defined = np.flatnonzero(~np.isnan(values))
        if not len(defined):
            return _estimate(np.nan, (np.nan, np.nan), np.empty(0), 0.0)
        if len(defined) == 1:  # its mean is the figure itself
            return self._of_label(name, rows[defined[0]])
        means = mean_of_each(self._resampled[name][:, rows], resampled_shares)
        trials = mean_trials(self._trials[name][rows][defined], shares[defined])
        known, parts = np.asarray(rows)[defined], shares[defined] / shares[defined].sum()
        value = float(mean_of_each(values, shares))
        mean = self._spread(name, known, parts, value, means, trials)
        return self._with_silent(mean, known, parts) if name == "precision" else mean

    def _with_silent(self, mean: Estimate, rows: Counts, parts: Floats) -> Estimate:
        """A mean of precisions whose interval also holds what labels never right could reach.

        Their precision is 0 in every resample, as if that were known. So their own exact intervals
        are added to the mean's, by square and add (Zou and Donner 2008).
        """
        silent = self.counts.true_positives[rows] == 0
        reach = [
            part * self._of_label("precision", int(row)).high
            for row, part in zip(rows[silent], parts[silent], strict=True)
        ]
        up = np.sqrt((mean.high - mean.value) ** 2 + np.square(reach).sum())
        return replace(mean, high=min(1.0, mean.value + float(up)))


class Figures:
    """The measures of a split as documents hold them: see `Estimates`."""

    def __init__(self, decisions: Decisions, scores: Floats, targets: NDArray[np.float32]) -> None:
        """Measure decisions and scores [n, L] against targets [n, L], NaN unknown."""
        self._estimates = Estimates(decisions, scores, targets)
        self.counts = self._estimates.counts

    def label(self, index: int) -> dict[str, Figure]:
        """Every measure of one label."""
        return _figures(self._estimates.label(index))

    def macro(self, rows: Sequence[int]) -> dict[str, Figure]:
        """The mean of every measure over those of some labels that have positives."""
        return _figures(self._estimates.macro(rows))

    def weighted(self) -> dict[str, Figure]:
        """The mean of every measure over all labels, each as often as it has positives."""
        return _figures(self._estimates.weighted())

    def micro(self) -> dict[str, Figure]:
        """Precision, recall and F1 of all labels pooled into one."""
        return _figures(self._estimates.micro())


def _figures(estimates: Mapping[str, Estimate]) -> dict[str, Figure]:
    return {name: figure(each.value, each.low, each.high) for name, each in estimates.items()}


def _trials(counts: Confusion) -> dict[str, Floats]:
    """What each figure is a share of: [..., L]; F1 is tp of the mean of decided and positive."""
    decided = (counts.true_positives + counts.false_positives).astype(np.float64)
    positive = counts.support.astype(np.float64)
    return {"precision": decided, "recall": positive, "f1": (decided + positive) / 2}


def _resampled(
    value: float, resamples: Floats, trials: float, centre: float | None = None
) -> Estimate:
    ends = resampled_interval(value, resamples, trials, centre)
    return _estimate(value, ends, resamples, trials)


def _estimate(value: float, ends: Interval, resamples: Floats, trials: float) -> Estimate:
    low, high = (np.nan, np.nan) if np.isnan(value) else ends
    return Estimate(float(value), float(low), float(high), resamples, float(trials))
