"""The training texts nearest to a text have a say in its labels: a memory beside the head.

A head draws one line a label, which a label of few positives cannot bend around them; its nearest
training texts know such corners by heart. Nearest-neighbour mixing: arXiv 1911.00172 for language
models; for several labels Su et al., ACL 2022, aclanthology.org/2022.acl-short.75.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, normalize

from imbtool.errors import fail

FILE = "neighbours.safetensors"
NEAREST = 50
"""Training texts that are asked; 20 to 100 make no difference that can be seen."""
TEMPERATURE = 0.1
"""Of the cosines: one that is so much higher counts e times as much."""
QUESTIONS = 1024
"""Texts that are compared with all training texts at once."""
UNKNOWN = -1


class Neighbours(nn.Module):
    """Training texts as the head sees them, with their labels.

    Attributes:
        features: directions of the head's input [n, features], of length 1.
        targets: 1, 0 or -1 for unknown [n, L], int8.
        share: how much of the say they have, over 0 and under 1.
    """

    features: Tensor
    targets: Tensor

    def __init__(self, features: Tensor, targets: Tensor, share: float) -> None:
        super().__init__()
        self.register_buffer("features", features)
        self.register_buffer("targets", targets)
        self.share = share

    def forward(self, logits: Tensor, features: Tensor) -> Tensor:
        """The logits [m, L] of texts once the neighbours have been heard.

        Args:
            logits: of the head [m, L].
            features: the head's input [m, features].
        """
        return mixed(logits, self.opinion(features), self.share)

    def opinion(self, features: Tensor) -> Tensor:
        """The share of each text's nearest training texts that have a label [m, L].

        A nearer one counts more, by its cosine; NaN where all of them are unknown.
        """
        parts = [self._opinion(part) for part in features.split(QUESTIONS)]
        return torch.cat(parts) if parts else features.new_zeros(0, self.targets.shape[1])

    def _opinion(self, features: Tensor) -> Tensor:
        cosines = normalize(features) @ self.features.T
        nearest = cosines.topk(min(NEAREST, len(self.features)), dim=1)
        weights = torch.softmax(nearest.values / TEMPERATURE, dim=1)[:, :, None]
        targets = self.targets[nearest.indices]
        asked = (weights * (targets != UNKNOWN)).sum(dim=1)
        return (weights * (targets == 1)).sum(dim=1) / asked

    def save(self, folder: Path) -> None:
        """Write them into a checkpoint's folder; numbers of 16 bits are enough for a direction."""
        tensors = {"features": self.features.half(), "targets": self.targets}
        tensors = {name: tensor.contiguous().cpu() for name, tensor in tensors.items()}
        save_file(tensors, folder / FILE, metadata={"share": str(self.share)})


def remember(features: Tensor, targets: NDArray[np.float32], share: float = 0.5) -> Neighbours:
    """Training texts become neighbours.

    Args:
        features: the head's input [n, features].
        targets: [n, L], NaN unknown.
        share: how much of the say they have.
    """
    known = np.nan_to_num(targets, nan=UNKNOWN).astype(np.int8)
    return Neighbours(normalize(features), torch.from_numpy(known).to(features.device), share)


def mixed(logits: Tensor, opinion: Tensor, share: float) -> Tensor:
    """The logits of (1 - share) sigmoid(logits) + share * opinion.

    Args:
        logits: any shape.
        opinion: probabilities, as many; where one is NaN the logit stays.
        share: from 0 to under 1.
    """
    if share == 0:
        return logits
    own, theirs = np.log1p(-share), np.log(share)
    positive = torch.logaddexp(own + logsigmoid(logits), theirs + opinion.log())
    negative = torch.logaddexp(own + logsigmoid(-logits), theirs + torch.log1p(-opinion))
    return torch.where(opinion.isnan(), logits, positive - negative)


def read_neighbours(folder: Path) -> Neighbours | None:
    """The neighbours in a checkpoint's folder, if there are any.

    Raises:
        UserError: the file is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            features, targets = file.get_tensor("features"), file.get_tensor("targets")
            return Neighbours(features.float(), targets, float(file.metadata()["share"]))
    except (SafetensorError, KeyError, ValueError) as error:
        raise fail(path, str(error), "a file written by imbtool", "train it again") from error
