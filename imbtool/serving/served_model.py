"""The model that a server owns: loaded whole, checked, and from then on apart from its files."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path

import torch

from imbtool.evaluation.calibration import sigmoid
from imbtool.files.model_folder import is_file
from imbtool.files.paths import real_path
from imbtool.inference.predict import shown_probabilities, use_gpu
from imbtool.inference.predict_folder import fingerprint
from imbtool.model.encoder import TextModel
from imbtool.model.loading import PROBE_TEXT
from imbtool.model.long_texts import TokenIds
from imbtool.serving.documents import (
    ModelDocument,
    ModelName,
    PredictResponse,
    ServedLabel,
    ServedLimits,
    TextResult,
)
from imbtool.serving.limits import Limits
from imbtool.trained.card import model_card
from imbtool.trained.checkpoint import Checkpoint, checkpoint_folder, read_checkpoint
from imbtool.types import Decisions, Floats
from imbtool.wording import as_list

CARD = "README.md"
CHECKPOINT = "checkpoint"
"""What the folder within a run is called; the run's name says more."""
MOST_BATCHES = 2
"""Batches that a model reads at a time on the CPU, each in its share of the threads.

Threads that share a small batch wait for each other at every step; two batches do not."""


@dataclass(frozen=True)
class ServedModel:
    """A model with its name.

    Attributes:
        checkpoint: the model.
        name: by which answers refer to it.
        card: in Markdown.
        at_once: number of batches that may be read at a time.
        threads: that compute on the CPU.
    """

    checkpoint: Checkpoint
    name: ModelName
    card: str
    at_once: int = 1
    threads: int = field(default_factory=torch.get_num_threads)

    def predict(self, texts: Sequence[str], alone: bool = True) -> Predicted:
        """Decide the labels of texts, as `imbtool predict` does.

        Args:
            texts: n of them.
            alone: whether all threads are theirs. Then the probabilities of a single text are those
                of `imbtool predict` bit for bit; with other threads sums may be rounded otherwise.

        Raises:
            UserError: a text cannot be read, or the model gives it a number that is not finite.
        """
        # holds for products that the calling thread begins, and for none of another's
        torch.set_num_threads(self.threads if alone else max(1, self.threads // self.at_once))
        logits = self.checkpoint.logits(texts)
        return Predicted(self, logits, self.checkpoint.decide(sigmoid(logits)))

    def document(self, limits: Limits) -> ModelDocument:
        """What there is to know of the model."""
        meta = self.checkpoint.meta
        labels = {
            name: ServedLabel(
                threshold=label.threshold,
                parent=label.parent,
                tier=label.tier,
                training_positives=label.training_positives,
                validation_positives=label.validation_positives,
            )
            for name, label in meta.labels.items()
        }
        return ModelDocument(
            model=self.name,
            version=meta.version,
            encoder=meta.encoder,
            max_length=meta.max_length,
            long_texts=meta.long_texts,
            columns=as_list(meta.data.text),
            joiner=meta.joiner,
            labels=labels,
            coherence=meta.coherence,
            calibrated=meta.calibration is not None,
            limits=ServedLimits(**asdict(limits)),
            card=self.card,
        )


@dataclass(frozen=True)
class Predicted:
    """What a model says of texts.

    Attributes:
        model: that said it.
        logits: [n, L].
        decisions: [n, L].
    """

    model: ServedModel
    logits: Floats
    decisions: Decisions

    def of_texts(self, rows: slice) -> Predicted:
        """The same of some of the texts."""
        return Predicted(self.model, self.logits[rows], self.decisions[rows])

    def response(self, calibrated: bool) -> PredictResponse:
        """The document of it.

        Args:
            calibrated: whether its probabilities are calibrated; the labels are the same.

        Raises:
            UserError: calibrated ones are asked for, and the model has no calibration.
        """
        checkpoint = self.model.checkpoint
        shown = shown_probabilities(checkpoint.folder, checkpoint.meta, calibrated)
        names = checkpoint.labels.names
        results = [
            TextResult(
                labels=[name for name, has in zip(names, decided, strict=True) if has],
                probabilities=dict(zip(names, row, strict=True)),
            )
            for decided, row in zip(
                self.decisions.tolist(), shown(self.logits).tolist(), strict=True
            )
        ]
        return PredictResponse(results=results, model=self.model.name)


def load_model(
    path: Path, trust_remote_code: bool = False, threads: int | None = None
) -> ServedModel:
    """Load the model of a checkpoint, whole, and let it read a text.

    Args:
        path: of the checkpoint, or of the run folder around it.
        trust_remote_code: whether to run code that comes with the model.
        threads: that compute on the CPU; None for those of the calling thread.

    Raises:
        UserError: there is none, or it is damaged.
    """
    # a training may point its link at another folder in the meantime
    folder = real_path(checkpoint_folder(path))
    checkpoint = read_checkpoint(folder, trust_remote_code)
    use_gpu(checkpoint, 0)
    checkpoint.keep_in_memory()
    checkpoint = replace(checkpoint, text_model=_shared(checkpoint.text_model))
    # a new thread has as many as the last one that has set a number, which may be a share
    threads = threads or torch.get_num_threads()
    torch.set_num_threads(threads)
    checkpoint.logits([PROBE_TEXT])
    name = ModelName(name=_name_of(path), sha256=fingerprint(folder))
    at_once = batches_at_once(checkpoint, trust_remote_code)
    return ServedModel(checkpoint, name, _card(checkpoint), at_once, threads)


@dataclass(frozen=True)
class _Shared(TextModel):
    """A text model whose tokenizer serves one thread at a time: its settings change with a text."""

    lock: threading.Lock = field(default_factory=threading.Lock)

    def encode(self, texts: Sequence[str]) -> list[TokenIds]:
        """Token ids of what is read of each text; see `TextModel`."""
        with self.lock:
            return super().encode(texts)


def _shared(text_model: TextModel) -> TextModel:
    return _Shared(**{each.name: getattr(text_model, each.name) for each in fields(text_model)})


def batches_at_once(checkpoint: Checkpoint, trust_remote_code: bool) -> int:
    """How many batches a model may read at a time.

    One where threads would share more than weights, or gain nothing: the features for a kNN index
    are caught on their way to the head, an exported graph has threads of its own, code that comes
    with a model may keep anything, and one core is enough for one batch.
    """
    is_plain = checkpoint.knn is None and checkpoint.meta.export is None and not trust_remote_code
    on_cores = checkpoint.text_model.device.type == "cpu" and torch.get_num_threads() > 1
    return MOST_BATCHES if is_plain and on_cores else 1


def _name_of(path: Path) -> str:
    """The name of the run, or of a folder that is none."""
    whole = path.absolute()
    return whole.parent.name if whole.name == CHECKPOINT else whole.name


def _card(checkpoint: Checkpoint) -> str:
    """The card in the folder, which knows of evaluations; else the one of its metadata."""
    path = checkpoint.folder / CARD
    if not is_file(path):
        return model_card(checkpoint.meta)
    return path.read_text(encoding="utf-8", errors="replace")
