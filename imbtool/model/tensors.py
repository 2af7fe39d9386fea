"""Files of tensors that imbtool writes beside the weights of a model, read and checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from imbtool.errors import user_error
from imbtool.model.loading import folder_of_checkpoint
from imbtool.wording import some

Wanted = Mapping[str, tuple[tuple[int, ...], torch.dtype]]
"""Shape and type of each tensor of a file, by its name."""


def read_tensors(
    path: Path, wanted: Wanted, fault: Callable[[Mapping[str, Tensor]], str | None]
) -> dict[str, Tensor]:
    """Read the tensors of a file in the folder of a checkpoint.

    Args:
        path: of the file.
        wanted: what it must hold.
        fault: says what is wrong with tensors of these shapes and types; None for nothing.

    Raises:
        UserError: the file is missing or damaged, or holds something else.
    """
    found = "no such file"
    if path.is_file():
        with folder_of_checkpoint(path.parent).calls(path.name):
            tensors = load_file(path)
        wrong = _misshapen(tensors, wanted) or fault(tensors)
        if wrong is None:
            return tensors
        found = wrong
    fix = "restore it: the thresholds in imbtool.json were chosen with it"
    raise user_error(path, found, "what imbtool wrote", fix)


def _misshapen(tensors: Mapping[str, Tensor], wanted: Wanted) -> str | None:
    if tensors.keys() != wanted.keys():
        return f"the tensors {some(sorted(tensors)) or 'of none'}"
    for name, expected in wanted.items():
        found = tuple(tensors[name].shape), tensors[name].dtype
        if found != expected:
            return f"{name} of shape and type {found}, not {expected}"
    return None
