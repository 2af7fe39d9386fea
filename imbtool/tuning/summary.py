"""A tuning as one document: what screen, page and picture show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from imbtool.config.schema import TuningSection
from imbtool.config.yaml_text import Key
from imbtool.tuning.guide import Change
from imbtool.tuning.history import Round, Stop, best_of, lineage, stop_sentence
from imbtool.wording import printable

Document = dict[str, Any]


def tell_story(
    folder: Path, rounds: Sequence[Round], section: TuningSection, reason: Stop, facts: Document
) -> Document:
    """The result of a tuning, of which decisions.jsonl is the source.

    Args:
        folder: of the run.
        rounds: all of them, oldest first.
        section: the budget and the objective.
        reason: for the stop.
        facts: `tier` and `training_positives` of each label.

    Returns:
        `run`, `checkpoint`, `objective` (name, of the baseline, of the best round), `stop` (reason
        and sentence), `budget`, `best_round`, `changes` (from the baseline to the best round),
        `rounds` as in decisions.jsonl, and `labels`: what is known of each, and its settings
        before and after.
    """
    first, best = rounds[0], best_of(rounds)
    return {
        "run": str(folder),
        "checkpoint": str(folder / "checkpoint"),
        "profile": str(folder / "tuned-profile.yaml"),
        "objective": {
            "name": section.objective,
            "baseline": first.outcome.objective,
            "best": best.outcome.objective,
        },
        "stop": {"reason": reason, "sentence": stop_sentence(reason, rounds)},
        "budget": {
            "runs": section.budget_runs,
            "minutes": section.budget_minutes,
            "minutes_spent": sum(each.seconds for each in rounds) / 60,
        },
        "best_round": best.number,
        "changes": [asdict(change) for change in _changes_on(rounds, best.number)],
        "rounds": [each.document() for each in rounds],
        "labels": {
            name: {
                **row,
                "gamma": _moved(first, best, ("loss.gamma", name)),
                "weight": _moved(first, best, ("weights.custom", name)),
            }
            for name, row in facts.items()
        },
    }


def _moved(first: Round, best: Round, place: tuple[str, str]) -> list[float]:
    """A setting before and after."""
    return [each.outcome.settings[place] for each in (first, best)]


def _changes_on(rounds: Sequence[Round], number: int) -> list[Change]:
    return [change for each in lineage(rounds, number) for change in each.changes]


def profile_comments(rounds: Sequence[Round], number: int) -> dict[Key, str]:
    """A comment for each value that the profile of a round has changed: from, to, because."""
    comments: dict[Key, list[str]] = {}
    for each in lineage(rounds, number):
        for change in each.changes:
            key = tuple(filter(None, (*change.key.split("."), change.label)))
            said = f"{change.before:g} -> {change.after:g} in round {each.number}: {change.because}"
            comments.setdefault(key, []).append(printable(said))
    return {key: "; then ".join(said) for key, said in comments.items()}
