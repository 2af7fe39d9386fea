"""Collective operations of the processes of a run; a single process computes them at no cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast, broadcast_object_list
from numpy.typing import NDArray
from torch import Tensor
from torch.distributed import DistError

T = TypeVar("T")

PEER_LOST = 70
"""Exit code of a process that ends because another process has ended, which reports the reason."""


def lost_peer(error: RuntimeError) -> bool:
    """Whether an error means that another process has ended."""
    text = str(error).lower()
    signs = ("closed by peer", "reset by peer", "gloo", "nccl")
    return isinstance(error, DistError) or any(sign in text for sign in signs)


class Ranks:
    """The processes of a run.

    Attributes:
        rank: number of this process, from 0.
        processes: how many processes there are.
    """

    def __init__(self, accelerator: Accelerator) -> None:
        self._accelerator = accelerator
        self.rank: int = accelerator.process_index
        self.processes: int = accelerator.num_processes

    @property
    def first(self) -> bool:
        """Whether this is the process that prints and writes files."""
        return self.rank == 0

    @property
    def alone(self) -> bool:
        """Whether this is the only process."""
        return self.processes == 1

    def mine(self, count: int) -> NDArray[np.int64]:
        """The rows of this process, of `count` rows; each row belongs to exactly one process."""
        return np.arange(self.rank, count, self.processes)

    def sum(self, values: Tensor) -> Tensor:
        """The sum over processes of a tensor that has the same shape on all of them."""
        if self.alone:
            return values
        total: Tensor = self._accelerator.reduce(values, reduction="sum")
        return total

    def gather(self, values: Tensor) -> Tensor:
        """The tensors of all processes, stacked: [processes, ...]."""
        if self.alone:
            return values[None]
        gathered: Tensor = self._accelerator.gather(values[None].to(self._accelerator.device))
        return gathered

    def max(self, values: Sequence[float]) -> list[float]:
        """Each value's maximum over processes."""
        if self.alone:
            return list(values)
        most: list[float] = self.gather(torch.tensor(values)).amax(dim=0).tolist()
        return most

    def from_first(self, make: Callable[[], T]) -> T:
        """What `make` returns on the first process; all processes receive it."""
        if self.alone:
            return make()
        made: list[T] = broadcast_object_list([make() if self.first else None])
        return made[0]

    def broadcast(self, tensor: Tensor) -> Tensor:
        """The first process's tensor; all processes receive it."""
        if self.alone:
            return tensor
        shared: Tensor = broadcast(tensor)
        return shared

    @contextmanager
    def ending_together(self) -> Iterator[None]:
        """End silently if another process has ended, since that process reports the reason."""
        try:
            yield
        except RuntimeError as error:
            if self.alone or not lost_peer(error):
                raise
            raise SystemExit(PEER_LOST) from None

    def wait(self) -> None:
        """Wait until all processes have reached this call."""
        if not self.alone:
            self._accelerator.wait_for_everyone()
