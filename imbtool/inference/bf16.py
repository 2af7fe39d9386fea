"""A checkpoint that computes in bf16, and in fp32 what bf16 is too coarse to decide.

Numbers of bf16 have 8 significant bits. Processors with instructions for their products are much
faster with them, and a logit differs from that of fp32 by some hundredths. How far it may differ is
measured on validation. Texts whose decisions such a difference could change are read again in fp32.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from imbtool.evaluation.calibration import sigmoid
from imbtool.model.head import head_layer
from imbtool.model.loading import PROBE_TEXT, check_reading, folder_of_checkpoint
from imbtool.trained.checkpoint import Checkpoint
from imbtool.types import Decisions, Floats, Rows
from imbtool.wording import counted

MARGIN = 1.25
"""The largest difference of a label's logits on validation is widened by this factor, since other
texts may differ more. One that does is decided otherwise only if its logit also lies just beyond
the bound."""


@dataclass
class Tally:
    """How many texts were read, and how many of them again in fp32."""

    texts: int = 0
    again: int = 0


@dataclass(frozen=True, kw_only=True)
class Bf16Checkpoint(Checkpoint):
    """A checkpoint whose decisions are those of fp32, and whose logits mostly come in bf16.

    Attributes:
        fast: the checkpoint with its model in bf16.
        bounds: how far a logit in bf16 may be from that in fp32 [L].
        tally: of the texts read so far.
    """

    fast: Checkpoint
    bounds: Floats
    tally: Tally = field(default_factory=Tally)

    @property
    def precision(self) -> str:
        """The numbers that most texts are read with."""
        return "bf16"

    def _logits(self, texts: Sequence[str]) -> Floats:
        logits = self.fast._logits(texts)
        again = self._undecided(logits)
        self.tally.texts += len(texts)
        self.tally.again += len(again)
        if again.size:
            logits[again] = super()._logits([texts[row] for row in again])
        return logits

    def _undecided(self, logits: Floats) -> Rows:
        """The texts that a difference within the bounds could decide otherwise.

        Decisions only grow with the logits, hierarchy included. So where all logits at their lowest
        and all at their highest decide alike, anything between them does.
        """
        is_finite = np.isfinite(logits)
        finite = np.where(is_finite, logits, 0.0)
        lowest, highest = (self._decided(finite + by) for by in (-self.bounds, self.bounds))
        return np.flatnonzero(((lowest != highest) | ~is_finite).any(axis=1))

    def _decided(self, logits: Floats) -> Decisions:
        return self.decide(sigmoid(logits))

    @property
    def told(self) -> str:
        """How many texts were read in fp32, in a sentence."""
        return (
            f"{self.tally.again:,} of {counted(self.tally.texts, 'text')} lay so near a threshold "
            "that fp32 decided them; the others have probabilities in bf16."
        )


def in_bf16(checkpoint: Checkpoint) -> Checkpoint:
    """A checkpoint whose model computes in bf16, on the same device.

    Raises:
        UserError: the model cannot compute in bf16.
    """
    text_model = checkpoint.text_model
    fast = replace(text_model, model=_cast(text_model.model))
    folder = replace(
        folder_of_checkpoint(checkpoint.folder),
        expected="a model that computes in bf16",
        fix="leave --precision out",
    )
    batch = fast.batch(fast.encode([PROBE_TEXT]))
    check_reading(folder, fast.model, batch, len(checkpoint.labels))
    return replace(checkpoint, text_model=fast)


def guarded(checkpoint: Checkpoint, fast: Checkpoint, ours: Floats, theirs: Floats) -> Checkpoint:
    """A checkpoint that computes in bf16, and in fp32 what lies near a threshold.

    Args:
        checkpoint: the trained model in fp32.
        fast: the same in bf16.
        ours: logits of the latter for texts that show how far it differs [n, L].
        theirs: those of the former for the same texts.
    """
    bounds = MARGIN * np.abs(ours - theirs).max(axis=0)
    folder, text_model, meta = checkpoint.folder, checkpoint.text_model, checkpoint.meta
    return Bf16Checkpoint(folder, text_model, meta, checkpoint.knn, fast=fast, bounds=bounds)


def _cast(model: PreTrainedModel) -> PreTrainedModel:
    """A copy of a model with parameters in bf16, except the last layer of its head.

    Logits in bf16 would have steps of a hundredth, and texts would tie. Buffers stay as they are:
    the frequencies of rotary positions need more digits.
    """
    layer = head_layer(model)
    own = set() if layer is None else set(layer.parameters())
    shared: dict[int, nn.Parameter] = {
        id(each): each if each in own else _narrowed(each) for each in model.parameters()
    }
    # what is in the memo is not copied
    fast: PreTrainedModel = deepcopy(model, dict(shared))
    last = head_layer(fast)
    if last is not None:
        last.register_forward_pre_hook(_widened)
    if model.device.type == "cpu" and fast._supports_sdpa:
        fast.set_attn_implementation("sdpa")  # eager is chosen for fp32
    return fast


def _narrowed(weight: nn.Parameter) -> nn.Parameter:
    return nn.Parameter(weight.detach().to(torch.bfloat16), requires_grad=False)


def _widened(_layer: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(each.float() for each in inputs)
