"""The training loss; its formula is implemented only here.

    p = sigmoid(z);  p_t = p where y = 1, else 1 - p
    L = mean over texts and labels of  w_l^[y=1] (1 - p_t)^gamma_l BCE(z, y)
        + lambda * mean over texts and (child, parent) pairs of  max(0, p_child - p_parent)

Focal loss: arXiv 1708.02002. Unknown targets (NaN) are masked. Where a teacher has given logits t,
the loss is that of distillation (arXiv 1503.02531):

    label_share * L + (1 - label_share) * mean over texts and labels of
        T^2 KL(sigmoid(t / T) || sigmoid(z / T))
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid

from imbtool.config.hierarchy import Labels
from imbtool.config.schema import LossSection

TEMPERATURE = 1.0
"""By which logits are divided for distillation. Above 1 makes the probabilities softer, which those
of a teacher with focal loss and weights are already."""
LABEL_SHARE = 0.5
"""Share of the loss on the labels in the loss of a student."""


def weighted_focal_loss(logits: Tensor, targets: Tensor, weight: Tensor, gamma: Tensor) -> Tensor:
    """Weighted focal loss of every element.

    Args:
        logits: [n, L].
        targets: [n, L], 1, 0 or NaN (unknown).
        weight: [L], weight of a label's positives.
        gamma: [L], focusing exponent; 0 is plain BCE.

    Returns:
        [n, L], 0 where the target is unknown. 1 - p_t is taken as exp(logsigmoid), so that the
        gradient stays finite where p_t is 1, for any gamma.
    """
    sign = torch.where(targets == 1, 1.0, -1.0)
    signed = sign * logits
    loss = -logsigmoid(signed) * torch.exp(gamma * logsigmoid(-signed))
    loss = torch.where(targets == 1, weight * loss, loss)
    return torch.where(torch.isnan(targets), 0.0, loss)


def hierarchy_penalty(logits: Tensor, children: Tensor, parents: Tensor) -> Tensor:
    """max(0, p_child - p_parent) of every text and pair: logits [n, L] -> [n, pairs]."""
    probabilities = torch.sigmoid(logits)
    return (probabilities[:, children] - probabilities[:, parents]).clamp_min(0.0)


def distillation_loss(logits: Tensor, teacher: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    """KL divergence of a student's probabilities from a teacher's: logits [n, L] -> [n, L].

    It is 0 where they agree. The factor T^2 keeps the gradients as large at each temperature.
    """
    soft = torch.sigmoid(teacher / temperature)
    loss, least = (
        binary_cross_entropy_with_logits(each / temperature, soft, reduction="none")
        for each in (logits, teacher)
    )
    return temperature**2 * (loss - least)


@dataclass(frozen=True)
class Size:
    """The size of a batch, by which its loss is divided: number of known targets and of texts."""

    known: int
    texts: int


def size_of(targets: Tensor) -> Size:
    """The size of a batch with targets [n, L]; at least 1 known target."""
    return Size(max(1, int((~torch.isnan(targets)).sum())), len(targets))


@dataclass(frozen=True)
class Objective:
    """The loss of a profile on a device.

    Attributes:
        weight: [L].
        gamma: [L].
        children: [pairs] indices.
        parents: [pairs] indices.
        constraint: lambda.
    """

    weight: Tensor
    gamma: Tensor
    children: Tensor
    parents: Tensor
    constraint: float

    def __call__(
        self,
        logits: Tensor,
        targets: Tensor,
        size: Size | None = None,
        teacher: Tensor | None = None,
    ) -> Tensor:
        """The loss of a batch, or its part of the loss of a larger one.

        Args:
            logits: [n, L].
            targets: [n, L].
            size: of the whole batch that these texts are a part of; the parts' losses add up to
                the loss of the whole. Default: they are the whole.
            teacher: logits of a teacher [n, L]. Default: the labels alone are learned.
        """
        logits = logits.float()
        size = size or size_of(targets)
        loss = weighted_focal_loss(logits, targets, self.weight, self.gamma).sum() / size.known
        if self.constraint and self.children.numel():
            penalty = hierarchy_penalty(logits, self.children, self.parents).sum()
            loss = loss + self.constraint * penalty / (size.texts * self.children.numel())
        if teacher is None:
            return loss
        soft = distillation_loss(logits, teacher).sum()
        soft = soft / (size.texts * logits.shape[1])
        return LABEL_SHARE * loss + (1 - LABEL_SHARE) * soft


def make_objective(
    section: LossSection, labels: Labels, weights: Sequence[float], device: torch.device
) -> Objective:
    """The loss that a profile describes, for a label set and its weights [L]."""
    children, parents = labels.pairs()
    gamma = [section.gamma_of(name) for name in labels.names]
    return Objective(
        torch.tensor(weights, dtype=torch.float32, device=device),
        torch.tensor(gamma, dtype=torch.float32, device=device),
        torch.tensor(children, dtype=torch.long, device=device),
        torch.tensor(parents, dtype=torch.long, device=device),
        section.constraint,
    )
