"""How frequent a label is in a stream that nobody has answered, by the scores alone.

Everything here rests on prior shift: texts with the label are scored as they were on validation,
and so are texts without it; only how many there are of each may differ. `assumption_p_value` tests
that, and `upper_bound` needs less of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import t as student

from imbtool.evaluation.calibration import sigmoid
from imbtool.evaluation.intervals import TAIL, exact_interval
from imbtool.types import Floats
from imbtool.wording import counted

Logits = NDArray[np.floating]

CELLS = 2_000
"""Of the histogram of a stream's scores on which the likelihood is maximised."""
LEAST_SHARE = 1e-7
LEAST_PRIOR = 0.1
"""Scores are made for a prior of at least this share of that on validation: for next to none they
would be next to nothing."""
CUTS = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Quantiles of the scores of validation texts with a label, where upper bounds are looked for."""
NEGATIVE_CUTS = (0.5, 0.8, 0.95)
"""Quantiles of those without it, which with the quartiles of those with it make the bins of the
test."""
REPLICATES, ENOUGH_AS_LARGE = (999, 9_000, 40_000), 10
"""Of the bootstrap of the test; further ones where fewer so far are as large as what was observed,
since p is still to be adjusted for all labels."""
LEVEL = 0.01
"""At which the assumption is rejected: many labels are tested, and a stream may be long."""


@dataclass(frozen=True)
class ShareEstimate:
    """A share with its 95% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ScoredLabel:
    """The calibrated logits of one label: how validation texts with and without it are scored.

    Attributes:
        positive: of validation texts with the label [P].
        negative: of those without it [M].
        prior: its mean calibrated probability on validation.
        stream: of the stream [n].
    """

    positive: Logits
    negative: Logits
    prior: float
    stream: Logits


@dataclass(frozen=True)
class ShiftedLabel:
    """A label in a stream, as far as its scores show it.

    Attributes:
        scored: its calibrated logits.
        share: its prevalence; None where the scores say nothing of it.
        p: of the test of the assumption; 1 where it could not be tested.
        reason: why figures that rest on the scores are withheld; empty where they are not.
    """

    scored: ScoredLabel
    share: ShareEstimate | None
    p: float
    reason: str

    @classmethod
    def of(cls, scored: ScoredLabel, least: int, seed: int) -> ShiftedLabel:
        """Estimate the prevalence of a label, and test what the estimate assumes.

        Args:
            scored: its calibrated logits.
            least: with fewer validation texts of either kind nothing is estimated.
            seed: of the test.
        """
        if few := _too_few(scored, max(least, 2)):
            return cls(scored, None, 1.0, few)
        share = prior_shift_estimate(scored)
        if np.isnan(share.value):
            same = "The model does not tell validation texts with this label from others."
            return cls(scored, None, 1.0, same)
        p = assumption_p_value(scored, share.value, seed)
        changed = (
            f"The scores are not those of a mixture of texts as on validation (p = {p:.3f}), so "
            "texts with or without this label have changed."
        )
        return cls(scored, share, p, changed if p < LEVEL else "")

    @property
    def shift(self) -> float:
        """What to add to calibrated logits, so that they hold at the prevalence of the stream."""
        if self.share is None or self.reason:
            return 0.0
        return log_odds(self.share.value) - log_odds(self.scored.prior)


def log_odds(share: float) -> float:
    """The logarithm of the odds of a share; 0 and 1 count as a millionth more and less."""
    bounded = min(max(share, 1e-6), 1 - 1e-6)
    return float(np.log(bounded / (1 - bounded)))


