"""Saving and loading the state of a run between two steps, from which it resumes exactly.

Tensors are saved in safetensors, everything else in JSON; nothing is pickled.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from imbtool.distributed.collectives import Ranks
from imbtool.errors import user_error
from imbtool.files.documents import read_document
from imbtool.files.json_text import parse_json, read_json, to_json, write_json
from imbtool.files.writing import publish_folder, sha256
from imbtool.runs.manifest import FIX
from imbtool.runs.state_check import (
    Progress,
    RunLength,
    SavedProgress,
    check_progress,
    check_tensors,
)
from imbtool.wording import shown

TENSORS, PROGRESS = "state.safetensors", "progress.json"
OF_TENSORS = "the tensors of a state"


def save_state(
    link: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: Mapping[str, Tensor],
    progress: Progress,
    ranks: Ranks,
) -> None:
    """Write a new state beside `link`, then let the link point to it.

    The state is model, optimizer, averaged weights, random states and progress. All processes call
    this function; the first one writes.

    Raises:
        UserError: the state cannot be written; the state before remains complete.
    """
    random = {name: ranks.gather(state) for name, state in _random().items()}

    def fill(folder: Path) -> None:
        named = _tensors(model, optimizer, average)
        tensors = {name: tensor.contiguous() for name, tensor in named}
        document = progress.model_dump()
        # each file identifies the other, so that a change or an exchange of either is noticed
        written = torch.frombuffer(bytearray(to_json(document).encode()), dtype=torch.uint8)
        save_file({**tensors, **random, PROGRESS: written}, folder / TENSORS)
        write_json(folder / PROGRESS, {**document, "sha256": sha256(folder / TENSORS, OF_TENSORS)})

    if ranks.first:
        publish_folder(link, fill)
    ranks.wait()


def load_state(
    link: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: dict[str, Tensor],
    ranks: Ranks,
    length: RunLength | None,
) -> Progress:
    """Load a saved state into model, optimizer, average and this process's random generators.

    All of it is checked before any of it is used.

    Args:
        link: of the state.
        model: that is trained.
        optimizer: of the model, without a state yet.
        average: of the weights, empty.
        ranks: the processes.
        length: of the run; None if it may have changed.

    Raises:
        UserError: there is no state, or it is damaged.
    """
    path = link / TENSORS
    if not path.is_file():
        raise user_error(link, "no saved state", "the state of a run", FIX)
    progress = read_document(link / PROGRESS, SavedProgress, FIX)
    check_progress(link / PROGRESS, progress, length)
    try:
        saved = load_file(path)
    except (SafetensorError, OSError, RuntimeError, ValueError) as error:
        raise user_error(path, str(error), OF_TENSORS, FIX) from error
    written = saved.pop(PROGRESS, None)
    check_tensors(path, saved, model, optimizer, progress.averaged > 0)
    _check_pair(link, progress, written)
    try:
        _load_random(saved, ranks.rank)
    except RuntimeError as error:
        raise user_error(f"{path}: random", str(error), "the state of a generator", FIX) from error
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(saved[f"model.{name}"])
    _load_moments(model, optimizer, saved)
    average.update(_load_average(model, saved))
    return Progress(**progress.model_dump(exclude={"sha256"}))


def _check_pair(link: Path, progress: SavedProgress, written: Tensor | None) -> None:
    """Check that tensors and progress were written together and have not changed since."""
    path = link / TENSORS
    if progress.sha256 is not None and (found := sha256(path, OF_TENSORS)) != progress.sha256:
        expected = f"sha256 {shown(progress.sha256)}, as saved"
        raise user_error(path, f"sha256 {found}", expected, FIX)
    if written is None:  # by an older version
        return
    before, now = parse_json(written.numpy().tobytes()), read_json(link / PROGRESS)
    for key, value in before.items():
        if now.get(key) != value:
            found, expected = shown(now.get(key)), f"{shown(value)}, as saved"
            raise user_error(f"{link / PROGRESS}: {key}", found, expected, FIX)
    if progress.sha256 is None:
        raise user_error(f"{link / PROGRESS}: sha256", "nothing", "that of the tensors", FIX)


def _tensors(
    model: nn.Module, optimizer: torch.optim.Optimizer, average: Mapping[str, Tensor]
) -> Iterator[tuple[str, Tensor]]:
    for name, parameter in model.named_parameters():
        yield f"model.{name}", parameter.detach()
        for key, value in optimizer.state.get(parameter, {}).items():
            yield f"optimizer.{key}.{name}", value
    for name, mean in average.items():
        yield f"average.{name}", mean


def _load_moments(
    model: nn.Module, optimizer: torch.optim.Optimizer, saved: dict[str, Tensor]
) -> None:
    by_name = dict(model.named_parameters())
    for key, value in saved.items():
        kind, _, rest = key.partition(".")
        if kind == "optimizer":
            moment, _, name = rest.partition(".")
            parameter = by_name[name]
            optimizer.state[parameter][moment] = value.to(parameter.device)


def _load_average(model: nn.Module, saved: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name: saved[f"average.{name}"].to(parameter.device)
        for name, parameter in model.named_parameters()
        if f"average.{name}" in saved
    }


def _random() -> dict[str, Tensor]:
    states = {"random.cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["random.cuda"] = torch.cuda.get_rng_state()
    return states


def _load_random(saved: dict[str, Tensor], rank: int) -> None:
    """Load the row of this process; a process that was not there before keeps its seed."""
    if rank >= len(saved["random.cpu"]):
        return
    # torch misreads a state that is a view into a larger tensor
    torch.set_rng_state(saved["random.cpu"][rank].clone())
    if torch.cuda.is_available() and "random.cuda" in saved:
        torch.cuda.set_rng_state(saved["random.cuda"][rank].clone())
