"""Which threshold each label gets: rules compete on validation, never on what is reported.

A label's own F1-best threshold overfits where positives are few, so every rule is fitted on one
half of validation and scored on the other, over seeded half-splits both ways. The score is the
geometric mean of macro-F1 and micro-F1: few texts hardly measure the F1 of rare labels, and
frequent labels would pay for what chance makes of it. Rules within one standard error of the best
mean score count as equal; of these the one with the highest macro recall wins, since rare labels
are why it is done, and is refitted on all of validation. A label with a requirement
(requirements.py) takes its threshold from that, whatever the rule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from imbtool.config.hierarchy import Coherence, Labels
from imbtool.config.schema import Requirement, ThresholdMethod
from imbtool.data.splitting import stratified_split
from imbtool.evaluation.calibration import fit_shared_slope, sigmoid
from imbtool.evaluation.document import RequirementResult
from imbtool.evaluation.metrics import confusion, mean_defined
from imbtool.evaluation.requirements import (
    BEYOND,
    Requirements,
    fit_requirements,
    is_cut_point,
    judge_requirements,
    kept_requirements,
    sort_by_score,
    threshold_after,
)
from imbtool.types import Counts, Decisions, Floats, Rows, Targets

HALF_SPLITS = 6
BLEND_POSITIVES = 20.0
COHERENCES: tuple[Coherence, ...] = ("add-parents", "drop-children")
GRID = np.arange(-180, 181) / 20.0
"""Logits tried as the one global threshold: -9 to 9 by 0.05, 0 itself among them."""


@dataclass(frozen=True)
class ThresholdChoice:
    """The thresholds of a model and what they rest on.

    Attributes:
        rule: the rule that won, or was asked for.
        rules: what gave each label its threshold [L]: that rule, what it comes to for a label
            without positives on validation or with the same score for all texts, or `required
            recall` and the like.
        scores: cross-fitted macro-F1 of each rule that competed.
        micro_scores: cross-fitted micro-F1 of each of them; the geometric mean of both decides.
        recalls: cross-fitted macro recall of those that are as good as the best; the highest wins.
        logits: threshold of each label on the logit scale [L]; at or above it is decided.
        positives: validation positives of each label [L].
        coherence: how decisions are made to fit the forest; None without one.
        cross_fitted: coherent decisions on validation [HALF_SPLITS, n, L], each row decided by
            thresholds fitted on the half it is not in.
        requirements: what each label with a requirement came to; see `judge_requirement`.
    """

    rule: str
    rules: list[str]
    scores: dict[str, float]
    micro_scores: dict[str, float]
    recalls: dict[str, float]
    logits: Floats
    positives: Counts
    coherence: Coherence | None
    cross_fitted: Decisions
    requirements: dict[str, RequirementResult]

    @property
    def probabilities(self) -> Floats:
        """The thresholds as probabilities [L]."""
        return sigmoid(self.logits)


@dataclass(frozen=True)
class _Sample:
    logits: Floats
    targets: Targets
    prevalence: Floats

    def rows(self, rows: Rows) -> _Sample:
        return _Sample(self.logits[rows], self.targets[rows], self.prevalence)

    @property
    def positives(self) -> Counts:
        return np.asarray((self.targets == 1).sum(axis=0), dtype=np.int64)

    @property
    def seen(self) -> Decisions:
        """The texts that count for each label [n, L]: where it is known, all if it is nowhere."""
        known = ~np.isnan(self.targets)
        return np.asarray(known | ~known.any(axis=0), dtype=np.bool_)

    @property
    def highest(self) -> Floats:
        """The highest score of each label [L]."""
        return np.asarray(np.where(self.seen, self.logits, -np.inf).max(axis=0, initial=-np.inf))

    @property
    def constant(self) -> Decisions:
        """Labels whose scores are all the same, of two texts or more [L]: they tell nothing."""
        lowest = np.where(self.seen, self.logits, np.inf).min(axis=0, initial=np.inf)
        several = self.seen.sum(axis=0) > 1
        return np.asarray((self.highest == lowest) & several, dtype=np.bool_)


Rule = Callable[[_Sample], Floats]


def choose_thresholds(
    labels: Labels,
    logits: Floats,
    targets: Targets,
    prevalence: Floats,
    method: ThresholdMethod = "auto",
    seed: int = 0,
    require: Mapping[str, Requirement] = {},
) -> ThresholdChoice:
    """Choose a threshold for each label on validation.

    Args:
        labels: the label set; with a forest, the way to coherent decisions is chosen too: the one
            that keeps more requirements, then the one with the better cross-fitted macro-F1.
        logits: validation logits [n, L].
        targets: validation targets [n, L], NaN unknown.
        prevalence: each label's share of positives in texts as they come [L].
        method: a rule of `RULES`, or `auto` to let them compete.
        seed: of the half-splits.
        require: by label, what its threshold must reach; fitted on each half as the rules are.
            What is required of other labels has no effect.
    """
    sample = _Sample(np.asarray(logits, dtype=np.float64), targets, prevalence)
    halves = [stratified_split(targets, (0.5, 0.5), seed + number) for number in range(HALF_SPLITS)]
    required = {
        labels.names.index(name): requirement
        for name, requirement in require.items()
        if name in labels.names
    }
    names = list(RULES) if method == "auto" else [method]
    rules = {name: _requiring(_sparing(name), required) for name in names}
    crossed = {name: _cross_fit(rule, sample, halves) for name, rule in rules.items()}
    macro = {name: _macro_f1(decisions, targets) for name, decisions in crossed.items()}
    micro = {name: _micro_f1(decisions, targets) for name, decisions in crossed.items()}
    equal = _as_good_as_best({name: np.sqrt(macro[name] * micro[name]) for name in names})
    recalls = {name: _macro_recall(crossed[name], targets) for name in equal}
    best = max(recalls, key=lambda name: recalls[name])
    thresholds = rules[best](sample)
    fits = fit_requirements(required, sample.logits, targets)
    decided = sample.logits >= thresholds

    def judge(how: Coherence | None) -> dict[str, RequirementResult]:
        coherent = labels.coherent(decided, how)
        return judge_requirements(labels.names, required, fits, targets, decided, coherent)

    def worth(how: Coherence | None) -> tuple[int, float]:
        coherent = labels.coherent(crossed[best], how)
        return kept_requirements(judge(how)), float(_macro_f1(coherent, targets).mean())

    coherence = max(COHERENCES, key=worth) if labels.edges else None
    positives = sample.positives
    sources = {int(column): UNSEEN.get(best, best) for column in np.flatnonzero(positives == 0)}
    if best in OF_EACH_LABEL:
        sources |= dict.fromkeys(np.flatnonzero(sample.constant).tolist(), CONSTANT)
    sources |= {column: f"required {required[column].measure}" for column in fits}
    return ThresholdChoice(
        rule=best,
        rules=[sources.get(column, best) for column in range(len(labels))],
        scores={name: float(score.mean()) for name, score in macro.items()},
        micro_scores={name: float(score.mean()) for name, score in micro.items()},
        recalls=recalls,
        logits=thresholds,
        positives=positives,
        coherence=coherence,
        cross_fitted=labels.coherent(crossed[best], coherence),
        requirements=judge(coherence),
    )


def half(sample: _Sample) -> Floats:
    """Probability 0.5 for every label."""
    return np.zeros(sample.logits.shape[1])


def global_best(sample: _Sample) -> Floats:
    """The one threshold with the best macro-F1 over labels that have positives."""
    columns = np.flatnonzero(sample.positives > 0)
    if columns.size == 0:
        return half(sample)
    f1 = np.mean([_f1_at(GRID, *_column(sample, int(column))) for column in columns], axis=0)
    return np.full(sample.logits.shape[1], _middle_of_best(f1))


def label_best(sample: _Sample) -> Floats:
    """Each label's own F1-best threshold; the global one for labels without positives."""
    thresholds = global_best(sample)
    for column in np.flatnonzero(sample.positives > 0):
        thresholds[column] = _best_threshold(*_column(sample, int(column)))
    return thresholds


