"""Head first: fit the last linear layer on frozen features, then everything starts from there.

Linear probing then fine-tuning, arXiv 2202.10054. Works for any model whose head ends in one
linear layer with an output a label: the layer's input is hooked, no architecture is named.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor, nn

from imbtool.config.schema import TrainingSection
from imbtool.data.imbalance import count_labels
from imbtool.distributed.collectives import Ranks
from imbtool.errors import user_error
from imbtool.evaluation.metrics import average_precision, mean_defined
from imbtool.model.encoder import TextModel, TokenIds, max_over_windows, mean_over_windows
from imbtool.model.head import head_layer
from imbtool.model.long_texts import count_windows
from imbtool.model.losses import Objective
from imbtool.training.automatic import autocast, choose_precision
from imbtool.training.failures import require_finite
from imbtool.training.token_cache import select_texts, token_lengths

LossFunction = Callable[[Tensor, Tensor], Tensor]
"""Of logits and targets."""

L2_STRENGTHS = (1e-1, 3e-2, 1e-2, 3e-3)
"""Tried in this order, each from the fit before; validation chooses."""
MOST_ITERATIONS = 100
LEAST_DEVIATION = 0.05
"""Floor of a feature's standard deviation, as a share of the median one: behind a random dense
layer some features are nearly constant, and folding them back would blow their weights up."""
MOST_TRAINING_TEXTS, MOST_VALIDATION_TEXTS = 50_000, 20_000
"""That the head is fitted on, and that it is judged by: features of all would be large."""
LEAST_OF_EACH = 100
"""Positives and negatives of each label that are among them, if there are so many."""


@dataclass(frozen=True)
class EncodedTexts:
    """Encoded texts, their targets [n, L] and their rows in the table they came from."""

    encoded: Sequence[TokenIds]
    targets: NDArray[np.float32]
    rows: Sequence[int]

    def take(self, chosen: NDArray[np.int64]) -> EncodedTexts:
        """Some of the texts."""
        rows = [self.rows[row] for row in chosen]
        return EncodedTexts(select_texts(self.encoded, chosen), self.targets[chosen], rows)


@dataclass(frozen=True)
class HeadFit:
    """What the fit gave: mean average precision on validation, and of a constant score there."""

    average_precision: float
    baseline: float
    l2: float
    kept: bool
    reason: str


@dataclass(frozen=True)
class LinearHead:
    """A linear layer: weight [L, features] and bias [L]."""

    weight: Tensor
    bias: Tensor

    def logits(self, features: Tensor) -> Tensor:
        """Logits [n, L] of features [n, features]."""
        return features @ self.weight.T + self.bias

    def shifted(self, bias: Tensor) -> LinearHead:
        """The same layer with so much more bias [L]."""
        return LinearHead(self.weight, self.bias + bias)


def fit_head(
    text_model: TextModel,
    train: EncodedTexts,
    validation: EncodedTexts,
    objective: Objective,
    autocast: AbstractContextManager[Any],
    ranks: Ranks,
) -> HeadFit:
    """Fit the head's last layer in place, by the profile's loss, with the encoder frozen.

    The strength of the L2 penalty is the one with the lowest loss on validation as training will
    see it, dropout on. The bias starts at the log-odds of each label's frequency, and it is all
    that is kept where no fit beats it in loss and in mean average precision. Processes share the
    passes over the texts and end with the same head.

    Of more than `MOST_TEXTS` training texts it is fitted on `few_texts`. Each bias is then shifted
    by the label's log-odds among all texts less those among the few: the correction of a sample in
    which an outcome has another share (King and Zeng, Logistic Regression in Rare Events Data,
    2001). Validation is thinned out alike.

    Raises:
        UserError: what the encoder makes of the texts is no finite number.
    """
    layer = head_layer(text_model.model)
    if layer is None:
        nothing = float("nan")
        return HeadFit(
            nothing, nothing, nothing, False, "its head does not end in one layer with a bias"
        )
    device = layer.weight.device

    def features_of(sample: EncodedTexts, dropout: bool = False) -> Tensor:
        return collect_features(text_model, sample.encoded, layer, autocast, ranks, dropout)

    few, judges = (
        subsample(train, MOST_TRAINING_TEXTS),
        subsample(validation, MOST_VALIDATION_TEXTS),
    )
    features, clean = features_of(few), features_of(judges)
    noisy = features_of(judges, dropout=True)
    require_finite(features, text_model.model.config.name_or_path)
    targets = torch.from_numpy(judges.targets).to(device)
    learned, judged = (window_counts(text_model, each.encoded) for each in (few, judges))

    def fit_loss(logits: Tensor, targets: Tensor) -> Tensor:
        return objective(max_over_windows(logits, learned), targets)

    def loss(head: LinearHead) -> float:
        return float(objective(max_over_windows(head.logits(noisy), judged), targets))

    def quality(head: LinearHead) -> float:
        scores = max_over_windows(head.logits(clean), judged).double().cpu().numpy()
        return mean_defined(average_precision(scores, judges.targets))

    odds = log_odds(train.targets)
    shift = (odds - log_odds(few.targets)).to(device)
    path = fit_path(features, torch.from_numpy(few.targets).to(device), fit_loss)
    fits = {strength: fit.shifted(shift) for strength, fit in path.items()}
    best = min(fits, key=lambda strength: loss(fits[strength]))
    constant = LinearHead(torch.zeros_like(layer.weight), odds.to(device))
    reached, baseline = quality(fits[best]), quality(constant)
    kept = reached > baseline and loss(fits[best]) < loss(constant)
    _set_head(layer, fits[best] if kept else constant, ranks)
    reason = "beats a constant score" if kept else "no better than a constant score"
    return HeadFit(reached, baseline, best, kept, reason)


def subsample(sample: EncodedTexts, most: int, seed: int = 0) -> EncodedTexts:
    """At most so many of a sample's texts, in their order: all, or a part at random.

    Chance alone would leave hardly any positive of a rare label. So of each label up to
    `LEAST_OF_EACH` positives and as many negatives are drawn first, in half of the room at most.
    """
    n, labels = sample.targets.shape
    if n <= most:
        return sample
    rng = np.random.default_rng(seed)
    least = min(LEAST_OF_EACH, most // (4 * labels))
    drawn = []
    for label in range(labels):
        for value in (0, 1):
            rows = np.flatnonzero(sample.targets[:, label] == value)
            drawn.append(rng.choice(rows, min(least, len(rows)), replace=False))
    first = np.unique(np.concatenate(drawn))
    others = rng.permutation(np.setdiff1d(np.arange(n), first))[: most - len(first)]
    return sample.take(np.sort(np.concatenate([first, others])))


def _set_head(layer: nn.Linear, head: LinearHead, ranks: Ranks) -> None:
    with torch.no_grad():
        layer.weight.copy_(ranks.broadcast(head.weight.contiguous()))
        layer.bias.copy_(ranks.broadcast(head.bias.contiguous()))


def collect_features(
    text_model: TextModel,
    encoded: Sequence[TokenIds],
    layer: nn.Linear,
    autocast: AbstractContextManager[Any],
    ranks: Ranks,
    dropout: bool = False,
) -> Tensor:
    """The input of `layer`, fp32, from one pass: a row for every text [n, features].

    A text in windows has a row for each of them; see `rows_of_texts`.
    """
    counts = window_counts(text_model, encoded)
    places = np.split(np.arange(sum(counts)), np.cumsum(counts)[:-1])
    features = torch.zeros(sum(counts), layer.in_features, device=layer.weight.device)
    mine = ranks.mine(len(encoded))
    for texts, _, seen in text_model.forward_seen(
        select_texts(encoded, mine), layer, autocast, dropout
    ):
        rows = np.concatenate([places[text] for text in mine[texts]])
        features[torch.from_numpy(rows)] = seen
    return ranks.sum(features)


def window_counts(text_model: TextModel, encoded: Sequence[TokenIds]) -> list[int]:
    """How many rows of features each text has [n]: as many as windows."""
    return count_windows(token_lengths(encoded), text_model.max_length)


def log_odds(targets: NDArray[np.float32]) -> Tensor:
    """Log-odds [L] of each label's prevalence in targets [n, L], NaN unknown."""
    prevalence = [count.prevalence for count in count_labels(targets)]
    return torch.logit(torch.tensor(prevalence, dtype=torch.float32), eps=1e-6)


def fit_path(
    features: Tensor,
    targets: Tensor,
    objective: LossFunction,
    strengths: Sequence[float] = L2_STRENGTHS,
) -> dict[float, LinearHead]:
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


FeatureReader = Callable[[Sequence[TokenIds]], Tensor]
"""Encoded texts become features [n, features], fp32."""


def make_feature_reader(
    text_model: TextModel, section: TrainingSection, accelerator: Accelerator
) -> FeatureReader:
    """What reads texts with a frozen encoder, at the precision of a training.

    A text in windows has the mean of their features: the heads that are fitted on them, to rank and
    to doubt, are of whole texts.

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
