"""A run on screen: how long it will take, and what its end says."""

import io

import pytest
from rich.console import Console
from rich.text import Text

from imbtool.report.console import training as live
from imbtool.report.console.training import TrainingView, event_views

END = {"event": "end", "best_epoch": 2, "early": False, "f1_macro": 0.5}
STEP = {"event": "step", "epoch": 1, "steps": 61, "loss": 0.1, "tokens": 100, "seconds": 2.0}


def test_the_time_left_is_that_of_the_steps_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "LINE_EVERY", 0.0)
    paper = io.StringIO()
    with TrainingView(Console(file=paper, width=100)) as view:
        for step in (31, 32):  # a resumed run
            view(STEP | {"step": step})
        for step in (1, 2):  # the next round of a tuning
            view(STEP | {"step": step})
    said = [line.rsplit("about ", 1)[1] for line in paper.getvalue().splitlines()]
    assert said == ["1.0 min left", "2.0 min left", "2.0 min left"]


def test_the_end_says_what_each_requirement_came_to_and_marks_those_not_met() -> None:
    said = {
        "a": {"verdict": "met", "sentence": "recall of a: at least 0.8 with 95% confidence"},
        "b": {"verdict": "likely", "sentence": "recall of b\x1b[31m: is likely"},
        "c": {"verdict": "unmet", "sentence": "recall of c: is not reached"},
    }
    kept, *sentences = event_views(END | {"requirements": said})
    assert kept == "kept epoch 2, validation macro-F1 0.500"
    assert [text.plain for text in sentences] == [
        "recall of a: at least 0.8 with 95% confidence",
        r"recall of b\x1b[31m: is likely",
        "recall of c: is not reached",
    ]
    assert all(isinstance(text, Text) for text in sentences)
    assert [text.style for text in sentences] == ["", "yellow", "yellow"]


def test_the_end_of_a_run_without_requirements_says_nothing_of_them() -> None:
    for nothing in ({}, {"requirements": {}}, {"requirements": None}):
        assert len(list(event_views(END | nothing))) == 1
