"""One model measured beside another on the same labelled texts: decisions, and what labels lose."""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np

from imbtool.data.corpus import Split
from imbtool.errors import rows_named
from imbtool.evaluation.calibration import sigmoid
from imbtool.evaluation.comparison import compare
from imbtool.evaluation.document import Comparison
from imbtool.evaluation.estimates import SplitMetrics
from imbtool.evaluation.predictions import Predictions
from imbtool.files.documents import Part
from imbtool.trained.checkpoint import Checkpoint
from imbtool.types import Floats


class Agreement(Part):
    """The decisions and probabilities of two models for the same texts and labels."""

    decisions: int
    """Texts times labels."""
    differing: int
    """Decisions that are not the same."""
    shared_labels: float | None
    """Of the labels that either gives to a text, the share that both give; None if there are none.
    Rare labels are decided against so often that `share` alone says little about them."""
    largest_difference: float
    """Of two probabilities."""

    @property
    def share(self) -> float:
        """Share of the decisions that are the same."""
        return 1 - self.differing / self.decisions


@dataclass(frozen=True)
class Measured:
    """What a model gives for the texts of a split.

    Attributes:
        logits: [n, L].
        predictions: with probabilities.
        seconds: that they took.
    """

    logits: Floats
    predictions: Predictions
    seconds: float

    @property
    def probabilities(self) -> Floats:
        """[n, L]."""
        assert self.predictions.probabilities is not None
        return self.predictions.probabilities

    def decided_by(self, checkpoint: Checkpoint) -> Measured:
        """The same probabilities, with the thresholds of another checkpoint."""
        return replace(self, predictions=decided(checkpoint, self.probabilities))


def measure(checkpoint: Checkpoint, split: Split) -> Measured:
    """Predict the texts of a split, in batches as `predict` makes them.

    Raises:
        UserError: a text cannot be read, or the model gives it a number that is not finite.
    """
    begun = perf_counter()
    with rows_named(split.row_text):
        logits = checkpoint.logits(split.texts)
    return Measured(logits, decided(checkpoint, sigmoid(logits)), perf_counter() - begun)


def decided(checkpoint: Checkpoint, probabilities: Floats) -> Predictions:
    """The predictions of a checkpoint from probabilities [n, L]."""
    meta = checkpoint.meta
    return Predictions.by_thresholds(
        checkpoint.labels, probabilities, meta.thresholds, meta.coherence
    )


def agreement_of(ours: Predictions, theirs: Predictions) -> Agreement:
    """How far two predictions with probabilities, for the same texts and labels, agree."""
    assert ours.probabilities is not None
    assert theirs.probabilities is not None
    either = int((ours.decisions | theirs.decisions).sum())
    both = int((ours.decisions & theirs.decisions).sum())
    return Agreement(
        decisions=ours.decisions.size,
        differing=int((ours.decisions != theirs.decisions).sum()),
        shared_labels=both / either if either else None,
        largest_difference=float(np.abs(ours.probabilities - theirs.probabilities).max()),
    )


def compared(
    ours: Predictions, theirs: Predictions, checkpoint: Checkpoint, split: Split
) -> Comparison:
    """What each metric loses or gains, with paired intervals.

    Args:
        ours: predictions for the texts of `split`.
        theirs: those of the checkpoint, for the same texts.
        checkpoint: that is compared with.
        split: n texts and their targets [n, L].
    """
    metrics = SplitMetrics(ours, split.targets)
    return compare(metrics, theirs, split.targets, checkpoint.meta.tiers, str(checkpoint.folder))


def loses(comparison: Comparison, name: str, most: float) -> bool:
    """Whether the average precision of a label falls by more than `most`."""
    lost = comparison.labels[name].average_precision.value
    return lost is not None and lost < -most
