"""Can the run go on? What is not finite, or does not fit into memory, stops it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from imbtool.errors import NotFiniteError, Problem, UserError, user_error
from imbtool.wording import some


@dataclass(frozen=True)
class StepResult:
    """What a training step did.

    Attributes:
        number: from 1.
        rows: of the training table, 1-based, not counting the header.
        rate: the learning rate.
        loss: of the batch.
        norm: of the gradients, before they are cut.
    """

    number: int
    rows: list[int]
    rate: float
    loss: float
    norm: float

    @property
    def finite(self) -> bool:
        """Are loss and gradients numbers?"""
        return math.isfinite(self.loss) and math.isfinite(self.norm)


def not_finite(step: StepResult) -> NotFiniteError:
    """What to say when a step's loss or gradient is not finite; what was saved before stays."""
    rows = some([str(row) for row in step.rows], 40)
    problem = Problem(
        f"training step {step.number}",
        f"loss {step.loss:g}, gradient norm {step.norm:g}, learning rate {step.rate:.2g}, "
        f"rows {rows} of data.train",
        "finite numbers",
        "lower training.learning_rate (a third of it), try training.precision: fp32, look at these "
        "rows, or let training.on_nonfinite: skip pass over them",
    )
    return NotFiniteError(problem)


def logits_not_finite() -> NotFiniteError:
    """What to say when training has led to weights with which no text has a probability."""
    problem = Problem(
        "validation",
        "logits that are no numbers: the weights have grown without bound",
        "finite numbers",
        "lower training.learning_rate (a third of it), or try training.precision: fp32",
    )
    return NotFiniteError(problem)


def require_finite(features: Tensor, encoder: str) -> None:
    """See that a fit on features [n, features] of an untrained encoder can be computed.

    Raises:
        UserError: they, or their squares, are no finite numbers. No training would fix that.
    """
    if not features.square().sum().isfinite():
        raise user_error(
            f"model.encoder: {encoder}",
            "it makes numbers that are not finite of the training texts",
            "finite numbers",
            "try training.precision: fp32, get its files anew, or choose another encoder",
        )


def ran_out_of_memory(error: RuntimeError) -> bool:
    """Whether an error says that memory is full; on CPU it has no type of its own."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def out_of_memory(step: int, shape: tuple[int, ...]) -> UserError:
    """What to say when a batch of [texts or windows, tokens] does not fit."""
    rows, tokens = shape
    return user_error(
        f"training step {step}",
        f"out of memory with {rows} texts, or windows of them, of {tokens} tokens at once",
        "as many as fit",
        f"set training.micro_batch below {rows}, which changes no result, or lower "
        "model.max_length",
    )
