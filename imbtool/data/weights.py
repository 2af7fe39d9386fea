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
IN_STREAM = "in texts that no search chose"


@dataclass(frozen=True)
class StreamCount:
    """A label in the texts of training and validation that no search chose.

    How frequent a label is in texts as they come shows there alone: a search chooses texts in
    which labels are more frequent.

    Attributes:
        positives: among these texts.
        negatives: among these texts.
        chosen: positives in training that a search chose.
    """

    positives: int
    negatives: int
    chosen: int

    @property
    def ratio(self) -> float:
        """Negatives for each positive, half a text of each added: of few texts it is finite."""
        return (self.negatives + 0.5) / (self.positives + 0.5)

    @property
    def prevalence(self) -> float:
        """Share of positives, half a text of each kind added."""
        return (self.positives + 0.5) / (self.positives + self.negatives + 1)


@dataclass(frozen=True)
class LabelWeight:
    """The weight of a label's positives in the loss, and why.

    Attributes:
        label: its name.
        count: in training.
        tier: by its ratio in training, or by that of `stream`.
        weight: of its positives.
        reason: of the weight, in words.
        stream: where a search chose some of the training texts, and the label is known of others.
    """

    label: str
    count: LabelCount
    tier: Tier
    weight: float
    reason: str
    stream: StreamCount | None = None

    @property
    def rare(self) -> bool:
        """Is it of the tier severe or moderate?"""
        return self.tier != "common"

    @property
    def prevalence(self) -> float:
        """Share of positives to expect among texts as they come."""
        return self.stream.prevalence if self.stream else self.count.prevalence


def assign_weights(
    names: Sequence[str],
    counts: Sequence[LabelCount],
    rules: WeightsSection,
    streams: Sequence[StreamCount | None] | None = None,
) -> list[LabelWeight]:
    """Give each label its weight: custom wins over tier, tier over automatic.

    The tier is by the ratio negatives / positives, in training or in the stream of texts where that
    is known. Automatic is clip(ratio, 1, cap) by the ratio in training.

    Args:
        names: of the labels [L].
        counts: of each in training [L].
        rules: `weights` of a profile.
        streams: of each label [L], see `stream_counts`. Default: training is like the stream.

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
    of_labels = zip(names, counts, streams or [None] * len(counts), strict=True)
    return [_assign(name, count, rules, stream) for name, count, stream in of_labels]


def weigh_labels(corpus: Corpus, rules: WeightsSection) -> list[LabelWeight]:
    """Give each label of a corpus its weight [L], see `assign_weights`.

    Args:
        corpus: whose training targets are counted; where a search chose some of its training texts,
            tiers are by those that no search chose, in training and validation.
        rules: `weights` of a profile.
    """
    counts = count_labels(corpus.train.label_sets)
    return assign_weights(corpus.labels.names, counts, rules, stream_counts(corpus))


def stream_counts(corpus: Corpus) -> list[StreamCount | None]:
    """Each label [L] in the texts that no search chose, of training and validation together.

    None where no search chose a training text, or where the label is known of none of the others.
    """
    train, validation = corpus.train, corpus.validation
    if not train.chosen.any():
        return [None] * len(corpus.labels)
    of_texts = (
        count_labels(train.label_sets.take(~train.chosen)),
        count_labels(validation.label_sets.take(~validation.chosen)),
        count_labels(train.label_sets.take(train.chosen)),
    )
    return [
        StreamCount(
            ours.positives + theirs.positives, ours.negatives + theirs.negatives, chosen.positives
        )
        if ours.known + theirs.known
        else None
        for ours, theirs, chosen in zip(*of_texts, strict=True)
    ]


def _assign(
    name: str, count: LabelCount, rules: WeightsSection, stream: StreamCount | None
) -> LabelWeight:
    ratio = stream.ratio if stream else count.ratio
    tier, shown = tier_of(ratio, rules), f"{three_digits(ratio)}:1"
    rule = rules.severe if tier == "severe" else rules.moderate
    least = f"{rule.ratio:g}:1 or more"
    if name in rules.custom:
        weight, reason = rules.custom[name], "custom, from the profile"
    elif tier == "common":
        weight, reason = _automatic(count, rules.cap)
        reason += f"; about {shown} {IN_STREAM}" if stream else ""
    elif stream:
        weight, reason = rule.weight, f"about {shown} {IN_STREAM}, which is {least}: {tier}"
    else:
        weight, reason = rule.weight, f"{shown} is {least}: {tier}"
    if stream and name not in rules.custom:
        verb = "was" if stream.chosen == 1 else "were"
        reason += (
            f"; {stream.chosen:,} of its {count.positives:,} positives in training {verb} chosen"
        )
    return LabelWeight(name, count, tier, weight, reason, stream)


def _automatic(count: LabelCount, cap: float) -> tuple[float, str]:
    """The weight of a common label, and its reason."""
    shown = f"{three_digits(count.ratio)}:1"
    weight = float(np.clip(count.ratio, 1.0, cap))
    if count.ratio > cap:
        return weight, f"its ratio {shown}, capped at {cap:g}"
    if count.ratio < 1:
        return weight, f"more positives than negatives ({shown}): at least 1"
    return weight, f"its ratio {shown}"


def with_custom_weights(profile: Profile, weights: Sequence[LabelWeight]) -> Profile:
    """The profile with the weight of every label written out, and those of other labels kept."""
    custom = {weight.label: weight.weight for weight in weights}
    custom |= {name: own for name, own in profile.weights.custom.items() if name not in custom}
    rules = profile.weights.model_copy(update={"custom": custom})
    return profile.model_copy(update={"weights": rules})


def effective_number_weights(
    counts: Sequence[LabelCount], beta: float = EFFECTIVE_BETA
) -> NDArray[np.float64]:
    """Class-balanced weights (1 - beta) / (1 - beta^n), scaled to sum to L (arXiv 1901.05555)."""
    positives = np.array([count.positives for count in counts], dtype=float)
    weights = (1.0 - beta) / (1.0 - np.power(beta, np.maximum(positives, 1.0)))
    return np.asarray(weights * len(weights) / weights.sum(), dtype=np.float64)
