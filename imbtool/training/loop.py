"""The training loop: batches through the model, the loss back, one optimizer step each.

It runs on Accelerate, which places the model and adds up gradients over processes; precision is the
engine's own, so that validation sees the weights in fp32.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor

from imbtool.config.schema import TrainingSection
from imbtool.distributed.collectives import Ranks
from imbtool.events import Emit, SkippedEvent, StepEvent
from imbtool.model.encoder import TextModel, max_over_windows
from imbtool.model.long_texts import count_windows, grouped
from imbtool.model.losses import Objective, Size, size_of
from imbtool.runs.state import load_state, save_state
from imbtool.runs.state_check import Progress, RunLength
from imbtool.training.automatic import (
    autocast,
    choose_epochs,
    choose_learning_rate,
    choose_precision,
)
from imbtool.training.batches import plan_epoch, split_batch
from imbtool.training.cpu_speed import keep_freed_memory, narrow_residual, quick_dropout
from imbtool.training.failures import StepResult, not_finite, out_of_memory, ran_out_of_memory
from imbtool.training.head_first import EncodedTexts
from imbtool.training.optimizer import (
    WeightAverage,
    clipped_step,
    freeze_unused,
    freeze_word_embeddings,
    gradient_norm,
    learning_rate_factor,
    make_optimizer,
)
from imbtool.training.token_cache import select_texts, token_lengths

MOST_SKIPPED = 10
"""Steps skipped in a row after which a run that skips them stops all the same."""
PROBE_TEXTS = 8
"""That show which weights logits rest on; the shortest ones, which take next to no memory."""


@dataclass(frozen=True)
class _MicroBatch:
    """Texts that go through the model at once.

    Attributes:
        inputs: of the model.
        windows: rows of the inputs that each text takes [n].
        targets: [n, L].
        weight: 1, or 0 for a text that only keeps a process busy that has none of its own.
        last: whether gradients are added up over processes after it.
    """

    inputs: dict[str, Tensor]
    windows: list[int]
    targets: Tensor
    weight: float
    last: bool


class TrainingLoop:
    """Trains a model epoch by epoch, from wherever its `progress` stands."""

    def __init__(
        self,
        accelerator: Accelerator,
        text_model: TextModel,
        sample: EncodedTexts,
        objective: Objective,
        section: TrainingSection,
        emit: Emit,
    ) -> None:
        """Prepare the optimizer; emit `step` and `skipped` events to `emit`."""
        self.accelerator, self.sample, self.section = accelerator, sample, section
        self.text_model, self.objective, self.emit = text_model, objective, emit
        self.ranks = Ranks(accelerator)
        self.rate = choose_learning_rate(section, text_model.model)
        self.precision = choose_precision(section, accelerator.device)
        self.lengths = token_lengths(sample.encoded)
        self.epochs = choose_epochs(section, len(self.lengths))
        self.steps = self.epochs.value * -(-len(self.lengths) // section.batch_size)
        if section.freeze_embeddings:
            freeze_word_embeddings(text_model.model)
        self.optimizer = make_optimizer(text_model.model, self.rate.value)
        self.average = WeightAverage(text_model.model, self.steps)
        if not self.ranks.alone:
            shortest = np.argsort(self.lengths, kind="stable")[:PROBE_TEXTS]
            freeze_unused(
                text_model.model, text_model.batch(select_texts(sample.encoded, shortest))
            )
        self.model = accelerator.prepare_model(text_model.model)
        self._forward = torch.compile(self.model, dynamic=True) if section.compile else self.model
        self.progress = Progress()
        narrow_residual(text_model.model)
        if not self.ranks.alone:
            torch.manual_seed(section.seed + self.ranks.rank)

    def save(self, link: Path) -> None:
        """Save the state between two steps; see `save_state`. All processes call it."""
        model, average = self.text_model.model, self.average.tensors
        save_state(link, model, self.optimizer, average, self.progress, self.ranks)

    def load(self, link: Path, allow_changed: bool = False) -> None:
        """Go on from a saved state, perhaps of a run of another extent; see `load_state`."""
        model, average = self.text_model.model, self.average.tensors
        batches = self.steps // self.epochs.value
        extent = RunLength(self.epochs.value, batches, self.section.batch_size)
        self.progress = load_state(
            link, model, self.optimizer, average, self.ranks, None if allow_changed else extent
        )

    def plan(self, epoch: int) -> list[NDArray[np.int64]]:
        """The batches of an epoch, over all processes."""
        return plan_epoch(self.lengths, self.section.batch_size, self.section.seed, epoch)

    def run_epoch(self, after_step: Callable[[], None]) -> float:
        """Train on the rows of the epoch that are left. Returns the mean loss of its texts.

        Args:
            after_step: called between two steps; it may save, or raise to stop.

        Raises:
            UserError: a batch that does not fit into memory, or a loss or gradient that is not
                finite.
        """
        # not before: what fitting the head has freed goes back
        keep_freed_memory()
        self.model.train()
        at = self.progress
        for rows in self.plan(at.epoch)[at.batch :]:
            self.train_step(rows)
            after_step()
        mean = at.loss / max(1, at.texts)
        at.epoch, at.batch, at.loss, at.texts = at.epoch + 1, 0, 0.0, 0
        return mean

    def train_step(self, rows: NDArray[np.int64]) -> None:
        """Train on one batch: rows over all processes."""
        start, at = time.perf_counter(), self.progress
        averaged = self.section.average_weights
        rate = self.rate.value * learning_rate_factor(
            at.step, self.steps, self.section.warmup, averaged
        )
        loss, norm = self._gradients(rows)
        at.step, at.batch = at.step + 1, at.batch + 1
        step = StepResult(at.step, [self.sample.rows[row] for row in rows], rate, loss, float(norm))
        if step.finite:
            clipped_step(self.optimizer, norm, rate)
            if averaged and self.average.due(at.step):
                # not the share of a step's number: steps may have been skipped
                at.averaged += 1
                self.average.take(1.0 / at.averaged)
            at.loss, at.texts, at.skipped = at.loss + loss * len(rows), at.texts + len(rows), 0
            self.emit(self._step_event(step, rows, time.perf_counter() - start))
        else:
            self._skip(step)
        self.optimizer.zero_grad()

    def _skip(self, step: StepResult) -> None:
        self.progress.skipped += 1
        if self.section.on_nonfinite == "stop" or self.progress.skipped > MOST_SKIPPED:
            raise not_finite(step)
        self.emit(
            SkippedEvent(
                epoch=self.progress.epoch,
                step=step.number,
                rows=step.rows,
                learning_rate=step.rate,
                loss=step.loss,
                gradient_norm=step.norm,
            )
        )

    def _step_event(self, step: StepResult, rows: NDArray[np.int64], seconds: float) -> StepEvent:
        return StepEvent(
            epoch=self.progress.epoch,
            step=step.number,
            steps=self.steps,
            loss=step.loss,
            learning_rate=step.rate,
            tokens=sum(self.lengths[row] for row in rows),
            seconds=seconds,
        )

    def _gradients(self, rows: NDArray[np.int64]) -> tuple[float, Tensor]:
        """Leave the batch's gradients in the parameters; its loss, and the gradients' norm."""
        size = size_of(torch.from_numpy(self.sample.targets[rows]))
        loss = torch.zeros((), device=self.accelerator.device)
        for piece in self._pieces(rows):
            loss += self._backward(piece, size)
        return float(self.ranks.sum(loss)), gradient_norm(self.text_model.model)

    def _pieces(self, rows: NDArray[np.int64]) -> Iterator[_MicroBatch]:
        ranks, device = self.ranks, self.accelerator.device
        shared = split_batch(rows, ranks.rank, ranks.processes, self.section.micro_batch)
        parts = [group for part in shared for group in self._groups(part)]
        for index, part in enumerate(parts):
            chosen = part if len(part) else rows[:1]
            encoded = [self.sample.encoded[row] for row in chosen]
            inputs, windows = self.text_model.batch(encoded), self.text_model.windows(encoded)
            targets = torch.from_numpy(self.sample.targets[chosen]).to(device)
            yield _MicroBatch(
                inputs, windows, targets, float(len(part) > 0), index == len(parts) - 1
            )

    def _groups(self, part: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """Texts that go through the model at once: no more windows than there might be texts."""
        section = self.section
        most = section.micro_batch or -(-section.batch_size // self.ranks.processes)
        lengths = [self.lengths[row] for row in part]
        windows = count_windows(lengths, self.text_model.max_length)
        return [part[places] for places in grouped(windows, most)]

    def _backward(self, piece: _MicroBatch, size: Size) -> Tensor:
        """Add the gradients of a part of a batch; its part of the batch's loss."""
        alone = nullcontext() if piece.last else self.accelerator.no_sync(self.model)
        try:
            with alone:
                with self._forward_context():
                    logits = max_over_windows(self._forward(**piece.inputs).logits, piece.windows)
                loss = piece.weight * self.objective(logits, piece.targets, size)
                # gradients are averaged over processes, while the loss is one sum over them
                (loss * self.ranks.processes).backward()  # type: ignore[no-untyped-call]
        except RuntimeError as error:
            if ran_out_of_memory(error):
                shape = piece.inputs["input_ids"].shape
                raise out_of_memory(self.progress.step + 1, shape) from None
            raise
        return loss.detach()

    def _forward_context(self) -> AbstractContextManager[Any]:
        device = self.accelerator.device
        context = ExitStack()
        context.enter_context(autocast(self.precision.value, device))
        if device.type == "cpu" and not self.section.compile:
            context.enter_context(quick_dropout())
        return context
