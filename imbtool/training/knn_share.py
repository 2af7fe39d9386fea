"""After the last epoch: training texts are remembered, and validation says what they may say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imbtool.evaluation.calibration import Calibration, sigmoid
from imbtool.evaluation.metrics import average_precision, mean_defined
from imbtool.evaluation.thresholds import ThresholdChoice
from imbtool.events import Event
from imbtool.model.checkpoint import read_checkpoint
from imbtool.model.encoder import averaged
from imbtool.model.head import head_layer
from imbtool.model.knn import Neighbours, consult, mixed, remember
from imbtool.model.metadata import NeighboursMeta
from imbtool.training.automatic import autocast, choose_precision
from imbtool.training.head_first import collect_features, few_texts, rows_of_texts
from imbtool.training.setup import Materials
from imbtool.training.token_cache import taken
from imbtool.training.validation import validate

SHARES = (0.0, 0.15, 0.3, 0.45)
"""Of the say that neighbours may have; validation chooses."""
MOST_REMEMBERED = 100_000
"""Training texts, rare labels first: all are compared with every text that is read."""


@dataclass(frozen=True)
class Heard:
    """What came of asking the neighbours, once they have a share.

    Attributes:
        neighbours: for the checkpoint.
        meta: for its imbtool.json.
        figures: on validation, as those of an epoch.
        choice: thresholds of the mixed probabilities.
        calibration: of them.
    """

    neighbours: Neighbours
    meta: NeighboursMeta
    figures: Event
    choice: ThresholdChoice
    calibration: Calibration


def ask_neighbours(materials: Materials, checkpoint: Path) -> tuple[Event, Heard | None]:
    """Give the nearest training texts the share that ranks best on validation. All processes call.

    The model of `materials` becomes that of the checkpoint. The share is the one with the highest
    mean average precision on validation, none among them.

    Returns:
        A `neighbours` event, and what came of it if they have a share.
    """
    layer = head_layer(materials.text_model.model)
    if layer is None:
        reason = "the head of the model does not end in one layer with a bias"
        return {"event": "neighbours", "share": 0.0, "reason": reason}, None
    _take_back(materials, checkpoint)
    few = few_texts(materials.train, MOST_REMEMBERED)
    precision = choose_precision(materials.profile.training, materials.accelerator.device).value
    context = autocast(precision, materials.accelerator.device)
    model = materials.text_model
    features = collect_features(model, few.encoded, layer, context, materials.ranks)
    features = averaged(features, rows_of_texts(model, few.encoded))
    neighbours = remember(features, few.targets)
    logits, opinion = _consult(materials, neighbours)
    targets = materials.validation.targets
    ranked = {
        share: mean_defined(average_precision(sigmoid(_mixed(logits, opinion, share)), targets))
        for share in SHARES
    }
    share = materials.ranks.from_first(lambda: max(ranked, key=lambda each: ranked[each]))
    event = {
        "event": "neighbours",
        "share": share,
        "texts": len(few.rows),
        "average_precision": {f"{each:g}": value for each, value in ranked.items()},
    }
    if not share:
        return {**event, "reason": "none of the shares ranks better"}, None
    _, alone, _ = validate(materials, logits.double().numpy())
    figures, choice, calibration = validate(materials, _mixed(logits, opinion, share))
    thresholds = dict(zip(materials.corpus.labels.names, alone.probabilities.tolist(), strict=True))
    meta = NeighboursMeta(
        share=share, texts=len(few.rows), thresholds=thresholds, coherence=alone.coherence
    )
    heard = Heard(neighbours, meta, figures, choice, calibration)
    return {**event, "figures": figures}, heard


def _take_back(materials: Materials, checkpoint: Path) -> None:
    """Give the model the weights of a checkpoint, on all processes those that the first reads."""
    ranks, kept = materials.ranks, None
    if ranks.first:
        trusted = materials.profile.model.trust_remote_code
        model = read_checkpoint(checkpoint, trusted).text_model.model
        kept = dict(model.named_parameters())
    with torch.no_grad():
        for name, parameter in materials.text_model.model.named_parameters():
            if kept is not None:
                parameter.copy_(kept[name])
            parameter.copy_(ranks.same(parameter))


def _consult(materials: Materials, neighbours: Neighbours) -> tuple[Tensor, Tensor]:
    """Logits and the neighbours' opinion [n, L] on validation; processes share the texts."""
    encoded, ranks = materials.validation.encoded, materials.ranks
    mine = ranks.mine(len(encoded))
    said = torch.zeros(2, len(encoded), len(materials.corpus.labels))
    said[:, mine] = torch.stack(consult(materials.text_model, neighbours, taken(encoded, mine)))
    logits, opinion = ranks.total(said.to(materials.accelerator.device)).cpu()
    return logits, opinion


def _mixed(logits: Tensor, opinion: Tensor, share: float) -> NDArray[np.float64]:
    return mixed(logits, opinion, share).numpy()
