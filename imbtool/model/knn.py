"""The training texts nearest to a text have a say in its labels, beside the head.

The head draws one line a label, and a label of few positives is hard to draw a line around; the
nearest training texts know its corners by heart. Their labels are mixed into the probabilities as
in nearest-neighbour language models (arXiv 1911.00172), for several labels in Su et al., ACL 2022
(aclanthology.org/2022.acl-short.75).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, normalize

from imbtool.errors import UserError, user_error
from imbtool.model.encoder import TextModel, TokenIds, mean_over_windows
from imbtool.model.head import head_layer
from imbtool.model.loading import folder_of_checkpoint
from imbtool.wording import some

FILE = "neighbours.safetensors"
NEAREST = 50
"""Training texts that are heard; 20 to 100 make no difference that can be seen."""
TEMPERATURE = 0.1
"""Of the cosines: a text whose cosine is so much higher counts e times as much."""
UNKNOWN = -1
ROUNDING = 0.01
"""How far from 1 the length of a direction may be that was rounded to 16 bits."""


class KnnIndex(nn.Module):
    """Training texts as the head sees them, and their labels.

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
        """The share of the nearest training texts that have a label [m, L].

        A nearer one counts more, by its cosine; NaN where all of them are unknown.

        Args:
            features: the head's input for each text [m, features].
        """
        cosines = normalize(features) @ self.features.T
        nearest = cosines.topk(min(NEAREST, len(self.features)), dim=1)
        weights = torch.softmax(nearest.values / TEMPERATURE, dim=1)[:, :, None]
        targets = self.targets[nearest.indices]
        heard = (weights * (targets != UNKNOWN)).sum(dim=1)
        return (weights * (targets == 1)).sum(dim=1) / heard

    def save(self, folder: Path) -> None:
        """Write them into a checkpoint's folder."""
        tensors = {"features": self.features.half(), "targets": self.targets}
        save_file({name: each.cpu().contiguous() for name, each in tensors.items()}, folder / FILE)


def make_knn_index(features: Tensor, targets: NDArray[np.float32]) -> KnnIndex:
    """Training texts by the head's input [n, features] and their targets [n, L], NaN unknown.

    Directions have the 16 bits that they are kept with: thresholds are chosen by what will decide.
    """
    known = np.nan_to_num(targets, nan=UNKNOWN).astype(np.int8)
    return KnnIndex(normalize(features).half().float(), torch.from_numpy(known).to(features.device))


def predict_with_knn(
    text_model: TextModel, neighbours: KnnIndex, encoded: Sequence[TokenIds]
) -> tuple[Tensor, Tensor]:
    """What the head and what the neighbours say of encoded texts.

    Returns:
        Logits of the head [n, L] and the neighbours' opinion [n, L], fp32, on the CPU. For the
        neighbours a text in windows is the mean of them.
    """
    layer = head_layer(text_model.model)
    assert layer is not None  # its input is what they were remembered by
    logits, opinion = torch.zeros(2, len(encoded), text_model.model.config.num_labels)
    for rows, output, seen in text_model.forward_with_inputs(encoded, layer):
        windows = text_model.windows([encoded[row] for row in rows])
        logits[rows] = output.float().cpu()
        opinion[rows] = neighbours(mean_over_windows(seen, windows)).cpu()
    return logits, opinion


def interpolated(logits: Tensor, opinion: Tensor, share: float) -> Tensor:
    """The logits of (1 - share) sigmoid(logits) + share * opinion, in fp64.

    Args:
        logits: any shape.
        opinion: probabilities, of the same shape; where one is NaN the logit stays.
        share: of the neighbours, 0 to under 1.
    """
    logits, opinion = logits.double(), opinion.double()
    if share == 0:
        return logits
    ours, theirs = math.log1p(-share), math.log(share)
    positive = torch.logaddexp(ours + logsigmoid(logits), theirs + opinion.log())
    negative = torch.logaddexp(ours + logsigmoid(-logits), theirs + torch.log1p(-opinion))
    return torch.where(opinion.isnan(), logits, positive - negative)


def read_knn_index(folder: Path, texts: int, labels: int, width: int) -> KnnIndex:
    """The neighbours in a checkpoint's folder.

    Args:
        folder: of the checkpoint.
        texts: how many there are.
        labels: how many labels they have.
        width: of what the head of the model reads.

    Raises:
        UserError: the file is missing or damaged, or does not go with the model.
    """
    path = folder / FILE
    if not path.is_file():
        raise _refused(path, "no such file")
    with folder_of_checkpoint(folder).calls(FILE):
        tensors = load_file(path)
    wrong = next(_faults(tensors, texts, labels, width), None)
    if wrong is not None:
        raise _refused(path, wrong)
    return KnnIndex(tensors["features"].float(), tensors["targets"])


def _faults(tensors: Mapping[str, Tensor], texts: int, labels: int, width: int) -> Iterator[str]:
    """What is wrong with tensors that should be those of so many neighbours."""
    wanted = {
        "features": ((texts, width), torch.float16),
        "targets": ((texts, labels), torch.int8),
    }
    if tensors.keys() != wanted.keys():
        yield f"the tensors {some(sorted(tensors)) or 'of none'}"
        return
    for name, (shape, dtype) in wanted.items():
        found = tuple(tensors[name].shape), tensors[name].dtype
        if found != (shape, dtype):
            yield f"{name} of shape and type {found}, not {(shape, dtype)}"
            return
    lengths = tensors["features"].float().norm(dim=1)
    if not ((lengths - 1).abs() < ROUNDING).logical_or(lengths == 0).all():
        yield "features that are no directions of length 1"
    if not torch.isin(tensors["targets"], torch.tensor([UNKNOWN, 0, 1], dtype=torch.int8)).all():
        yield "targets other than -1, 0 and 1"


def _refused(path: Path, found: str) -> UserError:
    fix = "restore it: the thresholds in imbtool.json were chosen with it"
    return user_error(path, found, "what imbtool wrote", fix)
