"""The content of imbtool.json, the metadata of a checkpoint; every value is validated."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

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

from imbtool.config.data_sections import DataSection
from imbtool.config.hierarchy import Coherence, Labels, label_set
from imbtool.config.schema import LongTexts
from imbtool.config.section import contradiction
from imbtool.data.declared import Declared
from imbtool.data.imbalance import Tier, current_tier
from imbtool.evaluation.calibration import Calibration
from imbtool.evaluation.document import RequirementResult
from imbtool.files.documents import Count, Share, Typed, first_fault, read_document
from imbtool.files.model_folder import FIX
from imbtool.files.text_format import TextFormat
from imbtool.wording import some

META = "imbtool.json"
MOST_TOKENS = 2**20
"""Upper bound of the tokens that an encoder reads at once."""
PLAIN_NAME = r"^[^./\\\x00][^/\\\x00]*$"
"""Of a file in the folder of a checkpoint."""
LEAST_THRESHOLD = float(np.nextafter(0.0, 1.0))
"""Least threshold: the probability of a very low logit rounds to 0, which every text reaches."""
SPLITS = frozenset({"train", "validation", "test"})


def _encodable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise contradiction("half a character", "text that UTF-8 can write", "restore it") from None
    return text


def _none_if_undefined(value: object) -> object:
    return None if isinstance(value, float) and math.isnan(value) else value


Name = Annotated[str, Field(min_length=1), AfterValidator(_encodable)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Metric = Annotated[Share | None, BeforeValidator(_none_if_undefined)]
Threshold = Annotated[float, Field(gt=0, le=1)]
"""A probability; a text gets the label at or above it."""
Precision = Literal["fp32", "int8-dynamic", "int8-static", "int8-blocks"]
"""The numbers that an exported model computes with; the ranges of 8-bit numbers are those of each
batch (dynamic), were found once on training texts (static), or are those of each block of numbers
(blocks)."""


class _Meta(Typed):
    """A part of the file; unknown keys, which later versions may write, are ignored."""

    model_config = ConfigDict(extra="ignore")


class LabelMeta(_Meta):
    """The metadata of one label."""

    parent: Name | None
    threshold: Threshold
    validation_positives: Count
    training_positives: Count
    training_negatives: Count
    tier: Annotated[Tier, BeforeValidator(current_tier)]
    weight: Annotated[Finite, Field(ge=0)]
    reason: str
    slope: Annotated[Finite, Field(gt=0)] | None = None
    """With `bias`, of the calibrated logit slope * z + bias; None in older checkpoints."""
    bias: Finite | None = None
    rule: str | None = None
    """The rule that chose the threshold; None means the checkpoint's `threshold_rule`."""
    requirement: RequirementResult | None = None

    def decided(
        self,
        threshold: float,
        rule: str,
        calibration: tuple[float | None, float | None],
        requirement: RequirementResult | None,
    ) -> LabelMeta:
        """The same label with another threshold and calibration.

        Args:
            threshold: as a probability.
            rule: that chose it.
            calibration: slope and bias.
            requirement: what was asked of the label, and what it came to.
        """
        changes = {
            "threshold": max(threshold, LEAST_THRESHOLD),
            "rule": rule,
            "slope": calibration[0],
            "bias": calibration[1],
            "requirement": requirement,
        }
        return self.model_copy(update=changes)


class DataMeta(_Meta):
    """How the training tables were read, so that other tables are read in the same way."""

    text: Name | Annotated[list[Name], Field(min_length=1)]
    labels: dict[str, object]
    id: Name | None
    chosen_by: Name | None = Field(None, exclude_if=lambda name: name is None)
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


class DeclaredMeta(_Meta):
    """The labels that the profile declared (`labels.names`); see `Declared`."""

    left_out: list[Name] = Field([])
    """Those that the model lacks."""
    unasked: list[Name] = Field([])
    """Those of the model that are unknown of a text unless it is said to be known of it."""

    @classmethod
    def of(cls, declared: Declared) -> DeclaredMeta:
        """The same as a part of the file."""
        return cls(left_out=list(declared.left_out), unasked=list(declared.unasked))

    @property
    def labels(self) -> Declared:
        """As tables are read with it."""
        return Declared(tuple(self.left_out), tuple(self.unasked))


class AloneMeta(_Meta):
    """How to decide without a part of the model, for readers without imbtool."""

    thresholds: dict[Name, Threshold]
    """By label, for the probability without it."""
    coherence: Coherence | None
    """For these thresholds."""


