"""The state of a run between two steps: saved whole, and read back to the same weights.

Tensors go to safetensors, the rest to JSON; nothing is pickled.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from imbtool.errors import fail
from imbtool.files import publish_folder, read_json, write_json
from imbtool.training.ranks import Ranks

TENSORS, PROGRESS = "state.safetensors", "progress.json"


@dataclass
class Progress:
    """Where a run stands.

    Attributes:
        epoch: the one that is being trained, from 1.
        batch: how many batches of it are done.
        step: how many optimizer steps are done in all.
        loss: sum of the losses of this epoch's texts so far.
        texts: how many texts that sum is of.
        skipped: how many steps in a row had no finite loss and gradient.
        averaged: how many steps' weights the averaged ones are the mean of.
        best: the event of the best epoch so far.
    """

    epoch: int = 1
    batch: int = 0
    step: int = 0
    loss: float = 0.0
    texts: int = 0
    skipped: int = 0
    averaged: int = 0
    best: dict[str, Any] | None = None


def save_state(
    link: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: Mapping[str, Tensor],
    progress: Progress,
    ranks: Ranks,
) -> None:
    """Write all that training goes on from beside `link`, then point it there.

    That is model, optimizer, averaged weights, random states and progress.

    All processes call it; the first writes.

    Raises:
        UserError: it cannot be written; the state before stays whole.
    """
    random = {name: ranks.gather(state) for name, state in _random().items()}

    def fill(folder: Path) -> None:
        named = _tensors(model, optimizer, average)
        tensors = {name: tensor.contiguous() for name, tensor in named}
        save_file({**tensors, **random}, folder / TENSORS)
        write_json(folder / PROGRESS, asdict(progress))

    if ranks.first:
        publish_folder(link, fill)
    ranks.wait()


def load_state(
    link: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: dict[str, Tensor],
    ranks: Ranks,
) -> Progress:
    """Put a saved state into model, optimizer, average and this process's random generators.

    Raises:
        UserError: there is none, or it is damaged.
    """
    if not (link / TENSORS).is_file():
        mend = "a run that ended before its first save must be started anew"
        raise fail(link, "no saved state", "the state of a run", mend)
    try:
        saved = load_file(link / TENSORS)
        progress = Progress(**read_json(link / PROGRESS))
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                parameter.copy_(saved[f"model.{name}"])
        _load_moments(model, optimizer, saved)
        average.update(_load_average(model, saved))
        _load_random(saved, ranks.rank)
    except (SafetensorError, KeyError, TypeError, RuntimeError) as error:
        raise fail(link, str(error), "a state written by this run", "start it anew") from error
    return progress


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
    """Each process has its own row; one that joined later keeps what its seed gave it."""
    if rank >= len(saved["random.cpu"]):
        return
    # torch misreads a state that is a view into a larger tensor
    torch.set_rng_state(saved["random.cpu"][rank].clone())
    if torch.cuda.is_available() and "random.cuda" in saved:
        torch.cuda.set_rng_state(saved["random.cuda"][rank].clone())