def prior_by_em(logits: Logits, prior: float) -> float:
    """The share of a label in a stream that makes its scores most likely.

    It is where EM ends that adjusts probabilities to the mean that they have (Saerens, Latinne and
    Decaestecker, Neural Computation 14, 2002), found as the root of the likelihood's derivative,
    which falls. Alexandari, Kundaje and Shrikumar (ICML 2020): probabilities have to be calibrated
    with a bias first, and the prior be their mean on validation.

    Args:
        logits: calibrated, of the stream [n].
        prior: the mean calibrated probability on validation.
    """
    counts, edges = np.histogram(logits, bins=CELLS)
    sums, _ = np.histogram(logits, bins=edges, weights=np.asarray(logits, dtype=np.float64))
    used = counts > 0
    centres = sums[used] / counts[used]
    excess = np.expm1(np.clip(centres - np.log(prior / (1 - prior)), -500, 500))
    weights = counts[used] / counts.sum()

    def slope(share: float) -> float:
        return float((weights * excess / (1 + share * excess)).sum())

    if slope(LEAST_SHARE) <= 0:
        return 0.0
    if slope(1 - LEAST_SHARE) >= 0:
        return 1.0
    return float(brentq(slope, LEAST_SHARE, 1 - LEAST_SHARE, xtol=LEAST_SHARE))


def adjusted_count(positive: Floats, negative: Floats, stream: Floats) -> ShareEstimate:
    """The share that takes the mean score of a stream from the mean without a label to that with.

    With decisions for scores this is the adjusted count (Forman, Data Mining and Knowledge
    Discovery 17, 2008), with probabilities the probabilistic one (Bella et al., ICDM 2010). The
    interval is Fieller's for a ratio of means (JRSS B 16, 1954): all shares under which the three
    means are not too far apart, by Student's t of Welch's degrees of freedom. It needs no
    resamples, and takes in that the scores of few validation texts are known.

    Args:
        positive: scores of validation texts with the label [P], at least two.
        negative: of those without it [M], at least two.
        stream: of the stream [n].

    Returns:
        The estimate; (0, 1) bounds it where the scores do not tell the two kinds apart.
    """
    groups = (stream, negative, positive)
    centre, without, with_label = (float(scores.mean()) for scores in groups)
    squares = [
        float(scores.var(ddof=1)) / len(scores) if len(scores) > 1 else 0.0 for scores in groups
    ]
    rise, gap = centre - without, with_label - without
    value = float(np.clip(rise / gap, 0, 1)) if gap > 0 else float("nan")
    share = value if gap > 0 else 0.5
    parts = np.array(squares) * [1, (1 - share) ** 2, share**2]
    freedom = parts.sum() ** 2 / max(
        (parts**2 / [max(len(g) - 1, 1) for g in groups]).sum(), 1e-300
    )
    square = float(student.isf(TAIL, max(freedom, 1.0))) ** 2
    # all shares with (rise - share gap)^2 <= square (s0 + (1 - share)^2 s1 + share^2 s2)
    a = gap**2 - square * (squares[1] + squares[2])
    b = -2 * rise * gap + 2 * square * squares[1]
    c = rise**2 - square * (squares[0] + squares[1])
    inner = b * b - 4 * a * c
    if gap <= 0 or a <= 0 or inner < 0:
        return ShareEstimate(value, 0.0, 1.0)
    low, high = ((-b + sign * inner**0.5) / (2 * a) for sign in (-1, 1))
    return ShareEstimate(value, min(max(low, 0.0), value), max(min(high, 1.0), value))


def prior_shift_estimate(label: ScoredLabel) -> ShareEstimate:
    """The share of a label in a stream: what EM finds, within the interval of the adjusted count.

    The adjusted count is that of the probabilities that EM has adjusted, which tell the most about
    the share. Its interval knows that few validation texts may have the label, and is right even
    where probabilities are off, as long as they are as far off as on validation.

    Returns:
        The estimate; NaN in (0, 1) where the scores do not tell the two kinds of texts apart.
    """
    found = prior_by_em(label.stream, label.prior)
    prior = max(found, LEAST_PRIOR * label.prior, LEAST_SHARE)
    prior = min(prior, 0.5 * (1 + label.prior))
    shift = np.log(prior / (1 - prior)) - np.log(label.prior / (1 - label.prior))
    scores = [sigmoid(logits + shift) for logits in (label.positive, label.negative, label.stream)]
    interval = adjusted_count(*scores)
    if np.isnan(interval.value):
        return interval
    value = float(np.clip(found, interval.low, interval.high))
    return ShareEstimate(value, interval.low, interval.high)


