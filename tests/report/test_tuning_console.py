"""A tuning on screen: live on a terminal and as plain lines, and its summary at the end."""

import io
from collections.abc import Iterable
from typing import Any

import pytest
from rich.console import Console, RenderableType
from screens import printed
from tunings import NAMES, change, diagnosis, round_, tuning

from imbtool.events import EndEvent, EpochEvent, Event, StepEvent
from imbtool.report.console.tuning import TuningView, preview_views, tuning_views
from imbtool.tuning.decision_log import (
    ResultRecord,
    RoundRecord,
    SearchRecord,
    SearchStart,
    SessionRecord,
    StopRecord,
)
from imbtool.tuning.finished_run import ObjectiveValue, Preview

SESSION = SessionRecord(
    budget_runs=4,
    budget_minutes=10.0,
    runs_done=1,
    minutes_spent=2.0,
    profile={},
    labels=[],
    fingerprints={},
)
EPOCH = EpochEvent(
    epoch=1,
    train_loss=0.5,
    validation_loss=0.4,
    f1_macro=0.3,
    average_precision_macro=0.2,
    labels={},
    step=50,
    best=True,
)
STEP = StepEvent(step=1, steps=50, epoch=1, loss=0.5, tokens=9, seconds=0.1)
EVENTS: list[Event] = [
    SESSION,
    SearchStart(),
    SearchRecord(base=1, changes=[], heads=6),
    RoundRecord(round=2, base=1, changes=[change(NAMES[0])]),
    STEP,
    EPOCH,
    EndEvent(),
    ResultRecord(result=round_(2, 0.25, False, [0.1, 0.2, 0.5])),
    StopRecord(),
]


def shown(terminal: bool, *events: Event) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=150, color_system=None,
                      markup=False, emoji=False, highlight=False)  # fmt: skip
    with TuningView(console) as view:
        for event in events:
            view(event)
    return " ".join(console.file.getvalue().split())  # type: ignore[attr-defined]


def test_each_round_tells_what_is_changed_seen_and_left() -> None:
    for terminal in (False, True):
        text = shown(terminal, *EVENTS)
        for piece in (
            "trying weights and gammas with the encoder frozen",
            "fitted 6 heads: none ranks clearly better than with the values of round 1",
            "Round 2, from round 1",
            "loss.gamma <script>alert('x')</script> 2 3 none of 40 positives found",
            "epoch 1: macro-F1 0.300",
            "watch zero-recall",
            "round 2 undone: macro-F1 0.3 -> 0.25",
            "budget left: 2 runs, 6 min",
        ):
            assert piece in text, piece
        assert "\u202e" not in text, "a name cannot turn the line around"


def test_without_a_terminal_steps_are_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imbtool.report.console.training.LINE_EVERY", 0.0)
    text = shown(False, SESSION, STEP, STEP)
    assert text.startswith("step 1/50 loss 0.5000")
    assert "\x1b" not in text


def test_the_first_round_is_the_profile_and_minutes_may_have_no_limit() -> None:
    text = shown(
        False,
        SESSION.model_copy(update={"budget_minutes": None, "runs_done": 0}),
        RoundRecord(round=1, base=None, changes=[]),
        ResultRecord(result=round_(1, 0.3, True, [0.1, 0.2, 0.5])),
    )
    assert "Round 1: the profile as it is" in text
    assert text.endswith("budget left: 3 runs")


def lines(views: Iterable[RenderableType]) -> str:
    """What is printed, all in one line."""
    return " ".join(printed(views).split())


def test_the_summary_has_rounds_and_labels_before_and_after() -> None:
    text = lines(tuning_views(tuning()))
    assert "2 1 0.250 0.400 1.5 undone gamma 2 -> 3" in text
    assert "severe 2 -> 3 5 40 0.000 0.300 0.000 0.300 0.000 0.300" in text
    assert "stopped: healthy: all is well" in text
    assert text.endswith("profile: runs/t/tuned-profile.yaml")


def preview(**parts: Any) -> Preview:
    usual = {
        "run": "runs/first",
        "objective": ObjectiveValue(name="f1_macro", value=0.3),
        "rare_recall": 0.4,
        "healthy": False,
        "findings": [diagnosis("act", NAMES[0])],
        "changes": [change(NAMES[0])],
    }
    return Preview(**usual | parts)


def test_a_preview_shows_what_fires_and_what_would_change() -> None:
    text = lines(preview_views(preview()))
    assert "runs/first: macro-F1 0.300 on validation" in text
    assert "act zero-recall" in text
    assert "The guide would change" in text
    assert "the guide would change nothing" in lines(preview_views(preview(healthy=True)))
    nothing = lines(preview_views(preview(findings=[], changes=[])))
    assert "nothing is wrong with the run" in nothing
    assert "The guide has no change" in nothing
