"""Automatic choices: epochs, learning rate and precision where the profile says `auto`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

import torch

from imbtool.config.schema import TrainingSection
from imbtool.training.optimizer import word_embeddings
from imbtool.wording import counted

if TYPE_CHECKING:
    from transformers import PreTrainedModel

T = TypeVar("T")

USUAL_EPOCHS, MOST_EPOCHS = 3, 20
LEAST_STEPS = 1_200
"""Least steps of a training, unless they need more than MOST_EPOCHS epochs."""
MOST_TEXTS = 10**9
CPU_MEMORY, CPU_ACTIVATIONS = 5 * 2**29, 2**30
"""Bytes that a training on CPU may take for weights and activations together, and the most of them
for activations, which get at least half of that whatever the weights take."""
WEIGHT_BYTES = 22
"""Of each trained parameter: itself, gradient, two moments and mean in fp32, a copy in bf16."""
ACTIVATION_BYTES, ATTENTION_BYTES = 45, 6
"""Kept for the backward pass of each token, layer and unit of the hidden states, and of each pair
of tokens, layer and head, as measured in bf16."""
SMALL, BASE = 30_000_000, 200_000_000
"""Most parameters of small encoders and of base-size encoders, without word embeddings: with them
a multilingual encoder of base size would have as many as a large one."""


@dataclass(frozen=True)
class AutomaticChoice(Generic[T]):
    """An automatic choice and its reason, to be shown."""

    value: T
    reason: str


def choose_epochs(section: TrainingSection, texts: int) -> AutomaticChoice[int]:
    """The number of epochs; `auto` is 3, or as many as make 1,200 steps, but at most 20.

    Args:
        section: of the profile.
        texts: number of training texts.
    """
    if section.epochs != "auto":
        return AutomaticChoice(section.epochs, "from the profile")
    steps = -(-texts // section.batch_size)
    epochs = min(max(USUAL_EPOCHS, -(-LEAST_STEPS // steps)), MOST_EPOCHS)
    return AutomaticChoice(
        epochs, "auto" if epochs == USUAL_EPOCHS else f"auto, {counted(steps, 'step')} each"
    )


def choose_learning_rate(
    section: TrainingSection, model: PreTrainedModel
) -> AutomaticChoice[float]:
    """The learning rate; `auto` depends on the number of parameters without word embeddings.

    1e-4 under 30M (MiniLM), 3e-5 under 200M (base size), 1e-5 for more.
    """
    if section.learning_rate != "auto":
        return AutomaticChoice(section.learning_rate, "from the profile")
    size = _size(model)
    rate = 1e-4 if size < SMALL else 3e-5 if size < BASE else 1e-5
    return AutomaticChoice(rate, f"auto, {size / 1e6:.1f}M parameters besides word vectors")


def choose_precision(section: TrainingSection, device: torch.device) -> AutomaticChoice[str]:
    """The precision; `auto` is bf16 if the hardware computes in it, else fp32."""
    if section.precision != "auto":
        return AutomaticChoice(section.precision, "from the profile")
    able = computes_bf16(device)
    if device.type == "cuda":
        reason = torch.cuda.get_device_name(device)
    else:
        reason = f"this {device.type} has {'' if able else 'no '}bf16 arithmetic"
    return AutomaticChoice("bf16" if able else "fp32", f"auto, {reason}")


def most_texts(model: PreTrainedModel, device: torch.device) -> Callable[[int], int]:
    """Most texts of a forward pass in training, by the number of tokens of the longest.

    On CPU a pass of a base-size encoder with 1,100 tokens is about as fast per token as one with
    2,200, so larger batches are divided to save memory. A GPU needs all the work at once that fits.
    """
    if device.type != "cpu":
        return lambda _: MOST_TEXTS
    config = model.config
    layers = getattr(config, "num_hidden_layers", 1)
    of_token = ACTIVATION_BYTES * layers * getattr(config, "hidden_size", 1)
    of_pair = ATTENTION_BYTES * layers * getattr(config, "num_attention_heads", 1)
    left = CPU_MEMORY - WEIGHT_BYTES * _size(model)
    kept = min(max(left, CPU_ACTIVATIONS // 2), CPU_ACTIVATIONS)
    return lambda tokens: max(1, kept // (tokens * (of_token + of_pair * tokens)))


def _size(model: PreTrainedModel) -> int:
    """The number of parameters without word embeddings."""
    words = set(word_embeddings(model))
    return sum(each.numel() for each in model.parameters() if each not in words)


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """The context in which forward passes run at this precision."""
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
