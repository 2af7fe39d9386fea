"""The metrics of labels and of groups of labels on a split, each with its 95% interval."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace

import numpy as np

from imbtool.evaluation.document import Estimate
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
from imbtool.evaluation.predictions import Predictions
from imbtool.types import Counts, Floats, Targets


def estimate(value: float, low: float, high: float) -> Estimate:
    """A number with its interval; a number that is undefined has none."""
    if not math.isfinite(value):
        return Estimate(value=None, low=None, high=None)
    first, last = (float(end) if math.isfinite(end) else None for end in (low, high))
    return Estimate(value=float(value), low=first, high=last)


def estimate_text(of: Estimate | None, digits: int = 2) -> str:
    """A number with its interval, `0.67 [.30–.90]`; a dash where it is undefined."""
    if of is None or of.value is None or of.low is None or of.high is None:
        return "–"
    ends = "–".join(f"{end:.{digits}f}".removeprefix("0") for end in (of.low, of.high))
    return f"{of.value:.{digits}f} [{ends}]"


@dataclass(frozen=True)
class ResampledMetric:
    """A metric of a split with what its interval was made of.

    Attributes:
        value: the metric; NaN where it is undefined, and so are its ends.
        low: where its 95% interval begins.
        high: where it ends.
        resamples: the metric in each resample of the texts [R]; none where it is undefined.
        trials: how many observations the metric rests on.
    """

    value: float
    low: float
    high: float
    resamples: Floats
    trials: float

    @property
    def ends(self) -> tuple[float, float, float]:
        """The metric and the ends of its interval."""
        return self.value, self.low, self.high

    @property
    def estimate(self) -> Estimate:
        """The metric as documents hold it."""
        return estimate(*self.ends)


class SplitMetrics:
    """The metrics of predictions on a split, and on resamples of its texts.

    Attributes:
        predictions: of the texts of the split.
        counts: true positives, false positives and false negatives of each label [L].
    """

    def __init__(self, predictions: Predictions, targets: Targets) -> None:
        """Measure predictions against targets [n, L], NaN unknown.

        Without probabilities average precision and AUC are undefined.
        """
        self.predictions = predictions
        decisions, scores = predictions.decisions, predictions.probabilities
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

    def of_labels(self, names: Sequence[str], with_probabilities: bool) -> SplitMetrics:
        """The metrics of some labels, with nothing measured again.

        Args:
            names: of the labels.
            with_probabilities: whether average precision and AUC stay; else they are undefined.
        """
        columns = [self.predictions.labels.names.index(name) for name in names]
        part = copy(self)
        part.predictions = self.predictions.of_labels(names, with_probabilities)
        part.counts = self.counts.of_labels(columns)
        part._resampled_counts = self._resampled_counts.of_labels(columns)
        for group in ("_values", "_trials", "_resampled", "_less_bias"):
            kept = {name: of[..., columns] for name, of in getattr(self, group).items()}
            setattr(part, group, kept)
        if part.predictions.probabilities is None:
            for name in ("average_precision", "roc_auc"):
                part._values[name] = np.full(len(columns), np.nan)
        return part

    def label(self, index: int) -> dict[str, ResampledMetric]:
        """Every metric of one label."""
        return {name: self._of_label(name, index) for name in self._values}

    def macro(self, rows: Sequence[int]) -> dict[str, ResampledMetric]:
        """The mean of every metric over those of some labels that have positives."""
        ones = np.ones(len(rows), dtype=np.int64)
        return {name: self._mean(name, rows, ones, ones) for name in self._values}

    def weighted(self) -> dict[str, ResampledMetric]:
        """The mean of every metric over all labels, each as often as it has positives."""
        support, resampled = self.counts.support, self._resampled_counts.support
        rows = range(len(support))
        return {name: self._mean(name, rows, support, resampled) for name in self._values}

    def micro(self) -> dict[str, ResampledMetric]:
        """Precision, recall and F1 of all labels counted as one."""
        counts = self.counts.micro()
        values, trials = counts.by_name(), _trials(counts)
        resampled = self._resampled_counts.micro().by_name()
        return {
            name: _resampled(value[0], resampled[name][:, 0], trials[name][0])
            for name, value in values.items()
        }

    def _of_label(self, name: str, index: int) -> ResampledMetric:
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
    ) -> ResampledMetric:
        """A metric that is the sum of those of some labels, each in its part, by resamples."""
        if name == "roc_auc":
            pulls = parts * unseen_pull(self._values[name][rows], self._trials[name][rows])
            ends = auc_interval(value, resamples, trials, pulls)
            return _estimate(value, ends, resamples, trials)
        known = self._less_bias.get(name)
        centre = None if known is None else float(mean_of_each(known[rows], parts))
        return _resampled(value, resamples, trials, centre)

    def _mean(
        self, name: str, rows: Sequence[int], shares: Counts, resampled_shares: Counts
    ) -> ResampledMetric:
        values = self._values[name][rows]
        defined = np.flatnonzero(~np.isnan(values))
        if not len(defined):
            return _estimate(np.nan, (np.nan, np.nan), np.empty(0), 0.0)
        if len(defined) == 1:  # its mean is the metric itself
            return self._of_label(name, rows[defined[0]])
        means = mean_of_each(self._resampled[name][:, rows], resampled_shares)
        trials = mean_trials(self._trials[name][rows][defined], shares[defined])
        known, parts = np.asarray(rows)[defined], shares[defined] / shares[defined].sum()
        value = float(mean_of_each(values, shares))
        mean = self._spread(name, known, parts, value, means, trials)
        return self._with_silent(mean, known, parts) if name == "precision" else mean

    def _with_silent(self, mean: ResampledMetric, rows: Counts, parts: Floats) -> ResampledMetric:
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


def estimates(metrics: Mapping[str, ResampledMetric]) -> dict[str, Estimate]:
    """Metrics as documents hold them."""
    return {name: metric.estimate for name, metric in metrics.items()}


def _trials(counts: Confusion) -> dict[str, Floats]:
    """What each metric is a share of: [..., L]; F1 is tp of the mean of decided and positive."""
    decided = (counts.true_positives + counts.false_positives).astype(np.float64)
    positive = counts.support.astype(np.float64)
    return {"precision": decided, "recall": positive, "f1": (decided + positive) / 2}


def _resampled(
    value: float, resamples: Floats, trials: float, centre: float | None = None
) -> ResampledMetric:
    ends = resampled_interval(value, resamples, trials, centre)
    return _estimate(value, ends, resamples, trials)


def _estimate(value: float, ends: Interval, resamples: Floats, trials: float) -> ResampledMetric:
    low, high = (np.nan, np.nan) if np.isnan(value) else ends
    return ResampledMetric(float(value), float(low), float(high), resamples, float(trials))
