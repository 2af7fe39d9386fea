"""A run that cannot go on says what happened, where, and what to change."""

import math

import pytest
import torch

from imbtool.training.failures import StepResult, not_finite, out_of_memory, ran_out_of_memory

ROWS = [12, 903]


def step(loss: float = 0.2, norm: float = 1.0) -> StepResult:
    return StepResult(number=17, rows=ROWS, rate=1e-4, loss=loss, norm=norm)


def test_numbers_are_finite():
    assert step().finite


@pytest.mark.parametrize(
    ("loss", "norm"), [(math.nan, 1.0), (math.inf, 1.0), (0.2, math.nan), (0.2, math.inf)]
)
def test_a_loss_or_a_gradient_may_be_what_is_not(loss: float, norm: float):
    broken = step(loss, norm)
    assert not broken.finite
    message = str(not_finite(broken))
    for piece in (
        "step 17",
        f"loss {loss:g}",
        f"norm {norm:g}",
        "0.0001",
        "12, 903",
        "learning_rate",
    ):
        assert piece in message


def test_out_of_memory_names_the_texts_and_the_key_that_changes_no_result():
    message = str(out_of_memory(3, (32, 512)))
    for piece in (
        "step 3",
        "32 texts, or windows of them, of 512 tokens",
        "training.micro_batch below 32",
    ):
        assert piece in message


@pytest.mark.parametrize(
    ("error", "is_memory"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried ..."), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
    ],
)
def test_full_memory_is_told_from_other_errors(error: RuntimeError, is_memory: bool):
    assert ran_out_of_memory(error) is is_memory
