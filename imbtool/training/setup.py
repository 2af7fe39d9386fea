"""The setup of a training: what it works with, read and checked before any file is written."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from accelerate import Accelerator
from accelerate.utils import set_seed
from numpy.typing import NDArray

from imbtool.config.schema import Profile
from imbtool.data.corpus import Corpus, Split, read_corpus
from imbtool.data.imbalance import count_labels
from imbtool.data.weights import LabelWeight, assign_weights
from imbtool.distributed.collectives import Ranks
from imbtool.events import Emit
from imbtool.model.encoder import TextModel, load_encoder
from imbtool.model.losses import Objective, make_objective
from imbtool.runs.manifest import Manifest, make_manifest
from imbtool.training.batches import EncodedTexts
from imbtool.training.data_checks import require_measurable, require_validation
from imbtool.training.loop import TrainingLoop
from imbtool.training.token_cache import FOLDER, TokenTable, encode_split


@dataclass(frozen=True)
class TrainingSetup:
    """The data, label weights, model, loss and processes of a training."""

    profile: Profile
    corpus: Corpus
    weights: list[LabelWeight]
    text_model: TextModel
    objective: Objective
    train: EncodedTexts
    validation: EncodedTexts
    accelerator: Accelerator
    ranks: Ranks

    @property
    def prevalence(self) -> NDArray[np.float64]:
        """Fraction of the training texts that have each label [L]."""
        return np.array([weight.count.prevalence for weight in self.weights])

    @property
    def _token_cache(self) -> str | None:
        """The file that the token ids of the training texts are mapped from, if there is one."""
        encoded = self.train.encoded
        return str(encoded.file) if isinstance(encoded, TokenTable) and encoded.file else None

    def make_loop(self, emit: Emit) -> TrainingLoop:
        """A training loop that emits its events to `emit`."""
        training = self.profile.training
        return TrainingLoop(
            self.accelerator, self.text_model, self.train, self.objective, training, emit
        )

    def describe(self, loop: TrainingLoop) -> dict[str, Any]:
        """What will run, with the settings that were chosen automatically."""
        training, longest = self.profile.training, self.text_model.most_tokens
        return {
            "encoder": self.profile.model.encoder,
            "device": str(self.accelerator.device),
            "processes": self.ranks.processes,
            "precision": asdict(loop.precision),
            "learning_rate": asdict(loop.rate),
            "max_length": longest,
            "epochs": loop.epochs.value,
            "epochs_reason": loop.epochs.reason,
            "steps": loop.steps,
            "tokens_an_epoch": sum(loop.lengths),
            "token_cache": self._token_cache,
            "cut_off": sum(length >= longest for length in loop.lengths),
            "texts": {name: len(split) for name, split in self.corpus.splits.items()},
            "labels": len(self.corpus.labels),
            "head_first": training.head_first,
        }

    def manifest(self, command: list[str]) -> Manifest:
        """The content of manifest.json.

        Raises:
            UserError: a file of the encoder cannot be read.
        """
        device = str(self.accelerator.device)
        return make_manifest(command, self.profile, self.corpus, device, self.ranks.processes)


def make_setup(
    profile: Profile, accelerator: Accelerator, run: Path | None = None
) -> TrainingSetup:
    """Read the data, load the encoder and move it to the device. All processes call it.

    Args:
        profile: resolved.
        accelerator: of this process.
        run: the run folder, beside which the token ids of large splits are cached. Default: they
            are not cached.

    Raises:
        UserError: the data or the encoder cannot be used.
    """
    corpus = read_corpus(profile)
    require_validation(corpus)
    require_measurable("training.best_by", profile.training.best_by, corpus)
    set_seed(profile.training.seed)
    weights = assign_weights(
        corpus.labels.names, count_labels(corpus.train.targets), profile.weights
    )
    text_model = load_encoder(profile.model, corpus.labels.names)
    text_model.model.to(accelerator.device)
    objective = make_objective(
        profile.loss, corpus.labels, [weight.weight for weight in weights], accelerator.device
    )

    ranks = Ranks(accelerator)
    cache = None if run is None else run.absolute().parent / FOLDER

    def encoded_texts(split: Split) -> EncodedTexts:
        with ranks.ending_together():
            encoded = encode_split(text_model, profile.model, split, cache, ranks)
        return EncodedTexts(encoded, split.targets, split.rows)

    return TrainingSetup(
        profile,
        corpus,
        weights,
        text_model,
        objective,
        encoded_texts(corpus.train),
        encoded_texts(corpus.validation),
        accelerator,
        ranks,
    )
