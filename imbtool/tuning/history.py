"""What a tuning has tried and what came of it; what it tries next, and when it stops.

A round has a base, the best round before it, and changes some values of its profile. Either it is
kept and becomes the next base, or it is undone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, product
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

from imbtool.config.schema import TuningSection
from imbtool.events import LabelEpochMetrics, Metric
from imbtool.files.documents import Number, Typed
from imbtool.tuning.diagnosis import METRIC_NAMES, RANKING, Diagnosis, is_healthy
from imbtool.tuning.guide import (
    GUIDE,
    PER_LABEL,
    RANKS_BETTER,
    Change,
    Setting,
    Settings,
    Value,
    changes_for,
)
from imbtool.wording import counted

Stop = Literal["healthy", "nothing-left", "budget-runs", "budget-minutes"]
Search = Callable[[], Sequence[Change]]
"""The frozen-encoder search: what ranks better with the encoder frozen; it takes some time."""

MOST_LOSS_OF_RECALL = 0.05
"""Of the rare labels' mean recall: a better objective is not worth a greater loss."""
TIE = 0.01
"""Of the objective: another seed changes it by as much. Within it the better mean average precision
wins, which depends on all scores rather than on a few predictions."""


def _from_rows(rows: Any) -> Any:
    """Settings from rows of key, label and value, as decisions.jsonl has them."""
    if not isinstance(rows, list):
        return rows
    for row in rows:
        if not isinstance(row, list) or len(row) != 3 or not isinstance(row[0], str):
            raise ValueError("a setting that is not a key, a label and a value")
        if not isinstance(row[1], str | None):
            raise ValueError("a setting of a label that is not a name")
    return {(key, label): value for key, label, value in rows}


def _as_rows(settings: Mapping[Setting, Value]) -> list[list[Any]]:
    return [[*setting, value] for setting, value in settings.items()]


class RoundOutcome(Typed):
    """What a round reached."""

    model_config = ConfigDict(extra="forbid")

    objective: Metric
    """The metric that counts, of the kept epoch; None if training did not end."""
    rare_recall: Metric
    """Mean recall of the rare labels; None where none has positives."""
    labels: dict[str, LabelEpochMetrics]
    """Of the kept epoch, cross-fitted on validation."""
    findings: list[Diagnosis]
    settings: Annotated[Settings, BeforeValidator(_from_rows), PlainSerializer(_as_rows)]
    """All that the guide may change, as the round had it."""
    ranking: Metric = None
    """Mean average precision of the kept epoch; None if it is not known."""

    @model_validator(mode="after")
    def _guide_knows_them(self) -> Self:
        if any(each.verdict == "act" and each.id not in GUIDE for each in self.findings):
            raise ValueError("a diagnosis that the guide has nothing for")
        return self

    def f1(self, label: str | None) -> float:
        """Of a label; NaN where it is not known."""
        row = self.labels.get(label or "")
        return math.nan if row is None or row.f1 is None else row.f1


RoundNumber = Annotated[int, Field(ge=1, le=10**6)]


class Round(Typed):
    """A fine-tune: what it changed and what came of it."""

    model_config = ConfigDict(extra="forbid")

    number: RoundNumber
    """From 1, the baseline."""
    base: RoundNumber | None
    """The round whose profile was changed; None: the profile as it was given."""
    changes: list[Change]
    outcome: RoundOutcome
    seconds: Annotated[Number, Field(ge=0)]
    """That training took."""
    kept: bool
    """Whether it is the best so far."""
    why: str
    """It was kept or undone."""


def best_of(rounds: Sequence[Round]) -> Round:
    """The round that was kept last."""
    return [each for each in rounds if each.kept][-1]


def ancestors(rounds: Sequence[Round], number: int) -> list[Round]:
    """The rounds from the baseline to a kept one, each the base of the next."""
    return [each for each in rounds if each.kept and each.number <= number]


def judge(new: RoundOutcome, rounds: Sequence[Round], metric: str) -> tuple[bool, str]:
    """Whether a round is kept, and why: it must be better than the best without losing rare labels.

    Args:
        new: what it reached.
        rounds: all before it. One that was kept may be a little lower than another before it, in
            its objective or in recall. What may be lost is counted from the highest, so that
            several such rounds do not lose more.
        metric: the objective.
    """
    if not rounds:
        return True, "the baseline"
    best = best_of(rounds).outcome
    if best.objective is None:
        return True, "training before did not end"
    if new.objective is None:
        return False, "training did not end"
    kept = [each.outcome for each in rounds if each.kept]
    highest = max(each.objective or 0.0 for each in kept)
    moved = _moved(METRIC_NAMES[metric], best.objective, new.objective)
    better = new.objective > best.objective
    tied = metric != RANKING and highest - TIE <= new.objective <= best.objective + TIE
    if tied and new.ranking is not None and best.ranking is not None:
        better = new.ranking > best.ranking
        moved += f", within chance; {_moved(METRIC_NAMES[RANKING], best.ranking, new.ranking)}"
    if not better:
        return False, f"{moved}: not better"
    if new.rare_recall is not None and best.rare_recall is not None:
        moved += f", {_moved('recall of rare labels', best.rare_recall, new.rare_recall)}"
        most = max(each.rare_recall or 0.0 for each in kept)
        if new.rare_recall < most - MOST_LOSS_OF_RECALL:
            return False, f"{moved}: too much of it lost since it was {most:.3f}"
    return True, f"{moved}: better"


