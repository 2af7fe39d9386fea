"""The weight profile: its sections, their keys and their defaults."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self, get_args

from pydantic import Field, ValidationInfo, field_validator, model_validator

from imbtool.config.data_sections import DataSection, LabelsSection
from imbtool.config.section import Section, contradiction

# beyond these no training gains anything, and far beyond numbers overflow
Weight = Annotated[float, Field(gt=0, le=1e4)]
Gamma = Annotated[float, Field(ge=0, le=20)]
Constraint = Annotated[float, Field(ge=0, le=1e4)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=10**9)]
Minutes = Annotated[float, Field(gt=0, le=1e6)]
Share = Annotated[float, Field(ge=0, le=1)]
RequiredShare = Annotated[float, Field(gt=0, le=1)]
RequiredMeasure = Literal["recall", "precision", "flags_per_1000"]
ValidationMetric = Literal["f1_macro", "secondary_f1_macro", "average_precision_macro"]
BUNDLED_ENCODERS = ("bundled", "bundled-base")
"""Values of `model.encoder` that name an encoder from an extra of imbtool."""
LongTexts = Literal["truncate", "head-tail", "windows"]
ThresholdMethod = Literal["auto", "0.5", "global", "per-label", "blended", "calibrated", "mean"]


class SevereRule(Section):
    """Which labels are severe, and their weight."""

    ratio: Positive = Field(100.0, description="Severe from this many negatives for each positive.")
    weight: Weight = Field(10.0, description="The weight of its positives in the loss.")


class ModerateRule(Section):
    """Which labels are moderate, if they are not severe, and their weight."""

    ratio: Positive = Field(
        10.0, description="Moderate from this many negatives for each positive."
    )
    weight: Weight = Field(5.0, description="The weight of its positives in the loss.")


class WeightsSection(Section):
    """The rules that give each label its weight. Custom weights have priority over tiers."""

    custom: dict[str, Weight] = Field(
        default_factory=dict, description="label: weight, set by you."
    )
    severe: SevereRule = Field(default_factory=SevereRule)
    moderate: ModerateRule = Field(default_factory=ModerateRule)
    cap: Annotated[float, Field(ge=1, le=1e4)] = Field(
        3.0, description="The highest weight of all other labels, whose weight is their ratio."
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.moderate.ratio >= self.severe.ratio:
            raise contradiction(
                f"moderate.ratio {self.moderate.ratio:g} and severe.ratio {self.severe.ratio:g}",
                "moderate.ratio below severe.ratio",
                "lower weights.moderate.ratio or raise weights.severe.ratio",
            )
        return self


class LossSection(Section):
    """The loss: w (1 - p_t)^gamma BCE + constraint * penalty."""

    name: Literal["focal", "bce"] = Field("focal", description="The loss; bce has gamma 0.")
    gamma: Gamma | dict[str, Gamma] = Field(
        2.0, description="Focus on hard texts: a number, or label: number (other labels 2.0)."
    )
    constraint: Constraint = Field(
        0.5, description="The penalty for a child label more probable than its parent."
    )

    def without_effect(self) -> set[str]:
        """Plain BCE has no gamma."""
        return {"gamma"} if self.name == "bce" else set()

    @model_validator(mode="after")
    def _gamma_has_effect(self) -> Self:
        if self.name == "bce" and "gamma" in self.model_fields_set and self.gamma != 0:
            raise contradiction(
                "loss.gamma, which has no effect with loss.name bce",
                "bce without gamma, or focal with it",
                "delete loss.gamma or write name: focal",
            )
        return self

    def gamma_of(self, label: str) -> float:
        """The focusing exponent of a label; plain BCE has none."""
        if self.name == "bce":
            return 0.0
        return self.gamma.get(label, 2.0) if isinstance(self.gamma, dict) else self.gamma


class ModelSection(Section):
    """The encoder that is fine-tuned."""

    encoder: str = Field("bundled", description="`bundled`, `bundled-base`, a folder, or a hub id.")
    max_length: Annotated[int, Field(ge=8, le=10**6)] = Field(
        256, description="How many tokens of a text the encoder reads."
    )
    long_texts: LongTexts = Field(
        "truncate",
        description="What is read of a longer text: its beginning, its beginning and end, or all "
        "of it in windows.",
    )
    trust_remote_code: bool = Field(False, description="Whether code of a hub model may run.")


class TrainingSection(Section):
    """How long, how fast and in which precision the model is trained."""

    epochs: Literal["auto"] | Count = Field(
        "auto",
        description="How often to pass over the training texts. auto: 3, for a small set up to "
        "20, fewer if validation stops improving.",
    )
    batch_size: Count = Field(32, description="How many texts one step uses.")
    learning_rate: Literal["auto"] | Positive = Field(
        "auto",
        description="auto: 1e-4 under 30M parameters besides word vectors, 3e-5 under 200M, 1e-5 "
        "for more.",
    )
    warmup: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.1, description="The share of the steps in which the learning rate rises."
    )
    precision: Literal["auto", "bf16", "fp32"] = Field(
        "auto", description="auto: bf16 if the hardware has it."
    )
    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(
        0, description="The same seed, data and machine give the same run."
    )
    save_every: Minutes | str = Field(
        10.0,
        union_mode="left_to_right",  # a number written as text is a number
        description="Minutes, or for example 500 steps, between two saved states. Each epoch "
        "saves one too.",
    )
    micro_batch: Count | None = Field(
        None, description="How many texts a device takes at once. Fewer need less memory."
    )
    on_nonfinite: Literal["stop", "skip"] = Field(
        "stop", description="What to do if a loss or gradient is not finite."
    )
    best_by: ValidationMetric = Field(
        "f1_macro", description="The validation metric that chooses the epoch."
    )
    patience: Count | None = Field(
        None, description="Stop after this many epochs without an improvement. Default: never."
    )
    compile: bool = Field(
        False, description="Use torch.compile, which is worth it in runs of thousands of steps."
    )
    head_first: bool = Field(True, description="Fit the head on frozen features first.")
    average_weights: bool = Field(
        True, description="Keep the mean of the weights since half of the steps, not the last."
    )
    freeze_embeddings: bool = Field(
        True, description="Leave word embeddings unchanged: faster, and overfits less."
    )
    words: bool = Field(
        True,
        description="Add weights of words to the logits if validation ranks better with them. "
        "Transformers alone lacks what they gain.",
    )
    neighbours: bool = Field(
        False,
        description="Mix the labels of the nearest training texts (kNN) into the probabilities. "
        "The checkpoint then holds features of them, and transformers alone ranks a "
        "little worse.",
    )

    @field_validator("save_every")
    @classmethod
    def _minutes_or_steps(cls, value: float | str) -> float | str:
        if isinstance(value, str) and not re.fullmatch(r"[1-9][0-9]{0,8} steps", value):
            raise contradiction(
                repr(value), "minutes, or steps as in `500 steps`", "write a number, or N steps"
            )
        return value


class Requirement(Section):
    """What a label must reach on validation: a recall, a precision, or a limit of flags."""

    recall: RequiredShare | None = Field(None, description="At least; then as precise as possible.")
    precision: RequiredShare | None = Field(None, description="At least; then as much recall.")
    flags_per_1000: Annotated[float, Field(gt=0, le=1000)] | None = Field(
        None, description="At most so many flagged texts among 1,000."
    )

    @model_validator(mode="after")
    def _one_of_three(self) -> Self:
        given = [name for name, value in self if value is not None]
        if len(given) != 1:
            raise contradiction(
                " and ".join(given) or "nothing",
                f"one of {', '.join(type(self).model_fields)}",
                "a threshold can follow one requirement: keep the one that matters most",
            )
        return self

    @property
    def measure(self) -> RequiredMeasure:
        """What is required."""
        return next(name for name in get_args(RequiredMeasure) if getattr(self, name) is not None)

    @property
    def bar(self) -> float:
        """How much of it: a share, or texts in 1,000."""
        return float(getattr(self, self.measure))

    @property
    def asked(self) -> str:
        """`recall >= 0.8`."""
        return f"{self.measure} {'<=' if self.flags_per_1000 else '>='} {self.bar:g}"


class ThresholdsSection(Section):
    """How the decision threshold of each label is chosen, on validation only."""

    method: ThresholdMethod = Field("auto", description="auto: the rules compete on validation.")
    require: dict[str, Requirement] = Field(
        default_factory=dict,
        description="For single labels: label: {recall: 0.8}, {precision: 0.5} or "
        "{flags_per_1000: 20}.",
    )


class HealthySection(Section):
    """What a rare label must reach on validation, unless chance explains why it does not."""

    recall: Share = Field(0.1, description="The least recall of a rare label.")
    precision: Share = Field(0.6, description="The least precision of a rare label.")


class TuningSection(Section):
    """How long `imbtool tune` continues, and by what it compares."""

    budget_runs: Count = Field(8, description="The most fine-tunes, including the first.")
    budget_minutes: Minutes | None = Field(
        None, description="Minutes of training that no round may exceed. Default: no limit."
    )
    objective: ValidationMetric = Field(
        "f1_macro", description="The validation metric by which a round is kept."
    )
    healthy: HealthySection = Field(default_factory=HealthySection)
    proxy: bool = Field(
        True, description="Search with the encoder frozen for weights and gammas that rank better."
    )


class EvaluationSection(Section):
    """How results are shown."""

    min_support: Annotated[int, Field(ge=0, le=10**9)] = Field(
        10, description="With fewer positives a metric is marked 'too few to say'."
    )


class Profile(Section):
    """Everything that decides a run; every key but `data.train` has a default.

    Examples:
        >>> from imbtool import Profile
        >>> Profile.model_validate({"data": {"train": "train.csv"}}).weights.severe.weight
        10.0
    """

    data: DataSection
    labels: LabelsSection = Field(default_factory=LabelsSection)
    weights: WeightsSection = Field(default_factory=WeightsSection)
    loss: LossSection = Field(default_factory=LossSection)
    model: ModelSection = Field(default_factory=ModelSection)
    training: TrainingSection = Field(default_factory=TrainingSection)
    thresholds: ThresholdsSection = Field(default_factory=ThresholdsSection)
    tuning: TuningSection = Field(default_factory=TuningSection)
    evaluation: EvaluationSection = Field(default_factory=EvaluationSection)

    @field_validator("loss")
    @classmethod
    def _constraint_has_effect(cls, loss: LossSection, info: ValidationInfo) -> LossSection:
        """Refuse a price of nothing; the usual one stands in every profile that is written out."""
        labels = info.data.get("labels")
        idle = isinstance(labels, LabelsSection) and not labels.edges
        if idle and loss.constraint not in (0.0, LossSection().constraint):
            raise contradiction(
                f"constraint {loss.constraint:g}, which has no effect without labels.hierarchy",
                "a hierarchy whose violations it penalises",
                "write labels.hierarchy, or delete loss.constraint",
            )
        return loss