def blended(sample: _Sample) -> Floats:
    """Own and global threshold mixed on the logit scale, own with weight n / (n + 20)."""
    own_share = sample.positives / (sample.positives + BLEND_POSITIVES)
    return np.asarray(own_share * label_best(sample) + (1 - own_share) * global_best(sample))


def calibrated(sample: _Sample) -> Floats:
    """The threshold of best expected F1 under calibrated probabilities.

    One slope shared by all labels, a bias a label that makes its mean probability its training
    prevalence; expected F1 of the k most probable texts is 2 sum(p_1..k) / (k + sum(p)).
    """
    calibration = fit_shared_slope(sample.logits, sample.targets, sample.prevalence)
    scaled = calibration.logits(sample.logits)
    columns = zip(scaled.T, sample.seen.T, strict=True)
    thresholds = [expected_f1_threshold(column[seen]) for column, seen in columns]
    return calibration.raw(np.array(thresholds))


def mean_of_both(sample: _Sample) -> Floats:
    """The mean of the blended and the calibrated threshold on the logit scale."""
    return np.asarray((blended(sample) + calibrated(sample)) / 2)


RULES: Mapping[str, Rule] = {
    "0.5": half,
    "global": global_best,
    "per-label": label_best,
    "blended": blended,
    "calibrated": calibrated,
    "mean": mean_of_both,
}

