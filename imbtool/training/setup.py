"""What a run works on: all of it read and checked before anything is written."""

from __future__ import annotations

import os
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from numpy.typing import NDArray

from imbtool.config.schema import Profile, ValidationMetric
from imbtool.data.corpus import Corpus, read_corpus
from imbtool.data.imbalance import count_labels
from imbtool.data.weights import LabelWeight, assign_weights
from imbtool.distributed.collectives import Ranks
from imbtool.distributed.process_info import read_process_info
from imbtool.errors import user_error
from imbtool.events import Emit, LearningRate, Precision, RunPlan
from imbtool.model.encoder import TextModel, load_encoder
from imbtool.model.losses import Objective, make_objective
from imbtool.runs.manifest import Manifest, make_manifest
from imbtool.training.head_first import EncodedTexts
from imbtool.training.loop import TrainingLoop
from imbtool.training.token_cache import FOLDER, TokenTable, encode_split
from imbtool.wording import counted


@dataclass(frozen=True)
class TrainingSetup:
    """Data, weights, model, loss and devices of a run."""

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
        """Share of the training texts with each label [L]."""
        return np.array([weight.count.prevalence for weight in self.weights])

    @property
    def _token_cache(self) -> str | None:
        """The file that the training texts are mapped from, if there is one."""
        encoded = self.train.encoded
        return str(encoded.file) if isinstance(encoded, TokenTable) and encoded.file else None

    def make_loop(self, emit: Emit) -> TrainingLoop:
        """A training loop over them."""
        training = self.profile.training
        return TrainingLoop(
            self.accelerator, self.text_model, self.train, self.objective, training, emit
        )

    def describe(self, loop: TrainingLoop) -> RunPlan:
        """What will run, and what was decided for it."""
        training, longest = self.profile.training, self.text_model.most_tokens
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
            tokens_an_epoch=sum(loop.lengths),
            token_cache=self._token_cache,
            cut_off=sum(length >= longest for length in loop.lengths),
            texts={name: len(split) for name, split in self.corpus.splits.items()},
            labels=len(self.corpus.labels),
            head_first=training.head_first,
        )

    def manifest(self, command: list[str]) -> Manifest:
        """The content of manifest.json.

        Raises:
            UserError: a file of the encoder cannot be read.
        """
        device = str(self.accelerator.device)
        return make_manifest(command, self.profile, self.corpus, device, self.ranks.processes)


class RunInputs:
    """The corpus, the encoder and the tokens of a run, each of them read when it is first needed.

    Runs that differ in loss, weights and schedule alone can share one object: each gets a model of
    its own, and ends with the weights that it would have if it had read everything itself.
    """

    def __init__(self, profile: Profile, run: Path | None = None, shared: bool = False) -> None:
        """Read nothing yet.

        Args:
            profile: resolved.
            run: folder beside which the tokens of large splits are kept. Default: nowhere.
            shared: whether several runs use the object; it then keeps an untrained model.
        """
        self._profile, self._shared = profile, shared
        self._cache = None if run is None else run.absolute().parent / FOLDER
        self._encoded: list[TokenTable] = []

    def suit(self, profile: Profile) -> bool:
        """Whether a run by another profile would read the same."""
        return _what_is_read(profile) == _what_is_read(self._profile)

    @cached_property
    def corpus(self) -> Corpus:
        """The data, with a validation split that thresholds can be chosen on."""
        corpus = read_corpus(self._profile)
        _check_validation(corpus)
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

    def samples(self, text_model: TextModel, ranks: Ranks) -> tuple[EncodedTexts, EncodedTexts]:
        """The tokens and targets of training and validation. All processes call it."""
        train, validation = self.corpus.train, self.corpus.validation
        for split in (train, validation)[len(self._encoded) :]:
            with ranks.ending_together():
                encoded = encode_split(text_model, self._profile.model, split, self._cache, ranks)
            self._encoded.append(encoded)
        of_train, of_validation = self._encoded
        return (
            EncodedTexts(of_train, train.targets, train.rows),
            EncodedTexts(of_validation, validation.targets, validation.rows),
        )


def _what_is_read(profile: Profile) -> tuple[object, ...]:
    return profile.data, profile.labels, profile.model, profile.training.seed


def make_setup(
    profile: Profile,
    accelerator: Accelerator,
    run: Path | None = None,
    inputs: RunInputs | None = None,
) -> TrainingSetup:
    """Read the data, load the encoder, and place both. All processes call it.

    Args:
        profile: resolved.
        accelerator: of the run.
        run: its folder, beside which the tokens of large splits are kept. Default: nowhere.
        inputs: shared with other runs; used if the profile reads the same. Default: read anew.

    Raises:
        UserError: the data or the encoder cannot be used.
    """
    if inputs is None or not inputs.suit(profile):
        inputs = RunInputs(profile, run)
    corpus = inputs.corpus
    require_measurable("training.best_by", profile.training.best_by, corpus)
    weights = assign_weights(
        corpus.labels.names, count_labels(corpus.train.targets), profile.weights
    )
    text_model = inputs.text_model()
    text_model.model.to(accelerator.device)
    objective = make_objective(
        profile.loss, corpus.labels, [weight.weight for weight in weights], accelerator.device
    )
    ranks = Ranks(accelerator)
    return TrainingSetup(
        profile,
        corpus,
        weights,
        text_model,
        objective,
        *inputs.samples(text_model, ranks),
        accelerator,
        ranks,
    )


def _check_validation(corpus: Corpus) -> None:
    """See that thresholds can be chosen."""
    texts = len(corpus.validation)
    some = (corpus.validation.targets == 1).any()
    if texts < 2 or not some:
        found = counted(texts, "text") + ("" if some else " and no positive of any label")
        expected, fix = "2 texts or more, with positives", "give a larger data.validation"
        raise user_error(corpus.validation.source, found, expected, fix)


def require_measurable(key: str, metric: ValidationMetric, corpus: Corpus) -> None:
    """See that a metric is defined on validation.

    Raises:
        UserError: it is one of secondary labels, and there are none, or none has positives there.
    """
    if metric != "secondary_f1_macro":
        return
    if not corpus.labels.edges:
        found, fix = f"{metric} without a hierarchy", "choose f1_macro"
        raise user_error(key, found, "labels.hierarchy, or another metric", fix)
    secondary = corpus.validation.targets[:, corpus.labels.groups["secondary"]]
    if not (secondary == 1).any():
        raise user_error(
            key,
            f"{metric}, and no positive of a secondary label in {corpus.validation.source}",
            "a metric that validation can measure",
            "choose f1_macro, or give a larger data.validation",
        )


def make_accelerator(trackers: Sequence[str] = (), folder: Path | None = None) -> Accelerator:
    """The devices and processes of this run, and the trackers that follow it.

    Raises:
        UserError: fewer processes have come together than the launcher has started, or it numbers
            them wrongly.
    """
    launched = read_process_info(os.environ).processes
    accelerator = Accelerator(
        # without this word Accelerate starts one process of several on a machine without a GPU
        cpu=launched > 1 and not torch.accelerator.is_available(),
        log_with=list(trackers) or None,
        project_dir=folder,
    )
    if accelerator.num_processes != launched:
        found = f"{accelerator.num_processes} of {launched} processes"
        raise user_error("launch", found, "all of them", "start it by --processes N or torchrun")
    return accelerator
