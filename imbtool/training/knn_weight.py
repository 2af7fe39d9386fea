"""The weight of the kNN probabilities: after the last epoch, validation chooses it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from imbtool.evaluation.calibration import sigmoid
from imbtool.evaluation.metrics import average_precision, mean_defined
from imbtool.events import NeighboursEvent
from imbtool.model.checkpoint import read_checkpoint
from imbtool.model.head import head_layer
from imbtool.model.knn import KnnIndex, interpolated, make_knn_index, predict_with_knn
from imbtool.model.metadata import KnnMeta
from imbtool.training.batches import subsample
from imbtool.training.head_first import make_feature_reader
from imbtool.training.setup import TrainingSetup
from imbtool.training.token_cache import select_texts
from imbtool.training.validation import ValidationResult, validate
from imbtool.types import Floats

WEIGHTS = (0.0, 0.15, 0.3, 0.45)
"""Weights of the kNN probabilities among which validation chooses."""
MOST_INDEXED = 100_000
"""Training texts in the index, positives of rare labels first: each prediction compares with all.
"""


@dataclass(frozen=True)
class KnnFit:
    """A kNN index whose probabilities improve the ranking on validation.

    Attributes:
        index: for the checkpoint.
        meta: for the checkpoint's imbtool.json.
        validation: of the interpolated probabilities.
    """

    index: KnnIndex
    meta: KnnMeta
    validation: ValidationResult


def fit_knn(setup: TrainingSetup, checkpoint: Path) -> tuple[NeighboursEvent, KnnFit | None]:
    """Index the training texts and choose the weight of their kNN probabilities.

    It is the weight, perhaps 0, with the highest mean average precision on validation. All
    processes call this function. It sets the model of `setup` to the weights of the checkpoint.

    Args:
        setup: of the training.
        checkpoint: of the best epoch.

    Returns:
        A `neighbours` event, and the fit unless the weight is 0.
    """
    if head_layer(setup.text_model.model) is None:
        reason = "the head of the model does not end in one layer with a bias"
        return NeighboursEvent(share=0.0, reason=reason), None
    _restore_weights(setup, checkpoint)
    few = subsample(setup.train, MOST_INDEXED)
    read = make_feature_reader(setup.text_model, setup.profile.training, setup.accelerator)
    index = make_knn_index(read(few.encoded), few.targets)
    logits, knn_probabilities = _validation_predictions(setup, index)
    targets = setup.validation.targets

    def mixed(weight: float) -> Floats:
        return interpolated(logits, knn_probabilities, weight).numpy()

    ranked = {
        weight: mean_defined(average_precision(sigmoid(mixed(weight)), targets))
        for weight in WEIGHTS
    }
    weight = setup.ranks.from_first(lambda: max(ranked, key=lambda each: ranked[each]))
    event = NeighboursEvent(
        share=weight,
        texts=len(few.rows),
        average_precision={f"{each:g}": value for each, value in ranked.items()},
    )
    if not weight:
        return event.model_copy(update={"reason": "no weight improves the ranking"}), None
    alone, result = validate(setup, logits.double().numpy()).choice, validate(setup, mixed(weight))
    thresholds = dict(zip(setup.corpus.labels.names, alone.probabilities.tolist(), strict=True))
    meta = KnnMeta(
        share=weight, texts=len(few.rows), thresholds=thresholds, coherence=alone.coherence
    )
    fit = KnnFit(index, meta, result)
    return event.model_copy(update={"figures": result.metrics}), fit


def _restore_weights(setup: TrainingSetup, checkpoint: Path) -> None:
    """Set the model to the weights of a checkpoint, which the first process reads for all."""
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


def _validation_predictions(setup: TrainingSetup, index: KnnIndex) -> tuple[Tensor, Tensor]:
    """Logits and kNN probabilities [n, L] of the validation texts; processes share the texts."""
    encoded, ranks = setup.validation.encoded, setup.ranks
    mine = ranks.mine(len(encoded))
    both = torch.zeros(2, len(encoded), len(setup.corpus.labels))
    both[:, mine] = torch.stack(
        predict_with_knn(setup.text_model, index, select_texts(encoded, mine))
    )
    logits, knn_probabilities = ranks.sum(both.to(setup.accelerator.device)).cpu()
    return logits, knn_probabilities
