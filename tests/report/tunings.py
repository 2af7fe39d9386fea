"""The summary of a tuning, made up, with names that try to break out of it."""

from typing import Any

from imbtool.events import LabelEpochMetrics
from imbtool.tuning.diagnosis import Diagnosis
from imbtool.tuning.guide import Change
from imbtool.tuning.history import Round, RoundOutcome
from imbtool.tuning.summary import (
    BudgetSummary,
    LabelSummary,
    ObjectiveSummary,
    StopSummary,
    TuningSummary,
)

NAMES = ["<script>alert('x')</script>", 'say "&amp;" \u202eno', "محتوى عنيف"]
TIERS = ["severe", "moderate", "common"]
POSITIVES = [30, 90, 900]
LONG = "none of 40 positives found & <b>more</b>"


def change(label: str | None, key: str = "loss.gamma") -> Change:
    return Change(key=key, label=label, before=2.0, after=3.0, because=LONG, finding="zero-recall")


def diagnosis(verdict: Any, label: str | None) -> Diagnosis:
    return Diagnosis(
        id="zero-recall",
        label=label,
        message=LONG,
        evidence={"support": 40},
        epochs=[3],
        verdict=verdict,
        reason="a recall above 9% is ruled out",
        blocks=verdict == "act",
    )


def row(f1: float | None) -> LabelEpochMetrics:
    return LabelEpochMetrics(precision=f1, recall=f1, f1=f1, support=0 if f1 is None else 40)


def round_(
    number: int, objective: float | None, kept: bool, f1: list[float | None] | None
) -> Round:
    """A round; without F1 training did not end."""
    return Round(
        number=number,
        base=number - 1 or None,
        changes=[change(NAMES[0]), change(None, "training.epochs")] if number > 1 else [],
        outcome=RoundOutcome(
            objective=objective,
            rare_recall=0.4,
            labels={name: row(value) for name, value in zip(NAMES, f1, strict=True)} if f1 else {},
            findings=[diagnosis("act", NAMES[0]), diagnosis("watch", NAMES[1])],
            settings={},
        ),
        seconds=90.0,
        kept=kept,
        why=f"macro-F1 0.3 -> {objective}",
    )


def tuning(rounds: list[Round] | None = None, **parts: Any) -> TuningSummary:
    rounds = rounds or [
        round_(1, 0.3, True, [0.0, 0.4, 0.5]),
        round_(2, 0.25, False, [0.1, 0.2, 0.5]),
        round_(3, 0.45, True, [0.3, 0.4, None]),
    ]
    best = [each for each in rounds if each.kept][-1]
    labels = {
        name: LabelSummary(
            tier=tier,
            training_positives=positives,
            gamma=[2.0, 3.0] if name == NAMES[0] else [2.0, 2.0],
            weight=[5.0, 5.0],
        )
        for name, tier, positives in zip(NAMES, TIERS, POSITIVES, strict=True)
    }
    usual = {
        "run": "runs/<b>t</b>",
        "checkpoint": "runs/t/checkpoint",
        "profile": "runs/t/tuned-profile.yaml",
        "objective": ObjectiveSummary(
            name="f1_macro", baseline=rounds[0].outcome.objective, best=best.outcome.objective
        ),
        "stop": StopSummary(reason="healthy", sentence="healthy: all is well"),
        "budget": BudgetSummary(runs=8, minutes=None, minutes_spent=4.5),
        "best_round": best.number,
        "changes": [change for each in rounds if each.kept for change in each.changes],
        "rounds": rounds,
        "labels": labels,
    }
    return TuningSummary(**usual | parts)
