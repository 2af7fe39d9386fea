"""What is wrong with a finished run, on which evidence, and whether that is enough to act on.

Label figures are those of the kept epoch, by cross-fitted decisions. Where counts are few a figure
has its exact interval: a finding is acted on only if chance alone does not explain it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal

from imbtool.config.schema import HealthySection, TuningSection
from imbtool.data.imbalance import Tier
from imbtool.evaluation.intervals import exact_interval
from imbtool.evaluation.measures import is_known
from imbtool.events import Event
from imbtool.runs.warnings import UNPROVEN_RECALL, findings
from imbtool.runs.warnings import Finding as Symptom
from imbtool.wording import counted

Verdict = Literal["act", "watch", "leave"]

CLEAR_GAIN = 0.01
"""Of a metric from one epoch to the next, or from the frozen encoder to the fine-tuned one."""
EDGE = 0.02
"""A threshold nearer than this to 0 or 1 stands where all scores of a label crowd."""
INCOHERENT_SHARE = 0.1
"""Of the texts that a label is decided on, those without its primary."""
ENOUGH_POSITIVES = 11
"""From so many on, finding none rules a recall above 0.3 out."""

PRICE_OF = {
    "recall": ("over-predicted", "threshold-low"),
    "precision": ("zero-recall", "low-recall", "threshold-high"),
    "flags_per_1000": ("zero-recall", "low-recall", "threshold-high"),
}
"""What a threshold that is set for a required measure may well lead to."""

RANKING = "average_precision_macro"
"""The metric that rests on scores alone, whatever the thresholds."""
METRIC_NAMES = {
    "f1_macro": "macro-F1",
    "secondary_f1_macro": "macro-F1 of secondary labels",
    RANKING: "mean average precision",
}
"""As people call the keys of `epoch` events."""


@dataclass(frozen=True)
class LabelState:
    """What a checkpoint knows of a label.

    Attributes:
        tier: by its ratio in training; severe and moderate labels are rare.
        threshold: the probability from which it is decided.
        asked: what the profile requires of it, `recall >= 0.8`; None: nothing.
    """

    tier: Tier
    threshold: float
    asked: str | None = None

    @property
    def rare(self) -> bool:
        """Does the guide move it?"""
        return self.tier != "common"

    def pays_with(self, name: str) -> bool:
        """Is a finding the price of what is required?"""
        return self.asked is not None and name in PRICE_OF[self.asked.partition(" ")[0]]


@dataclass(frozen=True)
class Course:
    """A finished run, as its events and its checkpoint tell it.

    Attributes:
        epochs: the `epoch` events, oldest first; at least one.
        losses: of the steps, oldest first.
        frozen: mean average precision on validation of the head alone, the encoder frozen; None
            where no head was fitted first.
        labels: of the checkpoint, by name.
        heard: figures of the kept epoch with the nearest training texts, if they have a say.
    """

    epochs: Sequence[Event]
    losses: Sequence[float]
    frozen: float | None
    labels: Mapping[str, LabelState]
    heard: Event | None = None

    @property
    def kept(self) -> Event:
        """The epoch whose checkpoint was kept."""
        return {**[event for event in self.epochs if event["best"]][-1], **(self.heard or {})}

    @property
    def rare_recall(self) -> float | None:
        """Mean recall of the rare labels; None where none has positives on validation."""
        recalls = [
            row["recall"]
            for name, row in self.kept["labels"].items()
            if self.labels[name].rare and row["support"]
        ]
        return sum(recalls) / len(recalls) if recalls else None


@dataclass(frozen=True)
class Finding(Symptom):
    """Something unwell, and what is to be done about it.

    Attributes:
        verdict: act, watch (the evidence is not enough) or leave.
        reason: for the verdict.
        blocks: it stands against calling the run healthy.
    """

    verdict: Verdict
    reason: str
    blocks: bool


def diagnose(course: Course, section: TuningSection) -> list[Finding]:
    """All that is unwell in a run: findings of the run first, then those of labels in their order.

    Args:
        course: the run.
        section: what is healthy, and the metric that counts.
    """
    return [*_of_run(course, section), *_of_labels(course, section.healthy)]


def is_healthy(found: Iterable[Finding]) -> bool:
    """No finding stands against it."""
    return not any(finding.blocks for finding in found)


def not_finite(message: str) -> Finding:
    """The finding of a run that a loss or gradient ended which was no finite number."""
    reason = "nothing can be learned at this learning rate"
    return Finding("not-finite", None, message, {}, [], "act", reason, blocks=True)


def _of_run(course: Course, section: TuningSection) -> Iterator[Finding]:
    symptoms = findings(course.epochs, course.losses)
    for symptom in symptoms:
        if symptom.id == "oscillating":
            reason = "it swings by more than batches differ"
            yield Finding(**asdict(symptom), verdict="act", reason=reason, blocks=True)
        if symptom.id == "validation-rising":
            yield _rising(symptom, course)
    yield from _worse_than_frozen(course)
    yield from _still_improving(course, section.objective)


def _rising(symptom: Symptom, course: Course) -> Finding:
    """Never stands against health: the best epoch is kept anyway."""
    kept, last = course.kept["epoch"], course.epochs[-1]["epoch"]
    before = symptom.evidence.get("best_average_precision_before", math.inf)
    improves = symptom.evidence.get("average_precision", -math.inf) > before
    verdict: Verdict = "leave"
    if kept == last:
        reason = "the last epoch is the best one all the same"
    elif improves:
        reason = "only the confidence is too high, which thresholds make up for"
    else:
        verdict, reason = "act", f"nothing got better after epoch {kept}, which was kept"
    evidence = {**symptom.evidence, "kept_epoch": kept}
    parts = {**asdict(symptom), "evidence": evidence}
    return Finding(**parts, verdict=verdict, reason=reason, blocks=False)


def _worse_than_frozen(course: Course) -> Iterator[Finding]:
    """Has fine-tuning undone what the encoder knew?"""
    reached, frozen = course.kept[RANKING], course.frozen
    if frozen is None or not _known(reached, frozen) or reached > frozen - CLEAR_GAIN:
        return
    message = f"mean average precision {reached:.3f}, but {frozen:.3f} with the encoder frozen"
    evidence = {"average_precision": reached, "frozen_average_precision": frozen}
    reason = "fine-tuning loses what the encoder knew"
    epochs = [course.kept["epoch"]]
    yield Finding("worse-than-frozen", None, message, evidence, epochs, "act", reason, True)


def _still_improving(course: Course, metric: str) -> Iterator[Finding]:
    """Did the last epoch still gain clearly? It may be all the same healthy."""
    if len(course.epochs) < 2 or not course.epochs[-1]["best"]:
        return
    before, last = course.epochs[-2:]
    if not _known(before[metric], last[metric], before[RANKING], last[RANKING]):
        return
    if last[metric] - before[metric] < CLEAR_GAIN:
        return
    name = METRIC_NAMES[metric]
    message = (
        f"{name} still rose in the last epoch, from {before[metric]:.3f} to {last[metric]:.3f}"
    )
    evidence = {"before": before[metric], "last": last[metric]}
    better = last[RANKING] > before[RANKING]
    verdict: Verdict = "act" if better else "watch"
    reason = (
        "and its ranking still gets better"
        if better
        else f"but its ranking does not get better ({before[RANKING]:.3f} to {last[RANKING]:.3f})"
    )
    seen = [before["epoch"], last["epoch"]]
    yield Finding("still-improving", None, message, evidence, seen, verdict, reason, False)


def _of_labels(course: Course, healthy: HealthySection) -> Iterator[Finding]:
    epoch = course.kept["epoch"]
    # the share of violations by child is known where the run wrote it down
    violations = {row["child"]: row for row in course.kept.get("violations", ())}
    for label, row in course.kept["labels"].items():
        state = course.labels[label]
        if row["support"] and _known(row["recall"], row["precision"]):
            for finding in (
                *_low_recall(label, row, state, epoch, healthy.recall),
                *_over_predicted(label, row, state, epoch, healthy.precision),
                *_at_edge(label, row, state, epoch),
            ):
                yield _excused(finding, state) if state.pays_with(finding.id) else finding
        if label in violations:
            yield from _incoherent(label, violations[label], epoch)


def _excused(finding: Finding, state: LabelState) -> Finding:
    """The finding left alone: tuning must not work against what was required."""
    reason = f"its threshold is set for {state.asked}, and this is the price"
    return replace(finding, verdict="leave", reason=reason, blocks=False)


def _low_recall(
    label: str, row: Event, state: LabelState, epoch: int, least: float
) -> Iterator[Finding]:
    """Zero or low recall, proven where chance leaves little room for one that is worth having."""
    recall, support = row["recall"], row["support"]
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
    verdict, reason = _verdict(
        proven,
        state.rare,
        f"a recall of up to {high:.0%} would still be possible by chance",
        f"a recall above {high:.0%} is ruled out",
    )
    evidence = {"recall": recall, "low": low, "high": high, "support": support}
    name = "low-recall" if recall else "zero-recall"
    blocks = proven and state.rare
    yield Finding(name, label, message, evidence, [epoch], verdict, reason, blocks)


def _over_predicted(
    label: str, row: Event, state: LabelState, epoch: int, least: float
) -> Iterator[Finding]:
    """Low precision; proven where its interval lies wholly below what is healthy."""
    precision, support = row["precision"], row["support"]
    right = row["recall"] * support
    if not right or precision >= least:
        return
    predicted = right / precision
    low, high = exact_interval(right, predicted)
    proven = high < least
    message = (
        f"precision {precision:.0%} (95% interval {low:.0%} to {high:.0%}): predicted "
        f"{predicted:.0f} times for {counted(support, 'positive')}"
    )
    verdict, reason = _verdict(
        proven,
        state.rare,
        f"a precision of {least:.0%} would still be possible by chance",
        f"a precision above {high:.0%} is ruled out",
    )
    if verdict == "act" and predicted <= support:
        verdict, reason = (
            "leave",
            "predicted wrongly rather than too often: less pull mends nothing",
        )
    evidence = {"precision": precision, "low": low, "high": high, "predicted": predicted}
    blocks = proven and state.rare
    yield Finding("over-predicted", label, message, evidence, [epoch], verdict, reason, blocks)


def _at_edge(label: str, row: Event, state: LabelState, epoch: int) -> Iterator[Finding]:
    """A threshold where all scores crowd; thresholds make up for it, hence nothing is blocked."""
    if EDGE <= state.threshold <= 1 - EDGE:
        return
    end, name = ("low", "threshold-low") if state.threshold < EDGE else ("high", "threshold-high")
    message = f"its threshold is {state.threshold:.3g}: all its scores are {end}"
    rests = f"it rests on {counted(row['support'], 'positive')}"
    verdict, reason = _verdict(row["support"] >= ENOUGH_POSITIVES, state.rare, rests, rests)
    evidence = {"threshold": state.threshold, "support": row["support"]}
    yield Finding(name, label, message, evidence, [epoch], verdict, reason, False)


def _incoherent(label: str, row: Event, epoch: int) -> Iterator[Finding]:
    """Decided without its primary, before decisions are made coherent."""
    texts, decided = row["texts"], row["decided"]
    if not decided or texts / decided <= INCOHERENT_SHARE:
        return
    low, high = exact_interval(texts, decided)
    message = (
        f"{texts} of the {decided} texts it is decided on lack {row['parent']!r} "
        f"(95% interval {low:.0%} to {high:.0%})"
    )
    verdict, reason = _verdict(
        low > INCOHERENT_SHARE,
        True,  # the price that is changed is the same for all labels
        f"a share of {INCOHERENT_SHARE:.0%} would still be possible by chance",
        f"a share under {low:.0%} is ruled out",
    )
    evidence = {"texts": texts, "decided": decided, "low": low, "high": high}
    yield Finding("incoherent", label, message, evidence, [epoch], verdict, reason, False)


def _verdict(proven: bool, rare: bool, possible: str, certain: str) -> tuple[Verdict, str]:
    """Whether to act on a label, and why: what chance still makes possible, or what is certain."""
    if not proven:
        return "watch", f"too few to say: {possible}"
    if not rare:
        return "leave", "not a rare label: the guide moves rare ones only"
    return "act", certain


def _known(*values: float | None) -> bool:
    return all(map(is_known, values))
