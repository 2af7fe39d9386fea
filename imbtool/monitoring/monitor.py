"""A stream beside validation: what has changed, what to expect, which thresholds would fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from imbtool.config.schema import Requirement
from imbtool.errors import user_error
from imbtool.evaluation.calibration import sigmoid
from imbtool.evaluation.document import Estimate
from imbtool.evaluation.estimates import estimate
from imbtool.evaluation.requirements import PER_1000
from imbtool.inference.evaluate import own_split, run_profile
from imbtool.monitoring.adaptation import adapted_requirement, adapted_threshold, has_changed
from imbtool.monitoring.drift import (
    SingleTest,
    TextSample,
    compare_texts,
    judge,
    mean_test,
    words_of,
)
from imbtool.monitoring.expectation import Expectation, answered_metrics, expect_metrics
from imbtool.monitoring.monitor_document import (
    AdaptedThreshold,
    Basis,
    Monitored,
    MonitoredLabel,
    UnlikeText,
)
from imbtool.monitoring.prevalence import Reference, flagged_shares
from imbtool.monitoring.sample import answered_texts
from imbtool.monitoring.shift import ShareEstimate, ShiftedLabel
from imbtool.monitoring.stream import VALIDATION, Logits, Stream, Tell, read_stream
from imbtool.trained.checkpoint import Checkpoint
from imbtool.trained.metadata import CheckpointMeta
from imbtool.types import Counts, Decisions, Floats, Targets
from imbtool.version import __version__
from imbtool.wording import counted

SHOWN = 10
"""Texts of the stream that are least like the reference."""
LEAST_ANSWERED = 10
"""Answered texts with the label or its flag, from which on answers say more than validation."""
NOTHING = Estimate(value=None, low=None, high=None)


@dataclass(frozen=True)
class MonitorOptions:
    """What a stream is held against.

    Attributes:
        reference: a table of texts as they were; None for the validation split of the run.
        answers: a filled batch.csv of a sample of the stream.
        seed: of what is drawn.
        quote: whether texts may be quoted.
    """

    reference: Path | None = None
    answers: Path | None = None
    seed: int = 0
    quote: bool = True


def monitor_stream(
    checkpoint: Checkpoint, source: Path, options: MonitorOptions, tell: Tell
) -> Monitored:
    """Hold a stream against what a model was validated on.

    Args:
        checkpoint: in its run folder, whose training and validation texts are read.
        source: of the stream: a table, or a folder or glob of them.
        options: what it is held against.
        tell: called with a line of progress now and then.

    Raises:
        UserError: the stream, the reference, the answers or the data of the run cannot be read.
    """
    reference = Reference.of(checkpoint, tell)
    sample = TextSample(options.seed)
    stream = read_stream(checkpoint, source, tell=tell, visit=sample)
    flagged = _flag_counts(checkpoint, stream)
    then = _Then.of(checkpoint, reference, options, tell)
    tell("comparing the texts")
    now = sample.distinct()
    known = words_of(own_split(checkpoint, "train").texts)
    tests, order = compare_texts(checkpoint, then.sample, now, known)
    names, texts = checkpoint.labels.names, len(stream)
    shifted = [
        reference.shifted(place, stream.logits[:, place], options.seed)
        for place in range(len(names))
    ]
    for place, name in enumerate(names):
        pair = [reference.unshifted(place, each[:, place]) for each in (then.logits, stream.logits)]
        tests.append(
            SingleTest("frequency", mean_test(*pair), name, *(float(each.mean()) for each in pair))
        )
    tests += [SingleTest("scores", of.p, name) for name, of in zip(names, shifted, strict=True)]
    figures = _Figures.of(checkpoint, reference, flagged, source, stream, options)
    required = _requirements(checkpoint)
    labels = {}
    for place, (name, of) in enumerate(zip(names, shifted, strict=True)):
        counts = int(then.flagged[place]), int(flagged[place])
        label = _label(checkpoint, place, figures, of, counts)
        new = _adapted(reference, place, of, stream, label, required.get(name))
        broken = _is_broken(label, required.get(name))
        labels[name] = label.model_copy(update={"adapted": new, "broken": broken})
    return Monitored(
        imbtool=__version__,
        checkpoint=str(checkpoint.folder),
        source=str(source),
        fingerprint=stream.fingerprint,
        texts=texts,
        reference=then.name,
        reference_texts=len(then.logits),
        compared=(len(then.sample.texts), len(now.texts)),
        answers=figures.answers,
        seed=options.seed,
        tests=judge(tests),
        unlike=[
            UnlikeText(row=now.rows[at] + 1, text=now.texts[at] if options.quote else None)
            for at in order[:SHOWN]
        ],
        labels=labels,
    )


def adapted_meta(meta: CheckpointMeta, monitored: Monitored) -> CheckpointMeta:
    """Metadata with the thresholds and calibration of labels that would have others."""
    labels = dict(meta.labels)
    for name, found in monitored.labels.items():
        if found.adapted is not None:
            new, old = found.adapted, labels[name]
            # a checkpoint without a calibration stays without one
            slope, bias = (
                (None, None)
                if old.slope is None or old.bias is None
                else (old.slope, old.bias + new.shift)
            )
            labels[name] = old.decided(new.threshold, new.rule, (slope, bias), new.requirement)
    return meta.model_copy(update={"labels": labels})


def require_adaptable(monitored: Monitored) -> None:
    """Check that there is a threshold to adapt.

    Raises:
        UserError: there is none.
    """
    if not any(label.adapted for label in monitored.labels.values()):
        found = "no label whose threshold would change"
        expected = "a label that is surely more or less frequent than on validation"
        raise user_error("--adapt", found, expected, "keep the checkpoint as it is")


@dataclass(frozen=True)
class _Then:
    """What the stream is held against: logits of all texts [n, L], a sample of them, flags [L]."""

    name: str
    sample: TextSample
    logits: Floats | Logits
    flagged: Counts

    @classmethod
    def of(
        cls, checkpoint: Checkpoint, reference: Reference, options: MonitorOptions, tell: Tell
    ) -> _Then:
        sample = TextSample(options.seed + 1)
        if options.reference is None:
            sample(own_split(checkpoint, VALIDATION).unchosen().texts)
            flagged = _decisions(reference).sum(axis=0)
            return cls(VALIDATION, sample.distinct(), _raw(reference), flagged)
        read = read_stream(checkpoint, options.reference, tell=tell, visit=sample)
        flagged = _flag_counts(checkpoint, read)
        return cls(str(options.reference), sample.distinct(), read.logits, flagged)


def _flag_counts(checkpoint: Checkpoint, stream: Stream) -> Counts:
    shares = flagged_shares(checkpoint, stream.logits)
    return np.rint(shares * len(stream)).astype(np.int64)


def _decisions(reference: Reference) -> Decisions:
    """The decisions about the validation texts [m, L]."""
    return reference.checkpoint.decide(sigmoid(_raw(reference)))


def _raw(reference: Reference) -> Floats:
    """The logits of the validation texts, before calibration [m, L]."""
    return reference.calibration.raw(reference.scores.logits)


def _requirements(checkpoint: Checkpoint) -> Mapping[str, Requirement]:
    profile = run_profile(checkpoint)
    return profile.thresholds.require if profile else {}


@dataclass(frozen=True)
class _Figures:
    """What validation lets one expect, and what answers say, with the texts each rests on [L]."""

    expected: Expectation
    answered: Expectation | None
    answers: int
    support: Counts
    positives: Counts
    known: Counts

    @classmethod
    def of(
        cls,
        checkpoint: Checkpoint,
        reference: Reference,
        flagged: Counts,
        source: Path,
        stream: Stream,
        options: MonitorOptions,
    ) -> _Figures:
        targets = reference.scores.targets
        decisions, texts = _decisions(reference), len(stream)
        expected = expect_metrics(decisions, targets, flagged, texts, options.seed)
        positives, known = (targets == 1).sum(axis=0), (~np.isnan(targets)).sum(axis=0)
        if options.answers is None:
            return cls(expected, None, 0, np.zeros_like(flagged), positives, known)
        given = answered_texts(options.answers, checkpoint.labels, source, stream.fingerprint)
        decided = checkpoint.decide(checkpoint.probabilities(given.texts))
        answered = answered_metrics(
            decided, given.targets, given.inclusion, given.prevalence, options.seed
        )
        support = _support(decided, given.targets)
        return cls(expected, answered, len(given.texts), support, positives, known)


def _support(decided: Decisions, targets: Targets) -> Counts:
    """Texts that have each label or its flag [L], of those where it is known."""
    return np.asarray(((targets == 1) | (decided & (targets == 0))).sum(axis=0))


def _label(
    checkpoint: Checkpoint,
    place: int,
    figures: _Figures,
    of: ShiftedLabel,
    flagged: tuple[int, int],
) -> MonitoredLabel:
    meta = list(checkpoint.meta.labels.values())[place]
    positives, support = int(figures.positives[place]), int(figures.support[place])
    basis: Basis = "withheld" if of.reason else "validation"
    found, reason = figures.expected, of.reason or counted(positives, "positive") + " on validation"
    share = (of.share.value, of.share.low, of.share.high) if of.share else (np.nan,) * 3
    if figures.answered is not None and support >= LEAST_ANSWERED:
        basis, found = "answers", figures.answered
        share = tuple(found.prevalence[:, place].tolist())
        reason = f"{support:,} answered texts that have the label or its flag"
    said = basis != "withheld"
    return MonitoredLabel(
        tier=meta.tier,
        threshold=meta.threshold,
        validation_positives=positives,
        validation_prevalence=positives / max(int(figures.known[place]), 1),
        prevalence=estimate(*share) if said else NOTHING,
        reference_flagged=flagged[0],
        flagged=flagged[1],
        precision=estimate(*found.precision[:, place]) if said else NOTHING,
        recall=estimate(*found.recall[:, place]) if said else NOTHING,
        f1=estimate(*found.f1[:, place]) if said else NOTHING,
        basis=basis,
        reason=reason,
        adapted=None,
    )


def _adapted(
    reference: Reference,
    place: int,
    of: ShiftedLabel,
    stream: Stream,
    label: MonitoredLabel,
    required: Requirement | None,
) -> AdaptedThreshold | None:
    """The threshold that a label would have at its prevalence in the stream, if it is another."""
    if (answered := _answered_share(label)) is not None:
        of = replace(of, share=answered, reason="")
    targets, share = reference.scores.targets[:, place], None if of.reason else of.share
    if required is not None and required.measure == PER_1000:  # which needs no prevalence
        is_due = 1000 * label.flagged > required.bar * len(stream)
    else:
        known = int((~np.isnan(targets)).sum())
        is_due = share is not None and has_changed(share, label.validation_positives, known)
    if not is_due:
        return None
    if required is None:
        slope, bias = reference.calibration.slope[place], reference.calibration.bias[place]
        return AdaptedThreshold(**vars(adapted_threshold(float(slope), float(bias), of)))
    own = (_raw(reference)[:, place], targets)
    logits = np.asarray(stream.logits[:, place], dtype=np.float64)
    name = reference.checkpoint.labels.names[place]
    new = adapted_requirement(name, required, own, logits, share)
    return None if new is None else AdaptedThreshold(**vars(new))


def _answered_share(label: MonitoredLabel) -> ShareEstimate | None:
    """Its prevalence in the stream as answers show it."""
    value, low, high = (end for _, end in label.prevalence)
    if label.basis != "answers" or value is None or low is None or high is None:
        return None
    return ShareEstimate(value, low, high)


def _is_broken(label: MonitoredLabel, required: Requirement | None) -> bool:
    """Whether answers show that a required precision or recall is not reached."""
    if required is None or label.basis != "answers" or required.measure == PER_1000:
        return False
    high = (label.recall if required.measure == "recall" else label.precision).high
    return high is not None and high < required.bar


def alarmed(monitored: Monitored) -> bool:
    """Whether a gate is to stop: something has changed, or a requirement is not kept."""
    return bool(monitored.alarms or monitored.unmet)
