"""Validation after an epoch: its metrics, and the thresholds that it chooses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from imbtool.config.hierarchy import Labels
from imbtool.evaluation.calibration import Calibration, fit_each_label
from imbtool.evaluation.metrics import confusion, mean_defined
from imbtool.evaluation.summary import validation_metrics
from imbtool.evaluation.thresholds import ThresholdChoice, choose_thresholds
from imbtool.events import RequirementOutcome, ValidationMetrics, Violations
from imbtool.training.failures import logits_not_finite
from imbtool.training.setup import TrainingSetup
from imbtool.training.token_cache import select_texts
from imbtool.types import Decisions, Floats


@dataclass(frozen=True)
class ValidationResult:
    """What validation says of a model.

    Attributes:
        metrics: as in an `epoch` event.
        choice: thresholds that all of validation gives.
        calibration: that all of validation gives.
    """

    metrics: ValidationMetrics
    choice: ThresholdChoice
    calibration: Calibration


def validate(setup: TrainingSetup, logits: Floats) -> ValidationResult:
    """Compute metrics on validation, with thresholds that are cross-fitted on half-splits of it.

    Args:
        setup: of the training.
        logits: of the validation texts [n, L].
    """
    labels, profile = setup.corpus.labels, setup.profile
    targets = setup.validation.targets
    choice = choose_thresholds(
        labels,
        logits,
        targets,
        setup.prevalence,
        profile.thresholds.method,
        profile.training.seed,
        profile.thresholds.require,
    )
    metrics = ValidationMetrics(
        validation_loss=_loss(setup, logits),
        f1_macro_at_half=mean_defined(confusion(logits >= 0, targets).f1),
        **validation_metrics(labels, choice, logits, targets),
        threshold_rule=choice.rule,
        threshold_scores=choice.scores,
        threshold_micro_scores=choice.micro_scores,
        threshold_recalls=choice.recalls,
        coherence=choice.coherence,
        violations=_violations(labels, logits >= choice.logits),
        requirements={
            name: RequirementOutcome(**result.model_dump())
            for name, result in choice.requirements.items()
        },
    )
    calibration = fit_each_label(logits, targets, profile.training.seed)
    return ValidationResult(metrics, choice, calibration)


def validation_logits(setup: TrainingSetup) -> Floats:
    """Logits [n, L] of the validation texts; processes share the pass over them.

    Raises:
        NotFiniteError: a logit is not finite.
    """
    encoded, ranks = setup.validation.encoded, setup.ranks
    rows = ranks.mine(len(encoded))
    logits = torch.zeros(len(encoded), len(setup.corpus.labels))
    logits[rows] = torch.from_numpy(setup.text_model.logits_of(select_texts(encoded, rows)))
    logits = ranks.sum(logits.to(setup.accelerator.device)).cpu()
    if not logits.isfinite().all():
        raise logits_not_finite()
    return logits.numpy().astype(np.float64)


def _violations(labels: Labels, decisions: Decisions) -> list[Violations]:
    """For each edge, how many texts get the child label, and how many get it without its parent."""
    return [
        Violations(
            child=labels.names[child],
            parent=labels.names[parent],
            decided=int(decisions[:, child].sum()),
            texts=int(texts),
        )
        for (child, parent), texts in zip(labels.edges, labels.violations(decisions), strict=True)
    ]


def _loss(setup: TrainingSetup, logits: Floats) -> float:
    device = setup.accelerator.device
    with torch.no_grad():
        return float(
            setup.objective(
                torch.from_numpy(logits).float().to(device),
                torch.from_numpy(setup.validation.targets).to(device),
            )
        )
