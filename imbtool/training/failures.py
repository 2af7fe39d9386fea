"""What stops a training: numbers that are not finite, and batches that do not fit into memory."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from imbtool.errors import NotFiniteError, Problem, UserError, user_error
from imbtool.wording import some


@dataclass(frozen=True)
class StepResult:
    """The result of a training step.

    Attributes:
        number: of the step, from 1.
        rows: of the training table, from 1, not counting the header.
        rate: the learning rate.
        loss: of the batch.
        norm: of the gradients, before clipping.
    """

    number: int
    rows: list[int]
    rate: float
    loss: float
    norm: float

    @property
    def finite(self) -> bool:
        """Whether the loss and the gradient norm are finite."""
        return math.isfinite(self.loss) and math.isfinite(self.norm)


def not_finite(step: StepResult) -> NotFiniteError:
    """The error that the loss or a gradient of a step is not finite."""
    rows = some([str(row) for row in step.rows], 40)
    problem = Problem(
        f"training step {step.number}",
        f"loss {step.loss:g}, gradient norm {step.norm:g}, learning rate {step.rate:.2g}, "
        f"rows {rows} of data.train",
        "finite numbers",
        "lower training.learning_rate (a third of it), try training.precision: fp32, look at these "
        "rows, or set training.on_nonfinite: skip to skip such batches",
    )
    return NotFiniteError(problem)


def logits_not_finite() -> NotFiniteError:
    """The error that training has led to weights whose logits are not finite."""
    problem = Problem(
        "validation",
        "logits that are not finite: the weights have grown without bound",
        "finite numbers",
        "lower training.learning_rate (a third of it), or try training.precision: fp32",
    )
    return NotFiniteError(problem)


def require_finite(features: Tensor, encoder: str) -> None:
    """Check that a fit on features [n, features] of an untrained encoder can be computed.

    Raises:
        UserError: the features or their squares are not finite, which no training would fix.
    """
    if not features.square().sum().isfinite():
        raise user_error(
            f"model.encoder: {encoder}",
            "its features of the training texts are not finite",
            "finite numbers",
            "try training.precision: fp32, download the encoder again, or choose another one",
        )


def ran_out_of_memory(error: RuntimeError) -> bool:
    """Whether an error means that memory is full; on CPU it has no type of its own."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def out_of_memory(step: int, shape: tuple[int, ...]) -> UserError:
    """The error that a batch does not fit into memory.

    Args:
        step: number of the step.
        shape: of the micro-batch, [texts or windows, tokens].
    """
    rows, tokens = shape
    return user_error(
        f"training step {step}",
        f"out of memory with {rows} texts, or windows of them, of {tokens} tokens at once",
        "a batch that fits into memory",
        f"set training.micro_batch below {rows}, which changes no result, or lower "
        "model.max_length",
    )
