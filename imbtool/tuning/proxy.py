"""The cheap stage: with the encoder frozen, a head is fitted in seconds instead of a fine-tune.

It is not the model that is asked for: it only puts changes of labels in an order, and only where it
sees a clear difference. What it prefers is fine-tuned like anything else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imbtool.corpus import Corpus
from imbtool.evaluation.summary import validation_figures
from imbtool.evaluation.thresholds import choose_thresholds
from imbtool.imbalance import count_labels
from imbtool.losses import make_objective
from imbtool.profile import Profile
from imbtool.training.frozen import feature_reader
from imbtool.training.head import fit_path
from imbtool.training.materials import gather_materials, make_accelerator
from imbtool.tuning.guide import Change, apply
from imbtool.tuning.history import Options
from imbtool.weighting import assign_weights

CLEAR = 0.02
"""Of a label's F1: the guide's own order stands between options that differ by less."""

Figures = dict[str, Any]


@dataclass(frozen=True)
class FrozenEncoder:
    """What an encoder makes of the texts of a corpus, once and for all.

    Attributes:
        corpus: the texts and their targets.
        train: input of the head's last layer for each training text [n, features].
        validation: the same for each validation text.
    """

    corpus: Corpus
    train: Tensor
    validation: Tensor

    def figures(self, profile: Profile) -> Figures:
        """What a head fitted by a profile's weights and loss reaches on validation.

        Of the strengths of L2 the one with the lowest loss on validation is taken. Thresholds are
        chosen by the profile's rule, decisions cross-fitted, as after each epoch of a fine-tune.

        Returns:
            `f1_macro`, `average_precision_macro`, `secondary_f1_macro` and the like, and `labels`.
        """
        corpus = self.corpus
        logits = self._logits(profile)
        targets = corpus.validation.targets
        choice = choose_thresholds(
            corpus.labels,
            logits,
            targets,
            np.nanmean(corpus.train.targets, axis=0, dtype=np.float64),
            profile.thresholds.method,
            profile.training.seed,
            profile.thresholds.require,
        )
        return validation_figures(corpus.labels, choice, logits, targets)

    def _logits(self, profile: Profile) -> NDArray[np.float64]:
        corpus, device = self.corpus, self.train.device
        weights = assign_weights(
            corpus.labels.names, count_labels(corpus.train.targets), profile.weights
        )
        objective = make_objective(
            profile.loss, corpus.labels, [weight.weight for weight in weights], device
        )
        fits = fit_path(self.train, torch.from_numpy(corpus.train.targets).to(device), objective)
        targets = torch.from_numpy(corpus.validation.targets).to(device)
        best = min(
            (head.logits(self.validation) for head in fits.values()),
            key=lambda logits: float(objective(logits, targets)),
        )
        return best.cpu().numpy().astype(np.float64)


def freeze_encoder(profile: Profile) -> FrozenEncoder:
    """Read a profile's data and take them through its encoder once.

    Args:
        profile: whose encoder's head ends in one linear layer; see `head_layer`.

    Raises:
        UserError: the data or the encoder cannot be used.
    """
    accelerator = make_accelerator()
    try:
        materials = gather_materials(profile, accelerator)
        read = feature_reader(materials.text_model, profile.training, accelerator)
        train, validation = read(materials.train.encoded), read(materials.validation.encoded)
        return FrozenEncoder(materials.corpus, train, validation)
    finally:
        accelerator.end_training()


@dataclass(frozen=True)
class Ranking:
    """Options of labels in a new order, and the F1 of the label that each reached by a frozen head.

    Attributes:
        options: of each label.
        scores: the first options of all labels, the second ones, and so on: change, F1.
    """

    options: Options
    scores: list[tuple[Change, float]]


def rank_options(
    encoder: FrozenEncoder, profile: Profile, options: Mapping[str, Sequence[Change]]
) -> Ranking:
    """Put the options of each label in the order of the F1 that a frozen head reaches with them.

    Labels of a linear head hardly touch each other, so one fit tries an option of every label at
    once. Options within `CLEAR` of the best one keep their order, ahead of the others.

    Args:
        encoder: the frozen encoder.
        profile: that would be changed.
        options: of each label, in the guide's order.
    """
    scores: dict[Change, float] = {}
    for number in range(max(map(len, options.values()), default=0)):
        tried = [changes[number] for changes in options.values() if number < len(changes)]
        labels = encoder.figures(apply(profile, tried, encoder.corpus.labels.names))["labels"]
        scores |= {change: labels[change.label]["f1"] for change in tried}
    ranked = {
        label: sorted(changes, key=lambda change: scores[change] < best - CLEAR)
        for label, changes in options.items()
        for best in [max(scores[change] for change in changes)]
    }
    return Ranking(ranked, list(scores.items()))
