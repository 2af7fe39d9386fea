"""The training loop: batches through the model, the loss back, one optimizer step each.

It runs on Accelerate, which places model and gradients; precision is the engine's own, so that
validation sees the weights in fp32.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from imbtool.losses import Objective
from imbtool.model import TextModel
from imbtool.profile import TrainingSection
from imbtool.training.batches import plan_epoch
from imbtool.training.head import Sample
from imbtool.training.health import out_of_memory, require_finite
from imbtool.training.state import Progress, load_state, save_state

Event = dict[str, Any]
Emit = Callable[[Event], None]

WEIGHT_DECAY = 0.01
MOST_GRADIENT_NORM = 1.0
SMALL, BASE = 40_000_000, 250_000_000
"""Parameters up to which an encoder is called small, and base."""


@dataclass(frozen=True)
class Decision:
    """An automatic choice and its reason, to be shown."""

    value: Any
    reason: str


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
    if device.type == "cuda":
        able = torch.cuda.is_bf16_supported(including_emulation=False)
        return Decision("bf16" if able else "fp32", f"auto, {torch.cuda.get_device_name(device)}")
    able = device.type == "cpu" and _cpu_computes_bf16()
    reason = "has" if able else "has no"
    return Decision(
        "bf16" if able else "fp32", f"auto, this {device.type} {reason} bf16 arithmetic"
    )


def autocast(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """The context in which forward passes run at a precision."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


class Engine:
    """Trains a model epoch by epoch, from wherever its `progress` stands."""

    def __init__(
        self,
        accelerator: Accelerator,
        text_model: TextModel,
        sample: Sample,
        objective: Objective,
        section: TrainingSection,
        emit: Emit,
    ) -> None:
        """Prepare the optimizer; emit `step` events to `emit`."""
        self.accelerator, self.sample, self.section = accelerator, sample, section
        self.text_model, self.objective, self.emit = text_model, objective, emit
        self.rate = choose_learning_rate(section, text_model.model)
        self.precision = choose_precision(section, accelerator.device)
        self.lengths = [len(ids) for ids in sample.encoded]
        self.steps = section.epochs * -(-len(self.lengths) // section.batch_size)
        optimizer = torch.optim.AdamW(
            _parameter_groups(text_model.model), lr=self.rate.value, fused=True
        )
        self.model, self.optimizer = accelerator.prepare(text_model.model, optimizer)
        self.progress = Progress()

    def save(self, link: Path) -> None:
        """Save the state between two steps; see `save_state`."""
        save_state(link, self.text_model.model, self.optimizer.optimizer, self.progress)

    def load(self, link: Path) -> None:
        """Go on from a saved state; see `load_state`."""
        self.progress = load_state(link, self.text_model.model, self.optimizer.optimizer)

    def run_epoch(self, after_step: Callable[[], None]) -> float:
        """Train on the rows of the epoch that are left. Returns the mean loss of its texts.

        Args:
            after_step: called between two steps; it may save, or raise to stop.

        Raises:
            UserError: a loss or gradient that is not finite.
        """
        self.model.train()
        at = self.progress
        for rows, inputs, targets in self._batches():
            start = time.perf_counter()
            try:
                loss = self._train_step(rows, inputs, targets)
            except torch.OutOfMemoryError:
                raise out_of_memory(at.step, inputs["input_ids"].shape) from None
            at.loss += loss * len(rows)
            at.batch += 1
            self.emit(self._step_event(loss, rows, time.perf_counter() - start))
            after_step()
        mean = at.loss / len(self.lengths)
        at.epoch, at.batch, at.loss = at.epoch + 1, 0, 0.0
        return mean

    def _step_event(self, loss: float, rows: list[int], seconds: float) -> Event:
        return {
            "event": "step",
            "epoch": self.progress.epoch,
            "step": self.progress.step,
            "steps": self.steps,
            "loss": loss,
            "learning_rate": self.optimizer.param_groups[0]["lr"],
            "tokens": sum(self.lengths[row] for row in rows),
            "seconds": seconds,
        }

    def _batches(self) -> Iterator[tuple[list[int], dict[str, Tensor], Tensor]]:
        section, at = self.section, self.progress
        plan = plan_epoch(self.lengths, section.batch_size, section.seed, at.epoch)
        for rows in plan[at.batch :]:
            inputs = self.text_model.batch([self.sample.encoded[row] for row in rows])
            targets = torch.from_numpy(self.sample.targets[rows]).to(self.accelerator.device)
            yield rows.tolist(), inputs, targets

    def _train_step(self, rows: list[int], inputs: dict[str, Tensor], targets: Tensor) -> float:
        rate = self.rate.value * _schedule(self.progress.step, self.steps, self.section.warmup)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        with autocast(self.precision.value, self.accelerator.device):
            logits = self.model(**inputs).logits
        loss = self.objective(logits, targets)
        self.accelerator.backward(loss)
        clip = self.accelerator.clip_grad_norm_
        norm = torch.as_tensor(clip(self.model.parameters(), MOST_GRADIENT_NORM))
        value = float(loss.detach())
        self.progress.step += 1
        require_finite(value, float(norm), self.progress.step, [row + 1 for row in rows], rate)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return value


def _parameter_groups(model: nn.Module) -> list[dict[str, Any]]:
    """Weight decay on matrices only, not on biases and norms."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": WEIGHT_DECAY},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]


def _schedule(step: int, steps: int, warmup: float) -> float:
    """Linear rise over the warm-up's share of the steps, then linear fall to zero."""
    rising = warmup * steps
    if step < rising:
        return (step + 1) / (rising + 1)
    return max(0.0, (steps - step) / max(1.0, steps - rising))


def _cpu_computes_bf16() -> bool:
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, check, lambda: False)() for check in checks)
