"""How many positives a pool still holds, by the random part of what was read: exact bounds."""

from __future__ import annotations

from dataclasses import dataclass

from scipy.stats import hypergeom

from imbtool.evaluation.intervals import TAIL


@dataclass(frozen=True)
class Bounds:
    """Exact 95% bounds.

    Attributes:
        low, high: of the positives that the pool still holds.
        recall_low, recall_high: of the recall of the search so far.
    """

    low: int
    high: int
    recall_low: float
    recall_high: float


def remaining_positives(population: int, sample: int, hits: int, read: int, found: int) -> Bounds:
    """Bounds of what a pool still holds of one label.

    The sample is the front of a random order of the pool, every text of which has been read. So it
    is a simple random sample, whatever a search has chosen beside it, and its positives follow the
    hypergeometric distribution. The bounds are those values that neither tail of it rejects at
    2.5% (Wright, Exact confidence bounds when sampling from small finite universes, 1991).

    Args:
        population: texts that could be chosen when the pool was first searched.
        sample: texts at the front of the random order that have been read.
        hits: positives among them.
        read: texts of the population that have been read, the sample among them.
        found: positives among those.
    """
    low = _least(population, sample, hits)
    high = _most(population, sample, hits)
    # what was found is there, and what was read without being positive is not
    low, high = max(low, found), min(max(high, found), population - read + found)
    recall = (found / high if high else 0.0, found / low if low else 1.0)
    return Bounds(max(low, found) - found, high - found, *recall)


def _least(population: int, sample: int, hits: int) -> int:
    """The smallest number of positives under which so many hits are not too many."""
    lower, upper = hits, population - (sample - hits)
    while lower < upper:
        middle = (lower + upper) // 2
        if hypergeom.sf(hits - 1, population, middle, sample) > TAIL:
            upper = middle
        else:
            lower = middle + 1
    return lower


def _most(population: int, sample: int, hits: int) -> int:
    """The largest number of positives under which so many hits are not too few."""
    lower, upper = hits, population - (sample - hits)
    while lower < upper:
        middle = (lower + upper + 1) // 2
        if hypergeom.cdf(hits, population, middle, sample) > TAIL:
            lower = middle
        else:
            upper = middle - 1
    return lower
