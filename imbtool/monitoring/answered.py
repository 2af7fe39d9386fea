"""How frequent a label is in a stream of which a stratified sample has been answered."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import beta

from imbtool.evaluation.intervals import ROUNDING, TAIL
from imbtool.types import Counts, Floats, Rows

PRIOR_ANSWERS = 3.0
"""Answers that the model's own guess of how a stratum varies counts as much as: where no text of a
stratum has the label its answers do not vary, and yet the next one may."""
MISSED = 0.5
"""The share of a label's positives that may be any texts, whatever the model scores them, when the
upper end asks how much answers vary: half of a rare label's positives may be missed, and a sample
where none of these is seen varies as if there were none."""
PRIOR_POSITIVES = 3.0
"""Positives that this guess counts as much as."""


@dataclass(frozen=True)
class DesignEstimate:
    """A share by the design of the sample.

    Attributes:
        value, low, high: the share with its 95% interval.
        answers: texts that were answered.
        positives: among them, without ties.
        power: the weight of the model's probabilities, from 0 (none) to 1.
        effective: how many texts drawn at random would say as much of the upper end; NaN where
            there is no positive.
        exact: whether each stratum has an answer, so that the bound without a positive is exact.
    """

    value: float
    low: float
    high: float
    answers: int
    positives: int
    power: float
    effective: float
    exact: bool


@dataclass(frozen=True)
class Strata:
    """What is known of the strata of a population for one label, all of it [H].

    Attributes:
        sizes: texts of each.
        mean: the mean probability of its texts.
        square: the mean of their squares.
    """

    sizes: Counts
    mean: Floats
    square: Floats

    @property
    def share(self) -> Floats:
        """Of the population."""
        return np.asarray(self.sizes / self.sizes.sum())

    def joined(self, place: Rows) -> Strata:
        """Larger strata, where `place` says which one each is in."""
        sizes = np.bincount(place, self.sizes).astype(np.int64)
        means = (np.bincount(place, self.sizes * each) / sizes for each in (self.mean, self.square))
        return Strata(sizes, *means)

    def guessed_variance(self, power: float) -> Floats:
        """How much answers less `power` times their probability vary, if those are right."""
        spread = np.maximum(self.square - self.mean**2, 0)
        return np.asarray(self.mean - self.square + (1 - power) ** 2 * spread)

    def variance_if_missed(self, power: float, share: float) -> Floats:
        """The same if `MISSED` of a label of this share are any texts of the population."""
        rest = MISSED * share * (1 - share)
        return np.asarray((1 - MISSED) * self.guessed_variance(power) + rest)


@dataclass(frozen=True)
class _Sample:
    """What answers to a sample say of a label.

    Attributes:
        strata: of the population.
        counts: answers of each stratum [H].
        varied: the variance of answers less power times probability, of each [H].
        factor: what the variance of the estimate has of each of these variances [H].
        power: the weight of the probabilities.
        guess: the share that the model expects.
        value: the estimate.
        positives: among the answers.
    """

    strata: Strata
    counts: Counts
    varied: Floats
    factor: Floats
    power: float
    guess: float
    value: float
    positives: int

    def size(self) -> float:
        """How many random texts say as much; each stratum's guess is worth `PRIOR_ANSWERS`."""
        freedom = self.counts - 1
        guessed = self.strata.guessed_variance(self.power)
        smooth = (PRIOR_ANSWERS * guessed + freedom * self.varied) / (PRIOR_ANSWERS + freedom)
        prior = PRIOR_ANSWERS * len(self.counts)
        likely = self._between(prior, freedom.sum())
        return _random_texts(likely, float(self.factor @ smooth))

    def size_if_missed(self) -> float:
        """The same if the model misses positives; the guess is worth `PRIOR_POSITIVES`.

        The variance of the answers is worth the positives that it rests on: as many as would make
        the guess, each with the square of its weight in the estimate.
        """
        share = self._between(PRIOR_POSITIVES, self.positives)
        parts = self.factor * self.strata.variance_if_missed(self.power, share)
        guessed, weights = float(parts.sum()), self.strata.share / self.counts
        if guessed == 0:
            return np.inf
        rests_on = guessed**2 / float(parts @ weights**2)
        seen = float(self.factor @ self.varied)
        variance = (PRIOR_POSITIVES * guessed + rests_on * seen) / (PRIOR_POSITIVES + rests_on)
        return _random_texts(self._between(PRIOR_POSITIVES, rests_on), variance)

    def _between(self, prior: float, seen: float) -> float:
        """The model's share and the estimate, weighted."""
        return (prior * self.guess + seen * self.value) / (prior + seen)


