"""AdamW as it is used here: what it trains, what decays, how fast, how gradients are clipped.

Decoupled weight decay: arXiv 1711.05101.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from transformers import PreTrainedModel

WEIGHT_DECAY = 0.01
MOST_GRADIENT_NORM = 1.0


def word_vectors(model: PreTrainedModel) -> list[nn.Parameter]:
    """The vectors of a transformers model's vocabulary; a model of characters has none."""
    with suppress(NotImplementedError):
        return list(model.get_input_embeddings().parameters())
    return []


def freeze_word_embeddings(model: PreTrainedModel) -> None:
    """Leave the vectors of a transformers model's vocabulary as they are.

    Most words of a data set stand in few of its texts: what their vectors learn is those texts. And
    they are half of a small encoder, to be stepped each time although a batch has few of them.
    """
    for vectors in word_vectors(model):
        vectors.requires_grad_(False)


def freeze_unused(model: PreTrainedModel, inputs: Mapping[str, Tensor]) -> None:
    """Leave weights as they are that no logit of these inputs rests on, as some of XLNet's.

    Nothing moves them, but of several processes each would wait for their gradients.
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    training = model.training
    logits = model.eval()(**inputs).logits  # type: ignore[no-untyped-call]
    gradients = torch.autograd.grad(logits.sum(), trained, allow_unused=True)
    model.train(training)
    for parameter, gradient in zip(trained, gradients, strict=True):
        parameter.requires_grad_(gradient is not None)


def make_optimizer(model: nn.Module, rate: float) -> torch.optim.AdamW:
    """Fused AdamW; weight decay on matrices only, not on biases and norms."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": WEIGHT_DECAY},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=rate, fused=True)


def learning_rate_factor(step: int, steps: int, warmup: float, averaged: bool) -> float:
    """The share of the learning rate at a step: linear rise over the warm-up, then linear fall.

    Where weights are averaged the mean does what the fall is for, and better from weights that
    still move (arXiv 1803.05407): the rate stays.
    """
    rising = warmup * steps
    if step < rising:
        return (step + 1) / (rising + 1)
    return 1.0 if averaged else max(0.0, (steps - step) / max(1.0, steps - rising))


def gradient_norm(model: nn.Module) -> Tensor:
    """The 2-norm of all gradients together: []."""
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    return nn.utils.get_total_norm(gradients)


def clipped_step(optimizer: torch.optim.AdamW, norm: Tensor, rate: float) -> None:
    """One step at a learning rate, with gradients of this norm cut to MOST_GRADIENT_NORM.

    The fused kernel divides by `grad_scale` as it reads the gradients, which saves a pass over
    them.
    """
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.grad_scale = (norm / MOST_GRADIENT_NORM).clamp_min(1.0)  # type: ignore[attr-defined]
    optimizer.step()


MOST_WEIGHTS = 30
"""So many are averaged at most, evenly spread: more of them cost time and change little."""


class WeightAverage:
    """A running mean of a model's trained weights.

    Attributes:
        tensors: the mean of each trained parameter, by name; empty until the latter half begins.
    """

    def __init__(self, model: nn.Module, steps: int) -> None:
        """Average the weights of `model` in the latter half of so many steps."""
        self._parameters = {
            name: parameter
            for name, parameter in model.named_parameters()
            if parameter.requires_grad
        }
        self._start = steps // 2
        self._every = -(-(steps - self._start) // MOST_WEIGHTS)
        self.tensors: dict[str, Tensor] = {}

    def due(self, step: int) -> bool:
        """Whether the weights after a step, from 1, are to be averaged."""
        return step > self._start and (step - self._start) % self._every == 0

    def take(self, share: float) -> None:
        """Let the weights as they are be this share of the mean: 1 for the first ones."""
        with torch.no_grad():
            for name, parameter in self._parameters.items():
                if name in self.tensors:
                    self.tensors[name].lerp_(parameter, share)
                else:
                    self.tensors[name] = parameter.detach().clone()

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """A context in which the model has the mean, if there is one yet."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        for name, mean in self.tensors.items():
            parameter = self._parameters[name]
            self.tensors[name], parameter.data = parameter.data, mean
