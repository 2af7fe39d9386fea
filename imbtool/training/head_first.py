"""Head first: with the encoder frozen, fit the last linear layer before the whole model is trained.

Linear probing, then fine-tuning (arXiv 2202.10054). It works for every model whose head ends in one
linear layer with one output for each label: a hook reads the input of that layer, and no
architecture is named. The same frozen-encoder features serve tuning, label errors and kNN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from imbtool.config.schema import TrainingSection
from imbtool.data.imbalance import count_labels
from imbtool.distributed.collectives import Ranks
from imbtool.errors import user_error
from imbtool.evaluation.metrics import average_precision, mean_defined
from imbtool.labels.label_sets import LabelSets
from imbtool.model.encoder import TextModel, max_over_windows, mean_over_windows
from imbtool.model.head import head_layer
from imbtool.model.long_texts import TokenIds, count_windows
from imbtool.model.losses import Objective
from imbtool.training.automatic import autocast, choose_precision
from imbtool.training.batches import EncodedTexts, subsample
from imbtool.training.failures import require_finite
from imbtool.training.token_cache import select_texts, token_lengths
from imbtool.types import Targets

LossFunction = Callable[[Tensor, Tensor], Tensor]
"""Of logits and targets."""
FeatureReader = Callable[[Sequence[TokenIds]], Tensor]
"""Of encoded texts; returns their features [n, features], fp32."""

L2_STRENGTHS = (1e-1, 3e-2, 1e-2, 3e-3)
"""Tried in this order, each starting from the fit before; validation chooses."""
MOST_ITERATIONS = 100
LEAST_DEVIATION = 0.05
"""Lower bound of a feature's standard deviation, as a fraction of the median one. After a random
dense layer some features are nearly constant, and folding them back would inflate their weights."""
MOST_TRAINING_TEXTS, MOST_VALIDATION_TEXTS = 50_000, 20_000
"""Texts that the head is fitted on and chosen by: the features of all might not fit in memory."""


@dataclass(frozen=True)
class HeadFit:
    """The result of the fit.

    Attributes:
        average_precision: mean average precision on validation.
        baseline: the same for a constant score.
        l2: strength of the L2 penalty.
        kept: whether the fit is used.
        reason: why, or why not.
        sampled: whether it was measured on a sample of validation, rich in positives.
    """

    average_precision: float
    baseline: float
    l2: float
    kept: bool
    reason: str
    sampled: bool = False


@dataclass(frozen=True)
class LinearHead:
    """A linear layer: weight [L, features] and bias [L]."""

    weight: Tensor
    bias: Tensor

    def logits(self, features: Tensor) -> Tensor:
        """Logits [n, L] of features [n, features]."""
        return features @ self.weight.T + self.bias

    def shifted(self, bias: Tensor) -> LinearHead:
        """The same layer with `bias` [L] added to its bias."""
        return LinearHead(self.weight, self.bias + bias)


def fit_head(
    text_model: TextModel,
    train: EncodedTexts,
    validation: EncodedTexts,
    objective: Objective,
    autocast: AbstractContextManager[object],
    ranks: Ranks,
) -> HeadFit:
    """Fit the head's last layer in place with the profile's loss, while the encoder is frozen.

    The strength of the L2 penalty is the one with the lowest validation loss under dropout, as in
    training. The bias starts at the log-odds of each label's frequency; if no fit beats that bias
    alone in both loss and mean average precision, the head keeps nothing else. Processes share the
    passes over the texts and end with the same head.

    With more than `MOST_TRAINING_TEXTS` training texts the head is fitted on a `subsample`. Each
    bias is then shifted by the label's log-odds among all texts minus those in the subsample: the
    correction for a sample with another label frequency (King and Zeng, Logistic Regression in Rare
    Events Data, 2001). Validation is subsampled in the same way.

    Raises:
        UserError: a feature is not finite.
    """
    layer = head_layer(text_model.model)
    if layer is None:
        nothing = float("nan")
        return HeadFit(
            nothing, nothing, nothing, False, "its head does not end in one layer with a bias"
        )
    device = layer.weight.device

    def features_of(texts: EncodedTexts, dropout: bool = False) -> Tensor:
        return collect_features(text_model, texts.encoded, layer, autocast, ranks, dropout)

    few, held_out = (
        subsample(train, MOST_TRAINING_TEXTS),
        subsample(validation, MOST_VALIDATION_TEXTS),
    )
    features, clean = features_of(few), features_of(held_out)
    noisy = features_of(held_out, dropout=True)
    require_finite(features, str(text_model.model.config.name_or_path))
    targets = torch.from_numpy(held_out.targets).to(device)
    windows, held_out_windows = (
        window_counts(text_model, each.encoded) for each in (few, held_out)
    )

    def fit_loss(logits: Tensor, targets: Tensor) -> Tensor:
        return objective(max_over_windows(logits, windows), targets)

    def loss(head: LinearHead) -> float:
        return float(objective(max_over_windows(head.logits(noisy), held_out_windows), targets))

    def quality(head: LinearHead) -> float:
        scores = max_over_windows(head.logits(clean), held_out_windows).cpu().double().numpy()
        return mean_defined(average_precision(scores, held_out.targets))

    odds = log_odds(train.label_sets)
    shift = (odds - log_odds(few.targets)).to(device)
    path = fit_path(features, torch.from_numpy(few.targets).to(device), fit_loss)
    fits = {strength: fit.shifted(shift) for strength, fit in path.items()}
    best = min(fits, key=lambda strength: loss(fits[strength]))
    constant = LinearHead(torch.zeros_like(layer.weight), odds.to(device))
    reached, baseline = quality(fits[best]), quality(constant)
    kept = reached > baseline and loss(fits[best]) < loss(constant)
    _set_head(layer, fits[best] if kept else constant, ranks)
    reason = "beats a constant score" if kept else "no better than a constant score"
    sampled = len(held_out.targets) < len(validation.encoded)
    return HeadFit(reached, baseline, best, kept, reason, sampled)


def _set_head(layer: nn.Linear, head: LinearHead, ranks: Ranks) -> None:
    with torch.no_grad():
        layer.weight.copy_(ranks.broadcast(head.weight.contiguous()))
        layer.bias.copy_(ranks.broadcast(head.bias.contiguous()))


def fit_path(
    features: Tensor,
    targets: Tensor,
    objective: LossFunction,
    strengths: Sequence[float] = L2_STRENGTHS,
) -> dict[float, LinearHead]:
    """Fit a head for each L2 strength on features [n, features] and targets [n, L].

    Features are standardised for the fit; the standardisation is folded back into the heads.
    """
    mean = features.mean(dim=0)
    deviation = features.std(dim=0, correction=0)
    scale = deviation.clamp_min(LEAST_DEVIATION * deviation.median().clamp_min(1e-6))
    standard = (features - mean) / scale
    # under dropout the weight of a feature far from zero adds noise: its penalty grows with the
    # size of the feature
    price = features.square().mean(dim=0) / scale.square()
    start = torch.zeros(targets.shape[1], features.shape[1], device=features.device)
    head = LinearHead(start, log_odds(targets.cpu().numpy()).to(features.device))
    fits = {}
    for strength in strengths:
        head = _minimise(head, standard, targets, objective, strength * price)
        folded = head.weight / scale
        fits[strength] = LinearHead(folded, head.bias - folded @ mean)
    return fits


def _minimise(
    start: LinearHead, features: Tensor, targets: Tensor, objective: LossFunction, price: Tensor
) -> LinearHead:
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
    return LinearHead(weight.detach(), bias.detach())


def log_odds(targets: Targets | LabelSets) -> Tensor:
    """Log-odds [L] of each label's prevalence in targets, or in an array of them [n, L]."""
    prevalence = [count.prevalence for count in count_labels(targets)]
    return torch.logit(torch.tensor(prevalence, dtype=torch.float32), eps=1e-6)


