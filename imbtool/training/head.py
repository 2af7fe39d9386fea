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

L2 = 1e-4
MOST_ITERATIONS = 200
LEAST_DEVIATION = 0.05
"""Floor of a feature's standard deviation, as a share of the median one: behind a random dense
layer some features are nearly constant, and folding them back would blow their weights up."""


@dataclass(frozen=True)
class Sample:
    """Encoded texts and their targets [n, L]."""

    encoded: Sequence[Tokens]
    targets: NDArray[np.float32]


@dataclass(frozen=True)
class HeadFit:
    """What the fit gave: mean average precision on validation, and of a constant score there."""

    average_precision: float
    baseline: float
    kept: bool
    reason: str


def fit_head(
    text_model: TextModel,
    train: Sample,
    validation: Sample,
    objective: Objective,
    autocast: AbstractContextManager[Any],
) -> HeadFit:
    """Fit the head's last layer in place, by the profile's loss, with the encoder frozen.

    The bias starts at the log-odds of each label's frequency and is all that is kept where the
    fit does not beat it in mean average precision on validation.
    """
    layer = head_layer(text_model.model)
    if layer is None:
        return HeadFit(float("nan"), float("nan"), False, "its head does not end in one layer")
    features = [
        collect_features(text_model, part.encoded, layer, autocast) for part in (train, validation)
    ]
    targets = torch.from_numpy(train.targets).to(layer.weight.device)
    bias = _log_odds(train.targets).to(layer.weight.device)
    weight, fitted_bias = _fit(features[0], targets, bias, objective)
    scores = (features[1] @ weight.T + fitted_bias).double().cpu().numpy()
    reached = mean_defined(average_precision(scores, validation.targets))
    baseline = mean_defined(average_precision(np.zeros_like(scores), validation.targets))
    kept = reached > baseline
    with torch.no_grad():
        layer.weight.copy_(weight if kept else torch.zeros_like(weight))
        if layer.bias is not None:
            layer.bias.copy_(fitted_bias if kept else bias)
    reason = "beats a constant score" if kept else "no better than a constant score"
    return HeadFit(reached, baseline, kept, reason)


def collect_features(
    text_model: TextModel,
    encoded: Sequence[Tokens],
    layer: nn.Linear,
    autocast: AbstractContextManager[Any],
) -> Tensor:
    """The input of `layer` for every text [n, features], fp32, from one pass without dropout."""
    features = torch.zeros(len(encoded), layer.in_features, device=layer.weight.device)
    seen: list[Tensor] = []
    hook = layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    try:
        for rows, _ in text_model.forward_all(encoded, autocast):
            features[torch.from_numpy(rows)] = seen.pop().float().reshape(len(rows), -1)
    finally:
        hook.remove()
    return features


def _log_odds(targets: NDArray[np.float32]) -> Tensor:
    prevalence = torch.from_numpy(np.nanmean(targets, axis=0))
    return torch.logit(prevalence, eps=1e-6)


def _fit(
    features: Tensor, targets: Tensor, bias: Tensor, objective: Objective
) -> tuple[Tensor, Tensor]:
    """Weight [L, features] and bias [L], the standardisation of the features folded back in."""
    mean = features.mean(dim=0)
    deviation = features.std(dim=0, correction=0)
    scale = deviation.clamp_min(LEAST_DEVIATION * deviation.median().clamp_min(1e-6))
    standard = (features - mean) / scale
    weight = torch.zeros(targets.shape[1], features.shape[1], device=features.device)
    weight.requires_grad_()
    offset = bias.clone().requires_grad_()
    optimizer = torch.optim.LBFGS(
        [weight, offset], max_iter=MOST_ITERATIONS, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = objective(standard @ weight.T + offset, targets)
        loss = loss + L2 * weight.square().sum() / len(weight)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    folded = weight.detach() / scale
    return folded, offset.detach() - folded @ mean
