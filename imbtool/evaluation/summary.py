"""The metrics of a split as an evaluation holds them, and as training logs them each epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from imbtool.config.hierarchy import Labels
from imbtool.data.imbalance import TIERS, Tier
from imbtool.evaluation.calibration import sigmoid
from imbtool.evaluation.document import (
    DecisionMetrics,
    Estimate,
    Hierarchy,
    LabelMetrics,
    Metrics,
    Overall,
    TierMetrics,
    TrainedLabel,
    Violation,
)
from imbtool.evaluation.estimates import SplitMetrics, estimates
from imbtool.evaluation.metrics import Confusion, average_precision, confusion, mean_defined
from imbtool.evaluation.predictions import Predictions, decide
from imbtool.evaluation.thresholds import ThresholdChoice
from imbtool.types import Counts, Floats, Targets


def summarise_overall(metrics: SplitMetrics) -> Overall:
    """Means over all labels, and over each level of the hierarchy if there is one."""
    labels, counts = metrics.predictions.labels, metrics.counts
    levels = {
        level: Metrics[Estimate](**estimates(metrics.macro(rows)))
        for level, rows in labels.groups.items()
    }
    return Overall(
        macro=Metrics[Estimate](**estimates(metrics.macro(range(len(labels))))),
        micro=DecisionMetrics[Estimate](**estimates(metrics.micro())),
        weighted=Metrics[Estimate](**estimates(metrics.weighted())),
        secondary=levels.get("secondary"),
        primary=levels.get("primary"),
        labels_without_positives=int((counts.support == 0).sum()),
        labels_at_zero_recall=int((counts.recall == 0).sum()),
    )


def rows_by_tier(tiers: Sequence[Tier]) -> dict[Tier, list[int]]:
    """Which labels are in each tier that has any."""
    rows = {tier: [index for index, of in enumerate(tiers) if of == tier] for tier in TIERS}
    return {tier: labels for tier, labels in rows.items() if labels}


def summarise_tiers(metrics: SplitMetrics, tiers: Sequence[Tier]) -> dict[str, TierMetrics]:
    """Means over the labels of each tier."""
    return {
        tier: TierMetrics(labels=len(rows), **estimates(metrics.macro(rows)))
        for tier, rows in rows_by_tier(tiers).items()
    }


def summarise_labels(
    metrics: SplitMetrics, trained: Sequence[TrainedLabel], min_support: int
) -> dict[str, LabelMetrics]:
    """Each label by name.

    Args:
        metrics: of predictions that have thresholds.
        trained: what training knew of each label.
        min_support: positives below which a label is few.
    """
    counts, thresholds = metrics.counts, metrics.predictions.thresholds
    assert thresholds is not None
    return {
        name: LabelMetrics(
            **{**dict(trained[index]), **estimates(metrics.label(index))},
            support=int(counts.support[index]),
            found=int(counts.true_positives[index]),
            false_alarms=int(counts.false_positives[index]),
            threshold=float(thresholds[index]),
            few=bool(counts.support[index] < min_support),
        )
        for index, name in enumerate(metrics.predictions.labels.names)
    }


def summarise_hierarchy(predictions: Predictions) -> Hierarchy:
    """Where the thresholds alone contradict the hierarchy; the predictions have probabilities."""
    labels, names = predictions.labels, predictions.labels.names
    assert predictions.probabilities is not None and predictions.thresholds is not None
    before = decide(labels, predictions.probabilities, predictions.thresholds, None)
    pairs = zip(labels.edges, labels.violations(before), strict=True)
    return Hierarchy(
        edges=[[names[child], names[parent]] for child, parent in labels.edges],
        coherence=predictions.coherence,
        violation_rate_before=labels.violation_rate(before),
        violation_rate_after=labels.violation_rate(predictions.decisions),
        violations_before=[
            Violation(child=names[child], parent=names[parent], texts=int(count))
            for (child, parent), count in pairs
            if count
        ],
    )


def validation_metrics(
    labels: Labels, choice: ThresholdChoice, logits: Floats, targets: Targets
) -> dict[str, Any]:
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
    labels: Labels, counts: Confusion, support: Counts
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
