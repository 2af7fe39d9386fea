"""Checks that validation can measure what a training chooses by it."""

from __future__ import annotations

from imbtool.config.schema import ValidationMetric
from imbtool.data.corpus import Corpus
from imbtool.data.imbalance import count_labels
from imbtool.errors import user_error
from imbtool.wording import counted


def require_validation(corpus: Corpus) -> None:
    """Check that thresholds can be chosen on validation.

    Raises:
        UserError: it has fewer than 2 texts, or no positive of any label.
    """
    texts, counts = len(corpus.validation), count_labels(corpus.validation.label_sets)
    has_positives = any(count.positives for count in counts)
    if texts < 2 or not has_positives:
        found = counted(texts, "text") + ("" if has_positives else " and no positive of any label")
        expected, fix = "2 texts or more, with positives", "give a larger data.validation"
        raise user_error(corpus.validation.source, found, expected, fix)


def require_measurable(key: str, metric: ValidationMetric, corpus: Corpus) -> None:
    """Check that a metric is defined on validation.

    Args:
        key: of the profile, that names the metric.
        metric: its value.
        corpus: the data.

    Raises:
        UserError: the metric is of secondary labels, and there are none, or validation has no
            positives of them.
    """
    if metric != "secondary_f1_macro":
        return
    if not corpus.labels.edges:
        found, fix = f"{metric} without a hierarchy", "choose f1_macro"
        raise user_error(key, found, "labels.hierarchy, or another metric", fix)
    counts = count_labels(corpus.validation.label_sets)
    if not any(counts[label].positives for label in corpus.labels.groups["secondary"]):
        raise user_error(
            key,
            f"{metric}, and no positive of a secondary label in {corpus.validation.source}",
            "a metric that validation can measure",
            "choose f1_macro, or give a larger data.validation",
        )
