"""The optimizer: AdamW, frozen weights, learning rate, gradient clipping and weight averaging.

Decoupled weight decay: arXiv 1711.05101. Weight averaging: arXiv 1803.05407.
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
MOST_AVERAGED = 30
"""Most sets of weights that are averaged, evenly spaced: more take time and change little."""


def word_embeddings(model: PreTrainedModel) -> list[nn.Parameter]:
    """The word embeddings of a model; a model that reads characters has none."""
    with suppress(NotImplementedError):
        return list(model.get_input_embeddings().parameters())
    return []


def freeze_word_embeddings(model: PreTrainedModel) -> None:
    """Do not train the word embeddings of a model.

    Most words occur in few texts of a data set, which their embeddings would memorise. They are
    also half of a small encoder, and each step would update all of them for the few in a batch.
    """
    for embeddings in word_embeddings(model):
        embeddings.requires_grad_(False)


def freeze_unused(model: PreTrainedModel, inputs: Mapping[str, Tensor]) -> None:
    """Do not train weights that the logits of these inputs do not depend on; XLNet has some.

    They have no gradients, for which several processes would wait forever.
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
    """The factor of the learning rate at a step: linear warm-up, then linear decay.

    With weight averaging the rate stays constant after the warm-up: the average has the effect of
    the decay, and is better over weights that still change (arXiv 1803.05407).

    Args:
        step: from 0.
        steps: number of steps of the run.
        warmup: fraction of the steps.
        averaged: whether weights are averaged.
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
    """Take one step with gradients clipped to MOST_GRADIENT_NORM.

    The fused kernel divides by `grad_scale` while it reads the gradients, which saves one pass over
    them.

    Args:
        optimizer: whose gradients are computed.
        norm: of all gradients together.
        rate: the learning rate.
    """
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.grad_scale = (norm / MOST_GRADIENT_NORM).clamp_min(1.0)  # type: ignore[attr-defined]
    optimizer.step()


class WeightAverage:
    """The running mean of a model's trained weights.

    Attributes:
        tensors: the mean of each trained parameter, by name; empty in the first half of a run.
    """

    def __init__(self, model: nn.Module, steps: int) -> None:
        """Average the weights of `model` in the latter half of `steps` steps."""
        self._parameters = {
            name: parameter
            for name, parameter in model.named_parameters()
            if parameter.requires_grad
        }
        self._start = steps // 2
        self._every = -(-(steps - self._start) // MOST_AVERAGED)
        self.tensors: dict[str, Tensor] = {}

    def due(self, step: int) -> bool:
        """Whether to include the weights after a step, counted from 1."""
        return self.begun(step) and (step - self._start) % self._every == 0

    def begun(self, step: int) -> bool:
        """Whether the weights after a step are of the latter half."""
        return step > self._start

    def update(self, fraction: float) -> None:
        """Include the current weights, as this fraction of the mean; 1 for the first ones."""
        with torch.no_grad():
            for name, parameter in self._parameters.items():
                if name in self.tensors:
                    self.tensors[name].lerp_(parameter, fraction)
                else:
                    self.tensors[name] = parameter.detach().clone()

    @contextmanager
    def applied(self) -> Iterator[None]:
        """A context in which the model has the mean weights, if there are some already."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        for name, mean in self.tensors.items():
            parameter = self._parameters[name]
            self.tensors[name], parameter.data = parameter.data, mean
