"""The content of imbtool.json: what a checkpoint knows beside its weights, each value in bounds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from imbtool.config.hierarchy import Coherence, Labels, label_set
from imbtool.config.schema import DataSection, LongTexts, contradiction
from imbtool.data.imbalance import Tier, current_tier
from imbtool.evaluation.calibration import Calibration
from imbtool.evaluation.document import RequirementResult
from imbtool.files.documents import Count, Share, Typed, first_fault, read_document
from imbtool.files.model_folder import PART
from imbtool.files.text_format import TextFormat
from imbtool.wording import shown, some

META = "imbtool.json"
FIX = "restore it, or train it again"
"""Of a checkpoint that is damaged."""
MOST_TOKENS = 2**20
"""That an encoder reads at once; none reads so many."""
SPLITS = frozenset({"train", "validation", "test"})
FIGURES = ("f1_macro", "average_precision_macro")
"""What the model card says of validation."""


def _encodable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise contradiction("half a character", "text that UTF-8 can write", "restore it") from None
    return text


Name = Annotated[str, Field(min_length=1), AfterValidator(_encodable)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Threshold = Annotated[float, Field(gt=0, le=1)]
"""A probability; at or above it the label is decided."""


class _Meta(Typed):
    """A part of the file: keys of later versions are left out."""

    model_config = ConfigDict(extra="ignore")


class LabelMeta(_Meta):
    """What a checkpoint knows of one label."""

    parent: Name | None
    threshold: Threshold
    validation_positives: Count
    training_positives: Count
    training_negatives: Count
    tier: Annotated[Tier, BeforeValidator(current_tier)]
    weight: Annotated[Finite, Field(ge=0)]
    reason: str
    slope: Annotated[Finite, Field(gt=0)] | None = None
    """With `bias`, of its calibrated logit slope * z + bias; None in checkpoints without one."""
    bias: Finite | None = None
    rule: str | None = None
    """What gave the threshold; None where the checkpoint's `threshold_rule` did."""
    requirement: RequirementResult | None = None


class DataMeta(_Meta):
    """How the training tables were read; enough to read another one alike."""

    text: Name | Annotated[list[Name], Field(min_length=1)]
    labels: dict[str, Any]
    id: Name | None
    encoding: Name
    quotes: bool | None = None

    @model_validator(mode="after")
    def _as_in_a_profile(self) -> Self:
        try:
            self.section(Path("table.csv"))
        except ValidationError as error:
            key, found, expected = first_fault(error)
            raise contradiction(f"{key}: {found}", expected, "restore it") from None
        return self

    def section(self, table: Path) -> DataSection:
        """The same columns of another table."""
        return DataSection.model_validate({"train": table, **self.model_dump()})

    @property
    def text_format(self) -> TextFormat:
        """How the text files were written."""
        return TextFormat(self.encoding, self.quotes)


class NeighboursMeta(_Meta):
    """What the nearest training texts have to say, and how to decide without them."""

    share: Annotated[float, Field(ge=0, lt=1)]
    """Of the probability; the head has the rest."""
    texts: Annotated[Count, Field(ge=1)]
    thresholds: dict[Name, Threshold]
    """By label, for the probability of the head alone: for readers without imbtool."""
    coherence: Coherence | None
    """That goes with these thresholds."""


