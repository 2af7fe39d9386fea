"""How frequent each label is in a stream, by the scores of a checkpoint alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from imbtool.config.schema import EvaluationSection
from imbtool.evaluation.calibration import Calibration, fit_each_label, sigmoid
from imbtool.evaluation.document import Estimate
from imbtool.inference.evaluate import run_profile
from imbtool.monitoring.coherence import coherent
from imbtool.monitoring.prevalence_document import GroupPrevalence, LabelPrevalence, Prevalence
from imbtool.monitoring.shift import ScoredLabel, ShiftedLabel, prior_by_em, upper_bound
from imbtool.monitoring.stream import (
    LabelledScores,
    Logits,
    Stream,
    Tell,
    read_stream,
    validation_scores,
)
from imbtool.trained.checkpoint import Checkpoint, read_checkpoint
from imbtool.types import Decisions, Floats, Rows
from imbtool.version import __version__

MOST_SHIFT = 10.0
"""Probabilities are adjusted to at most so many times the prior on validation, or so little."""
ROWS_AT_ONCE = 1 << 16


@dataclass(frozen=True)
class Reference:
    """What is known of a model's scores from its validation texts.

    Attributes:
        checkpoint: the model.
        calibration: of its logits.
        scores: of the validation texts [n, L], calibrated logits, with their targets.
        prior: the mean calibrated probability of each label on validation [L].
        min_positives: with fewer validation texts of a label nothing is estimated.
    """

    checkpoint: Checkpoint
    calibration: Calibration
    scores: LabelledScores
    prior: Floats
    min_positives: int

    @classmethod
    def of(cls, checkpoint: Checkpoint, tell: Tell) -> Reference:
        """Score the validation texts of a checkpoint's run.

        Raises:
            UserError: as `validation_scores`.
        """
        scores = validation_scores(checkpoint, tell)
        calibration = checkpoint.meta.calibration
        calibration = calibration or fit_each_label(scores.logits, scores.targets)
        logits = calibration.logits(scores.logits)
        known = ~np.isnan(scores.targets)
        sums = (sigmoid(logits) * known).sum(axis=0)
        prior = np.clip(sums / np.maximum(known.sum(axis=0), 1), 1e-6, 1 - 1e-6)
        profile = run_profile(checkpoint)
        section = profile.evaluation if profile else EvaluationSection()
        calibrated = LabelledScores(logits, scores.targets)
        return cls(checkpoint, calibration, calibrated, prior, section.min_support)

    @property
    def positives(self) -> list[int]:
        """Validation texts with each label [L]."""
        return [int(count) for count in (self.scores.targets == 1).sum(axis=0)]

    def label(self, place: int, stream: Logits) -> ScoredLabel:
        """The scores of one label, beside those of a stream's texts [n], which are raw logits."""
        target, logits = self.scores.targets[:, place], self.scores.logits[:, place]
        scaled = self.calibration.slope[place] * np.asarray(stream, dtype=np.float64)
        return ScoredLabel(
            logits[target == 1],
            logits[target == 0],
            float(self.prior[place]),
            scaled + self.calibration.bias[place],
        )

    def shifted(self, place: int, stream: Logits, seed: int) -> ShiftedLabel:
        """One label in a stream's texts [n], whose logits are raw; the seed is of the test."""
        return ShiftedLabel.of(self.label(place, stream), self.min_positives, seed)

    def unshifted(self, place: int, logits: Floats | Logits) -> Floats:
        """The calibrated probabilities of a label, as at its prior, of raw logits [n]."""
        scaled = self.calibration.slope[place] * np.asarray(logits, dtype=np.float64)
        return sigmoid(scaled + self.calibration.bias[place])

    def probabilities(self, logits: Logits) -> Floats:
        """The calibrated probabilities of a stream's texts [n, L], adjusted to its priors."""
        columns = []
        for place, prior in enumerate(self.prior.tolist()):
            scaled = self.label(place, logits[:, place]).stream
            found = np.clip(prior_by_em(scaled, prior), prior / MOST_SHIFT, prior * MOST_SHIFT)
            found = min(float(found), 0.5 * (1 + prior))
            shift = np.log(found / (1 - found)) - np.log(prior / (1 - prior))
            columns.append(sigmoid(scaled + shift).astype(np.float32))
        return np.stack(columns, axis=1)


