"""The choices that a profile leaves to imbtool, each with its reason."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from imbtool.config.schema import TrainingSection
from imbtool.training.optimizer import word_vectors
from imbtool.wording import counted

if TYPE_CHECKING:
    from transformers import PreTrainedModel

USUAL_EPOCHS, MOST_EPOCHS = 3, 20
LEAST_STEPS = 500
"""That a training has, if so many epochs make as many."""
SMALL, BASE = 30_000_000, 200_000_000
"""Parameters besides word vectors up to which an encoder is called small, and base. With its words
a multilingual encoder of base size has as many as a large one."""


@dataclass(frozen=True)
class AutomaticChoice:
    """An automatic choice and its reason, to be shown."""

    value: Any
    reason: str


def choose_epochs(section: TrainingSection, texts: int) -> AutomaticChoice:
    """3, or as many as make 500 steps, at most 20, if the profile says auto."""
    if section.epochs != "auto":
        return AutomaticChoice(section.epochs, "from the profile")
    steps = -(-texts // section.batch_size)
    epochs = min(max(USUAL_EPOCHS, -(-LEAST_STEPS // steps)), MOST_EPOCHS)
    return AutomaticChoice(
        epochs, "auto" if epochs == USUAL_EPOCHS else f"auto, {counted(steps, 'step')} each"
    )


def choose_learning_rate(section: TrainingSection, model: PreTrainedModel) -> AutomaticChoice:
    """By parameters besides word vectors, if the profile says auto.

    1e-4 under 30M (MiniLM), 3e-5 under 200M (base size), 1e-5 for more.
    """
    if section.learning_rate != "auto":
        return AutomaticChoice(section.learning_rate, "from the profile")
    words = set(word_vectors(model))
    size = sum(each.numel() for each in model.parameters() if each not in words)
    rate = 1e-4 if size < SMALL else 3e-5 if size < BASE else 1e-5
    return AutomaticChoice(rate, f"auto, {size / 1e6:.1f}M parameters besides word vectors")


def choose_precision(section: TrainingSection, device: torch.device) -> AutomaticChoice:
    """bf16 where the hardware computes in it, else fp32, if the profile says auto."""
    if section.precision != "auto":
        return AutomaticChoice(section.precision, "from the profile")
    able = computes_bf16(device)
    if device.type == "cuda":
        reason = torch.cuda.get_device_name(device)
    else:
        reason = f"this {device.type} has {'' if able else 'no '}bf16 arithmetic"
    return AutomaticChoice("bf16" if able else "fp32", f"auto, {reason}")


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
