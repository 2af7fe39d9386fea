"""How often 95% intervals cover, and how long 2,000 resamples take.

python -m benchmarks.statistics.intervals [--splits 1000] [--slow-resamples 20] [--only cover|time]

Coverage: splits are simulated whose true figures are known, scores normal with positives some
distance above negatives. For each split the interval that imbtool gives is looked at, and the
percentile and bias-corrected (BC) ones of the same resamples. "Undetectable" is the share of the
positives that have the scores of negatives, "joint" the share of texts whose labels and scores
hang together. Times: precision, recall and F1 of 28 labels on 5,427 texts; the same with
scipy.stats.bootstrap and scikit-learn is measured on fewer resamples and scaled up.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap, norm
from sklearn.metrics import precision_recall_fscore_support

from imbtool.config.hierarchy import label_set
from imbtool.evaluation.estimates import SplitMetrics
from imbtool.evaluation.intervals import RESAMPLES, counted, draw_weights, outcomes, resample
from imbtool.evaluation.metrics import mean_of_each, measure
from imbtool.evaluation.predictions import Predictions

TEXTS, LABELS = 5_427, 28
"""GoEmotions' test split."""
MEASURES = ("precision", "recall", "f1", "average_precision", "roc_auc")
ROUNDS = 5

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Scene:
    """Labels to be simulated: expected positives, distance of scores and threshold of each."""

    positives: tuple[float, ...]
    distance: tuple[float, ...]
    cut: tuple[float, ...]
    texts: int = 1_000
    undetectable: float = 0.0
    joint: float = 0.0

    def draw(self, rng: np.random.Generator) -> tuple[Floats, NDArray[np.float32]]:
        """Scores and targets [texts, labels] of one split."""
        shape = (self.texts, len(self.positives))
        prevalence = np.array(self.positives) / self.texts
        together = rng.random(shape) < self.joint
        own, common = rng.random(shape), rng.random((self.texts, 1))
        targets = np.where(together, common, own) < prevalence
        detected = targets & (rng.random(shape) >= self.undetectable)
        noise = rng.normal(size=shape) * (1 - self.joint) ** 0.5
        noise += rng.normal(size=(self.texts, 1)) * self.joint**0.5
        return noise + np.array(self.distance) * detected, targets.astype(np.float32)

    def truth(self) -> dict[str, Floats]:
        """The measures [labels] of endlessly many texts."""
        cut, distance = np.array(self.cut), np.array(self.distance)
        prevalence = np.array(self.positives) / self.texts
        grid = np.linspace(-8, 8 + distance, 100_001)
        recalls, falls = self._above(grid, distance), norm.sf(grid)
        precisions = prevalence * recalls / (prevalence * recalls + (1 - prevalence) * falls)
        hits, alarms = prevalence * self._above(cut, distance), (1 - prevalence) * norm.sf(cut)
        return {
            "precision": hits / (hits + alarms),
            "recall": hits / prevalence,
            "f1": 2 * hits / (hits + alarms + prevalence),
            "average_precision": -np.trapezoid(precisions, recalls, axis=0),
            "roc_auc": (1 - self.undetectable) * norm.cdf(distance / 2**0.5)
            + self.undetectable / 2,
        }

    def _above(self, cut: Floats, distance: Floats) -> Floats:
        return (1 - self.undetectable) * norm.sf(cut - distance) + self.undetectable * norm.sf(cut)


SCENES = {
    "20 positives, F1 0.13": Scene((20,), (1,), (1.5,)),
    "20 positives, F1 0.38": Scene((20,), (2,), (2,)),
    "20 positives, F1 0.64": Scene((20,), (3,), (2.2,)),
    "20 positives, F1 0.82": Scene((20,), (4.5,), (2.4,)),
    "20 positives, 15% undetectable": Scene((20,), (3,), (2.2,), undetectable=0.15),
    "60 positives, F1 0.38": Scene((60,), (2,), (2,), texts=3_000),
    "60 positives, F1 0.82": Scene((60,), (4.5,), (2.4,), texts=3_000),
    "60 positives, 5% undetectable": Scene((60,), (3.5,), (2.2,), texts=3_000, undetectable=0.05),
    "5 labels of 20": Scene((20,) * 5, (2,) * 5, (2,) * 5),
    "5 labels of 20, hardly found": Scene((20,) * 5, (1.2,) * 5, (3.2,) * 5),
    "5 labels of 20, AUC 0.98": Scene((20,) * 5, (3,) * 5, (2.2,) * 5),
    "20 labels of 25, joint": Scene((25,) * 20, (2,) * 20, (2,) * 20, joint=0.3),
    "20 labels of 25, joint, AP 0.08": Scene((25,) * 20, (1,) * 20, (2,) * 20, 1_200, joint=0.3),
    "labels of 4 to 200, joint": Scene(
        (4, 8, 20, 50, 200), (1, 2, 2, 2.5, 3), (2.5, 2, 2, 1.8, 1.5), joint=0.3
    ),
}


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--splits", type=int, default=1_000)
    parser.add_argument("--slow-resamples", type=int, default=20)
    parser.add_argument("--only", choices=("cover", "time"))
    options = parser.parse_args()
    if options.only != "cover":
        print_times(options.slow_resamples)
    if options.only != "time":
        for name, scene in SCENES.items():
            print_coverage(name, scene, options.splits)


