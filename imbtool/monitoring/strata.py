"""Which texts of a stream to answer: strata by score, allocated for all labels together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from imbtool.types import Counts, Floats, Rows

SPREAD = 0.1
"""The share of a label's positives that may be any texts, whatever the model scores them."""
DRAWS = 10
"""Texts to draw from a stratum, about: fewer would say too little of how its texts differ."""
LEAST_DRAWS = 2
"""Without two texts of a stratum nobody knows how they differ."""
ROUNDS = 200
"""Of balancing the labels."""
STEP = 0.5
SAMPLED = 100_000
"""Texts that the weights of the labels are balanced on: more of them change nothing."""


@dataclass(frozen=True)
class Design:
    """A stratified sample: simple random sampling without replacement in each stratum.

    Attributes:
        stratum: of each text [n], from 0.
        sizes: texts of each stratum [H].
        draws: texts to draw of each [H]; at least two, or all.
    """

    stratum: Rows
    sizes: Counts
    draws: Counts

    @property
    def inclusion(self) -> Floats:
        """The probability of being drawn of a text of each stratum [H]."""
        return np.asarray(self.draws / self.sizes)

    def draw(self, seed: int) -> Rows:
        """The rows that are drawn, stratum by stratum."""
        rng = np.random.default_rng(seed)
        # in random order, then by stratum: the first of each are a simple random sample of it
        order = rng.permutation(len(self.stratum))
        order = order[np.argsort(self.stratum[order], kind="stable")]
        starts = np.cumsum(self.sizes) - self.sizes
        drawn = [order[at : at + count] for at, count in zip(starts, self.draws, strict=True)]
        return np.concatenate(drawn).astype(np.int64)


def plan_sample(probabilities: Floats, answers: int) -> Design:
    """Stratify texts so that so many answers say as much as they can of every label.

    A text is to be drawn with a probability in proportion to
    sqrt(sum over labels of w_l v_il / V_l): v_il = p (1 - p) is how much its answer may vary, and
    V_l the same of a text drawn at random (Neyman, 1934; for several variables Bethel, Survey
    Methodology 15, 1989). The weights w_l make the largest of the labels' variances, each as a
    share of that of simple random sampling, as small as it can be. Strata are texts with like
    values, and each gets about `DRAWS` texts.

    Args:
        probabilities: of each text and label [n, L], as likely as they say.
        answers: how many texts are to be drawn; at most n.
    """
    size = _sizes(probabilities, answers)
    n, strata = len(size), max(1, min(answers // DRAWS, len(size) // LEAST_DRAWS))
    order = np.argsort(size, kind="stable")
    passed = np.cumsum(size[order]) / size.sum()
    stratum = np.empty(n, dtype=np.int64)
    stratum[order] = np.minimum((passed * strata).astype(np.int64), strata - 1)
    _, stratum = np.unique(stratum, return_inverse=True)
    sizes = np.bincount(stratum)
    wanted = np.bincount(stratum, weights=size).astype(np.float64)
    return Design(stratum, sizes, _whole_draws(wanted, sizes, answers))


def _sizes(probabilities: Floats, answers: int) -> Floats:
    """What the probability of drawing each text [n] is in proportion to."""
    n = len(probabilities)
    some = np.linspace(0, n - 1, min(n, SAMPLED)).astype(np.int64)
    mean = probabilities.mean(axis=0, dtype=np.float64)
    random = np.maximum(mean * (1 - mean), 1e-12)
    varied = _variances(probabilities[some], mean) / random
    weights = np.full(len(mean), 1 / len(mean))
    share = min(1.0, answers / n)
    for _ in range(ROUNDS):
        inclusion = _inclusion(np.sqrt(varied @ weights), share)
        ratio = np.maximum((varied * (1 / inclusion - 1)[:, None]).mean(axis=0), 1e-12)
        weights *= np.exp(STEP * (np.log(ratio) - np.log(ratio).mean()))
        weights /= weights.sum()
    size = np.empty(n)
    for at in range(0, n, SAMPLED):
        block = _variances(probabilities[at : at + SAMPLED], mean) / random
        size[at : at + SAMPLED] = np.sqrt(block @ weights)
    return size


def _variances(probabilities: Floats, mean: Floats) -> Floats:
    """How much each answer may vary [n, L], if a share of the positives are any texts."""
    mixed = (1 - SPREAD) * probabilities + SPREAD * mean
    return np.asarray(mixed * (1 - mixed))


def _inclusion(size: Floats, share: float) -> Floats:
    """Probabilities in proportion to sizes, at most 1, whose mean is a share."""
    inclusion = size * (share / size.mean())
    while (inclusion > 1).any():
        whole = inclusion >= 1
        rest = (share * len(size) - whole.sum()) / size[~whole].sum() if (~whole).any() else 0.0
        inclusion = np.where(whole, 1.0, size * rest)
    return np.asarray(inclusion)


def _whole_draws(wanted: Floats, sizes: Counts, answers: int) -> Counts:
    """Whole numbers in proportion to what is wanted, between two (or all) and all, of that sum."""
    least = np.minimum(LEAST_DRAWS, sizes)
    share = wanted / wanted.sum() * answers
    draws: Counts = np.clip(np.floor(share), least, sizes).astype(np.int64)
    while (short := answers - int(draws.sum())) != 0:
        step = 1 if short > 0 else -1
        free = draws < sizes if short > 0 else draws > least
        gap = np.where(free, step * (share - draws), -np.inf)
        draws[np.argmax(gap)] += step
    return draws
