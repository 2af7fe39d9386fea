"""The frozen-encoder search: which weights, gammas and constraint make a head rank better.

With the encoder frozen a head is fitted in seconds instead of the minutes of a fine-tune. What
the search finds is only a proposal, which a fine-tune then confirms or refutes.
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
from imbtool.distributed.accelerator import make_accelerator
from imbtool.evaluation.metrics import average_precision, mean_defined
from imbtool.model.losses import make_objective
from imbtool.training.head_first import fit_path, make_feature_reader
from imbtool.training.setup import RunInputs, make_setup
from imbtool.tuning.guide import (
    SEARCHED,
    Adjustment,
    Change,
    Setting,
    Settings,
    adjusted,
    apply,
    changes_between,
)

CLEAR = 0.001
"""Of mean average precision: a smaller gain with the encoder frozen is not worth a fine-tune."""


@dataclass(frozen=True)
class FrozenEncoder:
    """The features that an encoder computes of the texts of a corpus, once.

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


def freeze_encoder(profile: Profile, inputs: RunInputs | None = None) -> FrozenEncoder:
    """Take the texts of a profile through its encoder once.

    Args:
        profile: whose encoder's head ends in one linear layer; see `head_layer`.
        inputs: shared with runs of the profile. Default: they are read anew.

    Raises:
        UserError: the data or the encoder cannot be used.
    """
    accelerator = make_accelerator()
    try:
        setup = make_setup(profile, accelerator, inputs=inputs)
        read = make_feature_reader(setup.text_model, profile.training, accelerator)
        train, validation = read(setup.train.encoded), read(setup.validation.encoded)
        return FrozenEncoder(setup.corpus, train, validation)
    finally:
        accelerator.end_training()


@dataclass(frozen=True)
class SearchResult:
    """What the frozen-encoder search found.

    Attributes:
        changes: with which a head ranks clearly better; empty: none.
        heads: how many were fitted.
    """

    changes: list[Change]
    heads: int


def search(
    encoder: FrozenEncoder, profile: Profile, settings: Settings, rare: Sequence[str]
) -> SearchResult:
    """Raise the mean average precision that a head on the frozen encoder reaches on validation.

    Weights, gammas and the constraint are adjusted one after the other, each of them again as long
    as it helps. The predictions of such a head say little about a fine-tune; how it ranks says
    something.

    Args:
        encoder: the frozen encoder.
        profile: that would be changed.
        settings: that its run was trained with.
        rare: labels whose weights and gammas are adjusted together.
    """
    known: dict[tuple[tuple[Setting, float], ...], float] = {}

    def ranking(wanted: Settings) -> float:
        key = tuple(wanted.items())
        if key not in known:
            changes = changes_between(settings, wanted, "")
            changed = apply(profile, changes, encoder.corpus.labels.names)
            known[key] = encoder.average_precision(changed)
        return known[key]

    best = settings
    for adjustments in SEARCHED:
        best = _best_of(adjustments, best, rare, ranking)
    before, after = ranking(settings), ranking(best)
    if after - before < CLEAR:
        return SearchResult([], len(known))
    because = (
        f"with the encoder frozen a head ranks better: mean average precision {before:.4f} -> "
        f"{after:.4f}"
    )
    return SearchResult(changes_between(settings, best, because), len(known))


def _best_of(
    adjustments: Iterable[Adjustment],
    settings: Settings,
    rare: Sequence[str],
    ranking: Callable[[Settings], float],
) -> Settings:
    """Settings after the first adjustment that helps, made as often as it does."""
    best = settings
    for adjustment in adjustments:
        while ranking(further := adjusted(adjustment, best, rare)) > ranking(best):
            best = further
        if best is not settings:
            break
    return best
