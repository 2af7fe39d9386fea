"""The training loop: forward pass, loss, backward pass and one optimizer step for each batch.

It runs on Accelerate, which moves the model to the device and sums gradients over processes. The
loop itself applies mixed precision, so that validation sees the weights in fp32.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor

from imbtool.config.schema import TrainingSection
from imbtool.distributed.collectives import Ranks
from imbtool.distributed.signals import Stopped, StopRequest
from imbtool.events import Emit, SaveEvent, SkippedEvent, StepEvent
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
    most_texts,
)
from imbtool.training.batches import EncodedTexts, plan_epoch, split_batch
from imbtool.training.cpu_speed import (
    keep_freed_memory,
    narrow_residual,
    quick_dropout,
    return_freed_memory,
)
from imbtool.training.failures import StepResult, not_finite, out_of_memory, ran_out_of_memory
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
from imbtool.types import Rows

MOST_SKIPPED = 10
"""Most steps in a row that are skipped; after one more the run stops all the same."""
STEPS_OF_MEMORY = 50
"""Steps after which freed memory is returned to the system."""
PROBE_TEXTS = 8
"""Texts that show which weights the logits depend on: the shortest ones, which need little memory.
"""


@dataclass(frozen=True)
class _MicroBatch:
    """Texts that go through the model at once.

    Attributes:
        inputs: of the model.
        windows: number of rows of the inputs that each text takes [n].
        targets: [n, L].
        teacher: logits of a teacher [n, L], if there is one.
        weight: 1; 0 for a text that stands in where a process has no texts of its own.
        last: whether gradients are summed over processes after it.
    """

    inputs: dict[str, Tensor]
    windows: list[int]
    targets: Tensor
    teacher: Tensor | None
    weight: float
    last: bool


class TrainingLoop:
    """Trains a model epoch by epoch, starting from its `progress`."""

    def __init__(
        self,
        accelerator: Accelerator,
        text_model: TextModel,
        texts: EncodedTexts,
        objective: Objective,
        section: TrainingSection,
        emit: Emit,
    ) -> None:
        """Prepare the optimizer; emit `step` and `skipped` events to `emit`."""
        self.accelerator, self.texts, self.section = accelerator, texts, section
        self.text_model, self.objective, self.emit = text_model, objective, emit
        self.ranks = Ranks(accelerator)
        self.rate = choose_learning_rate(section, text_model.model)
        self.precision = choose_precision(section, accelerator.device)
        self.most_texts = most_texts(text_model.model, accelerator.device)
        self.lengths = token_lengths(texts.encoded)
        self.epochs = choose_epochs(section, len(self.lengths))
        self.steps = self.epochs.value * -(-len(self.lengths) // section.batch_size)
        if section.freeze_embeddings:
            freeze_word_embeddings(text_model.model)
        self.optimizer = make_optimizer(text_model.model, self.rate.value)
        self.average = WeightAverage(text_model.model, self.steps)
        if not self.ranks.alone:
            shortest = np.argsort(self.lengths, kind="stable")[:PROBE_TEXTS]
            probe = text_model.batch(select_texts(texts.encoded, shortest))
            freeze_unused(text_model.model, probe)
        self.model = accelerator.prepare_model(text_model.model)
        self._forward = torch.compile(self.model, dynamic=True) if section.compile else self.model
        self.progress, self.begun = Progress(), time.monotonic()
        narrow_residual(text_model.model)
        if not self.ranks.alone:
            torch.manual_seed(section.seed + self.ranks.rank)

    def save(self, link: Path) -> None:
        """Save the state between two steps; see `save_state`. All processes call it.

        A `save` event comes before, so that what led to the state is written down.
        """
        seconds = time.monotonic() - self.begun
        self.emit(SaveEvent(step=self.progress.step, seconds=seconds))
        model, average = self.text_model.model, self.average.tensors
        save_state(link, model, self.optimizer, average, self.progress, self.ranks)

    def load(self, link: Path, allow_changed: bool = False) -> None:
        """Continue from a saved state; see `load_state`.

        Args:
            link: of the state.
            allow_changed: whether the run may have had another length.
        """
        model, average = self.text_model.model, self.average.tensors
        batches = self.steps // self.epochs.value
        length = RunLength(self.epochs.value, batches, self.section.batch_size)
        self.progress = load_state(
            link, model, self.optimizer, average, self.ranks, None if allow_changed else length
        )
        # a run that is longer than it was averages later; the old mean would stand in until then
        if not (self.section.average_weights and self.average.begun(self.progress.step)):
            average.clear()
            self.progress.averaged = 0

    def plan(self, epoch: int) -> list[Rows]:
        """The batches of an epoch, over all processes."""
        return plan_epoch(self.lengths, self.section.batch_size, self.section.seed, epoch)

    def run_epoch(self, after_step: Callable[[], None]) -> float:
        """Train on the remaining batches of the epoch.

        Args:
            after_step: called between two steps; it may save the state, or raise to stop.

        Returns:
            The mean loss of the epoch's texts.

        Raises:
            UserError: a batch does not fit into memory, or a loss or gradient is not finite.
        """
        # only now, so that the memory that fitting the head has freed is returned
        keep_freed_memory()
        self.model.train()
        at = self.progress
        for rows in self.plan(at.epoch)[at.batch :]:
            self.train_step(rows)
            if at.step % STEPS_OF_MEMORY == 0:
                return_freed_memory()
            after_step()
        mean = at.loss / max(1, at.texts)
        at.epoch, at.batch, at.loss, at.texts = at.epoch + 1, 0, 0.0, 0
        return mean

    def train_step(self, rows: Rows) -> None:
        """Train on one batch, given by its rows over all processes."""
        start, at = time.perf_counter(), self.progress
        averaged = self.section.average_weights
        rate = self.rate.value * learning_rate_factor(
            at.step, self.steps, self.section.warmup, averaged
        )
        loss, norm = self._gradients(rows)
        at.step, at.batch = at.step + 1, at.batch + 1
        labelled = [number for row in rows if (number := int(self.texts.rows[row]))]
        step = StepResult(at.step, labelled, rate, loss, float(norm))
        if step.finite:
            clipped_step(self.optimizer, norm, rate)
            if averaged and self.average.due(at.step):
                # counted rather than derived from the step, since steps may have been skipped
                at.averaged += 1
                self.average.update(1.0 / at.averaged)
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

    def _step_event(self, step: StepResult, rows: Rows, seconds: float) -> StepEvent:
        return StepEvent(
            epoch=self.progress.epoch,
            step=step.number,
            steps=self.steps,
            loss=step.loss,
            learning_rate=step.rate,
            tokens=int(self.lengths[rows].sum()),
            seconds=seconds,
        )

    def _gradients(self, rows: Rows) -> tuple[float, Tensor]:
        """Compute the gradients of a batch; return its loss and the norm of the gradients."""
        size = size_of(torch.from_numpy(self.texts.label_sets.targets(rows)))
        loss = torch.zeros((), device=self.accelerator.device)
        for micro_batch in self._micro_batches(rows):
            loss += self._backward(micro_batch, size)
        return float(self.ranks.sum(loss)), gradient_norm(self.text_model.model)

    def _micro_batches(self, rows: Rows) -> Iterator[_MicroBatch]:
        ranks, device = self.ranks, self.accelerator.device
        shared = split_batch(rows, ranks.rank, ranks.processes, self.section.micro_batch)
        parts = [group for part in shared for group in self._groups(part)]
        for index, part in enumerate(parts):
            chosen = part if len(part) else rows[:1]
            encoded = [self.texts.encoded[row] for row in chosen]
            inputs, windows = self.text_model.batch(encoded), self.text_model.windows(encoded)
            targets = torch.from_numpy(self.texts.label_sets.targets(chosen)).to(device)
            known, teacher = self.texts.teacher, None
            if known is not None:
                teacher = torch.from_numpy(known[chosen]).to(device)
            weight, last = float(len(part) > 0), index == len(parts) - 1
            yield _MicroBatch(inputs, windows, targets, teacher, weight, last)

    def _groups(self, part: Rows) -> list[Rows]:
        """Divide texts into forward passes of as many windows as texts, and tokens, are allowed."""
        section = self.section
        most = section.micro_batch or -(-section.batch_size // self.ranks.processes)
        lengths: list[int] = self.lengths[part].tolist()
        windows = count_windows(lengths, self.text_model.max_length)
        widest = max(1, min(max(lengths, default=1), self.text_model.max_length))
        parts = -(-sum(windows) // min(most, self.most_texts(widest)))
        return [part[group] for group in grouped(windows, -(-sum(windows) // max(1, parts)))]

    def _backward(self, micro_batch: _MicroBatch, size: Size) -> Tensor:
        """Add the gradients of a micro-batch; return its part of the batch's loss."""
        local = nullcontext() if micro_batch.last else self.accelerator.no_sync(self.model)
        try:
            with local:
                with self._forward_context():
                    output = self._forward(**micro_batch.inputs).logits
                    logits = max_over_windows(output, micro_batch.windows)
                loss = micro_batch.weight * self.objective(
                    logits, micro_batch.targets, size, micro_batch.teacher
                )
                # Accelerate averages gradients over processes, while the loss is a sum over them
                (loss * self.ranks.processes).backward()  # type: ignore[no-untyped-call]
        except RuntimeError as error:
            if ran_out_of_memory(error):
                shape = micro_batch.inputs["input_ids"].shape
                raise out_of_memory(self.progress.step + 1, shape) from None
            raise
        return loss.detach()

    def _forward_context(self) -> AbstractContextManager[object]:
        device = self.accelerator.device
        context = ExitStack()
        context.enter_context(autocast(self.precision.value, device))
        if device.type == "cpu" and not self.section.compile:
            context.enter_context(quick_dropout())
        return context


class StateSaver:
    """Saves the state of a loop at intervals, and when a signal requests a stop.

    All processes save and stop together, even if only one of them has received the signal.
    """

    def __init__(
        self, loop: TrainingLoop, link: Path, save_every: float | str, request: StopRequest
    ) -> None:
        """Save to `link` every `save_every` minutes, or steps if it is text such as `500 steps`."""
        self._loop, self._link, self._request = loop, link, request
        if isinstance(save_every, str):
            self._steps: int | None = int(save_every.split()[0])
            self._seconds = math.inf
        else:
            self._steps, self._seconds = None, 60.0 * save_every
        self._saved = time.monotonic()

    def after_step(self) -> None:
        """Save the state if it is due.

        Raises:
            Stopped: a signal requested it; the state is saved.
        """
        signum, due = self._loop.ranks.max([self._request.signum or 0, self._is_due()])
        if signum:
            self.save()
            raise Stopped(int(signum))
        if due:
            self.save()

    def save(self) -> None:
        """Save the state now."""
        self._loop.save(self._link)
        self._saved = time.monotonic()

    def _is_due(self) -> bool:
        if self._steps is not None:
            return self._loop.progress.step % self._steps == 0
        return time.monotonic() - self._saved >= self._seconds