def _moved(name: str, before: float, after: float) -> str:
    return f"{name} {before:.3f} -> {after:.3f}"


def stop_reason(rounds: Sequence[Round], section: TuningSection) -> Stop | None:
    """Why no other round begins; None if one may.

    It is expected to last as long as the rounds before it did on average.
    """
    if not rounds:
        return None
    if is_healthy(best_of(rounds).outcome.findings):
        return "healthy"
    if len(rounds) >= section.budget_runs:
        return "budget-runs"
    spent = sum(each.seconds for each in rounds)
    if section.budget_minutes and spent + spent / len(rounds) > 60 * section.budget_minutes:
        return "budget-minutes"
    return None


def stop_sentence(reason: Stop, rounds: Sequence[Round]) -> str:
    """Why the tuning stopped, in words."""
    spent = f"{counted(len(rounds), 'run')}, {sum(each.seconds for each in rounds) / 60:.0f} min"
    return {
        "healthy": "healthy: no rare label is surely too weak, and training does not swing",
        "nothing-left": "nothing is left to try: the guide has no other change for the best round",
        "budget-runs": f"the budget of runs is spent ({spent})",
        "budget-minutes": f"the budget of minutes has no room for another round ({spent})",
    }[reason]


def next_changes(rounds: Sequence[Round], search: Search) -> list[Change]:
    """What the next round changes in the best one; empty if nothing is left to try.

    What is wrong with the run as a whole comes first, with one change alone, because metrics of
    labels say little before it is corrected. Then come the changes that rank better with the
    encoder frozen, all of them at once, and what else the run itself suggests. Then each label that
    needs a change gets one. Incoherence comes last, since predictions are made coherent anyway.

    Args:
        rounds: all so far.
        search: called if nothing is wrong with the run as a whole.
    """
    base = best_of(rounds)
    undone = [each for each in rounds if each.base == base.number and not each.kept]
    urgent: list[list[Change]] = []
    of_run: list[list[Change]] = []
    at_last: list[list[Change]] = []
    by_label: dict[str, Sequence[Change]] = {}
    for diagnosis in base.outcome.findings:
        changes = _options(diagnosis, rounds, base, undone)
        if changes and changes[0].label is not None:
            by_label.setdefault(changes[0].label, changes)
        elif diagnosis.label is not None:
            at_last += [[change] for change in changes]
        else:
            (urgent if diagnosis.blocks else of_run).extend([change] for change in changes)
    if changes := _first_new(urgent, rounds):
        return changes
    combinations = _combinations(by_label, _worth_keeping(undone, base))
    return _first_new(chain([list(search())], of_run, combinations, at_last), rounds)


def _first_new(candidates: Iterable[list[Change]], rounds: Sequence[Round]) -> list[Change]:
    """The first changes of the best round that give settings which no round has had; else none.

    Training is deterministic: the same settings would give the same result.
    """
    base = best_of(rounds).outcome.settings
    had = [each.outcome.settings for each in rounds]
    return next((changes for changes in candidates if _changed(base, changes) not in had), [])


def _changed(settings: Settings, changes: Iterable[Change]) -> Settings:
    return {**settings, **{change.setting: change.after for change in changes}}


def _combinations(
    options: Mapping[str, Sequence[Change]], helped: Mapping[str, Change]
) -> Iterator[list[Change]]:
    """Sets of one change for each label, most promising first.

    Args:
        options: of each label, most promising first.
        helped: changes that are part of the first set, in place of a label's option.
    """
    first = {label: changes[0] for label, changes in options.items()}
    yield list({**first, **helped}.values())
    yield from map(list, product(*options.values()))


def _options(
    diagnosis: Diagnosis, rounds: Sequence[Round], base: Round, undone: Sequence[Round]
) -> list[Change]:
    """What the guide has for a diagnosis that is acted on, and was not tried from this base.

    Settings that led to the base less often come first: gamma, then weight, then gamma again.
    """
    if diagnosis.verdict != "act":
        return []
    tried = {_target(change) for each in undone for change in each.changes}
    changed = [change.setting for each in ancestors(rounds, base.number) for change in each.changes]
    fresh = [
        change
        for change in changes_for(diagnosis, base.outcome.settings)
        if _target(change) not in tried
    ]
    return sorted(fresh, key=lambda change: changed.count(change.setting))


def _worth_keeping(undone: Sequence[Round], base: Round) -> dict[str, Change]:
    """Changes of rounds that were undone, yet helped their own label when last made.

    Those of the frozen-encoder search belong together: none was made for its label alone.
    """
    last = {
        change.label or "": (change, each)
        for each in undone
        for change in each.changes
        if change.key in PER_LABEL and change.finding != RANKS_BETTER
    }
    return {
        label: change
        for label, (change, each) in last.items()
        if each.outcome.f1(label) > base.outcome.f1(label)
    }


def _target(change: Change) -> tuple[Setting, float]:
    return change.setting, change.after
