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
from imbtool.events import NeighboursEvent, ValidationMetrics
from imbtool.model.checkpoint import read_checkpoint
from imbtool.model.encoder import mean_over_windows
from imbtool.model.head import head_layer
from imbtool.model.knn import KnnIndex, interpolated, make_knn_index, predict_with_knn
from imbtool.model.metadata import KnnMeta
from imbtool.training.automatic import autocast, choose_precision
from imbtool.training.head_first import collect_features, subsample, window_counts
from imbtool.training.setup import TrainingSetup
from imbtool.training.token_cache import select_texts
from imbtool.training.validation import validate

WEIGHTS = (0.0, 0.15, 0.3, 0.45)
"""Of the say that neighbours may have; validation chooses."""
MOST_INDEXED = 100_000
"""Training texts, rare labels first: all are compared with every text that is read."""


@dataclass(frozen=True)
class KnnFit:
    """What came of asking the neighbours, once they have a share.

    Attributes:
        neighbours: for the checkpoint.
        meta: for its imbtool.json.
        figures: on validation, as those of an epoch.
        choice: thresholds of the mixed probabilities.
        calibration: of them.
    """

    neighbours: KnnIndex
    meta: KnnMeta
    figures: ValidationMetrics
    choice: ThresholdChoice
    calibration: Calibration


def fit_knn(setup: TrainingSetup, checkpoint: Path) -> tuple[NeighboursEvent, KnnFit | None]:
    """Give the nearest training texts the share that ranks best on validation. All processes call.

    The model of `setup` becomes that of the checkpoint. The share is the one with the highest
    mean average precision on validation, none among them.

    Returns:
        A `neighbours` event, and what came of it if they have a share.
    """
    layer = head_layer(setup.text_model.model)
    if layer is None:
        reason = "the head of the model does not end in one layer with a bias"
        return NeighboursEvent(share=0.0, reason=reason), None
    _restore_weights(setup, checkpoint)
    few = subsample(setup.train, MOST_INDEXED)
    precision = choose_precision(setup.profile.training, setup.accelerator.device).value
    context = autocast(precision, setup.accelerator.device)
    model = setup.text_model
    features = collect_features(model, few.encoded, layer, context, setup.ranks)
    features = mean_over_windows(features, window_counts(model, few.encoded))
    neighbours = make_knn_index(features, few.targets)
    logits, opinion = _validation_predictions(setup, neighbours)
    targets = setup.validation.targets
    ranked = {
        share: mean_defined(
            average_precision(sigmoid(_interpolated(logits, opinion, share)), targets)
        )
        for share in WEIGHTS
    }
    share = setup.ranks.from_first(lambda: max(ranked, key=lambda each: ranked[each]))
    event = NeighboursEvent(
        share=share,
        texts=len(few.rows),
        average_precision={f"{each:g}": value for each, value in ranked.items()},
    )
    if not share:
        return event.model_copy(update={"reason": "none of the shares ranks better"}), None
    _, alone, _ = validate(setup, logits.double().numpy())
    figures, choice, calibration = validate(setup, _interpolated(logits, opinion, share))
    thresholds = dict(zip(setup.corpus.labels.names, alone.probabilities.tolist(), strict=True))
    meta = KnnMeta(
        share=share, texts=len(few.rows), thresholds=thresholds, coherence=alone.coherence
    )
    heard = KnnFit(neighbours, meta, figures, choice, calibration)
    return event.model_copy(update={"figures": figures}), heard


def _restore_weights(setup: TrainingSetup, checkpoint: Path) -> None:
    """Give the model the weights of a checkpoint, on all processes those that the first reads."""
    ranks, kept = setup.ranks, None
    if ranks.first:
        trusted = setup.profile.model.trust_remote_code
        model = read_checkpoint(checkpoint, trusted).text_model.model
        kept = dict(model.named_parameters())
    with torch.no_grad():
        for name, parameter in setup.text_model.model.named_parameters():
            if kept is not None:
                parameter.copy_(kept[name])
            parameter.copy_(ranks.broadcast(parameter))


def _validation_predictions(setup: TrainingSetup, neighbours: KnnIndex) -> tuple[Tensor, Tensor]:
    """Logits and the neighbours' opinion [n, L] on validation; processes share the texts."""
    encoded, ranks = setup.validation.encoded, setup.ranks
    mine = ranks.mine(len(encoded))
    said = torch.zeros(2, len(encoded), len(setup.corpus.labels))
    said[:, mine] = torch.stack(
        predict_with_knn(setup.text_model, neighbours, select_texts(encoded, mine))
    )
    logits, opinion = ranks.sum(said.to(setup.accelerator.device)).cpu()
    return logits, opinion


def _interpolated(logits: Tensor, opinion: Tensor, share: float) -> NDArray[np.float64]:
    return interpolated(logits, opinion, share).numpy()
