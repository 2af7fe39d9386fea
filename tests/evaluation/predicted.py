"""Predictions of labels that have no hierarchy, made of arrays."""

from collections.abc import Sequence

from imbtool.config.hierarchy import label_set
from imbtool.evaluation.estimates import SplitMetrics
from imbtool.evaluation.predictions import Predictions
from imbtool.types import Decisions, Floats, Targets


def predicted(
    decisions: Decisions, probabilities: Floats | None, names: Sequence[str] | None = None
) -> Predictions:
    """Predictions [n, L]; labels without names are numbered."""
    names = names or [str(number) for number in range(decisions.shape[1])]
    return Predictions(label_set(names, []), decisions, probabilities)


def metrics_of(decisions: Decisions, scores: Floats | None, targets: Targets) -> SplitMetrics:
    """The metrics of decisions and scores [n, L] on targets [n, L]."""
    return SplitMetrics(predicted(decisions, scores), targets)