def assumption_p_value(label: ScoredLabel, share: float, seed: int) -> float:
    """The p value of: the stream's scores are a mixture of those with and without the label.

    Scores are counted in bins whose edges are quantiles of either kind. The statistic sums the
    squared distances of the stream's shares from those of the nearest mixture, each over its
    variance; its distribution is that of samples of the same sizes from that mixture (a parametric
    bootstrap).

    Args:
        label: the scores.
        share: of the label in the stream, as estimated.
        seed: of the bootstrap.
    """
    edges = np.unique(
        np.concatenate(
            [
                np.quantile(label.positive, (0.25, 0.5, 0.75)),
                np.quantile(label.negative, NEGATIVE_CUTS),
            ]
        )
    )
    kinds = (label.positive, label.negative, label.stream)
    counts = [np.bincount(np.searchsorted(edges, each), minlength=len(edges) + 1) for each in kinds]
    sizes = [len(each) for each in kinds]
    with_label, without, stream = (each / size for each, size in zip(counts, sizes, strict=True))
    observed = _misfit(with_label[None], without[None], stream[None], sizes)[0]
    mixture = share * with_label + (1 - share) * without
    rng = np.random.default_rng(seed)
    as_large = drawn = 0
    for number in REPLICATES:
        first, second, third = (
            rng.multinomial(size, shares, number) / size
            for size, shares in zip(sizes, (with_label, without, mixture), strict=True)
        )
        as_large += int((_misfit(first, second, third, sizes) >= observed - 1e-12).sum())
        drawn += number
        if as_large >= ENOUGH_AS_LARGE:
            break
    return (1 + as_large) / (1 + drawn)


def _misfit(with_label: Floats, without: Floats, stream: Floats, sizes: list[int]) -> Floats:
    """The statistic of each replicate [R], from shares in bins [R, bins] and numbers of texts."""
    gap, rise = with_label - without, stream - without
    share = np.zeros((len(stream), 1))
    for _ in range(3):  # the variances rest on the share that they give
        mixed = share * with_label + (1 - share) * without
        variance = mixed / sizes[2] + share**2 * with_label / sizes[0]
        variance += (1 - share) ** 2 * without / sizes[1] + 0.5 / min(sizes[1:]) ** 2
        best = (gap * rise / variance).sum(axis=1) / np.maximum(
            (gap**2 / variance).sum(axis=1), 1e-300
        )
        share = np.clip(best, 0, 1)[:, None]
    return np.asarray(((rise - share * gap) ** 2 / variance).sum(axis=1))


def upper_bound(positive: Logits, stream: Logits) -> float:
    """A 95% upper bound of a label's share that holds whatever texts without it look like.

    Of the texts with the label a share r scores at or above a cut, so there are at most 1 / r times
    as many of them as there are texts above it. It holds as long as the model finds at least as
    large a share of them as on validation. Several cuts are tried, and the tail is divided by them.

    Args:
        positive: scores of validation texts with the label [P].
        stream: scores of the stream [n].
    """
    if not len(positive):
        return 1.0
    tail, bounds = 2 * TAIL / (2 * len(CUTS)), [1.0]
    for cut in np.unique(np.quantile(positive, CUTS)):
        found = exact_interval(float((positive >= cut).sum()), len(positive), tail)[0]
        above = exact_interval(float((stream >= cut).sum()), len(stream), tail)[1]
        bounds.append(above / found)
    return float(min(bounds))


def _too_few(label: ScoredLabel, least: int) -> str:
    """Why the validation texts do not suffice; empty if they do."""
    for texts, kind in ((len(label.positive), "with"), (len(label.negative), "without")):
        if texts < least:
            return (
                f"Only {counted(texts, 'validation text')} {kind} this label of the {least} that "
                "are needed show how the model scores it."
            )
    return ""
