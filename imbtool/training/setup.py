"""The setup of a training: what it works with, read and checked before any file is written."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from numpy.typing import NDArray

from imbtool.config.schema import Profile
from imbtool.data.corpus import Corpus, Split, read_corpus
from imbtool.data.unlabelled import NAME as UNLABELLED
from imbtool.data.weights import LabelWeight, weigh_labels
from imbtool.distributed.collectives import Ranks
from imbtool.events import Emit, LearningRate, Precision, RunPlan
from imbtool.model.encoder import TextModel, load_encoder
from imbtool.model.losses import Objective, make_objective
from imbtool.runs.manifest import Manifest, make_manifest
from imbtool.runs.soft_targets import SoftTargets, Teach
from imbtool.training.batches import EncodedTexts
from imbtool.training.data_checks import require_measurable, require_validation
from imbtool.training.loop import TrainingLoop
from imbtool.training.token_cache import FOLDER, TokenTable, encode_split


@dataclass(frozen=True)
class TrainingSetup:
    """The data, label weights, model, loss and processes of a training."""

    profile: Profile
    corpus: Corpus
    """Without its texts; what the model reads of them is in `train` and `validation`."""
    weights: list[LabelWeight]
    text_model: TextModel
    objective: Objective
    train: EncodedTexts
    validation: EncodedTexts
    accelerator: Accelerator
    ranks: Ranks
    soft_targets: SoftTargets | None
    taught: EncodedTexts | None
    """The texts with soft targets, the training texts among them; None without a teacher."""

    @property
    def prevalence(self) -> NDArray[np.float64]:
        """Fraction of the texts that have each label [L], of those that no search chose."""
        return np.array([weight.prevalence for weight in self.weights])

    @property
    def _token_cache(self) -> str | None:
        """The file that the token ids of the training texts are mapped from, if there is one."""
        encoded = self.train.encoded
        return str(encoded.file) if isinstance(encoded, TokenTable) and encoded.file else None

    def make_loop(self, emit: Emit) -> TrainingLoop:
        """A training loop that emits its events to `emit`."""
        training, texts = self.profile.training, self.taught or self.train
        return TrainingLoop(
            self.accelerator, self.text_model, texts, self.objective, training, emit
        )

    def describe(self, loop: TrainingLoop) -> RunPlan:
        """What will run, with the settings that were chosen automatically."""
        training, longest = self.profile.training, self.text_model.most_tokens
        texts = {name: len(split) for name, split in self.corpus.splits.items()}
        if self.soft_targets is not None:
            texts[UNLABELLED] = len(self.soft_targets.unlabelled)
        return RunPlan(
            encoder=self.profile.model.encoder,
            device=str(self.accelerator.device),
            processes=self.ranks.processes,
            precision=Precision(**asdict(loop.precision)),
            learning_rate=LearningRate(**asdict(loop.rate)),
            max_length=longest,
            epochs=loop.epochs.value,
            epochs_reason=loop.epochs.reason,
            steps=loop.steps,
            tokens_an_epoch=int(loop.lengths.sum()),
            token_cache=self._token_cache,
            cut_off=int((loop.lengths >= longest).sum()),
            texts=texts,
            labels=len(self.corpus.labels),
            head_first=training.head_first,
        )

    def manifest(self, command: Sequence[str]) -> Manifest:
        """The content of manifest.json.

        Raises:
            UserError: a file of the encoder cannot be read.
        """
        device = str(self.accelerator.device)
        soft = self.soft_targets
        return make_manifest(
            command,
            self.profile,
            self.corpus,
            device,
            self.ranks.processes,
            None if soft is None else soft.manifest,
        )


class RunInputs:
    """The corpus, the encoder and the token ids of a run, each read when it is first needed.

    Runs that differ in loss, weights and schedule alone can share one object: each gets a model of
    its own, and ends with the weights that it would have if it had read everything itself.
    """

    def __init__(
        self,
        profile: Profile,
        run: Path | None = None,
        shared: bool = False,
        teach: Teach | None = None,
    ) -> None:
        """Read nothing yet.

        Args:
            profile: resolved.
            run: the run folder, beside which the token ids of large splits are cached. Default:
                they are not cached.
            shared: whether several runs use the object; it then keeps an untrained model.
            teach: gives the soft targets. Default: there is no teacher.
        """
        self._profile, self._shared, self._teach = profile, shared, teach
        self._cache = None if run is None else run.absolute().parent / FOLDER
        self._encoded: list[TokenTable] = []

    def suit(self, profile: Profile) -> bool:
        """Whether a run by another profile would read the same."""
        return _what_is_read(profile) == _what_is_read(self._profile)

    @cached_property
    def corpus(self) -> Corpus:
        """The data, with a validation split that thresholds can be chosen on."""
        corpus = read_corpus(self._profile)
        require_validation(corpus)
        return corpus

    @cached_property
    def _loaded(self) -> tuple[TextModel, torch.Tensor]:
        """The untrained model, and torch's random state once its head was drawn."""
        text_model = load_encoder(self._profile.model, self.corpus.labels.names)
        return text_model, torch.get_rng_state()

    def text_model(self) -> TextModel:
        """An untrained model on the CPU; random states become those after loading it."""
        set_seed(self._profile.training.seed)
        text_model, state = self._loaded
        torch.set_rng_state(state)
        if not self._shared:
            return text_model
        return replace(text_model, model=deepcopy(text_model.model))

    def soft_targets(self, accelerator: Accelerator) -> SoftTargets | None:
        """What the teachers say, if there are any. All processes call it."""
        if self._teach is None:
            return None
        with torch.random.fork_rng():  # a model may draw numbers while it is loaded
            return self._teach(self._profile, self.corpus, accelerator)

    def forget_texts(self) -> None:
        """Let go of the texts, once their token ids are there."""
        self.corpus = self.corpus.without_texts()
        # Arrow keeps freed memory for what it might read next: 200 MB after a million texts
        pa.default_memory_pool().release_unused()

    def encoded(self, text_model: TextModel, split: Split, ranks: Ranks) -> TokenTable:
        """The token ids of the texts of a split. All processes call it."""
        with ranks.ending_together():
            return encode_split(text_model, self._profile.model, split, self._cache, ranks)

    def encoded_texts(
        self, text_model: TextModel, ranks: Ranks
    ) -> tuple[EncodedTexts, EncodedTexts]:
        """The token ids and targets of training and validation. All processes call it."""
        train, validation = self.corpus.train, self.corpus.validation
        for split in (train, validation)[len(self._encoded) :]:
            self._encoded.append(self.encoded(text_model, split, ranks))
        of_train, of_validation = self._encoded
        return (
            EncodedTexts(of_train, train.label_sets, train.rows),
            EncodedTexts(of_validation, validation.label_sets, validation.rows),
        )


