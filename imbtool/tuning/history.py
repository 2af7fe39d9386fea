"""What a tuning has tried and what came of it; what it tries next, and when it stops.

A round stands on a base, the best round before it, and changes some values. It is kept, and is the
next base, or undone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain, product
from typing import Any, Literal

from imbtool.config.schema import TuningSection
from imbtool.events import Event
from imbtool.tuning.diagnosis import METRIC_NAMES, RANKING, Finding, is_healthy
from imbtool.tuning.guide import (
    PER_LABEL,
    RANKS_BETTER,
    Change,
    Place,
    Settings,
    changes_for,
)
from imbtool.wording import counted

Stop = Literal["healthy", "nothing-left", "budget-runs", "budget-minutes"]
Explore = Callable[[], Sequence[Change]]
"""What ranks better with the encoder frozen; it takes some time to find out."""

MOST_LOSS_OF_RECALL = 0.05
"""Of the rare labels' mean recall: a better objective does not buy more than this."""
TIE = 0.01
"""Of the objective: another seed moves it by as much. Within it the better ranking wins: that rests
on all scores rather than on a few decisions."""


@dataclass(frozen=True)
class Outcome:
    """What a run reached.

    Attributes:
        objective: the metric that counts, of the kept epoch; None if training did not end.
        ranking: mean average precision of that epoch; None if it is not known.
        rare_recall: mean recall of the rare labels; None where none has positives.
        labels: precision, recall, F1 and support of each, cross-fitted on validation.
        findings: of the diagnosis.
        settings: all that the guide may change, as the run had it.
    """

    objective: float | None
    rare_recall: float | None
    labels: dict[str, Event]
    findings: list[Finding]
    settings: dict[Place, float]
    ranking: float | None = None

    def f1(self, label: str | None) -> float:
        """Of a label; NaN where it is not known."""
        value = self.labels.get(label or "", {}).get("f1")
        return math.nan if value is None else value


@dataclass(frozen=True)
class Round:
    """A fine-tune: what it changed and what came of it.

    Attributes:
        number: from 1, the baseline.
        base: number of the round whose profile was changed; None: the profile as it was given.
        changes: that were made.
        outcome: what it reached.
        seconds: that training took.
        kept: whether it is the best so far.
        why: it was kept or undone.
    """

    number: int
    base: int | None
    changes: list[Change]
    outcome: Outcome
    seconds: float
    kept: bool
    why: str

    def document(self) -> dict[str, Any]:
        """For JSON."""
        document = asdict(self)
        settings = self.outcome.settings.items()
        document["outcome"]["settings"] = [[*place, value] for place, value in settings]
        return document


def best_of(rounds: Sequence[Round]) -> Round:
    """The round that was kept last."""
    return [each for each in rounds if each.kept][-1]


def lineage(rounds: Sequence[Round], number: int) -> list[Round]:
    """The rounds from the baseline to a kept one, each the base of the next."""
    return [each for each in rounds if each.kept and each.number <= number]


def judge(new: Outcome, rounds: Sequence[Round], metric: str) -> tuple[bool, str]:
    """Whether a round is kept, and why: better than the best, the rare labels not given up.

    Args:
        new: what it reached.
        rounds: all before it. One that was kept may be a little lower than another before it, in
            its objective or in recall; lest such steps lead down, what may be lost is counted from
            the highest.
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
    """Why no round is begun; None if one may be.

    A round is taken to last as long as they did on average.
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
    """Why it stopped, for a person."""
    spent = f"{counted(len(rounds), 'run')}, {sum(each.seconds for each in rounds) / 60:.0f} min"
    return {
        "healthy": "healthy: no rare label surely below what is healthy, no training that swings",
        "nothing-left": "nothing is left to try: the guide has no other change from here",
        "budget-runs": f"the budget of runs is spent ({spent})",
        "budget-minutes": f"the budget of minutes has no room for another round ({spent})",
    }[reason]


def next_changes(rounds: Sequence[Round], explore: Explore) -> list[Change]:
    """What the next round changes in the best one; empty if nothing is left to try.

    What is unwell in the run as a whole goes first, one change alone: figures of labels say little
    before. Then what ranks better with the encoder frozen, all of it at once, and what else the run
    itself suggests. Then each label that needs it gets one change, its own. Incoherence comes last,
    since decisions are made coherent anyway.

    Args:
        rounds: all so far.
        explore: asked if the run as a whole is well.
    """
    base = best_of(rounds)
    undone = [each for each in rounds if each.base == base.number and not each.kept]
    urgent: list[list[Change]] = []
    of_run: list[list[Change]] = []
    at_last: list[list[Change]] = []
    by_label: dict[str, Sequence[Change]] = {}
    for finding in base.outcome.findings:
        changes = _options(finding, rounds, base, undone)
        if changes and changes[0].label is not None:
            by_label.setdefault(changes[0].label, changes)
        elif finding.label is not None:
            at_last += [[change] for change in changes]
        else:
            (urgent if finding.blocks else of_run).extend([change] for change in changes)
    if changes := _first_new(urgent, rounds):
        return changes
    bundles = _bundles(by_label, _worth_keeping(undone, base))
    return _first_new(chain([list(explore())], of_run, bundles, at_last), rounds)


def _first_new(candidates: Iterable[list[Change]], rounds: Sequence[Round]) -> list[Change]:
    """The first changes of the best round that give settings which no round has had; else none.

    Training is repeatable: the same settings again would tell nothing new.
    """
    base = best_of(rounds).outcome.settings
    had = [each.outcome.settings for each in rounds]
    return next((changes for changes in candidates if _changed(base, changes) not in had), [])


def _changed(settings: Settings, changes: Iterable[Change]) -> Settings:
    return {**settings, **{change.place: change.after for change in changes}}


def _bundles(
    options: Mapping[str, Sequence[Change]], helped: Mapping[str, Change]
) -> Iterator[list[Change]]:
    """Sets of one change a label, most promising first.

    Args:
        options: of each label, most promising first.
        helped: what goes along wherever it may.
    """
    first = {label: changes[0] for label, changes in options.items()}
    yield list({**first, **helped}.values())
    yield from map(list, product(*options.values()))


def _options(
    finding: Finding, rounds: Sequence[Round], base: Round, undone: Sequence[Round]
) -> list[Change]:
    """What the guide has for a finding that is acted on, and was not tried from here.

    Places that were changed less often on the way here go first: gamma, then weight, then gamma.
    """
    if finding.verdict != "act":
        return []
    tried = {_target(change) for each in undone for change in each.changes}
    way = [change.place for each in lineage(rounds, base.number) for change in each.changes]
    fresh = [
        change
        for change in changes_for(finding, base.outcome.settings)
        if _target(change) not in tried
    ]
    return sorted(fresh, key=lambda change: way.count(change.place))


def _worth_keeping(undone: Sequence[Round], base: Round) -> dict[str, Change]:
    """Changes of rounds that were undone as a whole, yet helped their own label when last made.

    Those of the frozen stage belong together: none of them was made for its label alone.
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


def _target(change: Change) -> tuple[Place, float]:
    return change.place, change.after