def make_feature_reader(
    text_model: TextModel, section: TrainingSection, accelerator: Accelerator
) -> FeatureReader:
    """Make a function that computes frozen-encoder features, at the precision of a training.

    The features of a text in windows are the mean over its windows.

    Raises:
        UserError: the head of the model does not end in one linear layer.
    """
    layer = head_layer(text_model.model)
    if layer is None:
        found = "a head that does not end in one linear layer with an output a label"
        raise user_error("model.encoder", found, "one that does", "choose another encoder")
    precision = choose_precision(section, accelerator.device).value
    context, ranks = autocast(precision, accelerator.device), Ranks(accelerator)

    def read(encoded: Sequence[TokenIds]) -> Tensor:
        features = collect_features(text_model, encoded, layer, context, ranks)
        return mean_over_windows(features, window_counts(text_model, encoded))

    return read


def collect_features(
    text_model: TextModel,
    encoded: Sequence[TokenIds],
    layer: nn.Linear,
    autocast: AbstractContextManager[object],
    ranks: Ranks,
    dropout: bool = False,
) -> Tensor:
    """The input of `layer` from one pass over the texts, fp32 [rows, features].

    A text has one row, or one for each of its windows; see `window_counts`.
    """
    counts = window_counts(text_model, encoded)
    rows_of = np.split(np.arange(sum(counts)), np.cumsum(counts)[:-1])
    features = torch.zeros(sum(counts), layer.in_features, device=layer.weight.device)
    mine = ranks.mine(len(encoded))
    own = select_texts(encoded, mine)
    for texts, _, inputs in text_model.forward_with_inputs(own, layer, autocast, dropout):
        rows = np.concatenate([rows_of[text] for text in mine[texts]])
        features[torch.from_numpy(rows)] = inputs
    return ranks.sum(features)


def window_counts(text_model: TextModel, encoded: Sequence[TokenIds]) -> list[int]:
    """How many windows each text has [n]."""
    return count_windows(token_lengths(encoded).tolist(), text_model.max_length)
