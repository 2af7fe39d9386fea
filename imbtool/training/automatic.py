"""The choices that a profile leaves to imbtool, each with its reason."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from imbtool.errors import counted
from imbtool.profile import TrainingSection

USUAL_EPOCHS, MOST_EPOCHS = 3, 20
LEAST_STEPS = 500
"""That a training has, if so many epochs make as many."""
SMALL, BASE = 40_000_000, 250_000_000
"""Parameters up to which an encoder is called small, and base."""


@dataclass(frozen=True)
class Decision:
    """An automatic choice and its reason, to be shown."""

    value: Any
    reason: str


def choose_epochs(section: TrainingSection, texts: int) -> Decision:
    """3, or as many as make 500 steps, at most 20, if the profile says auto."""
    if section.epochs != "auto":
        return Decision(section.epochs, "from the profile")
    steps = -(-texts // section.batch_size)
    epochs = min(max(USUAL_EPOCHS, -(-LEAST_STEPS // steps)), MOST_EPOCHS)
    return Decision(
        epochs, "auto" if epochs == USUAL_EPOCHS else f"auto, {counted(steps, 'step')} each"
    )


def choose_learning_rate(section: TrainingSection, model: nn.Module) -> Decision:
    """1e-4 under 40M parameters, 3e-5 for base size, 1e-5 for large, if the profile says auto."""
    if section.learning_rate != "auto":
        return Decision(section.learning_rate, "from the profile")
    size = sum(parameter.numel() for parameter in model.parameters())
    rate = 1e-4 if size < SMALL else 3e-5 if size < BASE else 1e-5
    return Decision(rate, f"auto, {size / 1e6:.1f}M parameters")


def choose_precision(section: TrainingSection, device: torch.device) -> Decision:
    """bf16 where the hardware computes in it, else fp32, if the profile says auto."""
    if section.precision != "auto":
        return Decision(section.precision, "from the profile")
    able = computes_bf16(device)
    if device.type == "cuda":
        reason = torch.cuda.get_device_name(device)
    else:
        reason = f"this {device.type} has {'' if able else 'no '}bf16 arithmetic"
    return Decision("bf16" if able else "fp32", f"auto, {reason}")


def autocast(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """The context in which forward passes run at a precision."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


def computes_bf16(device: torch.device) -> bool:
    """Whether a device computes in bf16 rather than emulating it."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, check, lambda: False)() for check in checks)
