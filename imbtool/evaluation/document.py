"""The evaluation of a model on a split, as evaluation.json holds it.

The order of the fields is the order of the keys. What does not exist, such as the recall of a label
without positives, is None, which is null in the file.
"""

from __future__ import annotations

from typing import Generic, Literal, TypeVar

from pydantic import Field

from imbtool.config.hierarchy import Coherence
from imbtool.data.imbalance import Tier
from imbtool.files.documents import Part
from imbtool.wording import counted

METRICS = ("precision", "recall", "f1", "average_precision", "roc_auc")
DECISION_METRICS = METRICS[:3]
"""They need decisions alone; the others need probabilities."""

Verdict = Literal["better", "worse", "cannot be told"]
RequirementVerdict = Literal["met", "likely", "unmet"]
VERDICTS: tuple[Verdict, ...] = ("better", "worse", "cannot be told")


class Estimate(Part):
    """A metric, or another share, with its 95% interval."""

    value: float | None
    low: float | None
    high: float | None


class Difference(Estimate):
    """The metric of this model less that of the other, and both."""

    ours: float | None
    theirs: float | None


Value = TypeVar("Value", bound=Estimate)


class DecisionMetrics(Part, Generic[Value]):
    """The metrics of decisions: of a label, or means over a group of labels."""

    precision: Value
    recall: Value
    f1: Value

    def metric(self, name: str) -> Value | None:
        """One of `METRICS`; None where this group does not have it."""
        found: Value | None = getattr(self, name, None)
        return found


class Metrics(DecisionMetrics[Value], Generic[Value]):
    """The metrics of decisions and of probabilities."""

    average_precision: Value
    roc_auc: Value


class Overall(Part):
    """Means over labels. Levels of the hierarchy are absent where there is no hierarchy."""

    macro: Metrics[Estimate]
    micro: DecisionMetrics[Estimate]
    """Of all labels counted as one: no average precision, no AUC."""
    weighted: Metrics[Estimate]
    secondary: Metrics[Estimate] | None = Field(None, exclude_if=lambda level: level is None)
    primary: Metrics[Estimate] | None = Field(None, exclude_if=lambda level: level is None)
    labels_without_positives: int
    labels_at_zero_recall: int

    @property
    def groups(self) -> dict[str, DecisionMetrics[Estimate]]:
        """Each mean that there is, by name."""
        return {name: part for name, part in self if isinstance(part, DecisionMetrics)}


class _Size(Part):
    """Stands before the metrics of a tier."""

    labels: int


class TierMetrics(Metrics[Estimate], _Size):
    """Means over the labels of a tier, and how many they are."""


class TrainedLabel(Part):
    """What training knew of a label."""

    tier: Tier
    training_positives: int
    weight: float
    reason: str
    """Of the weight."""


class LabelMetrics(Metrics[Estimate]):
    """One label on the split; from `tier` to `reason` as in `TrainedLabel`."""

    support: int
    """Its positives on the split."""
    found: int
    false_alarms: int
    threshold: float
    tier: Tier
    training_positives: int
    weight: float
    reason: str
    few: bool
    """Whether it has too few positives on the split to say much."""


class Violation(Part):
    """On how many texts a label was decided without its parent."""

    child: str
    parent: str
    texts: int


class HierarchyMetrics(Part):
    """How often the thresholds alone contradict the hierarchy, and what became of it."""

    edges: list[list[str]]
    """Child and parent."""
    coherence: Coherence | None
    violation_rate_before: float
    violation_rate_after: float
    violations_before: list[Violation]


class RequirementResult(Part):
    """What a label's requirement came to on validation."""

    asked: str = Field(min_length=1)
    verdict: RequirementVerdict
    validation: Estimate
    """Flags count in 1,000 texts."""
    sentence: str


class LabelThreshold(Part):
    """The threshold of a label and what it rests on."""

    threshold: float
    rule: str
    validation_positives: int
    requirement: RequirementResult | None


class Thresholds(Part):
    """The rule of the thresholds, and the cross-fitted F1 of each rule that competed."""

    rule: str
    scores: dict[str, float]
    """Macro-F1."""
    micro_scores: dict[str, float] = Field({}, exclude_if=lambda scores: not scores)
    """Micro-F1. The key is absent where the checkpoint does not have it."""
    labels: dict[str, LabelThreshold]


