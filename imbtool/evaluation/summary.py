"""Logits, thresholds and targets become the evaluation document: the source of every number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imbtool.config.hierarchy import Coherence, Labels
from imbtool.data.imbalance import TIERS, Tier
from imbtool.evaluation.calibration import sigmoid
from imbtool.evaluation.measures import Figures
from imbtool.evaluation.metrics import Confusion, average_precision, confusion, mean_defined
from imbtool.evaluation.thresholds import ThresholdChoice
from imbtool.types import Decisions

Document = dict[str, Any]


def evaluation_document(
    labels: Labels,
    probabilities: NDArray[np.float64],
    targets: NDArray[np.float32],
    thresholds: NDArray[np.float64],
    coherence: Coherence | None,
    tiers: Sequence[Tier],
) -> Document:
    """Everything that is known of a model on a split.

    Args:
        labels: the label set.
        probabilities: [n, L].
        targets: [n, L], NaN unknown.
        thresholds: [L], as probabilities; at or above is decided.
        coherence: how decisions are made to fit the forest.
        tiers: the tier of each label by its training ratio.

    Returns:
        `overall`, `tiers`, `labels` and `hierarchy`, as in evaluation.json.
    """
    raw: Decisions = probabilities >= thresholds
    decisions = labels.coherent(raw, coherence) if coherence else raw
    figures = Figures(decisions, probabilities, targets)
    counts = figures.counts
    tier_rows = {tier: [index for index, of in enumerate(tiers) if of == tier] for tier in TIERS}
    return {
        "overall": {
            "macro": figures.macro(range(len(labels))),
            "micro": figures.micro(),
            "weighted": figures.weighted(),
            **{name: figures.macro(rows) for name, rows in labels.groups.items()},
            "labels_without_positives": int((counts.support == 0).sum()),
            "labels_at_zero_recall": int((counts.recall == 0).sum()),
        },
        "tiers": {
            tier: {"labels": len(rows), **figures.macro(rows)}
            for tier, rows in tier_rows.items()
            if rows
        },
        "labels": {
            name: {
                **figures.label(index),
                "support": int(counts.support[index]),
                "found": int(counts.true_positives[index]),
                "false_alarms": int(counts.false_positives[index]),
                "threshold": float(thresholds[index]),
                "tier": tiers[index],
            }
            for index, name in enumerate(labels.names)
        },
        "hierarchy": _hierarchy(labels, raw, decisions, coherence),
    }


def validation_figures(
    labels: Labels,
    choice: ThresholdChoice,
    logits: NDArray[np.float64],
    targets: NDArray[np.float32],
) -> Document:
    """What a model reaches on the texts of its thresholds, by cross-fitted decisions.

    Args:
        labels: the label set.
        choice: the thresholds.
        logits: [n, L], that they were chosen on.
        targets: [n, L], NaN unknown.

    Returns:
        `f1_macro`, `average_precision_macro`, those of `group_metrics`, and `labels`.
    """
    counts = confusion(choice.cross_fitted, targets)
    return {
        "f1_macro": mean_defined(counts.f1),
        "average_precision_macro": mean_defined(average_precision(sigmoid(logits), targets)),
        **group_metrics(labels, counts),
        "labels": label_metrics(labels, counts, choice.positives),
    }


def group_metrics(labels: Labels, counts: Confusion) -> dict[str, float]:
    """`secondary_f1_macro`, `secondary_recall`, ... as training logs them each epoch.

    Without a hierarchy all labels are one group and the names have no prefix.
    """
    groups = labels.groups or {"": list(range(len(labels)))}
    metrics = {}
    for name, rows in groups.items():
        prefix = f"{name}_" if name else ""
        metrics[f"{prefix}f1_macro"] = mean_defined(counts.f1[rows])
        metrics[f"{prefix}recall"] = mean_defined(counts.recall[rows])
        metrics[f"{prefix}precision"] = mean_defined(counts.precision[rows])
    return metrics


def label_metrics(
    labels: Labels, counts: Confusion, support: NDArray[np.int64]
) -> dict[str, dict[str, float]]:
    """Precision, recall, F1 and support [L] of each label, by name."""
    return {
        name: {
            "precision": float(counts.precision[index]),
            "recall": float(counts.recall[index]),
            "f1": float(counts.f1[index]),
            "support": int(support[index]),
        }
        for index, name in enumerate(labels.names)
    }


def _hierarchy(
    labels: Labels, raw: Decisions, decisions: Decisions, coherence: Coherence | None
) -> Document:
    pairs = zip(labels.edges, labels.violations(raw), strict=True)
    return {
        "edges": [[labels.names[child], labels.names[parent]] for child, parent in labels.edges],
        "coherence": coherence,
        "violation_rate_before": labels.violation_rate(raw),
        "violation_rate_after": labels.violation_rate(decisions),
        "violations_before": [
            {"child": labels.names[child], "parent": labels.names[parent], "texts": int(count)}
            for (child, parent), count in pairs
            if count
        ],
    }
