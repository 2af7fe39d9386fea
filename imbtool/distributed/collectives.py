"""What the processes of a run tell each other; alone, a process talks to itself for free."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast, broadcast_object_list
from numpy.typing import NDArray
from torch import Tensor
from torch.distributed import DistError

T = TypeVar("T")

PEER_LOST = 70
"""Exit code of a process that ends because another one has; the other has the reason."""


def lost_peer(error: RuntimeError) -> bool:
    """Whether an error says that another process is gone."""
    text = str(error).lower()
    signs = ("closed by peer", "reset by peer", "gloo", "nccl")
    return isinstance(error, DistError) or any(sign in text for sign in signs)


class Ranks:
    """The processes of a run.

    Attributes:
        rank: of this one, from 0.
        processes: how many there are.
    """

    def __init__(self, accelerator: Accelerator) -> None:
        self._accelerator = accelerator
        self.rank: int = accelerator.process_index
        self.processes: int = accelerator.num_processes

    @property
    def first(self) -> bool:
        """Is this the process that prints and writes?"""
        return self.rank == 0

    @property
    def alone(self) -> bool:
        """Is this the only process?"""
        return self.processes == 1

    def mine(self, count: int) -> NDArray[np.int64]:
        """Of `count` rows, those of this process; together the processes have each row once."""
        return np.arange(self.rank, count, self.processes)

    def sum(self, values: Tensor) -> Tensor:
        """The sum over processes of a tensor that has the same shape on all."""
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
        """What the first process makes, on every process."""
        if self.alone:
            return make()
        made: list[Any] = broadcast_object_list([make() if self.first else None])
        result: T = made[0]
        return result

    def broadcast(self, tensor: Tensor) -> Tensor:
        """The first process's tensor, on every process."""
        if self.alone:
            return tensor
        shared: Tensor = broadcast(tensor)
        return shared

    @contextmanager
    def ending_together(self) -> Iterator[None]:
        """End without a word where another process has ended: that one has the reason."""
        try:
            yield
        except RuntimeError as error:
            if self.alone or not lost_peer(error):
                raise
            raise SystemExit(PEER_LOST) from None

    def wait(self) -> None:
        """Go on when all have come here."""
        if not self.alone:
            self._accelerator.wait_for_everyone()
