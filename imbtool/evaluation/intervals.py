"""How far chance alone could have moved a metric: 95% intervals and the bootstrap.

Counts of independent texts have exact intervals. Everything else takes its spread from resamples
and its shape from the interval of a share with the same spread, since the quantiles of
resamples cover too little where positives are few: they are a single point where a label was
never found, and they sit where resampling pushed the metric, not where it is.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.stats import beta

from imbtool.evaluation.metrics import Confusion, MetricArrays, Ranking, Weights
from imbtool.types import Decisions, Floats, Targets

Interval = tuple[float, float]

TAIL = 0.025
"""Left out on either side of a 95% interval."""
ROUNDING = 1e-9
"""Resamples no further apart than this are all the same."""
UNSEEN = 0.5
"""Positives beyond those seen, with the score of any negative, that an AUC is to reckon with."""
RESAMPLES = 2_000
MOST_WEIGHTS = 2_000_000
"""Weights of texts in memory at once."""


def exact_interval(hits: float, trials: float, tail: float = TAIL) -> Interval:
    """Clopper and Pearson's 95% interval of a share; (0, 1) of no trials.

    Args:
        hits: of the trials; need not be whole, as the means over half-splits are not.
        trials: at least as many.
        tail: left out on either side.
    """
    misses = trials - hits
    low = float(beta.ppf(tail, hits, misses + 1)) if hits > 0 else 0.0
    high = float(beta.ppf(1 - tail, hits + 1, misses)) if misses > 0 else 1.0
    return low, high


def f1_interval(found: float, errors: float) -> Interval:
    """The exact 95% interval of a label's F1.

    F1 = 2 J / (1 + J) rises with J = tp / (tp + fp + fn), which is a share of texts and has an
    exact interval, at 0 and at 1 too.

    Args:
        found: true positives.
        errors: false positives and false negatives.
    """
    low, high = exact_interval(found, found + errors)
    return 2 * low / (1 + low), 2 * high / (1 + high)


def as_wide_as_splits(resamples: Floats, trials: Floats) -> Floats:
    """Resamples spread about their mean as other splits would be.

    Of n trials resamples vary by a share of 1/n too little, as a variance does that is divided by n
    instead of n - 1 (Hesterberg, The American Statistician 69, 2015, "narrowness bias").

    Args:
        resamples: a metric of each label in each resample [R, L]; NaN where it is undefined.
        trials: what it rests on [L]; fewer than two count as two.
    """
    known = ~np.isnan(resamples)
    means = np.where(known, resamples, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    least = np.maximum(trials, 2)
    wide: Floats = means + (resamples - means) * np.sqrt(least / (least - 1))
    return wide


def resampled_interval(
    value: float,
    resamples: Floats,
    trials: float,
    centre: float | None = None,
) -> Interval:
    """The exact interval of a share that varies as much as the resamples of a metric do.

    Trials are the effective sample size value (1 - value) / variance (Korn and Graubard, Survey
    Methodology 24, 1998); hits put the share at the metric less its bias, which the resamples show
    as well (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 10.6).

    Args:
        value: the metric, between 0 and 1; NaN has no interval.
        resamples: the metric in each resample [R]; NaN where it is undefined, and left out.
        trials: what the metric rests on; the sample size where the resamples do not differ.
        centre: the metric less its bias, where more is known of the bias than resamples show.
    """
    defined = resamples[~np.isnan(resamples)]
    if np.isnan(value) or not defined.size:
        return np.nan, np.nan
    size = _effective_size(value, float(defined.var()), trials)
    if centre is None:
        centre = _less_bias(value, defined)
    low, high = exact_interval(centre * size, size)
    return min(low, value), max(high, value)


def auc_interval(
    value: float,
    resamples: Floats,
    trials: float,
    pulls: Floats,
) -> Interval:
    """The 95% interval of an AUC, or of a mean of AUCs.

    Few positives seldom show the ones that rank like negatives, so near 1 resamples differ too
    little and sit too high. The end towards 1/2 is where it would be with `UNSEEN` of such a
    positive more; in a mean these are chances of their own, and add up as deviations do. Either end
    is Jeffreys' for a share that varies as much (Brown, Cai and DasGupta, Statistical Science 16,
    2001), since exact ones cover too much here.

    Args:
        value: the metric, between 0 and 1; NaN has no interval.
        resamples: the metric in each resample [R]; NaN where it is undefined, and left out.
        trials: what the metric rests on; the sample size where nothing varies.
        pulls: how far each label's unseen positives pull the metric down, by `unseen_pull`, times
            the label's share in the mean [labels].
    """
    defined = resamples[~np.isnan(resamples)]
    if np.isnan(value) or not defined.size:
        return np.nan, np.nan
    variance, centre = float(defined.var()), _less_bias(value, defined)
    ends = []
    for side, kept in enumerate((np.maximum(pulls, 0), np.minimum(pulls, 0))):
        squares = float(np.square(kept).sum())
        pull = (-1) ** side * squares**0.5
        wider = variance + squares / UNSEEN
        size = _effective_size(value - pull, wider, trials)
        ends.append(_jeffreys_interval(float(np.clip(centre - pull, 0, 1)) * size, size)[side])
    return min(ends[0], value), max(ends[1], value)


def unseen_pull(values: Floats, trials: Floats) -> Floats:
    """How far `UNSEEN` positives that rank like any negative would pull AUCs down to 1/2 [L].

    Args:
        values: AUC of each label [L].
        trials: its positives [L].
    """
    return (values - 0.5) * UNSEEN / (trials + UNSEEN)


def mean_trials(trials: Floats, shares: NDArray[np.int64]) -> float:
    """The trials of one share whose variance is that of a mean of independent shares.

    Args:
        trials: of each share [L]; none counts as one.
        shares: of each in the mean [L]; they need not sum to 1.
    """
    return float(shares.sum() ** 2 / (shares**2 / np.maximum(trials, 1)).sum())


def paired_interval(
    ours: tuple[float, float, float], theirs: tuple[float, float, float], correlation: float
) -> Interval:
    """The 95% interval of the difference of two metrics of the same texts, by square and add.

    As far as either metric can move in its own interval, less what they move together: Newcombe
    (Statistics in Medicine 17, 1998, pages 2635-2650, method 10) for shares, Zou and Donner
    (Statistics in Medicine 27, 2008) for any metrics.

    Args:
        ours: a metric and the ends of its interval: value, low, high.
        theirs: the other one.
        correlation: of the two metrics in resamples of the texts.
    """
    (our_value, our_low, our_high), (their_value, their_low, their_high) = ours, theirs
    value = our_value - their_value
    down = _add(our_value - our_low, their_high - their_value, correlation)
    up = _add(our_high - our_value, their_value - their_low, correlation)
    return value - down, value + up


def shared_correlation(ours: Floats, theirs: Floats, trials: float) -> float:
    """How much two metrics move together in the same resamples [R], read with prudence.

    It is taken as if two more trials had been seen in which the two have nothing in common, as
    Bonett and Price (Journal of Educational and Behavioral Statistics 37, 2012) do for shares: that
    two systems agree on six texts does not make them one system. 0 where either does not move.
    """
    defined = ~np.isnan(ours) & ~np.isnan(theirs)
    first, second = ours[defined], theirs[defined]
    if not first.size or first.std() == 0 or second.std() == 0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1]) * trials / (trials + 2)


def resample(
    decisions: Decisions, scores: Floats | None, targets: Targets, seed: int = 0
) -> MetricArrays:
    """The metrics of each label in resamples of the texts: [RESAMPLES, L].

    A label without positives in a resample is undefined there, as it would be in a split like that.

    Args:
        decisions: [n, L].
        scores: [n, L]; the higher, the more probable. None: their metrics are undefined.
        targets: [n, L], NaN unknown: left out of every resample.
        seed: the same seed and number of texts give the same resamples.
    """
    rows = outcomes(decisions, targets)
    rankings = [
        Ranking.of(scores[:, label], column) if scores is not None and (column == 1).any() else None
        for label, column in enumerate(targets.T)
    ]
    counts, areas = [], []
    for weights in draw_weights(len(targets), seed):
        counts.append(rows @ weights)
        areas.append([_ranking_metrics(ranking, weights) for ranking in rankings])
    under_precision, under_roc = np.concatenate(areas, axis=2).transpose(1, 2, 0)
    return MetricArrays(counted(np.concatenate(counts, axis=1)), under_precision, under_roc)


def draw_weights(texts: int, seed: int) -> Iterator[Weights]:
    """How often each text stands in each resample [texts, R], all `RESAMPLES` in parts."""
    rng = np.random.default_rng(seed)
    step = max(1, MOST_WEIGHTS // max(texts, 1))
    for start in range(0, RESAMPLES, step):
        width = min(step, RESAMPLES - start)
        drawn = rng.integers(texts, size=(texts, width)) * width + np.arange(width)
        times = np.bincount(drawn.ravel(), minlength=texts * width)
        yield times.reshape(texts, width).astype(np.float32)


def outcomes(decisions: Decisions, targets: Targets) -> csr_array:
    """Whether a text is a true positive, false positive, false negative: [3 L, n], mostly 0."""
    positive, negative = targets == 1, targets == 0
    parts = (decisions & positive, decisions & negative, ~decisions & positive)
    return csr_array(np.hstack(parts).T.astype(np.float32))


def counted(counts: NDArray[np.float32]) -> Confusion:
    """The counts [R, L] in outcomes @ weights [3 L, R], whole numbers that float32 holds."""
    return Confusion(*np.split(counts.T.astype(np.int64), 3, axis=1))


def _effective_size(share: float, variance: float, trials: float) -> float:
    """Trials of a share with that variance; `trials` where there is none."""
    return share * (1 - share) / variance if variance > ROUNDING**2 else trials


def _less_bias(value: float, resamples: Floats) -> float:
    """A metric less its bias: resamples lie as far from it as it lies from the truth."""
    return float(np.clip(2 * value - resamples.mean(), 0, 1))


def _jeffreys_interval(hits: float, trials: float) -> Interval:
    """Jeffreys' 95% interval of a share, from 0 where nothing hits, to 1 where nothing misses."""
    around = beta(hits + 0.5, trials - hits + 0.5)
    low = float(around.ppf(TAIL)) if hits > 0 else 0.0
    high = float(around.ppf(1 - TAIL)) if hits < trials else 1.0
    return low, high


def _add(ours: float, theirs: float, correlation: float) -> float:
    """The length of the sum of two steps with a correlation."""
    return float(np.sqrt(ours**2 + theirs**2 - 2 * correlation * ours * theirs))


def _ranking_metrics(ranking: Ranking | None, weights: Weights) -> tuple[Floats, Floats]:
    undefined = np.full(weights.shape[1], np.nan)
    return ranking.metrics(weights) if ranking else (undefined, undefined)