class KnnMeta(AloneMeta):
    """How kNN probabilities are used, and how to decide without them."""

    share: Annotated[float, Field(ge=0, lt=1)]
    """The weight of the kNN probabilities; that of the head is the rest."""
    texts: Annotated[Count, Field(ge=1)]
    """Number of training texts in the index."""


class WordsMeta(AloneMeta):
    """How weights of words are used, and how to decide by transformers' logits alone."""

    share: Annotated[float, Field(gt=0, le=1)]
    """Of a score beside a logit, of the same standard deviation on validation."""
    tokens: Annotated[Count, Field(ge=1)]
    """Number of tokens that have weights."""


class ValidationMeta(_Meta):
    """What the best epoch reached on validation, cross-fitted; an undefined metric is None."""

    epoch: Annotated[int, Field(ge=0, lt=2**63)]
    f1_macro: Metric
    f1_macro_at_half: Metric = None
    average_precision_macro: Metric
    labels: dict[str, object] = Field({})


class ExportMeta(_Meta):
    """How a model was exported to ONNX; export.json beside it says what that changed."""

    precision: Precision
    processor: Name
    """On which it was compared with its checkpoint."""
    accepted: bool
    """Whether it was written although it does not decide as the checkpoint does."""


class CheckpointMeta(_Meta):
    """The content of imbtool.json."""

    version: Name
    encoder: Name
    max_length: Annotated[int, Field(ge=1, le=MOST_TOKENS)]
    long_texts: LongTexts = "truncate"
    """How longer texts are read; checkpoints of older versions truncate them."""
    labels: Annotated[dict[Name, LabelMeta], Field(min_length=1)]
    """By name, in the order of the logits."""
    threshold_rule: Name
    threshold_scores: dict[Name, Share]
    """Cross-fitted macro-F1 on validation of each candidate rule."""
    threshold_micro_scores: dict[Name, Share] = Field({})
    """The same of micro-F1; older versions chose by macro-F1 alone and do not have it."""
    threshold_recalls: dict[Name, Share] = Field({})
    """Cross-fitted macro recall of the rules as good as the best, by which the rule was chosen."""
    coherence: Coherence | None
    separator: Name
    data: DataMeta
    declared: DeclaredMeta = Field(
        DeclaredMeta(), exclude_if=lambda declared: declared == DeclaredMeta()
    )
    """The key is absent where the profile declared no label that needs saying."""
    joiner: Name | None = None
    """What joins several text columns, for readers without imbtool; None for a single column."""
    fingerprints: dict[str, Digest]
    """sha256 of each split's texts and targets."""
    validation: ValidationMeta
    neighbours: KnnMeta | None = None
    """None if there are no kNN probabilities."""
    words: WordsMeta | None = Field(None, exclude_if=lambda words: words is None)
    """None if no weights of words are added to the logits; an exported graph has them inside."""
    digests: dict[Annotated[str, Field(pattern=PLAIN_NAME)], Digest] = Field({})
    """sha256 of each file of tensors, in an exported folder of each file that is read; none in
    checkpoints of version 0.1."""
    export: ExportMeta | None = Field(None, exclude_if=lambda export: export is None)
    """None in a checkpoint as training writes it."""

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

    @model_validator(mode="after")
    def _calibrates_all_or_none(self) -> Self:
        values = [value for label in self.labels.values() for value in (label.slope, label.bias)]
        if None in values and any(value is not None for value in values):
            found = "slope and bias of some labels, and not of others"
            raise contradiction(found, "a slope and a bias for each label, or for none", FIX)
        return self

    @model_validator(mode="after")
    def _parts_have_the_labels(self) -> Self:
        for name, alone in (("neighbours", self.neighbours), ("words", self.words)):
            if alone and (differ := alone.thresholds.keys() ^ self.labels.keys()):
                found = f"{name}.thresholds and labels differ in {some(sorted(differ))}"
                raise contradiction(found, "a threshold for each label", "restore it")
        return self

    @property
    def has_additions(self) -> bool:
        """Whether anything is added to the logits of the model."""
        return self.words is not None or self.neighbours is not None

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
        """The calibration of the logits, if it was fitted."""
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
    """Read the metadata in the folder of a checkpoint.

    Raises:
        UserError: its imbtool.json is missing or damaged.
    """
    return read_document(folder / META, CheckpointMeta, FIX)


def _label_set(labels: Mapping[str, LabelMeta]) -> Labels:
    edges = [(name, label.parent) for name, label in labels.items() if label.parent]
    return label_set(labels, edges)
