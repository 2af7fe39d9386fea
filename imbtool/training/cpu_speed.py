"""Faster training on CPU: dropout masks, a narrow residual stream and memory that is kept.

torch draws each dropout mask on one thread with a generator that takes a fifth of a short step.
`quick_dropout` draws masks more than ten times as fast, from 8 random bits for each element. Under
autocast `narrow_residual` halves what the layers read and write. `keep_freed_memory` avoids that
each step allocates large blocks anew, and `return_freed_memory`, called now and then, that the
memory that is kept grows.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import dropout
from torch.overrides import TorchFunctionMode

WORD_BYTES = 8
"""Bytes of one draw of the generator; each byte decides on one element."""
BYTE_VALUES = 256
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Numbers of glibc's parameters in malloc.h."""


class quick_dropout(TorchFunctionMode):  # noqa: N801 - used as a context manager
    """A context in which `torch.nn.functional.dropout` draws its masks with numpy's SFC64.

    Each call seeds the generator from torch's random state, so that the same state gives the same
    masks.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Replace calls of dropout; other functions are called as they are."""
        if func is dropout:
            return _dropout(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def _dropout(
    values: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    dropped = round(p * BYTE_VALUES)
    if not training or dropped == 0:
        return values
    kept = BYTE_VALUES - dropped
    mask = _kept(values.numel(), dropped).view(values.shape).to(values.dtype)
    mask.mul_(BYTE_VALUES / kept if kept else 0.0)  # so that the mean does not change
    return values.mul_(mask) if inplace else values * mask


def _kept(count: int, dropped: int) -> Tensor:
    """A mask [count], uint8: 0 with probability dropped / 256, else 1."""
    seed = int(torch.randint(2**62, ()))
    words = np.random.SFC64(seed).random_raw(-(-count // WORD_BYTES))
    kept = words.view(np.uint8)[:count] >= dropped
    return torch.from_numpy(
        kept.view(np.uint8)
    )  # bytes are cast to floats six times as fast as bools


def narrow_residual(model: nn.Module) -> None:
    """Cast the output of the embeddings to the dtype of autocast, where it is on, on CPU.

    Layer norms still sum in fp32. A model whose embeddings have another name does not change.
    """
    embeddings = getattr(getattr(model, "base_model", None), "embeddings", None)
    if isinstance(embeddings, nn.Module):
        embeddings.register_forward_hook(_narrowed)


def _narrowed(_module: nn.Module, _inputs: object, output: object) -> object:
    if isinstance(output, Tensor) and torch.is_autocast_enabled("cpu"):
        return output.to(torch.get_autocast_dtype("cpu"))
    return output


def keep_freed_memory() -> None:
    """On Linux, let the C library keep large blocks of memory that a step frees.

    By default glibc returns every block over 32 MiB to the system at once, such as the gradient of
    the word embeddings, and the next step has to allocate it anew. Other C libraries are not
    changed.
    """
    mallopt = _of_c_library("mallopt")
    if mallopt is not None:
        mallopt(MMAP_THRESHOLD, 1 << 30)
        mallopt(TRIM_THRESHOLD, (1 << 31) - 1)


def return_freed_memory() -> None:
    """On Linux, let the C library return all memory that is free now.

    Batches of many lengths split what is kept into ever smaller pieces.
    """
    malloc_trim = _of_c_library("malloc_trim")
    if malloc_trim is not None:
        malloc_trim(0)


def _of_c_library(name: str) -> Callable[..., object] | None:
    """A function of glibc; other C libraries lack it."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
