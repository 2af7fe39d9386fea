"""Reads a finished run and diagnoses it: what a tuning learns from each round."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from imbtool.config.schema import Profile
from imbtool.errors import NotFiniteError, user_error
from imbtool.events import (
    EVENTS,
    EndEvent,
    EpochEvent,
    HeadEvent,
    Metric,
    ResumeEvent,
    SaveEvent,
    StartEvent,
    StepEvent,
    added_figures,
    of_kind,
    require_events,
)
from imbtool.files.documents import Typed
from imbtool.runs.folder import read_run_profile
from imbtool.runs.manifest import PROFILE
from imbtool.trained.checkpoint import checkpoint_folder
from imbtool.trained.metadata import LabelMeta, read_meta
from imbtool.tuning.diagnosis import Diagnosis, FinishedRun, LabelState, diagnose, not_finite
from imbtool.tuning.guide import Change, Setting, settings_of
from imbtool.tuning.history import Round, RoundOutcome, next_changes, stop_reason
from imbtool.wording import some


class ObjectiveValue(Typed):
    """The objective, and what a run reached of it."""

    name: str
    value: Metric


class Preview(Typed):
    """What the guide would do after a run. The frozen-encoder search is left out."""

    run: str
    objective: ObjectiveValue
    rare_recall: Metric
    healthy: bool
    findings: list[Diagnosis]
    changes: list[Change]


def read_outcome(run: Path, profile: Profile, weights: Mapping[str, float]) -> RoundOutcome:
    """What a finished run reached, and its diagnoses.

    Args:
        run: its folder.
        profile: that it was trained by.
        weights: of its labels.

    Raises:
        UserError: it has no epoch or no checkpoint.
    """
    finished, objective = read_finished_run(run), profile.tuning.objective
    kept = finished.kept
    if objective not in kept.model_fields_set:
        found, fix = f"no {objective} in the kept epoch", "choose another tuning.objective"
        raise user_error(run / EVENTS, found, "a value of the objective", fix)
    return RoundOutcome(
        objective=kept.metric(objective),
        rare_recall=finished.rare_recall,
        labels=kept.labels,
        findings=diagnose(finished, profile.tuning),
        settings=_settings(run, profile, weights),
        ranking=kept.average_precision_macro,
    )


def seconds_before(run: Path) -> float:
    """Seconds that earlier processes have trained a run, each up to the state that it left.

    Args:
        run: its folder, which need not be there.
    """
    total = last = 0.0
    for event in require_events(run):
        if isinstance(event, SaveEvent):
            last = event.seconds
        elif isinstance(event, ResumeEvent):
            total, last = total + last, 0.0
    return total + last


def outcome_of_failed_run(
    run: Path, profile: Profile, weights: Mapping[str, float], error: NotFiniteError
) -> RoundOutcome:
    """The outcome of a run that ended because a loss or a gradient was not finite."""
    return RoundOutcome(
        objective=None,
        rare_recall=None,
        labels={},
        findings=[not_finite(error.problems[0].found)],
        settings=_settings(run, profile, weights),
    )


def preview(run: Path) -> Preview:
    """What the guide would do after a run that `imbtool train` has made; nothing is written.

    Args:
        run: its folder.

    Raises:
        UserError: it is no run, has no epoch, or has not ended.
    """
    if not (run / PROFILE).is_file():
        found = f"no {PROFILE} in it" if run.exists() else "no such folder"
        raise user_error(run, found, "a run folder", "give the folder that `imbtool train` named")
    profile = read_run_profile(run)
    meta = read_meta(checkpoint_folder(run))
    weights = {name: label.weight for name, label in meta.labels.items()}
    outcome = read_outcome(run, profile, weights)
    if not of_kind(require_events(run), EndEvent):
        fix = f"finish it: imbtool train --resume {run}"
        raise user_error(run, "a training that has not ended", "a finished run", fix)
    only = Round(
        number=1,
        base=None,
        changes=[],
        outcome=outcome,
        seconds=0.0,
        kept=True,
        why="the baseline",
    )
    healthy = stop_reason([only], profile.tuning) == "healthy"
    changes = [] if healthy else next_changes([only], search=lambda: ())
    return Preview(
        run=str(run),
        objective=ObjectiveValue(name=profile.tuning.objective, value=outcome.objective),
        rare_recall=outcome.rare_recall,
        healthy=healthy,
        findings=outcome.findings,
        changes=changes,
    )


def read_finished_run(run: Path) -> FinishedRun:
    """A run as diagnoses need it.

    Args:
        run: its folder.

    Raises:
        UserError: it has no epoch or no checkpoint, or one of other labels.
    """
    events = require_events(run)
    epochs = of_kind(events, EpochEvent)
    if not epochs:
        fix = "give the folder of a training, such as RUN/rounds/1 of a tuning"
        raise user_error(run, "no epoch in events.jsonl", "a run that was trained", fix)
    if not any(epoch.best for epoch in epochs):
        fix = "restore events.jsonl, or train anew"
        raise user_error(run / EVENTS, "no epoch that was the best so far", "one", fix)
    heads = of_kind(events, HeadEvent)
    meta = read_meta(checkpoint_folder(run))
    if lacking := {name for epoch in epochs for name in epoch.labels} - set(meta.labels):
        found = f"labels in events.jsonl that its checkpoint lacks: {some(sorted(lacking))}"
        raise user_error(
            run, found, "events and checkpoint of one run", "restore them, or train anew"
        )
    return FinishedRun(
        epochs,
        [loss for step in of_kind(events, StepEvent) for loss in step.losses],
        heads[-1].average_precision if heads and not heads[-1].sampled else None,
        {name: _state(label) for name, label in meta.labels.items()},
        added_figures(events),
    )


def _state(label: LabelMeta) -> LabelState:
    requirement = label.requirement.asked if label.requirement else None
    return LabelState(label.tier, label.threshold, requirement)


def _settings(run: Path, profile: Profile, weights: Mapping[str, float]) -> dict[Setting, float]:
    starts = of_kind(require_events(run), StartEvent)
    if not starts:
        found, fix = "no start in events.jsonl", "restore it, or train anew"
        raise user_error(run, found, "the events of a run from its start", fix)
    start = starts[-1]
    return settings_of(profile, start.learning_rate.value, start.epochs, weights)
