"""Diagnoses of a finished run: what is wrong, on which evidence, and whether tuning acts on it.

Label metrics are those of the kept epoch, by cross-fitted predictions. Where counts are small a
metric has its exact interval: tuning acts on a diagnosis only if chance alone does not explain it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import ConfigDict

from imbtool.config.schema import HealthySection, TuningSection
from imbtool.data.imbalance import Tier
from imbtool.evaluation.intervals import exact_interval
from imbtool.events import (
    EpochEvent,
    Evidence,
    ValidationMetrics,
    Violations,
)
from imbtool.files.documents import Typed
from imbtool.runs.warnings import UNPROVEN_RECALL, Losses, training_warnings
from imbtool.wording import counted

Verdict = Literal["act", "watch", "leave"]
Judgement = tuple[Verdict, str]
"""A verdict and the reason for it."""

CLEAR_GAIN = 0.01
"""Of a metric from one epoch to the next, or from the frozen encoder to the fine-tuned one."""
EDGE = 0.02
"""A threshold nearer than this to 0 or 1 stands where all scores of a label crowd."""
INCOHERENT_SHARE = 0.1
"""Of the texts that a label is predicted for, those without its parent."""
ENOUGH_POSITIVES = 11
"""With so many, a recall of 0 rules out that the true recall is above 0.3."""

EFFECTS_OF_REQUIREMENT = {
    "recall": ("over-predicted", "threshold-low"),
    "precision": ("zero-recall", "low-recall", "threshold-high"),
    "flags_per_1000": ("zero-recall", "low-recall", "threshold-high"),
}
"""Diagnoses that a threshold can cause which was set for a requirement of this metric."""

RANKING = "average_precision_macro"
"""The metric that depends on scores alone, not on thresholds."""
METRIC_NAMES = {
    "f1_macro": "macro-F1",
    "secondary_f1_macro": "macro-F1 of secondary labels",
    RANKING: "mean average precision",
}
"""Metrics in words, by their keys in `epoch` events."""


@dataclass(frozen=True)
class LabelState:
    """What a checkpoint knows of a label.

    Attributes:
        tier: by its ratio in training; severe and moderate labels are rare.
        threshold: the probability from which the label is predicted.
        requirement: of the profile, `recall >= 0.8`; None: there is none.
    """

    tier: Tier
    threshold: float
    requirement: str | None = None

    @property
    def rare(self) -> bool:
        """Whether the guide changes its weight and gamma."""
        return self.tier != "common"

    def explains(self, name: str) -> bool:
        """Whether the label's requirement is the cause of a diagnosis."""
        if self.requirement is None:
            return False
        return name in EFFECTS_OF_REQUIREMENT[self.requirement.partition(" ")[0]]


@dataclass(frozen=True)
class FinishedRun:
    """A finished run, as its events and its checkpoint describe it.

    Attributes:
        epochs: oldest first; at least one.
        losses: of the steps, oldest first.
        frozen: mean average precision on validation of the head alone, with the encoder frozen;
            None where no head was fitted first, or it was measured on other texts.
        labels: of the checkpoint, by name.
        with_additions: metrics of the kept epoch with weights of words and the nearest training
            texts, if they have a share.
    """

    epochs: Sequence[EpochEvent]
    losses: Losses
    frozen: float | None
    labels: Mapping[str, LabelState]
    with_additions: ValidationMetrics | None = None

    @property
    def kept(self) -> EpochEvent:
        """The epoch whose checkpoint was kept."""
        return self.best.with_metrics(self.with_additions)

    @property
    def best(self) -> EpochEvent:
        """The same epoch with the metrics of the model alone."""
        return [epoch for epoch in self.epochs if epoch.best][-1]

    @property
    def rare_recall(self) -> float | None:
        """Mean recall of the rare labels; None where none has positives on validation."""
        recalls = [
            row.recall
            for name, row in self.kept.labels.items()
            if self.labels[name].rare and row.support and row.recall is not None
        ]
        return sum(recalls) / len(recalls) if recalls else None


class Diagnosis(Typed):
    """Something that is wrong with a run, and what tuning does about it."""

    model_config = ConfigDict(extra="forbid")

    id: str
    label: str | None
    """None: it is about the run as a whole."""
    message: str
    evidence: Evidence
    epochs: list[int]
    """That show it."""
    verdict: Verdict
    """`act`, `watch` (the evidence is not enough) or `leave`."""
    reason: str
    """For the verdict."""
    blocks: bool
    """Whether a run that has it is not healthy."""


