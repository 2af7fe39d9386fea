"""Thresholds and calibration of a graph in 8-bit numbers: chosen again, as the training chose."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from imbtool.config.schema import Profile, ThresholdMethod
from imbtool.data.corpus import Corpus, read_corpus
from imbtool.data.weights import weigh_labels
from imbtool.errors import rows_named, user_error
from imbtool.evaluation.calibration import fit_each_label
from imbtool.evaluation.metrics import confusion, mean_defined
from imbtool.evaluation.summary import validation_metrics
from imbtool.evaluation.thresholds import ThresholdChoice, choose_thresholds
from imbtool.inference.evaluate import run_profile
from imbtool.trained.checkpoint import Checkpoint, decided_labels
from imbtool.trained.metadata import LEAST_THRESHOLD, KnnMeta, ValidationMeta
from imbtool.types import Floats, Targets


@dataclass(frozen=True)
class TrainingData:
    """What a checkpoint was trained on.

    Attributes:
        profile: resolved.
        corpus: its data.
    """

    profile: Profile
    corpus: Corpus


def read_training_data(checkpoint: Checkpoint) -> TrainingData:
    """Read the data of the run around a checkpoint, as they were in training.

    Raises:
        UserError: there is no run around it, or its data have changed.
    """
    profile = run_profile(checkpoint)
    if profile is None:
        found = f"no run's profile.yaml beside {checkpoint.folder}"
        expected = "a run folder: training texts give the ranges, validation the thresholds"
        fix = "give the run folder, or leave out --int8"
        raise user_error("--int8", found, expected, fix)
    corpus = read_corpus(profile)
    for name in ("train", "validation"):
        split = corpus.splits[name]
        if split.fingerprint != checkpoint.meta.fingerprints[name]:
            found = f"other texts or labels in {name} than in training"
            raise user_error(split.source, found, "the data of the training", "restore it")
    return TrainingData(profile, corpus)


def with_new_thresholds(graph: Checkpoint, data: TrainingData) -> Checkpoint:
    """A graph with thresholds, hierarchy's way and calibration that its own logits give.

    They are chosen on validation by the rule that won in training. A kNN index has thresholds for
    the head alone too.

    Args:
        graph: with the thresholds of the checkpoint.
        data: of its training.
    """
    meta, validation = graph.meta, data.corpus.validation
    with rows_named(validation.row_text):
        logits = graph.logits(validation.texts)
    choice = _choose(graph, data, logits)
    calibration = fit_each_label(logits, validation.targets, data.profile.training.seed)
    changes = {
        "labels": decided_labels(meta.labels, choice, calibration),
        "threshold_scores": choice.scores,
        "threshold_micro_scores": choice.micro_scores,
        "threshold_recalls": choice.recalls,
        "coherence": choice.coherence,
        "validation": _validation_meta(graph, choice, logits, validation.targets),
        "neighbours": _without_knn(graph, data),
    }
    return replace(graph, meta=meta.model_copy(update=changes))


def _choose(graph: Checkpoint, data: TrainingData, logits: Floats) -> ThresholdChoice:
    """The thresholds that logits of the validation texts [n, L] give."""
    profile, meta = data.profile, graph.meta
    weights = weigh_labels(data.corpus, profile.weights)
    return choose_thresholds(
        graph.labels,
        logits,
        data.corpus.validation.targets,
        np.array([weight.prevalence for weight in weights]),
        cast(ThresholdMethod, meta.threshold_rule),
        profile.training.seed,
        profile.thresholds.require,
    )


def _thresholds(choice: ThresholdChoice) -> list[float]:
    return [max(float(each), LEAST_THRESHOLD) for each in choice.probabilities]


def _validation_meta(
    graph: Checkpoint, choice: ThresholdChoice, logits: Floats, targets: Targets
) -> ValidationMeta:
    metrics = validation_metrics(graph.labels, choice, logits, targets)
    at_half = mean_defined(confusion(logits >= 0, targets).f1)
    epoch = graph.meta.validation.epoch
    return ValidationMeta.model_validate({**metrics, "epoch": epoch, "f1_macro_at_half": at_half})


def _without_knn(graph: Checkpoint, data: TrainingData) -> KnnMeta | None:
    """How to decide by the head alone, where there is a kNN index."""
    if (neighbours := graph.meta.neighbours) is None:
        return None
    logits = graph.text_model.logits(data.corpus.validation.texts).astype(np.float64)
    alone = _choose(graph, data, logits)
    thresholds = dict(zip(graph.labels.names, _thresholds(alone), strict=True))
    return neighbours.model_copy(update={"thresholds": thresholds, "coherence": alone.coherence})
