"""Diagnoses of a finished run: what is wrong, on which evidence, and whether tuning acts on it.

Label metrics are those of the kept epoch, by cross-fitted predictions. Where counts are small a
metric has its exact interval: tuning acts on a diagnosis only if chance alone does not explain it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ConfigDict

from imbtool.config.schema import HealthySection, TuningSection
from imbtool.data.imbalance import Tier
from imbtool.evaluation.intervals import exact_interval
from imbtool.evaluation.measures import is_known
from imbtool.events import (
    EpochEvent,
    Evidence,
    LabelMetrics,
    ValidationMetrics,
    Violations,
    WarningEvent,
)
from imbtool.files.documents import Typed
from imbtool.runs.warnings import UNPROVEN_RECALL, Losses, training_warnings
from imbtool.wording import counted

Verdict = Literal["act", "watch", "leave"]

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
        return self.tier != "head"

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
            None where no head was fitted first.
        labels: of the checkpoint, by name.
        with_neighbours: metrics of the kept epoch with the nearest training texts, if they have a
            weight.
    """

    epochs: Sequence[EpochEvent]
    losses: Losses
    frozen: float | None
    labels: Mapping[str, LabelState]
    with_neighbours: ValidationMetrics | None = None

    @property
    def kept(self) -> EpochEvent:
        """The epoch whose checkpoint was kept."""
        best = [epoch for epoch in self.epochs if epoch.best][-1]
        return best.with_metrics(self.with_neighbours)

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
    return Diagnosis(
        id="not-finite",
        label=None,
        message=message,
        evidence={},
        epochs=[],
        verdict="act",
        reason="nothing can be learned at this learning rate",
        blocks=True,
    )


def _of_run(run: FinishedRun, section: TuningSection) -> Iterator[Diagnosis]:
    for warning in training_warnings(run.epochs, run.losses):
        if warning.id == "oscillating":
            reason = "the loss swings by more than batches differ"
            yield Diagnosis(**_parts(warning), verdict="act", reason=reason, blocks=True)
        if warning.id == "validation-rising":
            yield _rising(warning, run)
    yield from _worse_than_frozen(run)
    yield from _still_improving(run, section.objective)


def _parts(warning: WarningEvent) -> dict[str, Any]:
    return warning.model_dump(exclude={"event"})


def _rising(warning: WarningEvent, run: FinishedRun) -> Diagnosis:
    """Never makes a run unhealthy: the best epoch is kept anyway."""
    kept, last = run.kept.epoch, run.epochs[-1].epoch
    before = warning.evidence.get("best_average_precision_before")
    now = warning.evidence.get("average_precision")
    improves = before is not None and now is not None and now > before
    verdict: Verdict = "leave"
    if kept == last:
        reason = "the last epoch is the best one all the same"
    elif improves:
        reason = "only the confidence is too high, which thresholds correct"
    else:
        verdict, reason = "act", f"nothing got better after epoch {kept}, which was kept"
    parts = {**_parts(warning), "evidence": {**warning.evidence, "kept_epoch": kept}}
    return Diagnosis(**parts, verdict=verdict, reason=reason, blocks=False)


def _worse_than_frozen(run: FinishedRun) -> Iterator[Diagnosis]:
    """Has fine-tuning made the encoder worse?"""
    kept, frozen = run.kept, run.frozen
    reached = kept.average_precision_macro
    if frozen is None or reached is None or reached > frozen - CLEAR_GAIN:
        return
    yield Diagnosis(
        id="worse-than-frozen",
        label=None,
        message=f"mean average precision {reached:.3f}, but {frozen:.3f} with the encoder frozen",
        evidence={"average_precision": reached, "frozen_average_precision": frozen},
        epochs=[kept.epoch],
        verdict="act",
        reason="fine-tuning loses what the encoder knew",
        blocks=True,
    )


def _still_improving(run: FinishedRun, objective: str) -> Iterator[Diagnosis]:
    """Did the last epoch still gain clearly? A run that did may be healthy all the same."""
    if len(run.epochs) < 2 or not run.epochs[-1].best:
        return
    before, last = run.epochs[-2:]
    low, high = before.metric(objective), last.metric(objective)
    ranking = (before.average_precision_macro, last.average_precision_macro)
    if low is None or high is None or ranking[0] is None or ranking[1] is None:
        return
    if high - low < CLEAR_GAIN:
        return
    better = ranking[1] > ranking[0]
    yield Diagnosis(
        id="still-improving",
        label=None,
        message=(
            f"{METRIC_NAMES[objective]} still rose in the last epoch, from {low:.3f} to {high:.3f}"
        ),
        evidence={"before": low, "last": high},
        epochs=[before.epoch, last.epoch],
        verdict="act" if better else "watch",
        reason=(
            "its mean average precision rises as well"
            if better
            else f"its mean average precision does not rise ({ranking[0]:.3f} to {ranking[1]:.3f})"
        ),
        blocks=False,
    )