def diagnose(run: FinishedRun, section: TuningSection) -> list[Diagnosis]:
    """All that is wrong with a run: diagnoses of the run first, then those of labels in order.

    Args:
        run: that has finished.
        section: what is healthy, and the objective.
    """
    return [*_of_run(run, section), *_of_labels(run, section.healthy)]


def is_healthy(diagnoses: Iterable[Diagnosis]) -> bool:
    """Whether no diagnosis says otherwise."""
    return not any(diagnosis.blocks for diagnosis in diagnoses)


def not_finite(message: str) -> Diagnosis:
    """The diagnosis of a run that ended because a loss or a gradient was not finite."""
    verdict: Judgement = ("act", "nothing can be learned at this learning rate")
    return _made("not-finite", None, message, {}, [], verdict, blocks=True)


def _made(
    name: str,
    label: str | None,
    message: str,
    evidence: Evidence,
    epochs: list[int],
    judgement: Judgement,
    blocks: bool = False,
) -> Diagnosis:
    verdict, reason = judgement
    return Diagnosis(
        id=name,
        label=label,
        message=message,
        evidence=evidence,
        epochs=epochs,
        verdict=verdict,
        reason=reason,
        blocks=blocks,
    )


def _of_run(run: FinishedRun, section: TuningSection) -> Iterator[Diagnosis]:
    for warning in training_warnings(run.epochs, run.losses):
        parts = (warning.id, None, warning.message)
        if warning.id == "oscillating":
            judgement: Judgement = ("act", "the loss swings by more than batches differ")
            yield _made(*parts, warning.evidence, warning.epochs, judgement, blocks=True)
        if warning.id == "validation-rising":
            # never makes a run unhealthy: the best epoch is kept anyway
            evidence = {**warning.evidence, "kept_epoch": run.kept.epoch}
            yield _made(*parts, evidence, warning.epochs, _judge_rising(warning.evidence, run))
    yield from _worse_than_frozen(run)
    yield from _still_improving(run, section.objective)


def _judge_rising(evidence: Evidence, run: FinishedRun) -> Judgement:
    kept = run.kept.epoch
    before = evidence.get("best_average_precision_before")
    now = evidence.get("average_precision")
    if kept == run.epochs[-1].epoch:
        return "leave", "the last epoch is the best one all the same"
    if before is not None and now is not None and now > before:
        return "leave", "only the confidence is too high, which thresholds correct"
    return "act", f"nothing got better after epoch {kept}, which was kept"


def _worse_than_frozen(run: FinishedRun) -> Iterator[Diagnosis]:
    """Has fine-tuning made the encoder worse?"""
    kept, frozen = run.best, run.frozen
    reached = kept.average_precision_macro
    if frozen is None or reached is None or reached > frozen - CLEAR_GAIN:
        return
    message = f"mean average precision {reached:.3f}, but {frozen:.3f} with the encoder frozen"
    evidence = {"average_precision": reached, "frozen_average_precision": frozen}
    judgement: Judgement = ("act", "fine-tuning loses what the encoder knew")
    yield _made("worse-than-frozen", None, message, evidence, [kept.epoch], judgement, True)


def _still_improving(run: FinishedRun, objective: str) -> Iterator[Diagnosis]:
    """Did the last epoch still gain clearly? A run that did may be healthy all the same."""
    if len(run.epochs) < 2 or not run.epochs[-1].best:
        return
    first, last = run.epochs[-2:]
    before, after = first.metric(objective), last.metric(objective)
    low, high = first.average_precision_macro, last.average_precision_macro
    if before is None or after is None or low is None or high is None:
        return
    if after - before < CLEAR_GAIN:
        return
    rose = f"still rose in the last epoch, from {before:.3f} to {after:.3f}"
    judgement: Judgement = (
        ("act", "its mean average precision rises as well")
        if high > low
        else ("watch", f"its mean average precision does not rise ({low:.3f} to {high:.3f})")
    )
    message, evidence = f"{METRIC_NAMES[objective]} {rose}", {"before": before, "last": after}
    epochs = [first.epoch, last.epoch]
    yield _made("still-improving", None, message, evidence, epochs, judgement)


@dataclass(frozen=True)
class _Label:
    """A label in the kept epoch, with positives and predictions."""

    name: str
    recall: float
    precision: float
    support: int
    state: LabelState


def _of_labels(run: FinishedRun, healthy: HealthySection) -> Iterator[Diagnosis]:
    kept = run.kept
    violations = {row.child: row for row in kept.violations}
    for name, row in kept.labels.items():
        state = run.labels[name]
        if row.support and row.recall is not None and row.precision is not None:
            label = _Label(name, row.recall, row.precision, row.support, state)
            for diagnosis in (
                *_low_recall(label, kept.epoch, healthy.recall),
                *_over_predicted(label, kept.epoch, healthy.precision),
                *_at_edge(label, kept.epoch),
            ):
                yield _excused(diagnosis, state) if state.explains(diagnosis.id) else diagnosis
        if name in violations:
            yield from _incoherent(name, violations[name], kept.epoch)


