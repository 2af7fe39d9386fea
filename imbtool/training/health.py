"""Is the run still sound? What is not finite stops it at once."""

from __future__ import annotations

import math

from imbtool.errors import fail


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
