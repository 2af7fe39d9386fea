"""A variant of a profile, and what it reaches on a fold: fine-tuned, or with the encoder frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from accelerate.utils import set_seed
from numpy.typing import NDArray

from benchmarks.quality.answers import Answers
from imbtool.config.hierarchy import Labels
from imbtool.config.reader import Override
from imbtool.config.schema import Profile, WeightsSection
from imbtool.data.corpus import SPLITS, Corpus, Split, read_corpus
from imbtool.data.imbalance import count_labels, tier_of
from imbtool.data.weights import weigh_labels
from imbtool.distributed.accelerator import make_accelerator
from imbtool.evaluation.metrics import average_precision, confusion, mean_defined
from imbtool.evaluation.thresholds import choose_thresholds
from imbtool.model.encoder import load_encoder
from imbtool.model.losses import make_objective
from imbtool.trained.checkpoint import read_checkpoint
from imbtool.training.head_first import fit_path, make_feature_reader
from imbtool.training.run import train

Features = NDArray[np.float32]


@dataclass(frozen=True)
class Variant:
    """Settings that are laid over the profile of a data set.

    Attributes:
        name: in the table.
        settings: as those of `--set`.
    """

    name: str
    settings: tuple[Override, ...] = ()

    @property
    def shown(self) -> str:
        """The settings in a cell."""
        return "; ".join(f"{each.key}={each.text}" for each in self.settings)


def train_and_test(profile: Profile, folder: Path) -> dict[str, float]:
    """Train by a profile into a run folder, and measure the checkpoint on the test split."""
    checkpoint = read_checkpoint(train(profile, folder).checkpoint)
    checkpoint.to(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    corpus = read_corpus(profile)
    probabilities = checkpoint.probabilities(corpus.test.texts)
    return figures_of(Answers(checkpoint.decide(probabilities), probabilities), corpus)


def fit_and_test(
    profile: Profile, corpus: Corpus, features: Mapping[str, Features]
) -> dict[str, float]:
    """Fit a head on features of the frozen encoder, and measure it on the test split.

    The fit and the thresholds are imbtool's: the profile's loss, the L2 with the lowest loss on
    validation, and the threshold rules on validation.

    Args:
        profile: of the loss, the weights and the thresholds.
        corpus: the texts.
        features: of the texts of each split [n, features].
    """
    weights = weigh_labels(corpus, profile.weights)
    objective = make_objective(
        profile.loss, corpus.labels, [weight.weight for weight in weights], torch.device("cpu")
    )
    train, validation, test = (torch.from_numpy(features[name]) for name in SPLITS)
    fits = fit_path(train, torch.from_numpy(corpus.train.targets), objective)
    wanted = torch.from_numpy(corpus.validation.targets)
    head = min(fits.values(), key=lambda each: float(objective(each.logits(validation), wanted)))
    choice = choose_thresholds(
        corpus.labels,
        head.logits(validation).numpy().astype(np.float64),
        corpus.validation.targets,
        np.array([weight.prevalence for weight in weights]),
        profile.thresholds.method,
        profile.training.seed,
        profile.thresholds.require,
    )
    logits = head.logits(test).numpy().astype(np.float64)
    decisions = corpus.labels.coherent(logits >= choice.logits, choice.coherence)
    return figures_of(Answers(decisions, logits), corpus)


def read_features(profile: Profile, labels: Labels, texts: Split) -> Features:
    """Take texts through the untrained encoder: the input of the head's last layer [n, features].

    Raises:
        UserError: the encoder cannot be used, or its head does not end in one linear layer.
    """
    accelerator = make_accelerator()
    try:
        set_seed(0)  # layers of the head before the last one are drawn at random
        text_model = load_encoder(profile.model, labels.names)
        text_model.model.to(accelerator.device)
        read = make_feature_reader(text_model, profile.training, accelerator)
        return read(text_model.encode(texts.texts)).cpu().numpy()
    finally:
        accelerator.end_training()


def figures_of(answers: Answers, corpus: Corpus) -> dict[str, float]:
    """The figures of answers for the test texts.

    Tiers are those of the usual rules, whatever the variant's own, so that they hold the same
    labels for all variants.
    """
    targets = corpus.test.targets
    counts = confusion(answers.decisions, targets)
    precision = average_precision(answers.scores, targets)
    ratios = [count.ratio for count in count_labels(corpus.train.targets)]
    severe = np.array([tier_of(ratio, WeightsSection()) == "severe" for ratio in ratios])
    return {
        "f1_macro": mean_defined(counts.f1),
        "average_precision_macro": mean_defined(precision),
        "average_precision_severe": mean_defined(precision[severe]),
        "f1_micro": mean_defined(counts.micro().f1),
        "labels_at_zero_recall": float((counts.recall == 0).sum()),
    }
