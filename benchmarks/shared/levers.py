"""The levers of imbtool's speed, each with a function that switches it off.

It does so in a process that trains nothing else: it may patch modules in place, and it returns the
profile to train with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import nn

from benchmarks.shared.replacing import replace_in
from benchmarks.shared.tasks import Tokens, with_training
from imbtool.config.schema import Profile


def _without_bf16(profile: Profile) -> Profile:
    return with_training(profile, precision="fp32")


def _without_frozen_embeddings(profile: Profile) -> Profile:
    return with_training(profile, freeze_embeddings=False)


def _without_quick_dropout(profile: Profile) -> Profile:
    from imbtool.training import loop

    replace_in(loop, "quick_dropout", nullcontext)
    return profile


def _without_narrow_residual(profile: Profile) -> Profile:
    from imbtool.training import loop

    replace_in(loop, "narrow_residual", lambda _: None)
    return profile


def _without_kept_memory(profile: Profile) -> Profile:
    from imbtool.training import loop

    replace_in(loop, "keep_freed_memory", lambda: None)
    return profile


def _without_clipping_in_the_step(profile: Profile) -> Profile:
    from imbtool.training import loop

    def two_passes(optimizer: torch.optim.AdamW, norm: torch.Tensor, rate: float) -> None:
        for group in optimizer.param_groups:
            group["lr"] = rate
            nn.utils.clip_grads_with_norm_(group["params"], 1.0, norm)
        optimizer.step()

    replace_in(loop, "clipped_step", two_passes)
    return profile


def _without_saved_masks(profile: Profile) -> Profile:
    from imbtool.model.encoder import TextModel

    batch = TextModel.batch

    def always_masked(model: TextModel, encoded: Sequence[Tokens]) -> dict[str, torch.Tensor]:
        inputs = batch(model, encoded)
        inputs.setdefault("attention_mask", torch.ones_like(inputs["input_ids"]))
        return inputs

    replace_in(TextModel, "batch", always_masked)
    return profile


def _without_length_buckets(profile: Profile) -> Profile:
    from imbtool.training import batches

    replace_in(batches, "BUCKET_BATCHES", 1)
    return profile


def _without_eager_attention(profile: Profile) -> Profile:
    from imbtool.training import setup

    def load_with_sdpa(*arguments: Any) -> Any:
        text_model = load(*arguments)
        text_model.model.set_attn_implementation("sdpa")
        return text_model

    load = replace_in(setup, "load_encoder", load_with_sdpa)
    return profile


def _without_fused_adamw(profile: Profile) -> Profile:
    from imbtool.training import loop

    def plain(model: nn.Module, rate: float) -> torch.optim.AdamW:
        groups = make(model, rate).param_groups
        chosen = [{key: group[key] for key in ("params", "weight_decay")} for group in groups]
        return torch.optim.AdamW(chosen, lr=rate, foreach=False)

    make = replace_in(loop, "make_optimizer", plain)
    return _without_clipping_in_the_step(profile)


LEVERS: dict[str, Callable[[Profile], Profile]] = {
    "bf16": _without_bf16,
    "fused AdamW": _without_fused_adamw,
    "length buckets": _without_length_buckets,
    "eager attention": _without_eager_attention,
    "frozen embeddings": _without_frozen_embeddings,
    "quick dropout": _without_quick_dropout,
    "narrow residual": _without_narrow_residual,
    "kept memory": _without_kept_memory,
    "clipping in the step": _without_clipping_in_the_step,
    "no needless masks": _without_saved_masks,
}
