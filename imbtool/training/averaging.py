"""The mean of the weights of a training's latter half, which generalises better than the last ones.

Stochastic weight averaging: arXiv 1803.05407.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

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
