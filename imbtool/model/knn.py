"""kNN probabilities: the labels of the training texts nearest to a text, beside those of the head.

A linear head separates a label with one hyperplane, which few positives do not determine well; the
nearest training texts follow the shape of a label locally. Their labels are interpolated with the
head's probabilities as in nearest-neighbour language models (arXiv 1911.00172), and for multi-label
classification in Su et al., ACL 2022 (aclanthology.org/2022.acl-short.75).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, normalize

from imbtool.model.encoder import TextModel, mean_over_windows
from imbtool.model.head import head_input
from imbtool.model.long_texts import TokenIds
from imbtool.model.tensors import read_tensors
from imbtool.types import Targets

FILE = "neighbours.safetensors"
NEAREST = 50
"""Number k of nearest training texts; 20 to 100 make no visible difference."""
TEMPERATURE = 0.1
"""Of the cosine similarities: a text weighs e times more if its similarity is higher by this."""
UNKNOWN = -1
ROUNDING = 0.01
"""How far from 1 the length of a direction may be after rounding to 16 bits."""


class KnnIndex(nn.Module):
    """The training texts, as input of the head, with their labels.

    Attributes:
        features: directions of the head's input [n, features], each of length 1.
        targets: 1, 0, or -1 for unknown [n, L], int8.
    """

    features: Tensor
    targets: Tensor

    def __init__(self, features: Tensor, targets: Tensor) -> None:
        super().__init__()
        self.register_buffer("features", features)
        self.register_buffer("targets", targets)

    def forward(self, features: Tensor) -> Tensor:
        """The kNN probability of each label: the weighted fraction of neighbours that have it.

        Args:
            features: the head's input for each text [m, features].

        Returns:
            [m, L]; neighbours weigh more the more similar they are. NaN if the label is unknown for
            all of them.
        """
        cosines = normalize(features) @ self.features.T
        nearest = cosines.topk(min(NEAREST, len(self.features)), dim=1)
        weights = torch.softmax(nearest.values / TEMPERATURE, dim=1)[:, :, None]
        targets = self.targets[nearest.indices]
        known = (weights * (targets != UNKNOWN)).sum(dim=1)
        return (weights * (targets == 1)).sum(dim=1) / known

    def save(self, folder: Path) -> None:
        """Write the index into the folder of a checkpoint."""
        tensors = {"features": self.features.half(), "targets": self.targets}
        save_file({name: each.cpu().contiguous() for name, each in tensors.items()}, folder / FILE)


def make_knn_index(features: Tensor, targets: Targets) -> KnnIndex:
    """Index training texts by the head's input [n, features], with their targets [n, L].

    Directions are rounded to the 16 bits that they are saved with, so that thresholds are chosen
    with the index that will be used.
    """
    known = np.nan_to_num(targets, nan=UNKNOWN).astype(np.int8)
    return KnnIndex(normalize(features).half().float(), torch.from_numpy(known).to(features.device))


def predict_with_knn(
    text_model: TextModel, index: KnnIndex, encoded: Sequence[TokenIds]
) -> tuple[Tensor, Tensor]:
    """Compute the logits of the head and the kNN probabilities of encoded texts.

    Returns:
        Both [n, L], fp32, on the CPU. For the kNN probabilities, the features of a text in windows
        are the mean over its windows.
    """
    layer = head_input(text_model.model)
    assert layer is not None  # else there would be no index
    logits, knn_probabilities = torch.zeros(2, len(encoded), index.targets.shape[1])
    for rows, output, inputs in text_model.forward_with_inputs(encoded, layer):
        windows = text_model.windows([encoded[row] for row in rows])
        logits[rows] = output.float().cpu()
        knn_probabilities[rows] = index(mean_over_windows(inputs, windows)).cpu()
    return logits, knn_probabilities


def interpolated(logits: Tensor, knn_probabilities: Tensor, weight: float) -> Tensor:
    """The logits of (1 - weight) sigmoid(logits) + weight * knn_probabilities, in fp64.

    Args:
        logits: any shape.
        knn_probabilities: of the same shape; where one is NaN the logit does not change.
        weight: of the kNN probabilities, from 0 to below 1.
    """
    logits, knn = logits.double(), knn_probabilities.double()
    if weight == 0:
        return logits
    head_part, knn_part = math.log1p(-weight), math.log(weight)
    positive = torch.logaddexp(head_part + logsigmoid(logits), knn_part + knn.log())
    negative = torch.logaddexp(head_part + logsigmoid(-logits), knn_part + torch.log1p(-knn))
    return torch.where(knn.isnan(), logits, positive - negative)


def read_knn_index(folder: Path, texts: int, labels: int, width: int) -> KnnIndex:
    """Read the kNN index in the folder of a checkpoint.

    Args:
        folder: of the checkpoint.
        texts: number of training texts in the index.
        labels: number of labels.
        width: number of input features of the model's head.

    Raises:
        UserError: the file is missing or damaged, or does not match the model.
    """
    wanted = {
        "features": ((texts, width), torch.float16),
        "targets": ((texts, labels), torch.int8),
    }
    tensors = read_tensors(folder / FILE, wanted, _fault)
    return KnnIndex(tensors["features"].float(), tensors["targets"])


def _fault(tensors: Mapping[str, Tensor]) -> str | None:
    lengths = tensors["features"].float().norm(dim=1)
    if not ((lengths - 1).abs() < ROUNDING).logical_or(lengths == 0).all():
        return "features that are no directions of length 1"
    if not torch.isin(tensors["targets"], torch.tensor([UNKNOWN, 0, 1], dtype=torch.int8)).all():
        return "targets other than -1, 0 and 1"
    return None
