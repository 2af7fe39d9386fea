"""What is added to the head after the last epoch: weights of words, and kNN probabilities.

Validation chooses how much of each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from torch import Tensor

from imbtool.evaluation.calibration import sigmoid
from imbtool.evaluation.metrics import average_precision, mean_defined
from imbtool.evaluation.thresholds import ThresholdChoice
from imbtool.events import NeighboursEvent, WordsEvent
from imbtool.model.encoder import TextModel
from imbtool.model.head import head_layer
from imbtool.model.knn import KnnIndex, interpolated, make_knn_index, predict_with_knn
from imbtool.model.long_texts import TokenIds, windows_of
from imbtool.model.word_head import WordHead, Words, ridge
from imbtool.trained.checkpoint import read_checkpoint
from imbtool.trained.metadata import LEAST_THRESHOLD, KnnMeta, WordsMeta
from imbtool.training.batches import subsample
from imbtool.training.head_first import make_feature_reader
from imbtool.training.setup import TrainingSetup
from imbtool.training.token_cache import flattened, select_texts
from imbtool.training.validation import ValidationResult, validate, validation_logits
from imbtool.types import Floats, Targets

WEIGHTS = (0.0, 0.15, 0.3, 0.45)
"""Weights of the kNN probabilities among which validation chooses."""
MOST_INDEXED = 100_000
"""Training texts in the index, positives of rare labels first: each prediction compares with all.
"""
LEAST_GAIN = 0.005
"""Of the log loss on validation, as a share of it, that weights of words must save: for less, a
checkpoint need not be more than transformers can read."""
MOST_COUNTED = 100_000
"""Training texts that weights of words are fitted on, positives of each label among them, and
validation texts that their share is chosen by."""
MOST_STACKED = 2_000_000
"""Targets that the share of words is chosen by."""


@dataclass(frozen=True)
class WordsFit:
    """Weights of words that improve the ranking on validation.

    Attributes:
        setup: whose text model has them.
        meta: for the checkpoint's imbtool.json.
        validation: of the sums.
    """

    setup: TrainingSetup
    meta: WordsMeta
    validation: ValidationResult


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


def fit_words(setup: TrainingSetup, checkpoint: Path) -> tuple[WordsEvent, WordsFit | None]:
    """Fit weights of the words of the training texts, and let validation choose their share.

    All processes call this function. It sets the model of `setup` to the weights of the checkpoint.

    Args:
        setup: of the training.
        checkpoint: of the best epoch.

    Returns:
        A `words` event, and the fit unless the share is 0.
    """
    validation, text_model = setup.validation, setup.text_model
    fitted = setup.ranks.from_first(lambda: _fitted_words(setup))
    if fitted is None:
        return WordsEvent(share=0.0, reason="no word occurs in two training texts"), None
    words, weights = fitted
    restore_weights(setup, checkpoint)
    logits = validation_logits(setup)
    rows = np.sort(np.random.default_rng(0).permutation(len(logits))[:MOST_COUNTED])
    held_out, own = validation.take(rows), logits[rows]
    scores = _held_out_scores(words, weights, text_model, held_out.encoded)
    mean, deviation = scores.mean(axis=0), scores.std(axis=0)
    # a label whose scores are all the same gets none
    scale = np.divide(own.std(axis=0), deviation, where=deviation > 0, out=0 * deviation)
    stack = setup.ranks.from_first(lambda: stacked(own, scale * (scores - mean), held_out.targets))
    event = WordsEvent(share=stack.share, tokens=len(words.tokens))
    if not stack.share:
        return event.model_copy(update={"reason": "on validation they gain too little"}), None
    by = stack.share * scale
    head = WordHead.of(words, by * weights, stack.shift - by * mean).to(setup.accelerator.device)
    setup = replace(setup, text_model=replace(text_model, words=head))
    sums = validation_logits(setup)
    both = {0.0: logits, stack.share: sums}
    ranked = setup.ranks.from_first(
        lambda: {share: _ranking(each, validation.targets) for share, each in both.items()}
    )
    if not ranked[stack.share] >= ranked[0.0]:
        reason = "validation ranks no better with them"
        return WordsEvent(share=0.0, tokens=len(words.tokens), reason=reason), None
    alone, result = validate(setup, logits).choice, validate(setup, sums)
    meta = WordsMeta(
        share=stack.share,
        tokens=len(words.tokens),
        thresholds=_thresholds(setup, alone),
        coherence=alone.coherence,
    )
    changes = {"figures": result.metrics, "average_precision": _by_name(ranked)}
    return event.model_copy(update=changes), WordsFit(setup, meta, result)


def _fitted_words(setup: TrainingSetup) -> tuple[Words, Floats] | None:
    """The words of the training texts with their weights [k, L]; None if there are none."""
    few = subsample(setup.train, MOST_COUNTED)
    counted = flattened(few.encoded)
    words = Words.of(*counted, setup.text_model.tokenizer.all_special_ids)
    return (words, ridge(words.rows(*counted), few.targets)) if len(words.tokens) else None


def _held_out_scores(
    words: Words, weights: Floats, text_model: TextModel, encoded: Sequence[TokenIds]
) -> Floats:
    """The scores [n, L] of encoded texts: of one in windows the highest, as its logits are."""
    windows = [each for ids in encoded for each in windows_of(ids, text_model.max_length)]
    starts = np.cumsum([0, *text_model.windows(encoded)[:-1]])
    scores = words.rows(*flattened(windows)) @ weights
    return np.asarray(np.maximum.reduceat(scores, starts, axis=0))


@dataclass(frozen=True)
class Stack:
    """How scores are added to logits.

    Attributes:
        share: of a score beside a logit; 0 if it is not worth it.
        shift: to be added to the sum, so that a sum of 0 is as probable as a logit of 0 was.
    """

    share: float
    shift: float


NOTHING = Stack(0.0, 0.0)


def stacked(logits: Floats, scores: Floats, targets: Targets) -> Stack:
    """How much scores count beside logits, by logistic regression on both, all labels together.

    Stacked generalisation (Wolpert, Neural Networks 1992) with three numbers for all labels: a few
    positives of each label could not tell more.

    Args:
        logits: [n, L].
        scores: with the standard deviation of the logits for each label [n, L].
        targets: 1, 0 or NaN [n, L].
    """
    places = np.flatnonzero(~np.isnan(targets))
    if len(places) > MOST_STACKED:
        places = np.random.default_rng(0).choice(places, MOST_STACKED, replace=False)
    both = np.stack([logits.ravel()[places], scores.ravel()[places]], axis=1)
    wanted = targets.ravel()[places]
    if len(np.unique(wanted)) < 2:
        return NOTHING
    alone, together = LogisticRegression().fit(both[:, :1], wanted), LogisticRegression()
    together.fit(both, wanted)
    before = log_loss(wanted, alone.predict_proba(both[:, :1])[:, 1])
    gain = before - log_loss(wanted, together.predict_proba(both)[:, 1])
    of_logit, of_score = together.coef_[0]
    # by chance alone another coefficient gains half a unit of the whole log likelihood (Akaike)
    is_chance = gain * len(places) < 1
    if gain < LEAST_GAIN * before or is_chance or of_score <= 0 or of_logit <= 0:
        return NOTHING
    shift = (together.intercept_[0] - alone.intercept_[0]) / of_logit
    return Stack(min(float(of_score / of_logit), 1.0), float(shift))


def _ranking(logits: Floats, targets: Targets) -> float:
    """Mean average precision."""
    return mean_defined(average_precision(sigmoid(logits), targets))


def _by_name(ranked: Mapping[float, float]) -> dict[str, float | None]:
    return {f"{share:g}": value for share, value in ranked.items()}


def _thresholds(setup: TrainingSetup, choice: ThresholdChoice) -> dict[str, float]:
    """By label, as probabilities that a checkpoint may hold."""
    values = np.maximum(choice.probabilities, LEAST_THRESHOLD).tolist()
    return dict(zip(setup.corpus.labels.names, values, strict=True))


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
    restore_weights(setup, checkpoint)
    few = subsample(setup.train, MOST_INDEXED)
    read = make_feature_reader(setup.text_model, setup.profile.training, setup.accelerator)
    index = make_knn_index(read(few.encoded), few.targets)
    logits, knn_probabilities = _validation_predictions(setup, index)

    def mixed(weight: float) -> Floats:
        return interpolated(logits, knn_probabilities, weight).numpy()

    ranked = {weight: _ranking(mixed(weight), setup.validation.targets) for weight in WEIGHTS}
    weight = setup.ranks.from_first(lambda: max(ranked, key=lambda each: ranked[each]))
    event = NeighboursEvent(
        share=weight,
        texts=len(few.rows),
        average_precision=_by_name(ranked),
    )
    if not weight:
        return event.model_copy(update={"reason": "no weight improves the ranking"}), None
    alone, result = validate(setup, logits.double().numpy()).choice, validate(setup, mixed(weight))
    meta = KnnMeta(
        share=weight,
        texts=len(few.rows),
        thresholds=_thresholds(setup, alone),
        coherence=alone.coherence,
    )
    fit = KnnFit(index, meta, result)
    return event.model_copy(update={"figures": result.metrics}), fit


def restore_weights(setup: TrainingSetup, checkpoint: Path) -> None:
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
