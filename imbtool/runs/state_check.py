"""The progress of a run, and the checks of a saved state before any of it is used."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
from pydantic import ConfigDict, Field
from torch import Tensor, nn

from imbtool.errors import UserError, user_error
from imbtool.events import EpochEvent
from imbtool.files.documents import Count, Typed
from imbtool.runs.manifest import FIX

MOMENTS = ("exp_avg", "exp_avg_sq", "step")
"""What AdamW stores for each parameter that has had a gradient."""


class Progress(Typed):
    """The progress of a run.

    Attributes:
        epoch: number of the current epoch, from 1.
        batch: number of batches of it that are done.
        step: number of optimizer steps that are done.
        loss: sum of the losses of this epoch's texts so far.
        texts: number of texts in that sum.
        skipped: number of consecutive steps whose loss or gradients were not finite.
        averaged: number of steps whose weights are averaged.
        best: the event of the best epoch so far.
    """

    model_config = ConfigDict(frozen=False, extra="forbid")

    epoch: Annotated[int, Field(ge=1, le=10**6)] = 1
    batch: Count = 0
    step: Count = 0
    loss: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    texts: Count = 0
    skipped: Count = 0
    averaged: Count = 0
    best: EpochEvent | None = None


@dataclass(frozen=True)
class RunLength:
    """The length of a run.

    Attributes:
        epochs: number of epochs.
        batches: number of batches of each epoch.
        batch_size: most texts of a batch.
    """

    epochs: int
    batches: int
    batch_size: int


class SavedProgress(Progress):
    """The content of progress.json."""

    sha256: str | None = None
    """Of the tensors beside it; None in states of older versions."""


def check_progress(where: Path, saved: SavedProgress, length: RunLength | None) -> None:
    """Check that a run of this length can have this progress.

    Args:
        where: the file.
        saved: its content.
        length: of the run; None if it may have changed.

    Raises:
        UserError: naming the key.
    """
    for key in Progress.model_fields.keys() - saved.model_fields_set:
        raise user_error(f"{where}: {key}", "nothing", "a value", FIX)
    best_epoch = saved.best.epoch if saved.best else None
    bounds = {
        "best: epoch": (
            best_epoch,
            best_epoch is None if saved.epoch == 1 else 1 <= (best_epoch or 0) < saved.epoch,
            "an epoch that is done" if saved.epoch > 1 else "none in the first epoch",
        ),
        **(_bounds(saved, length) if length else {}),
    }
    for key, (found, holds, expected) in bounds.items():
        if not holds:
            raise user_error(f"{where}: {key}", str(found), expected, FIX)


def _bounds(saved: SavedProgress, length: RunLength) -> dict[str, tuple[int | None, bool, str]]:
    """For each key the value, whether it is possible, and which values are possible."""
    done = length.batches * (saved.epoch - 1) + saved.batch
    texts = saved.batch * length.batch_size
    return {
        "epoch": (saved.epoch, saved.epoch <= length.epochs + 1, f"1 to {length.epochs + 1}"),
        "batch": (saved.batch, saved.batch <= length.batches, f"0 to {length.batches}"),
        "step": (saved.step, saved.step == done, f"{done}, the batches of all epochs so far"),
        "texts": (saved.texts, saved.texts <= texts, f"0 to {texts}"),
        "averaged": (saved.averaged, saved.averaged <= saved.step, f"0 to {saved.step}"),
        "skipped": (saved.skipped, saved.skipped <= saved.step, f"0 to {saved.step}"),
    }


def check_tensors(
    where: Path,
    saved: Mapping[str, Tensor],
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    averaged: bool,
) -> None:
    """Check that the tensors of a state are those of this model, and nothing is missing.

    Args:
        where: their file.
        saved: by name.
        model: that is trained.
        optimizer: of it, without a state yet.
        averaged: whether the state has averaged weights.

    Raises:
        UserError: naming the tensor.
    """
    expected = dict(_expected(saved, model, optimizer, averaged))
    for name, like in expected.items():
        if name not in saved:
            raise _wrong(where, name, "nothing", _described(like))
        _check(where, name, saved[name], like)
    if extra := sorted(set(saved) - set(expected) - {"random.cuda"}):
        raise _wrong(where, extra[0], "a tensor", "none of this name")
    _check_random(where, saved)


def _expected(
    saved: Mapping[str, Tensor],
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    averaged: bool,
) -> Iterator[tuple[str, Tensor]]:
    trained = {id(each) for group in optimizer.param_groups for each in group["params"]}
    for name, parameter in model.named_parameters():
        yield f"model.{name}", parameter
        if id(parameter) not in trained:
            continue
        if averaged:
            yield f"average.{name}", parameter
        # a parameter without a gradient so far has none of them
        if any(f"optimizer.{moment}.{name}" in saved for moment in MOMENTS):
            yield f"optimizer.step.{name}", torch.zeros(())
            yield f"optimizer.exp_avg.{name}", parameter
            yield f"optimizer.exp_avg_sq.{name}", parameter
    yield "random.cpu", torch.zeros(1, dtype=torch.uint8)


def _check(where: Path, name: str, tensor: Tensor, like: Tensor) -> None:
    if name.startswith("random."):
        return
    if (tensor.shape, tensor.dtype) != (like.shape, like.dtype):
        raise _wrong(where, name, _described(tensor), _described(like))
    if not tensor.isfinite().all():
        raise _wrong(where, name, "numbers that are not finite", "finite numbers")
    if re.match(r"optimizer\.(step|exp_avg_sq)\.", name) and (tensor < 0).any():
        raise _wrong(where, name, "a negative number", "0 or more")


def _check_random(where: Path, saved: Mapping[str, Tensor]) -> None:
    now = {"random.cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        now["random.cuda"] = torch.cuda.get_rng_state()
    for name, state in now.items():
        tensor = saved.get(name)
        if tensor is None:
            continue
        if tensor.ndim != 2 or not len(tensor) or tensor[0].shape != state.shape:
            found, expected = _described(tensor), f"a row of {_described(state)} a process"
            raise _wrong(where, name, found, expected)
        if tensor.dtype != state.dtype:
            raise _wrong(where, name, _described(tensor), str(state.dtype))


def _described(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"


def _wrong(where: Path, name: str, found: str, expected: str) -> UserError:
    return user_error(f"{where}: {name}", found, expected, FIX)