@dataclass(frozen=True)
class _Label:
    """A label in the kept epoch."""

    name: str
    row: LabelMetrics
    state: LabelState
    epoch: int

    @property
    def recall(self) -> float:
        """Of a label that has positives."""
        return self.row.recall or 0.0

    @property
    def precision(self) -> float:
        """Of a label for which it is defined."""
        return self.row.precision or 0.0

    def diagnosis(
        self,
        name: str,
        message: str,
        evidence: Evidence,
        verdict: tuple[Verdict, str],
        blocks: bool = False,
    ) -> Diagnosis:
        """A diagnosis of it; tuning must not undo what the profile requires of the label."""
        why, explained = verdict, self.state.explains(name)
        if explained:
            reason = f"its threshold is set for {self.state.requirement}, which causes this"
            why = ("leave", reason)
        return Diagnosis(
            id=name,
            label=self.name,
            message=message,
            evidence=evidence,
            epochs=[self.epoch],
            verdict=why[0],
            reason=why[1],
            blocks=blocks and not explained,
        )


def _of_labels(run: FinishedRun, healthy: HealthySection) -> Iterator[Diagnosis]:
    kept = run.kept
    violations = {row.child: row for row in kept.violations}
    for name, row in kept.labels.items():
        label = _Label(name, row, run.labels[name], kept.epoch)
        if row.support and is_known(row.recall) and is_known(row.precision):
            yield from _low_recall(label, healthy.recall)
            yield from _over_predicted(label, healthy.precision)
            yield from _at_edge(label)
        if name in violations:
            yield from _incoherent(label, violations[name])


def _low_recall(label: _Label, least: float) -> Iterator[Diagnosis]:
    """Zero or low recall, proven where chance leaves little room for a useful one."""
    recall, support = label.recall, label.row.support
    if recall >= least:
        return
    low, high = exact_interval(recall * support, support)
    proven = high <= max(UNPROVEN_RECALL, least)
    positives = counted(support, "positive")
    yield label.diagnosis(
        "low-recall" if recall else "zero-recall",
        (
            f"recall {recall:.0%} of {positives} (95% interval {low:.0%} to {high:.0%})"
            if recall
            else f"none of {positives} found"
        ),
        {"recall": recall, "low": low, "high": high, "support": support},
        _verdict(
            proven,
            label.state.rare,
            f"a recall of up to {high:.0%} would still be possible by chance",
            f"a recall above {high:.0%} is ruled out",
        ),
        blocks=proven and label.state.rare,
    )


def _over_predicted(label: _Label, least: float) -> Iterator[Diagnosis]:
    """Low precision; proven where its interval lies wholly below what is healthy."""
    precision, support = label.precision, label.row.support
    right = label.recall * support
    if not right or precision >= least:
        return
    predicted = right / precision
    low, high = exact_interval(right, predicted)
    proven = high < least
    verdict = _verdict(
        proven,
        label.state.rare,
        f"a precision of {least:.0%} would still be possible by chance",
        f"a precision above {high:.0%} is ruled out",
    )
    if verdict[0] == "act" and predicted <= support:
        reason = "it is predicted wrongly rather than too often; a lower weight would not help"
        verdict = ("leave", reason)
    yield label.diagnosis(
        "over-predicted",
        f"precision {precision:.0%} (95% interval {low:.0%} to {high:.0%}): predicted "
        f"{predicted:.0f} times for {counted(support, 'positive')}",
        {"precision": precision, "low": low, "high": high, "predicted": predicted},
        verdict,
        blocks=proven and label.state.rare,
    )


def _at_edge(label: _Label) -> Iterator[Diagnosis]:
    """A threshold near 0 or 1, where all scores are; the threshold itself corrects for it."""
    threshold, support = label.state.threshold, label.row.support
    if EDGE <= threshold <= 1 - EDGE:
        return
    end = "low" if threshold < EDGE else "high"
    rests = f"the threshold rests on {counted(support, 'positive')}"
    yield label.diagnosis(
        f"threshold-{end}",
        f"its threshold is {threshold:.3g}: all its scores are {end}",
        {"threshold": threshold, "support": support},
        _verdict(support >= ENOUGH_POSITIVES, label.state.rare, rests, rests),
    )


def _incoherent(label: _Label, row: Violations) -> Iterator[Diagnosis]:
    """Predicted without its parent, before predictions are made coherent."""
    texts, decided = row.texts, row.decided
    if not decided or texts / decided <= INCOHERENT_SHARE:
        return
    low, high = exact_interval(texts, decided)
    yield label.diagnosis(
        "incoherent",
        f"{texts} of the {decided} texts it is predicted for lack {row.parent!r} "
        f"(95% interval {low:.0%} to {high:.0%})",
        {"texts": texts, "decided": decided, "low": low, "high": high},
        _verdict(
            low > INCOHERENT_SHARE,
            True,  # the constraint that is changed is the same for all labels
            f"a share of {INCOHERENT_SHARE:.0%} would still be possible by chance",
            f"a share under {low:.0%} is ruled out",
        ),
    )


def _verdict(proven: bool, rare: bool, possible: str, certain: str) -> tuple[Verdict, str]:
    """Whether to act on a label, and why: what chance still makes possible, or what is certain."""
    if not proven:
        return "watch", f"too few to say: {possible}"
    if not rare:
        return "leave", "not a rare label: the guide changes rare ones only"
    return "act", certain
