"""A trained model's folder: write it, read it, predict with it.

It is a plain transformers folder, so that anyone can load it; `imbtool.json` beside the weights
holds what transformers has no place for: thresholds, forest, weights, what each rests on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from imbtool import __version__
from imbtool.card import model_card
from imbtool.corpus import Corpus
from imbtool.encoders import public_name
from imbtool.errors import fail
from imbtool.evaluation.calibration import Calibration, sigmoid
from imbtool.evaluation.thresholds import ThresholdChoice
from imbtool.files import publish_folder, read_json, write_json, write_text
from imbtool.imbalance import Tier
from imbtool.labels import Coherence, Decisions, Labels, label_set
from imbtool.model import TextModel, load_trained
from imbtool.neighbours import Neighbours, consult, mixed, read_neighbours
from imbtool.profile import DataSection, LongTexts, Profile
from imbtool.weighting import LabelWeight

META = "imbtool.json"


class LabelMeta(BaseModel):
    """What a checkpoint knows of one label."""

    parent: str | None
    threshold: float
    """A probability; at or above it the label is decided."""
    validation_positives: int
    training_positives: int
    training_negatives: int
    tier: Tier
    weight: float
    reason: str
    slope: float | None = None
    """With `bias`, of its calibrated logit slope * z + bias; None in checkpoints without one."""
    bias: float | None = None
    rule: str | None = None
    """What gave the threshold; None where the checkpoint's `threshold_rule` did."""
    requirement: dict[str, Any] | None = None
    """What was required of it on validation, and what it came to."""


class DataMeta(BaseModel):
    """How the training tables were read; enough to read another one alike."""

    text: str | list[str]
    labels: dict[str, Any]
    id: str | None
    encoding: str


class NeighboursMeta(BaseModel):
    """What the nearest training texts have to say, and how to decide without them."""

    share: float
    """Of the probability; the head has the rest."""
    texts: int
    thresholds: dict[str, float]
    """By label, for the probability of the head alone: for readers without imbtool."""
    coherence: Coherence | None
    """That goes with these thresholds."""


class CheckpointMeta(BaseModel):
    """The content of imbtool.json."""

    model_config = ConfigDict(extra="ignore")

    version: str
    encoder: str
    max_length: int
    long_texts: LongTexts = "truncate"
    """What is read of a text with more tokens; checkpoints that do not say so cut it off."""
    labels: dict[str, LabelMeta]
    """By name, in the order of the logits."""
    threshold_rule: str
    threshold_scores: dict[str, float]
    """Cross-fitted macro-F1 on validation of each rule that competed."""
    threshold_recalls: dict[str, float] = {}
    """Cross-fitted macro recall of those as good as the best, by which the rule was chosen."""
    coherence: Coherence | None
    separator: str
    data: DataMeta
    joiner: str | None = None
    """What joins several text columns, for readers without imbtool; None where there is one."""
    fingerprints: dict[str, str]
    """sha256 of each split's texts and targets."""
    validation: dict[str, Any]
    """Epoch and cross-fitted figures on validation."""
    neighbours: NeighboursMeta | None = None
    """None where the head alone decides."""

    @field_validator("labels")
    @classmethod
    def _is_forest(cls, labels: dict[str, LabelMeta]) -> dict[str, LabelMeta]:
        _label_set(labels)
        return labels

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
        return DataSection.model_validate({"train": table, **self.data.model_dump()})


def _label_set(labels: Mapping[str, LabelMeta]) -> Labels:
    edges = [(name, label.parent) for name, label in labels.items() if label.parent]
    return label_set(labels, edges)


