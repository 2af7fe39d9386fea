"""How often 95% intervals of the difference of two systems hold the true difference.

python -m benchmarks.statistics.comparison [--splits 1000]

Two systems score the same texts; scores are normal with positives some distance above negatives,
and the noise of the two is correlated. Each split is a label of its own, or five for macro means.
Beside imbtool's intervals stand three of the same resamples, percentiles, their mirror image
("basic") and the normal one with their standard error, and for the recall of one label Bonett and
Price's (Journal of Educational and Behavioral Statistics 37, 2012).
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from benchmarks.statistics.intervals import Scene
from imbtool.config.hierarchy import label_set
from imbtool.evaluation.comparison import difference
from imbtool.evaluation.estimates import ResampledMetric, SplitMetrics
from imbtool.evaluation.predictions import Predictions

TEXTS, LABELS = 1_000, 50
"""Of one batch; labels are independent, so each is a split, or five of them."""
CORRELATIONS = (0.0, 0.5, 0.9)
MEASURES = ("precision", "recall", "f1", "average_precision", "roc_auc")
WAYS = ("imbtool", "percentile", "basic", "normal", "Bonett, Price")
Z = float(norm.ppf(0.975))

Floats = NDArray[np.float64]
Ends = tuple[float, float]


@dataclass(frozen=True)
class Duel:
    """Two systems: distance of scores and threshold of each, positives and labels of a split."""

    ours: tuple[float, float]
    theirs: tuple[float, float]
    positives: int = 20
    labels: int = 1

    def truth(self) -> dict[str, float]:
        """The difference of each measure on endlessly many texts."""
        ours, theirs = (
            Scene((self.positives,), (distance,), (cut,), TEXTS).truth()
            for distance, cut in (self.ours, self.theirs)
        )
        return {name: float(ours[name][0] - theirs[name][0]) for name in MEASURES}

    def draw(
        self, rng: np.random.Generator, correlation: float
    ) -> tuple[SplitMetrics, SplitMetrics, Floats]:
        """Both systems on a batch of splits, and their recalls' discordant pairs [2, LABELS]."""
        targets = rng.random((TEXTS, LABELS)) < self.positives / TEXTS
        shared, *own = rng.normal(size=(3, TEXTS, LABELS))
        noise = (correlation**0.5 * shared + (1 - correlation) ** 0.5 * part for part in own)
        scores = [part + of[0] * targets for part, of in zip(noise, self.systems, strict=True)]
        decided = [part >= of[1] for part, of in zip(scores, self.systems, strict=True)]
        only = [decided[0] & ~decided[1] & targets, decided[1] & ~decided[0] & targets]
        ours, theirs = (
            SplitMetrics(
                Predictions(label_set(map(str, range(LABELS)), []), decisions, score),
                targets.astype(np.float32),
            )
            for decisions, score in zip(decided, scores, strict=True)
        )
        return ours, theirs, np.array([part.sum(axis=0) for part in only], dtype=np.float64)

    @property
    def systems(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Ours and theirs."""
        return self.ours, self.theirs


POOR, FAIR, GOOD = (2.0, 2.0), (3.0, 2.2), (4.5, 2.4)
"""F1 0.38, 0.64 and 0.82 at 20 positives of 1,000 texts."""
DUELS = {
    "20 positives, F1 0.38 and 0.38": Duel(POOR, POOR),
    "20 positives, F1 0.64 and 0.64": Duel(FAIR, FAIR),
    "20 positives, F1 0.64 and 0.38": Duel(FAIR, POOR),
    "20 positives, F1 0.82 and 0.64": Duel(GOOD, FAIR),
    "20 positives, F1 0.82 and 0.82": Duel(GOOD, GOOD),
    "60 positives, F1 0.79 and 0.54": Duel(FAIR, POOR, positives=60),
    "5 labels of 20, F1 0.38 and 0.38": Duel(POOR, POOR, labels=5),
    "5 labels of 20, F1 0.64 and 0.38": Duel(FAIR, POOR, labels=5),
    "5 labels of 20, F1 0.82 and 0.64": Duel(GOOD, FAIR, labels=5),
}


def main() -> None:
    """Print the coverage of every duel at every correlation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--splits", type=int, default=1_000)
    splits = parser.parse_args().splits
    for (name, duel), correlation in product(DUELS.items(), CORRELATIONS):
        print(f"\n{name}, correlation {correlation:g}: {splits:,} splits", flush=True)
        print_coverage(duel, correlation, splits)


def print_coverage(duel: Duel, correlation: float, splits: int) -> None:
    """Simulate splits and print how many intervals hold the truth, and how wide they are.

    Told: the share of imbtool's intervals that do not hold 0.
    """
    rng, truth = np.random.default_rng(0), duel.truth()
    held: dict[tuple[str, str], list[tuple[bool, float, bool]]] = defaultdict(list)
    for _ in range(0, splits * duel.labels, LABELS):
        for measured, way, (low, high) in intervals(duel, *duel.draw(rng, correlation)):
            row = (low <= truth[measured] <= high, high - low, low > 0 or high < 0)
            held[measured, way].append(row)
    print(f"{'':18}{'true':>7}{'told':>7}" + "".join(f"{way:>15}" for way in WAYS))
    for name in MEASURES:
        cells = (np.mean(held[name, way], axis=0) if held[name, way] else None for way in WAYS)
        shown = ("–" if cell is None else f"{cell[0]:.1%} ({cell[1]:.2f})" for cell in cells)
        told = np.mean(held[name, "imbtool"], axis=0)[2]
        print(f"{name:18}{truth[name]:7.2f}{told:7.0%}" + "".join(f"{cell:>15}" for cell in shown))


def intervals(
    duel: Duel, ours: SplitMetrics, theirs: SplitMetrics, only: Floats
) -> Iterator[tuple[str, str, Ends]]:
    """Measure, way and interval of each split of a batch that has positives."""
    for start in range(0, LABELS, duel.labels):
        rows = range(start, start + duel.labels)
        pair = [of.label(start) if duel.labels == 1 else of.macro(rows) for of in (ours, theirs)]
        support = ours.counts.support[start]
        if not support:
            continue
        for name in MEASURES:
            for way, ends in ways(pair[0][name], pair[1][name]):
                yield name, way, ends
        if duel.labels == 1:
            yield "recall", "Bonett, Price", bonett_price(only[0, start], only[1, start], support)


def ways(ours: ResampledMetric, theirs: ResampledMetric) -> Iterator[tuple[str, Ends]]:
    """The interval that imbtool gives, and those of the resamples alone."""
    given = difference(ours, theirs, same=False)
    assert given.value is not None and given.low is not None and given.high is not None
    yield "imbtool", (given.low, given.high)
    resamples = ours.resamples - theirs.resamples
    low, high = np.nanquantile(resamples, (0.025, 0.975))
    value, reach = given.value, Z * float(np.nanstd(resamples))
    yield "percentile", (low, high)
    yield "basic", (2 * value - high, 2 * value - low)
    yield "normal", (value - reach, value + reach)


def bonett_price(only_ours: float, only_theirs: float, trials: float) -> Ends:
    """The adjusted Wald interval of the difference of two paired shares."""
    first, second = (only_ours + 1) / (trials + 2), (only_theirs + 1) / (trials + 2)
    value = first - second
    reach = Z * ((first + second - value**2) / (trials + 2)) ** 0.5
    return value - reach, value + reach


if __name__ == "__main__":
    main()
