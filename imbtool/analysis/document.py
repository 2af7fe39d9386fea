"""What is known of a corpus before training, as analysis.json holds it.

The order of the fields is the order of the keys. What does not exist, such as the quantiles of no
texts, is None, which is null in the file.
"""

from __future__ import annotations

from pydantic import Field

from imbtool.analysis.finding import Finding
from imbtool.data.imbalance import FrequencyGroup, ImbalanceMeasures, Tier
from imbtool.evaluation.document import Estimate
from imbtool.files.documents import NumberOrNone, Part


class LabelWeights(Part):
    """The counts of a label in training, its weight in the loss and the reason."""

    parent: str | None
    positives: int
    negatives: int
    unknown: int
    ratio: NumberOrNone
    """Negatives for each positive; None without positives."""
    tier: Tier
    weight: float
    reason: str
    effective_number_weight: float
    splits: dict[str, int]
    """Positives in each split."""


class Weights(Part):
    """The weights of all labels, as weights.json holds them."""

    labels: dict[str, LabelWeights]


class Measurability(Part):
    """How well the positives of a label in a split can measure a recall."""

    recall: Estimate
    """A recall of 0.8 with its exact interval."""
    width: NumberOrNone
    """Of this interval, from end to end."""
    more_to_halve: int
    """Further positives that would make the interval half as wide."""


class LabelAnalysis(LabelWeights):
    """What is known of a label."""

    irlbl: NumberOrNone
    scumble: NumberOrNone
    shots: FrequencyGroup
    measurability: dict[str, Measurability]
    """By split."""


class SplitAnalysis(Part):
    """What is known of a split."""

    source: str
    texts: int
    chosen: int = Field(0, exclude_if=lambda texts: texts == 0)
    """Texts that a search chose for labelling; the key is absent where there are none."""
    labels_per_text: dict[int, int]
    """How many texts have how many labels."""
    mean_labels: float
    unlabelled: int
    unlabelled_share: NumberOrNone
    duplicates: int
    fingerprint: str


class CoOccurrence(Part):
    """How many training texts have both of two labels."""

    labels: list[str]
    texts: list[list[int]]
    """[labels, labels]; the diagonal holds the positives of each label."""


class Edge(Part):
    """How many texts, over all splits, have a child label and not its parent."""

    child: str
    parent: str
    violations: int


class HierarchyAnalysis(Part):
    """The edges of the label hierarchy."""

    edges: list[Edge]


class Quantiles(Part):
    """Of the lengths of some texts."""

    p05: NumberOrNone
    p25: NumberOrNone
    median: NumberOrNone
    p75: NumberOrNone
    p95: NumberOrNone
    p99: NumberOrNone
    most: NumberOrNone


class _Texts(Part):
    """Stands before the quantiles."""

    texts: int


class TokenQuantiles(Quantiles, _Texts):
    """Of the tokens of some texts, and the share of these texts that the encoder truncates."""

    cut: Estimate


class TokenLengths(Part):
    """How many tokens texts have."""

    limit: int
    """Tokens that the encoder reads of a text."""
    texts: dict[str, int]
    """Of each split how many were counted."""
    splits: dict[str, TokenQuantiles]
    labels: dict[str, TokenQuantiles]
    """Of the training texts that have the label."""


class Lengths(Part):
    """How long texts are; `tokens` is None without a tokenizer."""

    characters: dict[str, Quantiles]
    tokens: TokenLengths | None


class LabelDrift(Part):
    """How often a label occurs in each split, and how validation and test differ from training."""

    frequency: dict[str, Estimate]
    ratio: dict[str, NumberOrNone]
    """Of the frequency to that in training; None where training has no positives."""
    p: dict[str, float]


class LengthDrift(Part):
    """How the lengths of a split, in characters, differ from those in training."""

    distance: float
    p: float
    median: float
    training_median: float


class NewWords(Part):
    """Which share of the words of a split training lacks."""

    unseen: float
    random: Estimate
    """The same of random splits of the same texts."""
    unlike: bool


class WordDrift(Part):
    """The words of validation and test that training lacks."""

    texts: int
    splits: dict[str, NewWords]


class Drift(Part):
    """How validation and test differ from training, in texts that no search chose."""

    tests: int
    labels: dict[str, LabelDrift]
    lengths: dict[str, LengthDrift]
    words: WordDrift


class Sample(Part):
    """How many of how many texts something was computed on."""

    texts: int
    of: int


class Verdict(Part):
    """How many findings there are of each severity."""

    error: int
    warning: int
    info: int


class Analysis(Part):
    """What is known of a corpus before training; it quotes no text."""

    labels: dict[str, LabelAnalysis]
    splits: dict[str, SplitAnalysis]
    imbalance: ImbalanceMeasures
    co_occurrence: CoOccurrence
    hierarchy: HierarchyAnalysis
    lengths: Lengths
    drift: Drift
    samples: dict[str, Sample]
    verdict: Verdict
    findings: list[Finding]
    """The most serious first."""