@dataclass(frozen=True)
class Checkpoint:
    """A trained model and its decisions.

    Attributes:
        folder: where it was read from.
        text_model: model and tokenizer.
        meta: labels, thresholds and what they rest on.
        neighbours: training texts that have a say; None where the head alone decides.

    Example:
        >>> from pathlib import Path
        >>> from imbtool import read_checkpoint
        >>> checkpoint = read_checkpoint(Path("runs/first"))
        >>> probabilities = checkpoint.probabilities(["one text", "another"])
        >>> checkpoint.decide(probabilities).shape  # texts, labels
        (2, 6)
    """

    folder: Path
    text_model: TextModel
    meta: CheckpointMeta
    neighbours: Neighbours | None = None

    @property
    def labels(self) -> Labels:
        """The label set, in the order of the columns."""
        return self.meta.label_set

    def logits(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """The logit of each text and label [n, L], computed in fp32."""
        if self.neighbours is None or self.meta.neighbours is None:
            return self.text_model.logits(texts).astype(np.float64)
        encoded = self.text_model.encode(texts)
        logits, opinion = consult(self.text_model, self.neighbours, encoded)
        return mixed(logits, opinion, self.meta.neighbours.share).numpy()

    def to(self, device: torch.device) -> None:
        """Move the model, and the neighbours if there are any, to a device."""
        self.text_model.model.to(device)
        if self.neighbours is not None:
            self.neighbours.to(device)

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """sigmoid(logit) of each text and label [n, L]."""
        return sigmoid(self.logits(texts))

    def decide(self, probabilities: NDArray[np.float64]) -> Decisions:
        """Decisions [n, L] by the thresholds, coherent with the forest."""
        decisions: Decisions = probabilities >= self.meta.thresholds
        how = self.meta.coherence
        return self.labels.coherent(decisions, how) if how else decisions


def read_checkpoint(path: Path, trust_remote_code: bool = False) -> Checkpoint:
    """Load a checkpoint from its folder or from the run folder around it.

    Args:
        path: of either folder.
        trust_remote_code: run the code in it, if its encoder came with some.

    Raises:
        UserError: there is none, it is damaged, or it has code that is not trusted.

    Example:
        >>> from pathlib import Path
        >>> from imbtool import read_checkpoint
        >>> len(read_checkpoint(Path("runs/first")).labels.names)
        6
    """
    folder = checkpoint_folder(path)
    meta = read_meta(folder)
    text_model = load_trained(folder, meta.max_length, meta.long_texts, trust_remote_code)
    if text_model.model.config.num_labels != len(meta.labels):
        found = f"{text_model.model.config.num_labels} outputs for {len(meta.labels)} labels"
        raise fail(folder, found, "one output a label", "train it again")
    neighbours = read_neighbours(folder) if meta.neighbours else None
    return Checkpoint(folder, text_model, meta, neighbours)


def read_meta(folder: Path) -> CheckpointMeta:
    """What a checkpoint's folder knows beside the weights.

    Raises:
        UserError: its imbtool.json is damaged.
    """
    try:
        return CheckpointMeta.model_validate(read_json(folder / META))
    except ValidationError as error:
        first = error.errors()[0]
        where = f"{folder / META}: {'.'.join(map(str, first['loc']))}"
        raise fail(where, first["msg"], "a file written by imbtool", "train it again") from None


def checkpoint_folder(path: Path) -> Path:
    """The folder that holds `imbtool.json`: `path` itself or its `checkpoint`.

    Raises:
        UserError: neither does.
    """
    for folder in (path, path / "checkpoint"):
        if (folder / META).is_file():
            return folder
    found = "no such folder" if not path.exists() else f"no {META} in it"
    mend = "give the checkpoint or the run folder that `imbtool train` named at its end"
    raise fail(path, found, "a checkpoint", mend)


def make_meta(
    profile: Profile,
    corpus: Corpus,
    weights: Sequence[LabelWeight],
    choice: ThresholdChoice,
    calibration: Calibration,
    max_length: int,
    validation: dict[str, Any],
    neighbours: NeighboursMeta | None = None,
) -> CheckpointMeta:
    """Gather what a checkpoint must know."""
    parent_of = dict(profile.labels.edges)
    labels = {
        weight.label: LabelMeta(
            parent=parent_of.get(weight.label),
            threshold=float(choice.probabilities[index]),
            validation_positives=int(choice.positives[index]),
            training_positives=weight.count.positives,
            training_negatives=weight.count.negatives,
            tier=weight.tier,
            weight=weight.weight,
            reason=weight.reason,
            slope=float(calibration.slope[index]),
            bias=float(calibration.bias[index]),
            rule=choice.rules[index],
            requirement=choice.requirements.get(weight.label),
        )
        for index, weight in enumerate(weights)
    }
    columns = profile.data.model_dump(include={"text", "id", "encoding"}, mode="json")
    columns["labels"] = profile.data.labels.effective()
    return CheckpointMeta(
        version=__version__,
        encoder=public_name(profile.model.encoder),
        max_length=max_length,
        long_texts=profile.model.long_texts,
        labels=labels,
        threshold_rule=choice.rule,
        threshold_scores=choice.scores,
        threshold_recalls=choice.recalls,
        coherence=choice.coherence,
        separator=profile.data.labels.separator,
        data=DataMeta.model_validate(columns),
        fingerprints={name: split.fingerprint for name, split in corpus.splits.items()},
        validation=validation,
        neighbours=neighbours,
    )


def write_checkpoint(
    link: Path, text_model: TextModel, meta: CheckpointMeta, neighbours: Neighbours | None = None
) -> None:
    """Write a checkpoint beside `link` and point `link` at it, atomically."""
    if isinstance(meta.data.text, list) and len(meta.data.text) > 1:
        meta = meta.model_copy(update={"joiner": text_model.joiner})

    def fill(folder: Path) -> None:
        tokenizer = text_model.tokenizer
        backend = getattr(tokenizer, "backend_tokenizer", None)  # one in Python has none
        if backend is not None:
            # what encode() asked for last would otherwise stay in tokenizer.json
            backend.no_truncation()
            backend.no_padding()
        text_model.model.config.imbtool = {"version": meta.version, "max_length": meta.max_length}
        text_model.model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        if neighbours is not None:
            neighbours.save(folder)
        write_json(folder / META, meta.model_dump(mode="json"))
        write_text(folder / "README.md", model_card(meta.model_dump(mode="json")))

    publish_folder(link, fill)
