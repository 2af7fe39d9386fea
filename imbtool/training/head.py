"""Head first: fit the last linear layer on frozen features, then everything starts from there.

Linear probing then fine-tuning, arXiv 2202.10054. Works for any model whose head ends in one
linear layer with an output a label: the layer's input is hooked, no architecture is named.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from imbtool.evaluation.metrics import average_precision, mean_defined
from imbtool.losses import Objective
from imbtool.model import TextModel, Tokens, head_layer
from imbtool.training.ranks import Ranks

L2_STRENGTHS = (1e-1, 3e-2, 1e-2, 3e-3)
"""Tried in this order, each from the fit before; validation chooses."""
MOST_ITERATIONS = 100
LEAST_DEVIATION = 0.05
"""Floor of a feature's standard deviation, as a share of the median one: behind a random dense
layer some features are nearly constant, and folding them back would blow their weights up."""


@dataclass(frozen=True)
class Sample:
    """Encoded texts, their targets [n, L] and their rows in the table they came from."""

    encoded: Sequence[Tokens]
    targets: NDArray[np.float32]
    rows: Sequence[int]


@dataclass(frozen=True)
class HeadFit:
    """What the fit gave: mean average precision on validation, and of a constant score there."""

    average_precision: float
    baseline: float
    l2: float
    kept: bool
    reason: str


@dataclass(frozen=True)
class Linear:
    """A linear layer: weight [L, features] and bias [L]."""

    weight: Tensor
    bias: Tensor

    def logits(self, features: Tensor) -> Tensor:
        """Logits [n, L] of features [n, features]."""
        return features @ self.weight.T + self.bias


def fit_head(
    text_model: TextModel,
    train: Sample,
    validation: Sample,
    objective: Objective,
    autocast: AbstractContextManager[Any],
    ranks: Ranks,
) -> HeadFit:
    """Fit the head's last layer in place, by the profile's loss, with the encoder frozen.

    The strength of the L2 penalty is the one with the lowest loss on validation as training will
    see it, dropout on. The bias starts at the log-odds of each label's frequency, and it is all
    that is kept where no fit beats it in loss and in mean average precision. Processes share the
    passes over the texts and end with the same head.
    """
    layer = head_layer(text_model.model)
    if layer is None:
        nothing = float("nan")
        return HeadFit(nothing, nothing, nothing, False, "its head does not end in one layer")
    device = layer.weight.device

    def features_of(sample: Sample, dropout: bool = False) -> Tensor:
        return collect_features(text_model, sample.encoded, layer, autocast, ranks, dropout)

    features, clean = features_of(train), features_of(validation)
    noisy = features_of(validation, dropout=True)
    targets = torch.from_numpy(validation.targets).to(device)

    def loss(head: Linear) -> float:
        return float(objective(head.logits(noisy), targets))

    def quality(head: Linear) -> float:
        scores = head.logits(clean).double().cpu().numpy()
        return mean_defined(average_precision(scores, validation.targets))

    fits = fit_path(features, torch.from_numpy(train.targets).to(device), objective)
    best = min(fits, key=lambda strength: loss(fits[strength]))
    constant = Linear(torch.zeros_like(layer.weight), log_odds(train.targets).to(device))
    reached, baseline = quality(fits[best]), quality(constant)
    kept = reached > baseline and loss(fits[best]) < loss(constant)
    _place(layer, fits[best] if kept else constant, ranks)
    reason = "beats a constant score" if kept else "no better than a constant score"
    return HeadFit(reached, baseline, best, kept, reason)


def _place(layer: nn.Linear, head: Linear, ranks: Ranks) -> None:
    with torch.no_grad():
        layer.weight.copy_(ranks.same(head.weight.contiguous()))
        if layer.bias is not None:
            layer.bias.copy_(ranks.same(head.bias.contiguous()))


def collect_features(
    text_model: TextModel,
    encoded: Sequence[Tokens],
    layer: nn.Linear,
    autocast: AbstractContextManager[Any],
    ranks: Ranks,
    dropout: bool = False,
) -> Tensor:
    """The input of `layer` for every text [n, features], fp32, from one pass."""
    features = torch.zeros(len(encoded), layer.in_features, device=layer.weight.device)
    mine = ranks.mine(len(encoded))
    seen: list[Tensor] = []
    hook = layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    try:
        for rows, _ in text_model.forward_all([encoded[row] for row in mine], autocast, dropout):
            features[torch.from_numpy(mine[rows])] = seen.pop().float().reshape(len(rows), -1)
    finally:
        hook.remove()
    return ranks.total(features)


def log_odds(targets: NDArray[np.float32]) -> Tensor:
    """Log-odds [L] of each label's frequency in targets [n, L]."""
    return torch.logit(torch.from_numpy(np.nanmean(targets, axis=0)), eps=1e-6)


def fit_path(features: Tensor, targets: Tensor, objective: Objective) -> dict[float, Linear]:
    """A head for each strength of L2, fitted on features [n, features] and targets [n, L].

    Features are standardised for the fit; the standardisation is folded back into the heads.
    """
    mean = features.mean(dim=0)
    deviation = features.std(dim=0, correction=0)
    scale = deviation.clamp_min(LEAST_DEVIATION * deviation.median().clamp_min(1e-6))
    standard = (features - mean) / scale
    # under dropout a weight on a feature far from zero is noise: it costs by the feature's size
    price = features.square().mean(dim=0) / scale.square()
    start = torch.zeros(targets.shape[1], features.shape[1], device=features.device)
    head = Linear(start, log_odds(targets.cpu().numpy()).to(features.device))
    fits = {}
    for strength in L2_STRENGTHS:
        head = _minimise(head, standard, targets, objective, strength * price)
        folded = head.weight / scale
        fits[strength] = Linear(folded, head.bias - folded @ mean)
    return fits


def _minimise(
    start: Linear, features: Tensor, targets: Tensor, objective: Objective, price: Tensor
) -> Linear:
    weight = start.weight.clone().requires_grad_()
    bias = start.bias.clone().requires_grad_()
    optimizer = torch.optim.LBFGS(
        [weight, bias], max_iter=MOST_ITERATIONS, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = objective(features @ weight.T + bias, targets)
        loss = loss + (price * weight.square()).sum() / len(weight)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return Linear(weight.detach(), bias.detach())
