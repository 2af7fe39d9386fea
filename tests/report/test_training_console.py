"""A run on screen: how long it will take, and what its end says."""

import io

import pytest
from rich.console import Console
from rich.text import Text

from imbtool.events import EndEvent, OtherEvent, RequirementOutcome, StepEvent
from imbtool.report.console.training import TrainingView, event_views

END = EndEvent(best_epoch=2, early=False, f1_macro=0.5)


def step(number: int) -> StepEvent:
    return StepEvent(epoch=1, step=number, steps=61, loss=0.1, tokens=100, seconds=2.0)


def test_the_time_left_is_that_of_the_steps_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imbtool.report.console.training.LINE_EVERY", 0.0)
    paper = io.StringIO()
    with TrainingView(Console(file=paper, width=100)) as view:
        for number in (31, 32, 1, 2):  # a resumed run, and the next round of a tuning
            view(step(number))
    said = [line.rsplit("about ", 1)[1] for line in paper.getvalue().splitlines()]
    assert said == ["1.0 min left", "2.0 min left", "2.0 min left"]


def test_the_end_says_what_each_requirement_came_to_and_marks_those_not_met() -> None:
    said = {
        "a": RequirementOutcome(
            verdict="met", sentence="recall of a: at least 0.8 with 95% confidence"
        ),
        "b": RequirementOutcome(verdict="likely", sentence="recall of b\x1b[31m: is likely"),
        "c": RequirementOutcome(verdict="unmet", sentence="recall of c: is not reached"),
    }
    kept, *sentences = event_views(END.model_copy(update={"requirements": said}))
    assert kept == "kept epoch 2, validation macro-F1 0.500"
    assert [text.plain for text in sentences] == [
        "recall of a: at least 0.8 with 95% confidence",
        r"recall of b\x1b[31m: is likely",
        "recall of c: is not reached",
    ]
    assert all(isinstance(text, Text) for text in sentences)
    assert [text.style for text in sentences] == ["", "yellow", "yellow"]


def test_the_end_of_a_run_without_requirements_says_nothing_of_them() -> None:
    for nothing in ({}, None):
        assert len(list(event_views(END.model_copy(update={"requirements": nothing})))) == 1
    assert len(list(event_views(END))) == 1


def test_an_event_without_a_view_shows_nothing() -> None:
    assert list(event_views(OtherEvent(event="later"))) == []