class SplitData(Part):
    """What was evaluated, on what."""

    checkpoint: str
    source: str
    split: str
    texts: int
    chosen: int = Field(0, exclude_if=lambda texts: texts == 0)
    """Texts that a search chose for labelling: figures on them do not hold for texts as they come.
    The key is absent where there are none."""
    min_support: int
    fingerprint: str
    seen_in_training: bool
    """Whether training or validation has used all of these texts."""
    own: bool = Field(True, exclude_if=bool)
    """Whether it is a split of the run's own data. The key is absent where it is."""
    used_texts: int | None = Field(None, exclude_if=lambda texts: texts is None)
    """How many of them it has used. The key is absent where its tables were not at hand."""

    @property
    def texts_in_words(self) -> str:
        """`200 texts`, and how many of them a search chose if it did."""
        chosen = f", {self.chosen:,} of them chosen by a search" if self.chosen else ""
        return f"{counted(self.texts, 'text')}{chosen}"


class Bin(Part):
    """Texts of similar probability, and the share of positives among them."""

    texts: int
    mean_probability: float
    share: Estimate


class Reliability(Part):
    """How far some probabilities are off: expected calibration error, Brier score, bins."""

    ece: float | None
    brier: Estimate
    bins: list[Bin]


class ReliabilityPair(Part):
    """Reliability of the probabilities as the model gives them, and once calibrated."""

    raw: Reliability
    calibrated: Reliability | None


class LabelCalibration(ReliabilityPair):
    """The reliability of a label, and the slope and bias that calibrate its logit."""

    slope: float | None
    bias: float | None


class CalibrationReport(Part):
    """Of all pairs of a text and a label together, and of each label."""

    overall: ReliabilityPair
    labels: dict[str, LabelCalibration]


class ConfusedPair(Part):
    """On `texts` of the `of` texts where `label` was missed, `taken_for` was decided wrongly."""

    label: str
    taken_for: str
    texts: int
    of: int


class GateResult(Part):
    """A required metric, and whether it is met."""

    requirement: str
    """As it was typed."""
    measure: str
    """One of `METRICS`."""
    of: str
    """A label or a group."""
    kind: Literal["label", "group"]
    operator: Literal[">=", "<="]
    bar: float
    figure: Estimate
    met: bool


class SliceLabel(Metrics[Estimate]):
    """A label in a slice."""

    support: int
    few: bool


class Slice(Part):
    """The texts with one value of a column."""

    value: str
    texts: int
    few: bool
    """Whether no label has enough positives in it."""
    macro: Metrics[Estimate]
    labels: dict[str, SliceLabel]


class Slices(Part):
    """A column and its slices, worst macro-F1 first."""

    column: str
    slices: list[Slice]


class LabelDifference(Metrics[Difference]):
    """A label of two systems; the verdict is by the interval of F1's difference."""

    support: int
    verdict: Verdict


class Comparison(Part):
    """This model less another system on the same texts, for the labels that both have."""

    against: str
    texts: int
    has_scores: bool
    """Whether both give probabilities."""
    decided_by: str
    left_out: list[str]
    """Labels that only one of the two has."""
    overall: dict[str, Metrics[Difference] | DecisionMetrics[Difference]]
    labels: dict[str, LabelDifference]
    counts: dict[Verdict, int]


class Mistake(Part):
    """A text on which a label was decided wrongly."""

    row: int
    """From 1, in the table of the split."""
    text: str
    probability: float
    threshold: float
    given: list[str]
    decided: list[str]


class SuspectedError(Mistake):
    """An annotation that is likely wrong."""

    label: str
    given_label: bool
    score: float
    """The probability of an error."""


class LabelMistakes(Part):
    """The most confident mistakes of a label."""

    misses: list[Mistake]
    false_alarms: list[Mistake]


class Mistakes(Part):
    """Texts to read first."""

    labels: dict[str, LabelMistakes]
    suspects: list[SuspectedError]


class Evaluation(Part):
    """The content of evaluation.json."""

    overall: Overall
    tiers: dict[str, TierMetrics]
    labels: dict[str, LabelMetrics]
    hierarchy: HierarchyMetrics
    thresholds: Thresholds
    data: SplitData
    calibration: CalibrationReport
    confusion: list[ConfusedPair]
    gates: list[GateResult]
    slices: Slices | None
    comparison: Comparison | None
    mistakes: Mistakes | None

    def rarest_first(self) -> list[tuple[str, LabelMetrics]]:
        """The labels by training positives, fewest first."""
        return sorted(self.labels.items(), key=lambda item: item[1].training_positives)

    @property
    def requirements(self) -> dict[str, RequirementResult]:
        """What became of the requirements, by label."""
        rows = self.thresholds.labels.items()
        return {name: row.requirement for name, row in rows if row.requirement}
