"""What a run works on: all of it read and checked before anything is written."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from numpy.typing import NDArray

from imbtool.config.schema import Profile, ValidationMetric
from imbtool.data.corpus import Corpus, Split, read_corpus
from imbtool.data.weights import LabelWeight, weigh_labels
from imbtool.distributed.collectives import Ranks
from imbtool.distributed.process_info import place_in
from imbtool.errors import user_error
from imbtool.events import Emit
from imbtool.model.encoder import TextModel, load_encoder
from imbtool.model.losses import Objective, make_objective
from imbtool.runs.manifest import Manifest, make_manifest
from imbtool.training.head_first import Sample
from imbtool.training.loop import Engine
from imbtool.training.token_cache import FOLDER, TokenTable, encoded_split
from imbtool.wording import counted


@dataclass(frozen=True)
class Materials:
    """Data, weights, model, loss and devices of a run."""

    profile: Profile
    corpus: Corpus
    weights: list[LabelWeight]
    text_model: TextModel
    objective: Objective
    train: Sample
    validation: Sample
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

    def engine(self, emit: Emit) -> Engine:
        """A training loop over them."""
        training = self.profile.training
        return Engine(self.accelerator, self.text_model, self.train, self.objective, training, emit)

    def describe(self, engine: Engine) -> dict[str, Any]:
        """What will run, and what was decided for it."""
        training, longest = self.profile.training, self.text_model.most_tokens
        return {
            "encoder": self.profile.model.encoder,
            "device": str(self.accelerator.device),
            "processes": self.ranks.processes,
            "precision": asdict(engine.precision),
            "learning_rate": asdict(engine.rate),
            "max_length": longest,
            "epochs": engine.epochs.value,
            "epochs_reason": engine.epochs.reason,
            "steps": engine.steps,
            "tokens_an_epoch": sum(engine.lengths),
            "token_cache": self._token_cache,
            "cut_off": sum(length >= longest for length in engine.lengths),
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


def gather_materials(
    profile: Profile, accelerator: Accelerator, run: Path | None = None
) -> Materials:
    """Read the data, load the encoder, and place both. All processes call it.

    Args:
        profile: resolved.
        accelerator: of the run.
        run: its folder, beside which the tokens of large splits are kept. Default: nowhere.

    Raises:
        UserError: the data or the encoder cannot be used.
    """
    corpus = read_corpus(profile)
    _check_validation(corpus)
    require_measurable("training.best_by", profile.training.best_by, corpus)
    set_seed(profile.training.seed)
    weights = weigh_labels(corpus, profile.weights)
    text_model = load_encoder(profile.model, corpus.labels.names)
    text_model.model.to(accelerator.device)
    objective = make_objective(
        profile.loss, corpus.labels, [weight.weight for weight in weights], accelerator.device
    )

    ranks = Ranks(accelerator)
    cache = None if run is None else run.absolute().parent / FOLDER

    def sample(split: Split) -> Sample:
        with ranks.ending_together():
            encoded = encoded_split(text_model, profile.model, split, cache, ranks)
        return Sample(encoded, split.targets, split.rows)

    return Materials(
        profile,
        corpus,
        weights,
        text_model,
        objective,
        sample(corpus.train),
        sample(corpus.validation),
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
    launched = place_in(os.environ).processes
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
