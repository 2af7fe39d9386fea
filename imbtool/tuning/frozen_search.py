"""The cheap stage: with the encoder frozen, a head is fitted in seconds instead of a fine-tune.

It is not the model that is asked for: it only proposes what a fine-tune then confirms or refutes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imbtool.config.schema import Profile
from imbtool.data.corpus import Corpus
from imbtool.data.weights import weigh_labels
from imbtool.evaluation.metrics import average_precision, mean_defined
from imbtool.model.losses import make_objective
from imbtool.training.head_first import feature_reader, fit_path
from imbtool.training.setup import gather_materials, make_accelerator
from imbtool.tuning.guide import (
    EXPLORED,
    Change,
    Place,
    Settings,
    Step,
    apply,
    between,
    stepped,
)

CLEAR = 0.001
"""Of mean average precision: a smaller gain on frozen features is not worth a fine-tune."""


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

    def average_precision(self, profile: Profile) -> float:
        """Mean average precision on validation of a head fitted by a profile's weights and loss."""
        return mean_defined(average_precision(self.logits(profile), self.corpus.validation.targets))

    def logits(self, profile: Profile) -> NDArray[np.float64]:
        """What that head makes of the validation texts [n, L].

        Of the strengths of L2 the one with the lowest loss on validation is taken.
        """
        corpus, device = self.corpus, self.train.device
        weights = weigh_labels(corpus, profile.weights)
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
class Exploration:
    """Where the steps of the guide lead a head on the frozen encoder.

    Attributes:
        changes: that it ranks clearly better with; empty: none.
        heads: how many were fitted.
    """

    changes: list[Change]
    heads: int


def explore(
    encoder: FrozenEncoder, profile: Profile, settings: Settings, rare: Sequence[str]
) -> Exploration:
    """Climb the mean average precision that a head on the frozen encoder reaches on validation.

    Weights, gammas and the price of incoherence take one step after the other, each again as long
    as it helps. What a head decides says little of a fine-tune, how it ranks says something.

    Args:
        encoder: the frozen encoder.
        profile: that would be changed.
        settings: that its run was trained with.
        rare: labels whose weights and gammas move, together.
    """
    known: dict[tuple[tuple[Place, float], ...], float] = {}

    def ranking(wanted: Settings) -> float:
        key = tuple(wanted.items())
        if key not in known:
            changes = between(settings, wanted, "")
            changed = apply(profile, changes, encoder.corpus.labels.names)
            known[key] = encoder.average_precision(changed)
        return known[key]

    best = settings
    for steps in EXPLORED:
        best = _climbed(steps, best, rare, ranking)
    before, after = ranking(settings), ranking(best)
    if after - before < CLEAR:
        return Exploration([], len(known))
    because = (
        f"with the encoder frozen a head ranks better: mean average precision {before:.4f} -> "
        f"{after:.4f}"
    )
    return Exploration(between(settings, best, because), len(known))


def _climbed(
    steps: Iterable[Step],
    settings: Settings,
    rare: Sequence[str],
    ranking: Callable[[Settings], float],
) -> Settings:
    """Settings after the first of some steps that helps, taken as often as it does."""
    best = settings
    for step in steps:
        while ranking(further := stepped(step, best, rare)) > ranking(best):
            best = further
        if best is not settings:
            break
    return best
