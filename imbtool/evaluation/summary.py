"""The metrics of a split, of slices of it, and those that training logs each epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imbtool.config.hierarchy import Labels
from imbtool.data.imbalance import TIERS, Tier
from imbtool.errors import user_error
from imbtool.evaluation.calibration import sigmoid
from imbtool.evaluation.document import (
    DecisionMetrics,
    Estimate,
    HierarchyMetrics,
    LabelMetrics,
    Metrics,
    Overall,
    Slice,
    SliceLabel,
    Slices,
    TierMetrics,
    TrainedLabel,
    Violation,
)
from imbtool.evaluation.estimates import SplitMetrics, estimates
from imbtool.evaluation.metrics import Confusion, average_precision, confusion, mean_defined
from imbtool.evaluation.predictions import Predictions, decide
from imbtool.evaluation.thresholds import ThresholdChoice
from imbtool.types import Counts, Floats, Targets
from imbtool.wording import counted

MOST_SLICES = 50
EMPTY = "(empty)"


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


def summarise_hierarchy(predictions: Predictions) -> HierarchyMetrics:
    """Where the thresholds alone contradict the hierarchy; the predictions have probabilities."""
    labels, names = predictions.labels, predictions.labels.names
    assert predictions.probabilities is not None and predictions.thresholds is not None
    before = decide(labels, predictions.probabilities, predictions.thresholds, None)
    pairs = zip(labels.edges, labels.violations(before), strict=True)
    return HierarchyMetrics(
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


def measure_slices(
    column: str,
    values: Sequence[str],
    predictions: Predictions,
    targets: Targets,
    min_support: int,
) -> Slices:
    """Measure each group of texts, worst macro-F1 first; where it is undefined last.

    Args:
        column: the name of the column that the values are from.
        values: of each text [n]; an empty one is the slice `(empty)`.
        predictions: of the texts [n, L].
        targets: [n, L], NaN unknown.
        min_support: positives below which a label is few; a slice is few where all its labels are.

    Raises:
        UserError: more than `MOST_SLICES` different values.
    """
    named = np.array([value.strip() or EMPTY for value in values], dtype=object)
    slices = []
    for value in _distinct(named, column):
        rows = np.flatnonzero(named == value)
        metrics = SplitMetrics(predictions.of_texts(rows), targets[rows])
        slices.append(_slice(value, metrics, len(rows), min_support))
    return Slices(column=column, slices=sorted(slices, key=_worst_first))


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


def _distinct(named: NDArray[np.object_], column: str) -> list[str]:
    found = sorted(set(named))
    if len(found) > MOST_SLICES:
        raise user_error(
            f"--by {column}",
            counted(len(found), "different value"),
            f"at most {MOST_SLICES}: a column of groups, not of ids or numbers",
            "name another column, or write groups into one (the year of a date, for example)",
        )
    return found


def _slice(value: str, metrics: SplitMetrics, texts: int, min_support: int) -> Slice:
    names, support = metrics.predictions.labels.names, metrics.counts.support
    few = support < min_support
    return Slice(
        value=value,
        texts=texts,
        few=bool(few.all()),
        macro=Metrics[Estimate](**estimates(metrics.macro(range(len(names))))),
        labels={
            name: SliceLabel(
                **estimates(metrics.label(index)),
                support=int(support[index]),
                few=bool(few[index]),
            )
            for index, name in enumerate(names)
        },
    )


def _worst_first(row: Slice) -> tuple[bool, float]:
    f1 = row.macro.f1.value
    return (True, 0.0) if f1 is None else (False, f1)
