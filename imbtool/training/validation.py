"""A model in training meets the validation split: the epoch's figures, and its thresholds."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from imbtool.config.hierarchy import Labels
from imbtool.evaluation.calibration import Calibration, fit_each_label
from imbtool.evaluation.metrics import confusion, mean_defined
from imbtool.evaluation.summary import validation_metrics
from imbtool.evaluation.thresholds import ThresholdChoice, choose_thresholds
from imbtool.events import Event
from imbtool.training.health import logits_not_finite
from imbtool.training.setup import Materials
from imbtool.training.token_cache import taken
from imbtool.types import Decisions


def validate(
    materials: Materials, logits: NDArray[np.float64]
) -> tuple[Event, ThresholdChoice, Calibration]:
    """Measure on validation, by decisions cross-fitted on half-splits of it.

    Args:
        materials: of the run.
        logits: of the validation texts [n, L].

    Returns:
        The figures of an `epoch` event, and the thresholds and the calibration from all of
        validation.
    """
    labels, profile = materials.corpus.labels, materials.profile
    targets = materials.validation.targets
    choice = choose_thresholds(
        labels,
        logits,
        targets,
        materials.prevalence,
        profile.thresholds.method,
        profile.training.seed,
        profile.thresholds.require,
    )
    figures = {
        "validation_loss": _loss(materials, logits),
        "f1_macro_at_half": mean_defined(confusion(logits >= 0, targets).f1),
        **validation_metrics(labels, choice, logits, targets),
        "threshold_rule": choice.rule,
        "threshold_scores": choice.scores,
        "threshold_recalls": choice.recalls,
        "coherence": choice.coherence,
        "violations": _violations(labels, logits >= choice.logits),
        "requirements": {
            label: result.model_dump() for label, result in choice.requirements.items()
        },
    }
    return figures, choice, fit_each_label(logits, targets, profile.training.seed)


def validation_logits(materials: Materials) -> NDArray[np.float64]:
    """Logits [n, L] of the validation texts; processes share the pass over them.

    Raises:
        NotFiniteError: one of them is no finite number.
    """
    encoded, ranks = materials.validation.encoded, materials.ranks
    rows = ranks.mine(len(encoded))
    logits = torch.zeros(len(encoded), len(materials.corpus.labels))
    logits[rows] = torch.from_numpy(materials.text_model.logits_of(taken(encoded, rows)))
    logits = ranks.total(logits.to(materials.accelerator.device)).cpu()
    if not logits.isfinite().all():
        raise logits_not_finite()
    return logits.numpy().astype(np.float64)


def _violations(labels: Labels, decisions: Decisions) -> list[Event]:
    """For each edge, on how many texts a child is decided, and on how many without its parent."""
    return [
        {
            "child": labels.names[child],
            "parent": labels.names[parent],
            "decided": int(decisions[:, child].sum()),
            "texts": int(texts),
        }
        for (child, parent), texts in zip(labels.edges, labels.violations(decisions), strict=True)
    ]


def _loss(materials: Materials, logits: NDArray[np.float64]) -> float:
    device = materials.accelerator.device
    with torch.no_grad():
        return float(
            materials.objective(
                torch.from_numpy(logits).to(device),
                torch.from_numpy(materials.validation.targets).to(device),
            )
        )
