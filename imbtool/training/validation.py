"""A model in training meets the validation split: the epoch's figures, and its thresholds."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from imbtool.config.hierarchy import Labels
from imbtool.evaluation.calibration import Calibration, pooled_calibration
from imbtool.evaluation.metrics import confusion, mean_defined
from imbtool.evaluation.summary import validation_figures
from imbtool.evaluation.thresholds import ThresholdChoice, choose_thresholds
from imbtool.events import Requirement, ValidationMetrics, Violations
from imbtool.training.failures import logits_not_finite
from imbtool.training.setup import TrainingSetup
from imbtool.training.token_cache import select_texts
from imbtool.types import Decisions


def validate(
    setup: TrainingSetup, logits: NDArray[np.float64]
) -> tuple[ValidationMetrics, ThresholdChoice, Calibration]:
    """Measure on validation, by decisions cross-fitted on half-splits of it.

    Args:
        setup: of the run.
        logits: of the validation texts [n, L].

    Returns:
        The metrics, and the thresholds and the calibration from all of
        validation.
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
        **validation_figures(labels, choice, logits, targets),
        threshold_rule=choice.rule,
        threshold_scores=choice.scores,
        threshold_recalls=choice.recalls,
        coherence=choice.coherence,
        violations=_violations(labels, logits >= choice.logits),
        requirements={name: Requirement(**found) for name, found in choice.requirements.items()},
    )
    return metrics, choice, pooled_calibration(logits, targets, profile.training.seed)


def validation_logits(setup: TrainingSetup) -> NDArray[np.float64]:
    """Logits [n, L] of the validation texts; processes share the pass over them.

    Raises:
        NotFiniteError: one of them is no finite number.
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
    """For each edge, on how many texts a child is decided, and on how many without its parent."""
    return [
        Violations(
            child=labels.names[child],
            parent=labels.names[parent],
            decided=int(decisions[:, child].sum()),
            texts=int(texts),
        )
        for (child, parent), texts in zip(labels.edges, labels.violations(decisions), strict=True)
    ]


def _loss(setup: TrainingSetup, logits: NDArray[np.float64]) -> float:
    device = setup.accelerator.device
    with torch.no_grad():
        return float(
            setup.objective(
                torch.from_numpy(logits).to(device),
                torch.from_numpy(setup.validation.targets).to(device),
            )
        )
