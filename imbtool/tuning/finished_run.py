"""A finished run is read and diagnosed: what tuning learns from each round."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from imbtool.config.reader import read_profile
from imbtool.config.schema import Profile
from imbtool.errors import NotFiniteError, user_error
from imbtool.events import require_events
from imbtool.model.checkpoint import checkpoint_folder
from imbtool.model.metadata import LabelMeta, read_meta
from imbtool.tuning.diagnosis import RANKING, Course, LabelState, diagnose, not_finite
from imbtool.tuning.guide import Place, settings_of
from imbtool.tuning.history import Outcome, Round, next_changes, stop_reason
from imbtool.wording import some

Document = dict[str, Any]


def examine(run: Path, profile: Profile, weights: Mapping[str, float]) -> Outcome:
    """What a finished run reached, and what is unwell in it.

    Args:
        run: its folder.
        profile: that it was trained by.
        weights: of its labels.

    Raises:
        UserError: it has no epoch or no checkpoint.
    """
    course, objective = read_course(run), profile.tuning.objective
    if objective not in course.kept:
        found, fix = f"no {objective} in the kept epoch", "choose another tuning.objective"
        raise user_error(run / "events.jsonl", found, "a value of the objective", fix)
    return Outcome(
        course.kept[objective],
        course.rare_recall,
        course.kept["labels"],
        diagnose(course, profile.tuning),
        _settings(run, profile, weights),
        course.kept[RANKING],
    )


def examine_broken(
    run: Path, profile: Profile, weights: Mapping[str, float], error: NotFiniteError
) -> Outcome:
    """The outcome of a run that a loss ended which was no finite number."""
    found = not_finite(error.problems[0].found)
    return Outcome(None, None, {}, [found], _settings(run, profile, weights))


def preview(run: Path) -> Document:
    """What the guide would do after a run that `imbtool train` has made; nothing is written.

    Returns:
        `run`, `objective`, `rare_recall`, `healthy`, `findings`, and `changes`: what a next round
        would change, the frozen stage left out.

    Raises:
        UserError: it is no run, has no epoch, or has not ended.
    """
    if not (run / "profile.yaml").is_file():
        found = "no profile.yaml in it" if run.exists() else "no such folder"
        raise user_error(run, found, "a run folder", "give the folder that `imbtool train` named")
    profile = read_profile(run / "profile.yaml")
    meta = read_meta(checkpoint_folder(run))
    weights = {name: label.weight for name, label in meta.labels.items()}
    outcome = examine(run, profile, weights)
    if not any(event["event"] == "end" for event in require_events(run)):
        fix = f"finish it: imbtool train --resume {run}"
        raise user_error(run, "a training that has not ended", "a finished run", fix)
    only = Round(1, None, [], outcome, seconds=0.0, kept=True, why="the baseline")
    healthy = stop_reason([only], profile.tuning) == "healthy"
    changes = [] if healthy else next_changes([only], explore=lambda: ())
    return {
        "run": str(run),
        "objective": {"name": profile.tuning.objective, "value": outcome.objective},
        "rare_recall": outcome.rare_recall,
        "healthy": healthy,
        "findings": [asdict(finding) for finding in outcome.findings],
        "changes": [asdict(change) for change in changes],
    }


def read_course(run: Path) -> Course:
    """A run as diagnosis reads it.

    Raises:
        UserError: it has no epoch or no checkpoint, or one of other labels.
    """
    events = require_events(run)
    epochs = [event for event in events if event["event"] == "epoch"]
    if not epochs:
        fix = "give the folder of a training, such as RUN/rounds/1 of a tuning"
        raise user_error(run, "no epoch in events.jsonl", "a run that was trained", fix)
    steps = [event for event in events if event["event"] == "step"]
    if not any(event["best"] for event in epochs):
        fix = "restore events.jsonl, or train anew"
        raise user_error(run / "events.jsonl", "no epoch that was the best so far", "one", fix)
    asked = [event for event in events if event["event"] == "neighbours"]
    heard = [event["figures"] for event in asked if event.get("figures")]
    heads = [event["average_precision"] for event in events if event["event"] == "head"]
    meta = read_meta(checkpoint_folder(run))
    if lacking := {name for event in epochs for name in event["labels"]} - set(meta.labels):
        found = f"labels in events.jsonl that its checkpoint lacks: {some(sorted(lacking))}"
        raise user_error(
            run, found, "events and checkpoint of one run", "restore them, or train anew"
        )
    return Course(
        epochs,
        [loss for event in steps for loss in event.get("losses", ())],
        heads[-1] if heads else None,
        {name: _state(label) for name, label in meta.labels.items()},
        heard[-1] if heard else None,
    )


def _state(label: LabelMeta) -> LabelState:
    asked = label.requirement.asked if label.requirement else None
    return LabelState(label.tier, label.threshold, asked)


def _settings(run: Path, profile: Profile, weights: Mapping[str, float]) -> dict[Place, float]:
    starts = [event for event in require_events(run) if event["event"] == "start"]
    if not starts:
        found, fix = "no start in events.jsonl", "restore it, or train anew"
        raise user_error(run, found, "the events of a run from its start", fix)
    start = starts[-1]
    return settings_of(profile, start["learning_rate"]["value"], start["epochs"], weights)
