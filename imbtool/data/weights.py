"""Counts and rules become one weight a label, each with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imbtool.config.schema import Profile, WeightsSection
from imbtool.data.corpus import Corpus
from imbtool.data.imbalance import LabelCount, Tier, count_labels, tier_of
from imbtool.wording import three_digits

EFFECTIVE_BETA = 0.999


@dataclass(frozen=True)
class LabelWeight:
    """The weight of a label's positives in the loss, and why."""

    label: str
    count: LabelCount
    tier: Tier
    weight: float
    reason: str

    @property
    def rare(self) -> bool:
        """Is it of the tier severe or moderate?"""
        return self.tier != "common"


def assign_weights(
    names: Sequence[str], counts: Sequence[LabelCount], rules: WeightsSection
) -> list[LabelWeight]:
    """Give each label its weight: custom wins over tier, tier over automatic.

    Automatic is clip(ratio, 1, cap), ratio being negatives / positives in training.

    Args:
        names: of the labels [L].
        counts: of each in training [L].
        rules: `weights` of a profile.

    Examples:
        >>> from pathlib import Path
        >>> from imbtool import assign_weights, read_corpus, read_profile
        >>> from imbtool.data.imbalance import count_labels
        >>> profile = read_profile(Path("profile.yaml"))
        >>> corpus = read_corpus(profile)
        >>> counts = count_labels(corpus.train.targets)
        >>> weights = assign_weights(corpus.labels.names, counts, profile.weights)
        >>> all(1 <= weight.weight <= 10 for weight in weights)
        True
    """
    return [_assign(name, count, rules) for name, count in zip(names, counts, strict=True)]


def weigh_labels(corpus: Corpus, rules: WeightsSection) -> list[LabelWeight]:
    """Give each label of a corpus its weight [L], see `assign_weights`.

    Args:
        corpus: whose training targets are counted.
        rules: `weights` of a profile.
    """
    return assign_weights(corpus.labels.names, count_labels(corpus.train.targets), rules)


def _assign(name: str, count: LabelCount, rules: WeightsSection) -> LabelWeight:
    tier = tier_of(count.ratio, rules)
    shown = f"{three_digits(count.ratio)}:1"
    if name in rules.custom:
        return LabelWeight(name, count, tier, rules.custom[name], "custom, from the profile")
    if tier != "common":
        rule = rules.severe if tier == "severe" else rules.moderate
        reason = f"{shown} is {rule.ratio:g}:1 or more: {tier}"
        return LabelWeight(name, count, tier, rule.weight, reason)
    weight = float(np.clip(count.ratio, 1.0, rules.cap))
    if count.ratio > rules.cap:
        reason = f"its ratio {shown}, capped at {rules.cap:g}"
    elif count.ratio < 1:
        reason = f"more positives than negatives ({shown}): at least 1"
    else:
        reason = f"its ratio {shown}"
    return LabelWeight(name, count, tier, weight, reason)


def with_custom_weights(profile: Profile, weights: Sequence[LabelWeight]) -> Profile:
    """The profile with the weight of every label written out."""
    custom = {weight.label: weight.weight for weight in weights}
    rules = profile.weights.model_copy(update={"custom": custom})
    return profile.model_copy(update={"weights": rules})


def effective_number_weights(
    counts: Sequence[LabelCount], beta: float = EFFECTIVE_BETA
) -> NDArray[np.float64]:
    """Class-balanced weights (1 - beta) / (1 - beta^n), scaled to sum to L (arXiv 1901.05555)."""
    positives = np.array([count.positives for count in counts], dtype=float)
    weights = (1.0 - beta) / (1.0 - np.power(beta, np.maximum(positives, 1.0)))
    return np.asarray(weights * len(weights) / weights.sum(), dtype=np.float64)
