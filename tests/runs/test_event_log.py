"""A run's events are written down whole, and what is unwell in it is warned of once."""

import json
from pathlib import Path
from typing import Any

import pytest

from imbtool.runs.event_log import EVERY_STEPS, Chronicle

Event = dict[str, Any]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


def step(number: int, loss: float = 0.5) -> Event:
    return {"event": "step", "step": number, "loss": loss}


def epoch(number: int, train_loss: float, validation_loss: float, recall: float = 0.5) -> Event:
    return {
        "event": "epoch",
        "epoch": number,
        "step": 20 * number,
        "train_loss": train_loss,
        "validation_loss": validation_loss,
        "best": False,
        "f1_macro": 0.5,
        "average_precision_macro": 0.5,
        "labels": {"rare": {"precision": 0.8, "recall": recall, "f1": 0.5, "support": 30}},
    }


RISING = [epoch(1, 0.3, 0.20), epoch(2, 0.2, 0.25), epoch(3, 0.1, 0.30)]
END = {"event": "end", "best_epoch": 1, "f1_macro": 0.5, "early": False}


def written(path: Path) -> list[Event]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def warnings(events: list[Event]) -> list[tuple[str, str | None]]:
    return [(row["id"], row["label"]) for row in events if row["event"] == "warning"]


def test_every_step_is_passed_on_and_one_in_ten_written_with_the_losses_of_all(path: Path):
    passed: list[Event] = []
    chronicle = Chronicle(path, passed.append)
    for number in range(1, 26):
        chronicle(step(number, loss=number / 100))
    assert [event["step"] for event in passed] == list(range(1, 26))
    assert [event["step"] for event in written(path)] == [EVERY_STEPS, 2 * EVERY_STEPS]
    assert written(path)[1]["losses"] == [number / 100 for number in range(11, 21)]


def test_what_is_unwell_in_the_run_is_warned_of_after_its_epoch_and_once(path: Path):
    passed: list[Event] = []
    chronicle = Chronicle(path, passed.append)
    for event in [*RISING, END]:
        chronicle(event)
    assert passed == written(path)
    assert warnings(passed) == [("validation-rising", None)]
    kinds = [event["event"] for event in passed]
    assert kinds.index("warning") == 2
    evidence = next(event for event in passed if event["event"] == "warning")["evidence"]
    assert 0.25 in evidence.values()


def test_weak_labels_are_warned_of_at_the_end_and_only_those_that_have_not_healed(path: Path):
    passed: list[Event] = []
    chronicle = Chronicle(path, passed.append)
    chronicle(epoch(1, 0.3, 0.3, recall=0.0))
    assert warnings(passed) == []
    chronicle(END)
    assert warnings(passed) == [("zero-recall", "rare")]
    assert passed[-1] == END

    healed: list[Event] = []
    chronicle = Chronicle(path.with_name("other.jsonl"), healed.append)
    for event in (epoch(1, 0.3, 0.3, recall=0.0), epoch(2, 0.2, 0.2, recall=0.6), END):
        chronicle(event)
    assert warnings(healed) == []


def test_a_resumed_run_remembers_what_was_warned_of(path: Path):
    chronicle = Chronicle(path, lambda event: None)
    for event in RISING[:2]:
        chronicle(event)
    passed: list[Event] = []
    resumed = Chronicle(path, passed.append)
    resumed({"event": "resume", "step": 40, "epoch": 3})
    resumed(RISING[2])
    assert warnings(passed) == []
    assert len(warnings(written(path))) == 1


def test_a_half_line_is_cut_before_a_line_is_added(path: Path):
    path.write_text('{"event": "end"}\n{"event": "st')
    Chronicle(path, lambda event: None)(step(EVERY_STEPS))
    assert [event["event"] for event in written(path)] == ["end", "step"]
