"""Is there a better threshold rule? Chosen on half of validation, scored on the other half.

python -m benchmarks.statistics.threshold_rules --profile PROFILE CHECKPOINT... [--halves 10]

For each checkpoint the validation texts of the profile are halved at random, thresholds are chosen
on one half, by rules that compete on its own half-splits, and macro-F1 is taken on the other: of
`auto`, which takes one rule for all labels, of `auto by tier`, where the rules compete in each tier
by themselves, of each rule, and of two that the tool does not have: `bagged`, the mean of each
label's F1-best threshold over bootstrap resamples, and `pooled`, the threshold of best expected F1
under a calibration with a slope and a bias of each label, drawn to their mean. Hierarchies are left
out: coherence comes after thresholds.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.shared.texttable import table
from benchmarks.shared.turns import say
from imbtool.config.hierarchy import Labels, label_set
from imbtool.config.reader import read_profile
from imbtool.data.corpus import Corpus, read_corpus
from imbtool.data.imbalance import TIERS, count_labels
from imbtool.data.splitting import stratified_split
from imbtool.evaluation.calibration import fit_each_label
from imbtool.evaluation.metrics import confusion, mean_defined
from imbtool.evaluation.thresholds import (
    RULES,
    ThresholdChoice,
    _Sample,
    choose_thresholds,
    expected_f1_threshold,
    label_best,
)
from imbtool.trained.checkpoint import Checkpoint, read_checkpoint

AUTO, BY_TIER, BAGGED, POOLED = "auto", "auto by tier", "bagged", "pooled"
RESAMPLES = 25
Floats = NDArray[np.float64]
Targets = NDArray[np.float32]


class Thresholds:
    """Thresholds of every method, chosen on some texts."""

    def __init__(self, labels: Labels, logits: Floats, targets: Targets, prevalence: Floats):
        self._logits, self._targets = logits, targets
        self.rules = {
            name: choose_thresholds(labels, logits, targets, prevalence, name)
            for name in [AUTO, *RULES]
        }

    def by_tier(self, tiers: list[str]) -> Floats:
        """For the labels of each tier the rule with the best cross-fitted F1 of that tier."""
        result = self.rules[AUTO].logits.copy()
        for tier in TIERS:
            columns = np.flatnonzero(np.array(tiers) == tier)
            if len(columns):
                best = max(RULES, key=lambda name: self._worth(self.rules[name], columns))
                result[columns] = self.rules[best].logits[columns]
        return result

    def bagged(self) -> Floats:
        """The mean of each label's F1-best threshold over bootstrap resamples of the texts."""
        rng, texts = np.random.default_rng(0), len(self._targets)
        return np.mean([self._best_on(rng.integers(0, texts, texts)) for _ in range(RESAMPLES)], 0)

    def pooled(self) -> Floats:
        """The threshold of best expected F1 under each label's own calibration."""
        calibration = fit_each_label(self._logits, self._targets)
        scaled = calibration.logits(self._logits)
        return calibration.raw(np.array([expected_f1_threshold(column) for column in scaled.T]))

    def _best_on(self, rows: NDArray[np.int64]) -> Floats:
        return label_best(_Sample(self._logits[rows], self._targets[rows], np.zeros(0)))

    def _worth(self, choice: ThresholdChoice, columns: NDArray[np.int64]) -> float:
        targets = self._targets[:, columns]
        halves = [confusion(each[:, columns], targets).f1 for each in choice.cross_fitted]
        return float(np.nan_to_num([mean_defined(f1) for f1 in halves]).mean())


def scores_of(checkpoint: Checkpoint, corpus: Corpus, halves: int) -> dict[str, Floats]:
    """Macro-F1 on the other half of each method, for each half that thresholds were chosen on."""
    split, flat = corpus.validation, label_set(corpus.labels.names, ())
    logits = checkpoint.text_model.logits(split.texts).astype(np.float64)
    prevalence = np.array([count.prevalence for count in count_labels(corpus.train.targets)])
    tiers = [label.tier for label in checkpoint.meta.labels.values()]
    scores: dict[str, list[float]] = {}
    for number in range(halves):
        first, second = stratified_split(split.targets, (0.5, 0.5), 100 + number)
        for own, other in ((first, second), (second, first)):
            chosen = Thresholds(flat, logits[own], split.targets[own], prevalence)
            methods = {name: choice.logits for name, choice in chosen.rules.items()}
            methods |= {BY_TIER: chosen.by_tier(tiers), BAGGED: chosen.bagged()}
            methods[POOLED] = chosen.pooled()
            for name, thresholds in methods.items():
                f1 = confusion(logits[other] >= thresholds, split.targets[other]).f1
                scores.setdefault(name, []).append(mean_defined(f1))
    return {name: np.array(values) for name, values in scores.items()}


def main() -> None:
    """Measure each checkpoint, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("checkpoints", type=Path, nargs="+")
    parser.add_argument("--profile", type=Path, required=True, help="of the texts")
    parser.add_argument("--halves", type=int, default=10)
    options = parser.parse_args()
    corpus = read_corpus(read_profile(options.profile))
    names = [AUTO, BY_TIER, *RULES, BAGGED, POOLED]
    rows = [["checkpoint", *names, "by tier less auto"]]
    for path in options.checkpoints:
        scores = scores_of(read_checkpoint(path), corpus, options.halves)
        gain = scores[BY_TIER] - scores[AUTO]
        rows.append(
            [
                str(path),
                *(f"{scores[name].mean():.3f}" for name in names),
                f"{gain.mean():+.4f} (se {gain.std(ddof=1) / len(gain) ** 0.5:.4f})",
            ]
        )
        say("  ".join(rows[-1]))
    print(table(rows))


if __name__ == "__main__":
    main()