def estimate_share(
    strata: Strata, stratum: Rows, answers: Floats, probabilities: Floats
) -> DesignEstimate:
    """The share of a label in the population of a stratified sample.

    Prediction-powered inference with a tuned power (Angelopoulos, Duchi and Zrnic, PPI++, 2023),
    which is the difference estimator of survey sampling: the mean of the probabilities times a
    power, plus what the sample shows them to be off by. With a power of 0 it is that of Horvitz and
    Thompson (JASA 47, 1952). The interval is Jeffreys' for as many random texts as say as much
    (Korn and Graubard, Survey Methodology 24, 1998); without a positive its upper end is exact.
    With some, the upper end is that of a larger variance if positives may have been missed: see
    `MISSED`.

    Texts without an answer are taken to be like the others of their stratum; a stratum with fewer
    than two answers is joined with the next.

    Args:
        strata: of the population.
        stratum: of each answered text [m], at least one.
        answers: 1 has the label, 0 has it not, a share of annotators says that it has [m].
        probabilities: of the answered texts [m].
    """
    population, drawn = int(strata.sizes.sum()), np.bincount(stratum, minlength=len(strata.sizes))
    place, exact = _joined(drawn, strata.sizes), bool(drawn.all())
    bound = exact_zero_bound(strata.sizes, drawn) / population
    strata, stratum = strata.joined(place), place[stratum]
    counts = np.bincount(stratum, minlength=len(strata.sizes))
    if not exact:
        bound = exact_zero_bound(strata.sizes, counts) / population
    positives, negatives = int((answers == 1).sum()), int((answers == 0).sum())
    factor = strata.share**2 * (1 / counts - 1 / strata.sizes)
    power = _power(stratum, counts, factor, answers, probabilities)
    if not answers.any():
        return DesignEstimate(0.0, 0.0, bound, len(answers), 0, power, np.nan, exact)
    residuals = answers - power * probabilities
    guess = float(strata.share @ strata.mean)
    value = power * guess + float(strata.share @ _means(stratum, counts, residuals))
    # what was found is there, and what was answered without the label is not
    least, most = positives / population, 1 - negatives / population
    value = float(np.clip(value, least, most))
    varied = _variances(stratum, counts, residuals)
    sample = _Sample(strata, counts, varied, factor, power, guess, value, positives)
    size, missed_size = sample.size(), sample.size_if_missed()
    low, high = _jeffreys(value, size)[0], max(_jeffreys(value, n)[1] for n in (size, missed_size))
    if positives == len(answers):  # the same bound, of the texts without the label
        low = min(low, 1 - bound)
    ends = max(min(low, value), least), min(max(high, value), most)
    effective = min(size, missed_size)
    return DesignEstimate(value, *ends, len(answers), positives, power, effective, exact)


def _random_texts(share: float, variance: float) -> float:
    """How many random texts tell a share with this variance."""
    return share * (1 - share) / variance if variance > 0 else np.inf


def _joined(counts: Counts, sizes: Counts) -> Rows:
    """Where each stratum goes [H] so that each has two answers, or all of its texts."""
    place, held, whole, at = np.zeros(len(counts), np.int64), 0, 0, 0
    for number, (count, size) in enumerate(zip(counts.tolist(), sizes.tolist(), strict=True)):
        place[number] = at
        held, whole = held + count, whole + size
        if held >= min(2, whole):
            at, held, whole = at + 1, 0, 0
    return np.minimum(place, max(at - 1, 0))


def _jeffreys(value: float, size: float) -> tuple[float, float]:
    """Jeffreys' 95% interval of a share of so many texts, which need not be whole."""
    if not np.isfinite(size):
        return value, value
    hits, misses = value * size + 0.5, (1 - value) * size + 0.5
    return float(beta.ppf(TAIL, hits, misses)), float(beta.ppf(1 - TAIL, hits, misses))


def exact_zero_bound(sizes: Counts, counts: Counts) -> int:
    """How many positives a population may hold if no answered text of any stratum is one.

    It is the largest number, in whichever strata they are, under which samples without a positive
    are at least as likely as `TAIL` (hypergeometric). Each further positive of a stratum is more
    likely to have been seen than the one before, so the least likely ones come first.

    Args:
        sizes: texts of each stratum [H].
        counts: answered texts of each [H].
    """
    costs = []
    for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
        left = size - np.arange(size - count, dtype=np.float64)
        costs.append(np.log(left) - np.log(left - count))
    spent = np.cumsum(np.sort(np.concatenate(costs)))
    return int(np.searchsorted(spent, -np.log(TAIL) + 1e-9, side="right"))


def _power(
    stratum: Rows, counts: Counts, factor: Floats, answers: Floats, probabilities: Floats
) -> float:
    """The power that makes the variance of the estimate smallest, between 0 and 1."""
    centred = probabilities - _means(stratum, counts, probabilities)[stratum]
    centred = np.where(np.abs(centred) > ROUNDING, centred, 0.0)
    weights = (factor / np.maximum(counts - 1, 1))[stratum] * centred
    total = float(weights @ centred)
    return float(np.clip(weights @ answers / total, 0, 1)) if total > 0 else 0.0


def _means(stratum: Rows, counts: Counts, values: Floats) -> Floats:
    return np.asarray(np.bincount(stratum, values, len(counts)) / counts)


def _variances(stratum: Rows, counts: Counts, values: Floats) -> Floats:
    """The variance of values within each stratum [H]; 0 where there is one."""
    squares = (values - _means(stratum, counts, values)[stratum]) ** 2
    return np.asarray(np.bincount(stratum, squares, len(counts)) / np.maximum(counts - 1, 1))