def _what_is_read(profile: Profile) -> tuple[object, ...]:
    return profile.data, profile.labels, profile.model, profile.training.seed


def make_setup(
    profile: Profile,
    accelerator: Accelerator,
    run: Path | None = None,
    inputs: RunInputs | None = None,
) -> TrainingSetup:
    """Read the data, load the encoder and move it to the device. All processes call it.

    Args:
        profile: resolved.
        accelerator: of this process.
        run: the run folder, beside which the token ids of large splits are cached. Default: they
            are not cached.
        inputs: shared with other runs; used if the profile reads the same. Default: read anew.

    Raises:
        UserError: the data or the encoder cannot be used.
    """
    if inputs is None or not inputs.suit(profile):
        inputs = RunInputs(profile, run)
    corpus = inputs.corpus
    require_measurable("training.best_by", profile.training.best_by, corpus)
    weights = weigh_labels(corpus, profile.weights)
    text_model = inputs.text_model()
    text_model.model.to(accelerator.device)
    objective = make_objective(
        profile.loss, corpus.labels, [weight.weight for weight in weights], accelerator.device
    )
    ranks, taught = Ranks(accelerator), None
    train, validation = inputs.encoded_texts(text_model, ranks)
    with ranks.ending_together():
        soft = inputs.soft_targets(accelerator)  # last, since a teacher may read for hours
    if soft is not None:
        unlabelled = inputs.encoded(text_model, soft.unlabelled.split, ranks)
        taught = train.taught(unlabelled, soft.logits)
        soft = soft.without_texts()
    inputs.forget_texts()
    return TrainingSetup(
        profile,
        inputs.corpus,
        weights,
        text_model,
        objective,
        train,
        validation,
        accelerator,
        ranks,
        soft,
        taught,
    )