def print_coverage(name: str, scene: Scene, splits: int) -> None:
    """Simulate splits of a scene and print the share of intervals that hold the truth."""
    rng, truth = np.random.default_rng(0), scene.truth()
    held: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for _ in range(splits):
        scores, targets = scene.draw(rng)
        defined = np.flatnonzero((targets == 1).any(axis=0))
        if not defined.size:
            continue
        for measured, way, (low, high) in intervals(scores, targets, np.array(scene.cut)):
            held[measured, way].append(low <= truth[measured][defined].mean() <= high)
    print(f"\n{name}: {splits:,} splits")
    print(f"{'':20}{'true':>8}{'imbtool':>10}{'percentile':>12}{'BC':>8}")
    for key in MEASURES:
        shares = [np.mean(held[key, way]) for way in ("imbtool", "percentile", "BC")]
        print(f"{key:20}{truth[key].mean():8.3f}{shares[0]:10.1%}{shares[1]:12.1%}{shares[2]:8.1%}")


def intervals(
    scores: Floats, targets: NDArray[np.float32], cut: Floats
) -> Iterator[tuple[str, str, Any]]:
    """Measure, way and interval of the macro mean of a split; of the label where it is alone."""
    decisions = scores >= cut
    labels = label_set(map(str, range(targets.shape[1])), [])
    ours = SplitMetrics(Predictions(labels, decisions, scores), targets).macro(range(len(labels)))
    values = measure(decisions, scores, targets).by_name()
    resampled = resample(decisions, scores, targets).by_name()
    ones = np.ones(targets.shape[1])
    for name in MEASURES:
        means, value = mean_of_each(resampled[name], ones), float(mean_of_each(values[name], ones))
        yield name, "imbtool", (ours[name].low, ours[name].high)
        yield name, "percentile", np.nanquantile(means, (0.025, 0.975))
        yield name, "BC", np.nanquantile(means, bias_corrected(value, means))


def bias_corrected(value: float, resamples: Floats) -> Floats:
    """The quantiles that BCa takes where the acceleration is 0 (Efron 1987)."""
    below = (np.mean(resamples < value) + np.mean(resamples <= value)) / 2
    shift = norm.ppf(np.clip(below, 1e-9, 1 - 1e-9))
    return np.asarray(norm.cdf(2 * shift + norm.ppf((0.025, 0.975))))


def print_times(slow_resamples: int) -> None:
    """Time precision, recall and F1 of every label in 2,000 resamples, both ways, and the rest."""
    rng = np.random.default_rng(0)
    positives = tuple(np.geomspace(6, 1_787, LABELS))
    scene = Scene(positives, (2,) * LABELS, (1.8,) * LABELS, texts=TEXTS)
    scores, targets = scene.draw(rng)
    decisions = scores >= np.array(scene.cut)
    fast = seconds(lambda: with_imbtool(decisions, targets), ROUNDS)
    slow = seconds(lambda: with_scipy(decisions, targets, slow_resamples), 1)
    slow *= RESAMPLES / slow_resamples
    ranked = seconds(lambda: resample(decisions, scores, targets), ROUNDS)
    print(f"{RESAMPLES:,} resamples of {LABELS} labels on {TEXTS:,} texts")
    print(f"precision, recall, F1: {fast:.2f} s (median of {ROUNDS})")
    print(
        f"the same with scipy and scikit-learn: {slow:.0f} s (scaled from {slow_resamples} "
        f"resamples), {slow / fast:.0f} times as long"
    )
    print(f"with average precision and AUC: {ranked:.2f} s")


def with_imbtool(decisions: NDArray[np.bool_], targets: NDArray[np.float32]) -> None:
    """Precision, recall and F1 of every label in every resample, as `resample` has them."""
    rows = outcomes(decisions, targets)
    counts = [rows @ weights for weights in draw_weights(len(targets), seed=0)]
    counted(np.concatenate(counts, axis=1)).by_name()


def with_scipy(decisions: NDArray[np.bool_], targets: NDArray[np.float32], resamples: int) -> None:
    """Precision, recall and F1 of every label by scipy's bootstrap of scikit-learn's function."""

    def statistic(rows: Floats) -> Floats:
        taken = rows.astype(int)
        figures = precision_recall_fscore_support(
            targets[taken], decisions[taken], average=None, zero_division=0
        )
        return np.concatenate(figures[:3])

    rows = (np.arange(len(targets)),)
    bootstrap(rows, statistic, n_resamples=resamples, method="percentile", vectorized=False, rng=0)


def seconds(work: Callable[[], Any], rounds: int) -> float:
    """The median time of some rounds of work."""
    taken = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return median(taken)


if __name__ == "__main__":
    main()