OF_EACH_LABEL = frozenset(RULES) - {"0.5", "global"}
CONSTANT = "none (constant scores)"
UNSEEN: Mapping[str, str] = {
    "per-label": "global (no positives)",
    "blended": "global (no positives)",
    "mean": "mean of global and calibrated (no positives)",
}
"""What a rule comes to for a label that has no threshold of its own to find on validation."""


def _cross_fit(rule: Rule, sample: _Sample, halves: list[list[Rows]]) -> Decisions:
    decisions = np.zeros((len(halves), *sample.logits.shape), dtype=np.bool_)
    for number, (first, second) in enumerate(halves):
        for fitted_on, decided in ((first, second), (second, first)):
            if fitted_on.size and decided.size:
                thresholds = rule(sample.rows(fitted_on))
                decisions[number, decided] = sample.logits[decided] >= thresholds
    return decisions


def _sparing(name: str) -> Rule:
    """A rule that gives no text a label whose scores are all the same.

    The best F1 of such a label is had by giving it to all of them.
    """

    def thresholds(sample: _Sample) -> Floats:
        result = RULES[name](sample)
        if name not in OF_EACH_LABEL:
            return result
        return np.where(sample.constant, sample.highest + BEYOND, result)

    return thresholds


def _requiring(rule: Rule, required: Requirements) -> Rule:
    """A rule whose thresholds give way to those of requirements."""

    def thresholds(sample: _Sample) -> Floats:
        result = rule(sample).copy()
        for column, fit in fit_requirements(required, sample.logits, sample.targets).items():
            result[column] = fit.threshold
        return result

    return thresholds


def _macro_f1(decisions: Decisions, targets: Targets) -> Floats:
    """Macro-F1 of all validation rows, for each half-split; 0 where no label has positives."""
    scores = [mean_defined(confusion(part, targets).f1) for part in decisions]
    return np.asarray(np.nan_to_num(scores), dtype=np.float64)


def _micro_f1(decisions: Decisions, targets: Targets) -> Floats:
    """Micro-F1 of all validation rows, for each half-split; 0 where no label has positives."""
    scores = [mean_defined(confusion(part, targets).micro().f1) for part in decisions]
    return np.asarray(np.nan_to_num(scores), dtype=np.float64)


def _macro_recall(decisions: Decisions, targets: Targets) -> float:
    return float(np.nan_to_num(mean_defined(confusion(decisions, targets).recall)))


def _as_good_as_best(scores: Mapping[str, Floats]) -> list[str]:
    """Rules whose mean score is within one standard error of the best one's, pair by pair."""
    best = max(scores.values(), key=lambda score: float(score.mean()))
    error = {name: (best - score).std(ddof=1) / len(best) ** 0.5 for name, score in scores.items()}
    return [name for name, score in scores.items() if (best - score).mean() <= error[name]]


def _column(sample: _Sample, column: int) -> tuple[Floats, Counts]:
    return sort_by_score(sample.logits[:, column], sample.targets[:, column])


def _f1_at(thresholds: Floats, scores: Floats, found: Counts) -> Floats:
    taken = np.searchsorted(-scores, -thresholds, side="right")
    hits = np.concatenate([[0], found])[taken]
    return np.asarray(2.0 * hits / (taken + found[-1]), dtype=np.float64)


def _middle_of_best(f1: Floats) -> float:
    best = np.flatnonzero(f1 == f1.max())
    return float(GRID[best[len(best) // 2]])


def _best_threshold(scores: Floats, found: Counts) -> float:
    """Halfway between the last score taken and the first one left, where F1 is best."""
    taken = np.arange(1, len(scores) + 1)
    f1 = 2.0 * found / (taken + found[-1])
    return threshold_after(scores, _last_of_ties(scores, f1))


def expected_f1_threshold(logits: Floats) -> float:
    """The threshold of the best expected F1 of texts with these calibrated logits [n]."""
    scores = np.sort(logits)[::-1]
    probability = sigmoid(scores)
    taken = np.arange(1, len(scores) + 1)
    f1 = 2.0 * np.cumsum(probability) / (taken + probability.sum())
    return threshold_after(scores, _last_of_ties(scores, f1))


def _last_of_ties(scores: Floats, f1: Floats) -> int:
    """Where F1 is best among the cut points: equal scores go together."""
    return int(np.argmax(np.where(is_cut_point(scores), f1, -1.0)))
