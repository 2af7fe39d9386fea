"""Dropout on CPU at a fraction of its price.

There torch draws each mask on one thread by a generator that takes a fifth of a short step. Inside
`quick_dropout` masks are drawn more than ten times as fast, 8 random bits for each element.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import dropout
from torch.overrides import TorchFunctionMode

WORD_BYTES = 8
"""Of a draw of the generator; each byte decides on one element."""
CASES = 256
"""Values of a byte."""


class quick_dropout(TorchFunctionMode):  # noqa: N801 - used as a context manager
    """A context in which `torch.nn.functional.dropout` draws its masks by numpy's SFC64.

    Each call seeds the generator from torch's random state: the same state gives the same masks.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Answer calls of dropout; let all others pass."""
        if func is dropout:
            return _dropout(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def _dropout(
    values: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    dropped = round(p * CASES)
    if not training or dropped == 0:
        return values
    kept = CASES - dropped
    mask = _kept(values.numel(), dropped).view(values.shape).to(values.dtype)
    mask.mul_(CASES / kept if kept else 0.0)  # the mean stays what it was, for the share dropped
    return values.mul_(mask) if inplace else values * mask


def _kept(count: int, dropped: int) -> Tensor:
    """0 with probability dropped / 256, else 1, uint8: [count]."""
    seed = int(torch.randint(2**62, ()))
    words = np.random.SFC64(seed).random_raw(-(-count // WORD_BYTES))
    kept = words.view(np.uint8)[:count] >= dropped
    return torch.from_numpy(kept.view(np.uint8))  # bytes become floats six times as fast as bools


def narrow_residual(model: nn.Module) -> None:
    """Cast what the embeddings put out to autocast's dtype wherever it is on, on CPU.

    Layer norms still sum in fp32. A model that keeps its embeddings elsewhere stays as it is.
    """
    embeddings = getattr(getattr(model, "base_model", None), "embeddings", None)
    if isinstance(embeddings, nn.Module):
        embeddings.register_forward_hook(_narrowed)


def _narrowed(_module: nn.Module, _inputs: Any, output: Any) -> Any:
    if isinstance(output, Tensor) and torch.is_autocast_enabled("cpu"):
        return output.to(torch.get_autocast_dtype("cpu"))
    return output


TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Names of glibc's parameters, as malloc.h numbers them."""


def keep_freed_memory() -> None:
    """On Linux, let the C library keep large blocks that a step frees.

    By default it gives every block over 32 MiB back at once, such as the gradient of the word
    embeddings, and the next step pays for fresh pages. Where the library is another one, nothing
    happens.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(MMAP_THRESHOLD, 1 << 30)
            mallopt(TRIM_THRESHOLD, (1 << 31) - 1)
