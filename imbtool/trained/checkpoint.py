"""The checkpoint, a trained model's folder: write it, read it, predict with it.

It is a plain transformers folder that other tools can load. The file `imbtool.json` beside the
weights holds what transformers does not store: thresholds, hierarchy, label weights, their reasons.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from imbtool.config.hierarchy import Labels
from imbtool.config.schema import Profile
from imbtool.data.corpus import Corpus
from imbtool.data.weights import LabelWeight
from imbtool.errors import TextError, user_error
from imbtool.evaluation.calibration import Calibration, sigmoid
from imbtool.evaluation.predictions import decide
from imbtool.evaluation.thresholds import ThresholdChoice
from imbtool.files.copies import kept_copy
from imbtool.files.json_text import write_json
from imbtool.files.model_folder import FIX, is_file, is_folder
from imbtool.files.stores import Location, StorePath, refuse_store
from imbtool.files.writing import new_folder, publish_folder, sha256, write_text
from imbtool.model.encoder import TextModel, load_trained
from imbtool.model.encoder_files import public_name
from imbtool.model.head import head_input
from imbtool.model.knn import KnnIndex, interpolated, predict_with_knn, read_knn_index
from imbtool.model.word_head import read_word_head
from imbtool.trained.card import model_card
from imbtool.trained.exported import load_exported
from imbtool.trained.metadata import (
    META,
    CheckpointMeta,
    DataMeta,
    DeclaredMeta,
    KnnMeta,
    LabelMeta,
    ValidationMeta,
    WordsMeta,
    read_meta,
)
from imbtool.types import Decisions
from imbtool.version import __version__

CARD = "README.md"
TENSORS = "the tensors that the thresholds were chosen with"


@dataclass(frozen=True)
class Checkpoint:
    """A trained model and the thresholds that decide its labels.

    Attributes:
        folder: that it was read from.
        text_model: model and tokenizer.
        meta: labels, thresholds and how they were chosen.
        knn: index of training texts for kNN probabilities; None if there are none.

    Examples:
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
    knn: KnnIndex | None = None

    @property
    def labels(self) -> Labels:
        """The label set, in the order of the columns."""
        return self.meta.label_set

    @property
    def precision(self) -> str:
        """The numbers that the model computes with: fp32, or those of an exported graph."""
        return "fp32" if self.meta.export is None else self.meta.export.precision

    def logits(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """The logit of each text and label [n, L], computed in `precision`.

        Raises:
            UserError: a text cannot be read, or the model gives it a number that is not finite.
        """
        logits = self._logits(texts)
        if (bad := np.flatnonzero(~np.isfinite(logits).all(axis=1))).size:
            row, fix = int(bad[0]), "restore the checkpoint, or train it again"
            raise TextError(row, texts[row], "a logit that is no finite number", fix)
        return logits

    def _logits(self, texts: Sequence[str]) -> NDArray[np.float64]:
        if self.knn is None or self.meta.neighbours is None:
            return self.text_model.logits(texts).astype(np.float64)
        encoded = self.text_model.encode(texts)
        logits, knn_probabilities = predict_with_knn(self.text_model, self.knn, encoded)
        return interpolated(logits, knn_probabilities, self.meta.neighbours.share).numpy()

    def to(self, device: torch.device) -> None:
        """Move the model, with all that decides beside it, to a device.

        An exported model stays where it is, since its graph is computed on the CPU.
        """
        if self.meta.export is not None:
            return
        for module in self._modules:
            module.to(device)

    @property
    def _modules(self) -> list[nn.Module]:
        every = (self.text_model.model, self.text_model.words, self.knn)
        return [module for module in every if module is not None]

    def keep_in_memory(self) -> None:
        """Copy all tensors into memory of their own.

        What was loaded lies in the pages of its file, and would change with a file that is
        overwritten in place.

        Raises:
            UserError: the files are no longer what the thresholds were chosen with.
        """
        for module in self._modules:
            for tensor in (*module.parameters(), *module.buffers()):
                tensor.data = tensor.data.clone()
        _verify(self.folder, self.meta)

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """The probability of each text and label, sigmoid(logit) [n, L]."""
        return sigmoid(self.logits(texts))

    def decide(self, probabilities: NDArray[np.float64]) -> Decisions:
        """Decisions [n, L] by the thresholds, made consistent with the hierarchy."""
        return decide(self.labels, probabilities, self.meta.thresholds, self.meta.coherence)


def read_checkpoint(path: Location, trust_remote_code: bool = False) -> Checkpoint:
    """Load a checkpoint from its folder or the run folder around it, or an exported folder.

    Args:
        path: of the folder, which may be in an object store.
        trust_remote_code: whether to run code that comes with the model.

    Raises:
        UserError: there is no checkpoint, it is damaged, or it has code that is not trusted.

    Examples:
        >>> from pathlib import Path
        >>> from imbtool import read_checkpoint
        >>> len(read_checkpoint(Path("runs/first")).labels.names)
        6
    """
    folder = checkpoint_folder(path)
    meta = read_meta(folder)
    if meta.export is None:
        text_model = load_trained(
            folder, list(meta.labels), meta.max_length, meta.long_texts, trust_remote_code
        )
    else:
        text_model = load_exported(folder, meta, meta.export)
    if meta.words is not None:
        words = read_word_head(folder, meta.words.tokens, len(meta.labels))
        text_model = replace(text_model, words=words)
    knn = _read_knn(folder, meta.neighbours, text_model) if meta.neighbours else None
    if meta.export is None:
        _verify(folder, meta)
    return Checkpoint(folder, text_model, meta, knn)


def _verify(folder: Path, meta: CheckpointMeta) -> None:
    """Refuse tensors other than those that the thresholds were chosen with."""
    for name, digest in meta.digests.items():
        path = folder / name
        if not is_file(path) or sha256(path, TENSORS) != digest:
            raise user_error(path, f"other bytes than {META} has the sha256 of", TENSORS, FIX)


def _read_knn(folder: Path, meta: KnnMeta, text_model: TextModel) -> KnnIndex:
    layer = head_input(text_model.model)
    if layer is None:
        found = "a kNN index, and a model whose head does not end in one layer with a bias"
        raise user_error(folder, found, "a checkpoint as imbtool wrote it", FIX)
    return read_knn_index(folder, meta.texts, len(meta.thresholds), layer.in_features)


def checkpoint_folder(path: Location) -> Path:
    """The folder that holds `imbtool.json`: `path` itself or its `checkpoint`.

    Of one in an object store, that of its copy in the cache.

    Raises:
        UserError: neither does, or the store cannot be used.
    """
    if isinstance(path, StorePath):
        return _stored_folder(path)
    for folder in (path, path / "checkpoint"):
        if is_file(folder / META):
            return folder
    refuse_store(path)
    found = f"no {META} in it" if is_folder(path) else "no such folder"
    fix = "give the checkpoint or the run folder that `imbtool train` named at its end"
    raise user_error(path, found, "a checkpoint", fix)


def _stored_folder(path: StorePath) -> Path:
    for folder in (path, path / "checkpoint"):
        if (folder / META).exists():
            return kept_copy(folder, META)
    fix = "give the folder that holds it, or the folder around that"
    raise user_error(path, f"no {META} in it", "a checkpoint in an object store", fix)


def make_meta(
    profile: Profile,
    corpus: Corpus,
    weights: Sequence[LabelWeight],
    choice: ThresholdChoice,
    calibration: Calibration,
    max_length: int,
    validation: ValidationMeta,
    knn: KnnMeta | None = None,
    words: WordsMeta | None = None,
) -> CheckpointMeta:
    """Gather the content of imbtool.json; `knn` and `words` are None where the model lacks them."""
    names, parents = corpus.labels.names, corpus.labels.parents
    labels = {
        weight.label: LabelMeta(
            parent=names[parents[index]] if parents[index] >= 0 else None,
            threshold=1.0,  # until `decided_labels` sets it
            validation_positives=int(choice.positives[index]),
            training_positives=weight.count.positives,
            training_negatives=weight.count.negatives,
            tier=weight.tier,
            weight=weight.weight,
            reason=weight.reason,
        )
        for index, weight in enumerate(weights)
    }
    columns = profile.data.model_dump(
        include={"text", "id", "chosen_by", "encoding", "quotes"}, mode="json"
    )
    columns["labels"] = profile.data.labels.effective()
    return CheckpointMeta(
        version=__version__,
        encoder=public_name(profile.model.encoder),
        max_length=max_length,
        long_texts=profile.model.long_texts,
        labels=decided_labels(labels, choice, calibration),
        threshold_rule=choice.rule,
        threshold_scores=choice.scores,
        threshold_micro_scores=choice.micro_scores,
        threshold_recalls=choice.recalls,
        coherence=choice.coherence,
        separator=profile.data.labels.separator,
        data=DataMeta.model_validate(columns),
        declared=DeclaredMeta.of(corpus.declared),
        fingerprints={name: split.fingerprint for name, split in corpus.splits.items()},
        validation=validation,
        neighbours=knn,
        words=words,
    )


def decided_labels(
    labels: Mapping[str, LabelMeta], choice: ThresholdChoice, calibration: Calibration
) -> dict[str, LabelMeta]:
    """Labels with the thresholds that were chosen, and a calibration, in the order of both."""
    return {
        name: label.decided(
            float(choice.probabilities[index]),
            choice.rules[index],
            (float(calibration.slope[index]), float(calibration.bias[index])),
            choice.requirements.get(name),
        )
        for index, (name, label) in enumerate(labels.items())
    }


def copy_checkpoint(checkpoint: Checkpoint, meta: CheckpointMeta, output: Path) -> None:
    """Write the files of a checkpoint into a new folder, with other metadata and their card.

    Raises:
        UserError: the folder is there already.
    """
    with new_folder(output) as new:
        for path in checkpoint.folder.iterdir():
            if is_file(path) and path.name not in (META, CARD):
                shutil.copyfile(path, new / path.name)
        write_json(new / META, meta)
        write_text(new / CARD, model_card(meta))


def write_checkpoint(
    link: Path, text_model: TextModel, meta: CheckpointMeta, knn: KnnIndex | None = None
) -> None:
    """Write a checkpoint beside `link` and point `link` at it, atomically."""
    if isinstance(meta.data.text, list) and len(meta.data.text) > 1:
        meta = meta.model_copy(update={"joiner": text_model.joiner})

    def fill(folder: Path) -> None:
        tokenizer = text_model.tokenizer
        backend = getattr(tokenizer, "backend_tokenizer", None)  # None if it is written in Python
        if backend is not None:
            # the settings of the last call would otherwise be saved in tokenizer.json
            backend.no_truncation()
            backend.no_padding()
        config = text_model.model.config
        config.id2label = dict(enumerate(meta.labels))
        config.label2id = {name: index for index, name in enumerate(meta.labels)}
        config.imbtool = {"version": meta.version, "max_length": meta.max_length}
        text_model.model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        for part in (text_model.words, knn):
            if part is not None:
                part.save(folder)
        digests = {
            path.name: sha256(path, TENSORS) for path in sorted(folder.glob("*.safetensors"))
        }
        complete = meta.model_copy(update={"digests": digests})
        write_json(folder / META, complete)
        write_text(folder / CARD, model_card(complete))

    publish_folder(link, fill)