class CheckpointMeta(_Meta):
    """The content of imbtool.json."""

    version: Name
    encoder: Name
    max_length: Annotated[int, Field(ge=1, le=MOST_TOKENS)]
    long_texts: LongTexts = "truncate"
    """What is read of a text with more tokens; checkpoints that do not say so cut it off."""
    labels: Annotated[dict[Name, LabelMeta], Field(min_length=1)]
    """By name, in the order of the logits."""
    threshold_rule: Name
    threshold_scores: dict[Name, Share]
    """Cross-fitted macro-F1 on validation of each rule that competed."""
    threshold_recalls: dict[Name, Share] = Field({})
    """Cross-fitted macro recall of those as good as the best, by which the rule was chosen."""
    coherence: Coherence | None
    separator: Name
    data: DataMeta
    joiner: Name | None = None
    """What joins several text columns, for readers without imbtool; None where there is one."""
    fingerprints: dict[str, Digest]
    """sha256 of each split's texts and targets."""
    validation: dict[str, Any]
    """Epoch and cross-fitted figures on validation."""
    neighbours: NeighboursMeta | None = None
    """None where the head alone decides."""
    digests: dict[Annotated[str, Field(pattern=f"^{PART.pattern}$")], Digest] = Field({})
    """sha256 of each file of tensors; none in checkpoints of version 0.1."""

    @field_validator("labels")
    @classmethod
    def _is_forest(cls, labels: dict[str, LabelMeta]) -> dict[str, LabelMeta]:
        _label_set(labels)
        return labels

    @field_validator("fingerprints")
    @classmethod
    def _of_each_split(cls, fingerprints: dict[str, str]) -> dict[str, str]:
        if fingerprints.keys() != SPLITS:
            found = some(sorted(fingerprints)) or "none"
            raise contradiction(found, f"one each of {some(sorted(SPLITS))}", "restore them")
        return fingerprints

    @field_validator("validation")
    @classmethod
    def _has_figures(cls, validation: dict[str, Any]) -> dict[str, Any]:
        epoch = validation.get("epoch")
        if type(epoch) is not int or not 0 <= epoch < 2**63:
            raise contradiction(f"epoch {shown(epoch)}", "the number of an epoch", "restore it")
        for name in FIGURES:
            if not _is_figure(validation.get(name, "nothing")):
                found = f"{name} {shown(validation.get(name))}"
                raise contradiction(found, "a number from 0 to 1, or null", "restore it")
        return validation

    @model_validator(mode="after")
    def _calibrates_all_or_none(self) -> Self:
        values = [value for label in self.labels.values() for value in (label.slope, label.bias)]
        if None in values and any(value is not None for value in values):
            found = "slope and bias of some labels, and not of others"
            raise contradiction(found, "a slope and a bias for each label, or for none", FIX)
        return self

    @model_validator(mode="after")
    def _neighbours_know_the_labels(self) -> Self:
        if self.neighbours and self.neighbours.thresholds.keys() != self.labels.keys():
            differ = self.neighbours.thresholds.keys() ^ self.labels.keys()
            found = f"neighbours.thresholds and labels differ in {some(sorted(differ))}"
            raise contradiction(found, "a threshold for each label", "restore it")
        return self

    @property
    def label_set(self) -> Labels:
        """The labels and their forest."""
        return _label_set(self.labels)

    @property
    def thresholds(self) -> NDArray[np.float64]:
        """Threshold of each label [L], as probabilities."""
        return np.array([label.threshold for label in self.labels.values()])

    @property
    def calibration(self) -> Calibration | None:
        """What makes probabilities of the logits that mean what they say, if it was fitted."""
        pairs = [(label.slope, label.bias) for label in self.labels.values()]
        fitted = np.array([pair for pair in pairs if None not in pair], dtype=np.float64)
        return Calibration(*fitted.T) if len(fitted) == len(pairs) else None

    @property
    def tiers(self) -> list[Tier]:
        """Tier of each label by its ratio in training."""
        return [label.tier for label in self.labels.values()]

    def data_section(self, table: Path) -> DataSection:
        """The columns of the training tables, for another table."""
        return self.data.section(table)


def read_meta(folder: Path) -> CheckpointMeta:
    """What a checkpoint's folder knows beside the weights.

    Raises:
        UserError: its imbtool.json is missing or damaged.
    """
    return read_document(folder / META, CheckpointMeta, FIX)


def _is_figure(value: Any) -> bool:
    """Whether a value is a share of 1, or undefined."""
    if value is None or type(value) not in (int, float):
        return value is None
    return math.isnan(value) or 0 <= value <= 1


def _label_set(labels: Mapping[str, LabelMeta]) -> Labels:
    edges = [(name, label.parent) for name, label in labels.items() if label.parent]
    return label_set(labels, edges)
