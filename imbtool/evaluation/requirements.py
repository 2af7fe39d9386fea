"""Thresholds of labels that must reach something, and how sure it is that they do.

A threshold is said to meet a requirement if validation would look as good in at most 5 of 100
cases, were the true share just beyond the bar. Recall and the share of decided texts go one way
with the threshold, so thresholds are tested in that order up to the first failure, and nothing is
paid for testing many (Angelopoulos et al., Learn then Test, arXiv 2110.01052). Precision goes up
and down: its tests begin at a few cut points, which share the 5 of 100 (Bonferroni).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binom

from imbtool.config.schema import Requirement
from imbtool.evaluation.document import Estimate, RequirementResult, RequirementVerdict
from imbtool.evaluation.estimates import estimate, estimate_text
from imbtool.evaluation.intervals import exact_interval
from imbtool.evaluation.metrics import confusion
from imbtool.types import Counts, Decisions, Floats, Targets
from imbtool.wording import counted

Requirements = Mapping[int, Requirement]
"""By the column of their label."""

SIGNIFICANCE = 0.05
"""How often a threshold may be said to meet a requirement that it does not meet."""
STARTS = 10 * 2 ** np.arange(7)
"""How many texts are decided at the cut points where tests of precision begin."""
PER_1000 = "flags_per_1000"
BEYOND = 0.01
"""How far below the lowest score a threshold stands that takes all texts, or above the highest."""
CLAIMS: dict[RequirementVerdict, str] = {
    "met": "with 95% confidence",
    "likely": "is likely, not certain",
    "unmet": "is not reached",
}
"""Verdicts, the best first, in words."""


@dataclass(frozen=True)
class RequirementFit:
    """A threshold for a requirement, and what it rests on.

    Attributes:
        threshold: on the logit scale; at or above it is decided.
        sure: whether it meets the requirement with 95% confidence.
        support: the strictest bar that these texts could show to be met.
    """

    threshold: float
    sure: bool
    support: float


@dataclass(frozen=True)
class _Shares:
    """What a requirement is about, at one or more thresholds, highest first: hits of trials [C]."""

    requirement: Requirement
    hits: Counts
    trials: Counts

    @property
    def values(self) -> Floats:
        return np.asarray(self.hits / np.maximum(self.trials, 1))

    @property
    def bar(self) -> float:
        return self.requirement.bar / (1000 if self.is_limit else 1)

    @property
    def is_limit(self) -> bool:
        return self.requirement.measure == PER_1000

    @property
    def significance(self) -> float:
        return SIGNIFICANCE / (len(STARTS) if self.requirement.measure == "precision" else 1)

    def reach(self) -> Decisions:
        return np.asarray(self.values <= self.bar if self.is_limit else self.values >= self.bar)

    def pass_test(self) -> Decisions:
        """Whether shares this good are too unlikely for a true one beyond the bar."""
        if self.is_limit:
            chance = binom.cdf(self.hits, self.trials, self.bar)
        else:
            chance = binom.sf(self.hits - 1, self.trials, self.bar)
        return np.asarray(chance <= self.significance)

    def sure(self) -> Decisions:
        """Thresholds that meet the requirement, all of them together with 95% confidence."""
        passed = self.pass_test()
        if self.requirement.measure != "precision":
            return passed
        starts = np.searchsorted(self.trials, STARTS)
        runs = np.arange(len(passed)) >= starts[:, None]
        return np.asarray((runs & np.logical_and.accumulate(passed | ~runs, axis=1)).any(axis=0))

    def choose(self, good: Decisions) -> int:
        """The highest threshold for recall, the lowest for the others; the best if none is good."""
        chosen = np.flatnonzero(good)
        if not chosen.size:
            best = self.values.min() if self.is_limit else self.values.max()
            chosen = np.flatnonzero(self.values == best)
        return int(chosen[0 if self.requirement.measure == "recall" else -1])

    def support(self) -> float:
        """The strictest bar that a test could have passed."""
        if self.requirement.measure == "recall":
            return exact_interval(self.hits[-1], self.trials[-1], self.significance)[0]
        if self.is_limit:
            return 1000 * exact_interval(self.hits[0], self.trials[0], self.significance)[1]
        starts = np.searchsorted(self.trials, STARTS)
        tested = [
            exact_interval(self.hits[start], self.trials[start], self.significance)[0]
            for start in starts[starts < len(self.trials)]
        ]
        return max(tested, default=0.0)

    def estimate(self) -> Estimate:
        """The share at the only threshold, in the unit of the requirement."""
        unit = 1000 if self.is_limit else 1
        ends = exact_interval(self.hits[0], self.trials[0])
        return estimate(*(unit * number for number in (self.values[0], *ends)))


def fit_requirement(
    requirement: Requirement, scores: Floats, targets: Targets
) -> RequirementFit | None:
    """The threshold that meets a requirement with confidence, else on these texts, else nearly.

    For recall it is the highest such threshold, for precision and flags the lowest.

    Args:
        requirement: what is asked.
        scores: logits of the label [n].
        targets: [n], NaN unknown.

    Returns:
        None for precision and recall of a label without positives.
    """
    if requirement.measure == PER_1000:  # every text that is decided counts, whatever its target
        targets = np.ones_like(targets)
    ordered, found = sort_by_score(scores, targets)
    if not found.size or not found[-1]:
        return None
    last = np.flatnonzero(is_cut_point(ordered))
    whole = np.full(len(last), found[-1])
    shares = _Shares(
        requirement, found[last], last + 1 if requirement.measure == "precision" else whole
    )
    sure = shares.sure()
    cut = shares.choose(sure if sure.any() else shares.reach())
    return RequirementFit(
        threshold_after(ordered, int(last[cut])), bool(sure.any()), shares.support()
    )


def judge_requirement(
    label: str,
    requirement: Requirement,
    fit: RequirementFit | None,
    targets: Targets,
    decided: Decisions,
    coherent: Decisions,
) -> RequirementResult:
    """What a requirement came to on validation.

    Args:
        label: its name.
        requirement: what is asked.
        fit: its threshold; None where there are no positives.
        targets: of the label [n], NaN unknown.
        decided: by the threshold [n].
        coherent: the same decisions, made to fit the forest; the verdict is about these.
    """
    if fit is None:
        nothing = estimate(np.nan, np.nan, np.nan)
        sentence = (
            f"{_title(label, requirement)} cannot be judged, no positives on validation; "
            "the threshold is the one without a requirement"
        )
        return RequirementResult(
            asked=requirement.asked, verdict="unmet", validation=nothing, sentence=sentence
        )
    shares, before = (_count(requirement, taken, targets) for taken in (coherent, decided))
    verdict = _verdict(fit, shares)
    parts = [
        f"{_title(label, requirement)} {CLAIMS[verdict]}",
        f"{_share_text(shares)} on validation, {_counts_text(shares)}",
    ]
    if not fit.sure:
        parts.append(_support_text(shares, fit.support))
    if before.values != shares.values:
        parts.append(f"{_share_text(before)} before decisions were made coherent")
    return RequirementResult(
        asked=requirement.asked,
        verdict=verdict,
        validation=shares.estimate(),
        sentence="; ".join(parts),
    )


def fit_requirements(
    requirements: Requirements, logits: Floats, targets: Targets
) -> dict[int, RequirementFit]:
    """`fit_requirement` for each column of logits and targets [n, L] that has one, if it can be."""
    fits = {
        column: fit_requirement(requirement, logits[:, column], targets[:, column])
        for column, requirement in requirements.items()
    }
    return {column: fit for column, fit in fits.items() if fit is not None}


def judge_requirements(
    names: Sequence[str],
    requirements: Requirements,
    fits: Mapping[int, RequirementFit],
    targets: Targets,
    decided: Decisions,
    coherent: Decisions,
) -> dict[str, RequirementResult]:
    """`judge_requirement` for each label that has one, by name; matrices are [n, L]."""
    return {
        names[column]: judge_requirement(
            names[column],
            requirement,
            fits.get(column),
            targets[:, column],
            decided[:, column],
            coherent[:, column],
        )
        for column, requirement in requirements.items()
    }


def kept_requirements(results: Mapping[str, RequirementResult]) -> int:
    """How well requirements are kept, to compare by: one that is met counts for two likely ones."""
    return sum(2 - list(CLAIMS).index(result.verdict) for result in results.values())


def sort_by_score(scores: Floats, truth: Targets) -> tuple[Floats, Counts]:
    """Known scores [m], highest first, and the positives among the first k [m].

    Args:
        scores: of a label [n].
        truth: [n], NaN unknown: left out.
    """
    known = ~np.isnan(truth)
    scores, truth = scores[known], truth[known]
    order = np.argsort(-scores, kind="stable")
    return scores[order], np.cumsum(truth[order], dtype=np.int64)


def is_cut_point(scores: Floats) -> Decisions:
    """Whether a threshold can stand behind each of some scores, highest first [m]."""
    return np.append(scores[:-1] > scores[1:], True)


def threshold_after(scores: Floats, last: int) -> float:
    """The threshold halfway between the last score taken and the first one left."""
    if last + 1 == len(scores):
        return float(scores[last]) - BEYOND
    return float((scores[last] + scores[last + 1]) / 2)


def _count(requirement: Requirement, decided: Decisions, targets: Targets) -> _Shares:
    if requirement.measure == PER_1000:
        hits, trials = decided.sum(), len(decided)
    else:
        counts = confusion(decided[:, None], targets[:, None])
        hits, trials = counts.true_positives[0], counts.support[0]
        if requirement.measure == "precision":
            trials = hits + counts.false_positives[0]
    return _Shares(requirement, np.array([hits]), np.array([trials]))


def _verdict(fit: RequirementFit, shares: _Shares) -> RequirementVerdict:
    if fit.sure and shares.pass_test()[0]:
        return "met"
    return "likely" if shares.reach()[0] else "unmet"


def _title(label: str, requirement: Requirement) -> str:
    if requirement.measure == PER_1000:
        return f"flags of {label}: at most {requirement.bar:g} in 1,000 texts"
    return f"{requirement.measure} of {label}: at least {requirement.bar:g}"


def _share_text(shares: _Shares) -> str:
    return estimate_text(shares.estimate(), digits=1 if shares.is_limit else 2)


def _counts_text(shares: _Shares) -> str:
    hits, trials = int(shares.hits[0]), int(shares.trials[0])
    match shares.requirement.measure:
        case "recall":
            return f"{hits:,} of {counted(trials, 'positive')} found"
        case "precision":
            return f"{hits:,} of {counted(trials, 'decided text')} right"
    return f"{hits:,} of {counted(trials, 'text')} decided"


def _support_text(shares: _Shares, support: float) -> str:
    """Rounded so that it never says more than it may."""
    match shares.requirement.measure:
        case "recall":
            basis = counted(int(shares.trials[0]), "positive")
        case "precision":
            basis = "validation"
        case _:
            basis = counted(int(shares.trials[0]), "text")
            return f"{basis} can support {math.ceil(10 * support) / 10:.1f} at best"
    return f"{basis} can support {math.floor(100 * support) / 100:.2f} at best"
