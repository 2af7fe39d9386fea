"""The summary of a tuning, which the screen, the page and the figure show."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from imbtool.config.schema import TuningSection
from imbtool.config.yaml_text import Key
from imbtool.data.imbalance import Tier
from imbtool.data.weights import LabelWeight
from imbtool.events import Metric
from imbtool.files.documents import Typed
from imbtool.tuning.guide import GAMMA, WEIGHT, Change, Value
from imbtool.tuning.history import Round, Stop, ancestors, best_of, stop_sentence
from imbtool.wording import printable


class ObjectiveSummary(Typed):
    """The objective in the baseline and in the best round."""

    name: str
    baseline: Metric
    best: Metric


class StopSummary(Typed):
    """Why the tuning stopped, as a key and in words."""

    reason: Stop
    sentence: str


class BudgetSummary(Typed):
    """What the tuning was allowed to take, and what it took."""

    runs: int
    minutes: float | None
    minutes_spent: float


class LabelSummary(Typed):
    """What is known of a label, and its settings in the baseline and in the best round."""

    tier: Tier
    training_positives: int
    gamma: list[Value]
    weight: list[Value]


class TuningSummary(Typed):
    """The result of a tuning. Its source is decisions.jsonl."""

    run: str
    checkpoint: str
    profile: str
    objective: ObjectiveSummary
    stop: StopSummary
    budget: BudgetSummary
    best_round: int
    changes: list[Change]
    """From the baseline to the best round."""
    rounds: list[Round]
    labels: dict[str, LabelSummary]

    @property
    def best(self) -> Round:
        """The best round."""
        return self.rounds[self.best_round - 1]

    @property
    def rarest_first(self) -> list[tuple[str, LabelSummary]]:
        """The labels by their training positives, fewest first."""
        return sorted(self.labels.items(), key=lambda item: item[1].training_positives)


def summarise(
    folder: Path,
    rounds: Sequence[Round],
    section: TuningSection,
    reason: Stop,
    labels: Sequence[LabelWeight],
) -> TuningSummary:
    """The summary of a tuning.

    Args:
        folder: of the run.
        rounds: all of them, oldest first.
        section: the budget and the objective.
        reason: for the stop.
        labels: with their tiers and counts in training.
    """
    first, best = rounds[0], best_of(rounds)
    return TuningSummary(
        run=str(folder),
        checkpoint=str(folder / "checkpoint"),
        profile=str(folder / "tuned-profile.yaml"),
        objective=ObjectiveSummary(
            name=section.objective,
            baseline=first.outcome.objective,
            best=best.outcome.objective,
        ),
        stop=StopSummary(reason=reason, sentence=stop_sentence(reason, rounds)),
        budget=BudgetSummary(
            runs=section.budget_runs,
            minutes=section.budget_minutes,
            minutes_spent=sum(each.seconds for each in rounds) / 60,
        ),
        best_round=best.number,
        changes=[change for each in ancestors(rounds, best.number) for change in each.changes],
        rounds=list(rounds),
        labels={
            label.label: LabelSummary(
                tier=label.tier,
                training_positives=label.count.positives,
                gamma=[each.outcome.settings[GAMMA, label.label] for each in (first, best)],
                weight=[each.outcome.settings[WEIGHT, label.label] for each in (first, best)],
            )
            for label in labels
        },
    )


def profile_comments(rounds: Sequence[Round], number: int) -> dict[Key, str]:
    """A comment for each value that the profile of a round has changed: from, to, because."""
    comments: dict[Key, list[str]] = {}
    for each in ancestors(rounds, number):
        for change in each.changes:
            key = tuple(filter(None, (*change.key.split("."), change.label)))
            text = f"{change.before:g} -> {change.after:g} in round {each.number}: {change.because}"
            comments.setdefault(key, []).append(printable(text))
    return {key: "; then ".join(texts) for key, texts in comments.items()}
