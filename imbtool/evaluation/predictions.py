"""What a system predicts for the texts of a split: made once, read by all that measure it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from imbtool.config.hierarchy import Coherence, Labels, label_set
from imbtool.types import Decisions, Floats, Rows

PREDICTED = "predicted"
"""The column of decided labels in a table of predictions."""
PROBABILITY_PREFIX = "p:"
"""Before a label's name: the column of its probabilities."""


def decide(
    labels: Labels, probabilities: Floats, thresholds: Floats, coherence: Coherence | None
) -> Decisions:
    """Decide labels: at or above the threshold, and coherent with the hierarchy.

    Args:
        labels: the label set.
        probabilities: [n, L].
        thresholds: [L], as probabilities.
        coherence: how decisions are made to fit the hierarchy; None leaves them as they are.

    Returns:
        Decisions [n, L].
    """
    return labels.coherent(np.asarray(probabilities >= thresholds, dtype=np.bool_), coherence)


@dataclass(frozen=True)
class Predictions:
    """What a system predicts.

    Attributes:
        labels: its labels, in the order of the columns.
        decisions: [n, L].
        probabilities: [n, L]; None where it gives decisions alone.
        thresholds: [L]; None where its decisions do not come from thresholds of ours.
        coherence: how its decisions were made to fit the hierarchy.
        decided_by: where the decisions come from, in words.
    """

    labels: Labels
    decisions: Decisions
    probabilities: Floats | None
    thresholds: Floats | None = None
    coherence: Coherence | None = None
    decided_by: str = "its thresholds"

    @classmethod
    def by_thresholds(
        cls, labels: Labels, probabilities: Floats, thresholds: Floats, coherence: Coherence | None
    ) -> Predictions:
        """Predictions of a model with thresholds; see `decide` for the arguments."""
        decisions = decide(labels, probabilities, thresholds, coherence)
        return cls(labels, decisions, probabilities, thresholds, coherence)

    def of_texts(self, rows: Rows) -> Predictions:
        """The predictions of some texts."""
        scores = None if self.probabilities is None else self.probabilities[rows]
        return replace(self, decisions=self.decisions[rows], probabilities=scores)

    def of_labels(self, names: Sequence[str], with_probabilities: bool) -> Predictions:
        """The predictions of some labels, which lose their hierarchy."""
        columns = [self.labels.names.index(name) for name in names]
        scores = self.probabilities if with_probabilities else None
        return Predictions(
            label_set(names, []),
            self.decisions[:, columns],
            None if scores is None else scores[:, columns],
            decided_by=self.decided_by,
        )