def estimate_prevalence(
    source: Path,
    path: Path,
    by: str | None = None,
    command: Sequence[str] = (),
    tell: Tell = lambda _: None,
    trust_remote_code: bool = False,
) -> Prevalence:
    """How frequent each label is in a stream, by the scores of a checkpoint.

    Args:
        source: the run folder or its checkpoint.
        path: the stream: a table, folder or glob.
        by: a column whose values group the texts.
        command: that asked for it, for the document.
        tell: called with a line of progress now and then.
        trust_remote_code: whether to run code that comes with the checkpoint.

    Returns:
        The content of prevalence.json.

    Raises:
        UserError: the checkpoint, its validation texts or the stream cannot be read.
    """
    checkpoint = read_checkpoint(source, trust_remote_code)
    reference = Reference.of(checkpoint, tell)
    stream = read_stream(checkpoint, path, by, tell)
    whole = np.arange(len(stream))
    groups = [
        GroupPrevalence(
            value=value,
            texts=int((stream.group == place).sum()),
            labels=_labels(reference, stream, np.flatnonzero(stream.group == place)),
        )
        for place, value in enumerate(stream.groups)
    ]
    return Prevalence(
        imbtool=__version__,
        command=list(command),
        checkpoint=str(checkpoint.folder),
        stream=str(path),
        fingerprint=stream.fingerprint,
        texts=len(stream),
        answers=None,
        unanswered=None,
        labels=_labels(reference, stream, whole),
        by=by,
        groups=groups,
    )


def flagged_shares(checkpoint: Checkpoint, logits: Logits) -> Floats:
    """The share of texts that get each label by the thresholds [L]."""
    blocks = range(0, len(logits), ROWS_AT_ONCE)
    counts = sum(
        _decide(checkpoint, logits[at : at + ROWS_AT_ONCE]).sum(axis=0, dtype=np.int64)
        for at in blocks
    )
    return np.asarray(counts / len(logits))


def _decide(checkpoint: Checkpoint, logits: Logits) -> Decisions:
    return checkpoint.decide(sigmoid(np.asarray(logits, dtype=np.float64)))


def _labels(reference: Reference, stream: Stream, rows: Rows) -> dict[str, LabelPrevalence]:
    """The prevalence of each label among some texts of a stream."""
    logits = stream.logits if len(rows) == len(stream) else stream.logits[rows]
    flagged = flagged_shares(reference.checkpoint, logits)
    labels = reference.checkpoint.labels
    found = [
        _label(reference, place, logits[:, place], float(flagged[place]))
        for place in range(len(labels))
    ]
    fitting = coherent(labels, [each.prevalence for each in found])
    return {
        name: _bounded(each, estimate)
        for name, each, estimate in zip(labels.names, found, fitting, strict=True)
    }


def _bounded(label: LabelPrevalence, fitting: Estimate) -> LabelPrevalence:
    """The prevalence with an estimate that fits the hierarchy, and what bounds a withheld one."""
    reason = label.reason
    if label.method == "withheld":
        high = 1.0 if fitting.high is None else fitting.high
        if high >= 1:
            reason += " No upper bound can be given."
        elif high < (label.prevalence.high or 0.0):
            reason += f" At most {high:.2%} of the texts have it, since no more have its parent."
        else:
            reason += (
                f" At most {high:.2%} of the texts have it, if the model finds as large a share of "
                "them as on validation."
            )
    return label.model_copy(update={"prevalence": fitting, "reason": reason})


def _label(reference: Reference, place: int, logits: Logits, flagged: float) -> LabelPrevalence:
    label = reference.shifted(place, logits, seed=0)
    if label.share is None or label.reason:
        high = upper_bound(label.scored.positive, label.scored.stream)
        shown = Estimate(value=None, low=0.0, high=high)
    else:
        shown = Estimate(**vars(label.share))
    return LabelPrevalence(
        prevalence=shown,
        flagged=flagged,
        method="withheld" if label.reason else "scores",
        reason=label.reason,
        validation_positives=len(label.scored.positive),
        p_value=label.p if label.share else None,
        positives=None,
        worth=None,
    )
