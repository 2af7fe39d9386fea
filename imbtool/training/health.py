"""Is the run still sound? What is not finite stops it at once."""

from __future__ import annotations

import math

from imbtool.errors import UserError, fail


def require_finite(loss: float, norm: float, step: int, rows: list[int], rate: float) -> None:
    """Stop a run whose loss or gradient is not finite; what was saved before stays.

    Raises:
        UserError: naming step, rows (1-based, of the training split) and learning rate.
    """
    if math.isfinite(loss) and math.isfinite(norm):
        return
    raise fail(
        f"training step {step}",
        f"loss {loss:g}, gradient norm {norm:g}, learning rate {rate:.2g}, texts {rows}",
        "finite numbers",
        "lower training.learning_rate (a third of it), try training.precision: fp32, "
        "and look at these texts",
    )


def out_of_memory(step: int, shape: tuple[int, ...]) -> UserError:
    """What to say when a batch of [texts, tokens] does not fit."""
    texts, tokens = shape
    return fail(
        f"training step {step + 1}",
        f"out of memory with {texts} texts of {tokens} tokens",
        "a batch that fits",
        "lower training.batch_size or model.max_length",
    )