def _excused(diagnosis: Diagnosis, state: LabelState) -> Diagnosis:
    """The diagnosis left alone: tuning must not undo what the profile requires."""
    reason = f"its threshold is set for {state.requirement}, which causes this"
    changed = {"verdict": "leave", "reason": reason, "blocks": False}
    return diagnosis.model_copy(update=changed)


def _low_recall(label: _Label, epoch: int, least: float) -> Iterator[Diagnosis]:
    """Zero or low recall, proven where chance leaves little room for a useful one."""
    recall, support = label.recall, label.support
    if recall >= least:
        return
    low, high = exact_interval(recall * support, support)
    proven = high <= max(UNPROVEN_RECALL, least)
    positives = counted(support, "positive")
    message = (
        f"recall {recall:.0%} of {positives} (95% interval {low:.0%} to {high:.0%})"
        if recall
        else f"none of {positives} found"
    )
    judgement = _judged(
        proven,
        label.state.rare,
        f"a recall of up to {high:.0%} would still be possible by chance",
        f"a recall above {high:.0%} is ruled out",
    )
    evidence = {"recall": recall, "low": low, "high": high, "support": support}
    name = "low-recall" if recall else "zero-recall"
    blocks = proven and label.state.rare
    yield _made(name, label.name, message, evidence, [epoch], judgement, blocks)


def _over_predicted(label: _Label, epoch: int, least: float) -> Iterator[Diagnosis]:
    """Low precision; proven where its interval lies wholly below what is healthy."""
    precision, support = label.precision, label.support
    right = label.recall * support
    if not right or precision >= least:
        return
    predicted = right / precision
    low, high = exact_interval(right, predicted)
    proven = high < least
    message = (
        f"precision {precision:.0%} (95% interval {low:.0%} to {high:.0%}): predicted "
        f"{predicted:.0f} times for {counted(support, 'positive')}"
    )
    judgement = _judged(
        proven,
        label.state.rare,
        f"a precision of {least:.0%} would still be possible by chance",
        f"a precision above {high:.0%} is ruled out",
    )
    if judgement[0] == "act" and predicted <= support:
        reason = "it is predicted wrongly rather than too often; a lower weight would not help"
        judgement = ("leave", reason)
    evidence = {"precision": precision, "low": low, "high": high, "predicted": predicted}
    blocks = proven and label.state.rare
    yield _made("over-predicted", label.name, message, evidence, [epoch], judgement, blocks)


def _at_edge(label: _Label, epoch: int) -> Iterator[Diagnosis]:
    """A threshold near 0 or 1, where all scores are; the threshold itself corrects for it."""
    threshold, support = label.state.threshold, label.support
    if EDGE <= threshold <= 1 - EDGE:
        return
    end = "low" if threshold < EDGE else "high"
    message = f"its threshold is {threshold:.3g}: all its scores are {end}"
    rests = f"the threshold rests on {counted(support, 'positive')}"
    judgement = _judged(support >= ENOUGH_POSITIVES, label.state.rare, rests, rests)
    evidence = {"threshold": threshold, "support": support}
    yield _made(f"threshold-{end}", label.name, message, evidence, [epoch], judgement)


def _incoherent(label: str, row: Violations, epoch: int) -> Iterator[Diagnosis]:
    """Predicted without its parent, before predictions are made coherent."""
    texts, decided = row.texts, row.decided
    if not decided or texts / decided <= INCOHERENT_SHARE:
        return
    low, high = exact_interval(texts, decided)
    message = (
        f"{texts} of the {decided} texts it is predicted for lack {row.parent!r} "
        f"(95% interval {low:.0%} to {high:.0%})"
    )
    judgement = _judged(
        low > INCOHERENT_SHARE,
        True,  # the constraint that is changed is the same for all labels
        f"a share of {INCOHERENT_SHARE:.0%} would still be possible by chance",
        f"a share under {low:.0%} is ruled out",
    )
    evidence = {"texts": texts, "decided": decided, "low": low, "high": high}
    yield _made("incoherent", label, message, evidence, [epoch], judgement)


def _judged(proven: bool, rare: bool, possible: str, certain: str) -> Judgement:
    """Whether to act on a label, and why: what chance still makes possible, or what is certain."""
    if not proven:
        return "watch", f"too few to say: {possible}"
    if not rare:
        return "leave", "not a rare label: the guide changes rare ones only"
    return "act", certain
