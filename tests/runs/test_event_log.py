"""Every event of a run is written to its log, and each training warning is given once."""

import json
from pathlib import Path
from typing import Any

import pytest

from imbtool.events import (
    EndEvent,
    EpochEvent,
    Event,
    LabelEpochMetrics,
    ResumeEvent,
    SaveEvent,
    StepEvent,
    ValidationMetrics,
    WarningEvent,
    WordsEvent,
    of_kind,
    read_events,
)
from imbtool.runs.event_log import EVERY_STEPS, EventLogWriter


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


def step(number: int, loss: float = 0.5) -> StepEvent:
    return StepEvent(step=number, loss=loss)


def epoch(
    number: int, train_loss: float, validation_loss: float, recall: float = 0.5
) -> EpochEvent:
    return EpochEvent(
        epoch=number,
        step=20 * number,
        train_loss=train_loss,
        validation_loss=validation_loss,
        best=False,
        f1_macro=0.5,
        average_precision_macro=0.5,
        labels={"rare": LabelEpochMetrics(precision=0.8, recall=recall, f1=0.5, support=30)},
    )


RISING = [epoch(1, 0.3, 0.20), epoch(2, 0.2, 0.25), epoch(3, 0.1, 0.30)]
END = EndEvent(best_epoch=1, f1_macro=0.5, early=False)


def written(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def warnings(events: list[Event]) -> list[tuple[str, str | None]]:
    return [(event.id, event.label) for event in of_kind(events, WarningEvent)]


def test_every_step_is_passed_on_and_one_in_ten_written_with_the_losses_of_all(path: Path):
    passed: list[Event] = []
    writer = EventLogWriter(path, passed.append)
    for number in range(1, 26):
        writer(step(number, loss=number / 100))
    assert [event.at_step for event in passed] == list(range(1, 26))
    assert [event["step"] for event in written(path)] == [EVERY_STEPS, 2 * EVERY_STEPS]
    assert written(path)[1]["losses"] == [number / 100 for number in range(11, 21)]


def test_a_warning_of_the_run_follows_its_epoch_and_is_given_once(path: Path):
    passed: list[Event] = []
    writer = EventLogWriter(path, passed.append)
    for event in [*RISING, END]:
        writer(event)
    assert [event.model_dump() for event in passed] == written(path)
    assert warnings(passed) == [("validation-rising", None)]
    kinds = [event.event for event in passed]
    assert kinds.index("warning") == 2
    (warning,) = of_kind(passed, WarningEvent)
    assert 0.25 in warning.evidence.values()


def test_weak_labels_are_warned_of_at_the_end_and_only_those_that_have_not_healed(path: Path):
    passed: list[Event] = []
    writer = EventLogWriter(path, passed.append)
    writer(epoch(1, 0.3, 0.3, recall=0.0))
    assert warnings(passed) == []
    writer(END)
    assert warnings(passed) == [("zero-recall", "rare")]
    assert passed[-1] == END

    healed: list[Event] = []
    writer = EventLogWriter(path.with_name("other.jsonl"), healed.append)
    for event in (epoch(1, 0.3, 0.3, recall=0.0), epoch(2, 0.2, 0.2, recall=0.6), END):
        writer(event)
    assert warnings(healed) == []


def with_words(recall: float) -> WordsEvent:
    found = epoch(1, 0.3, 0.2, recall)
    figures = ValidationMetrics.model_validate(
        found.model_dump(include=set(ValidationMetrics.model_fields))
    )
    return WordsEvent(share=0.5, tokens=9, figures=figures)


def test_a_label_that_words_have_healed_is_not_warned_of(path: Path):
    write = EventLogWriter(path, lambda _: None)
    kept = epoch(1, 0.3, 0.2, recall=0.0).model_copy(update={"best": True})
    for event in (kept, with_words(recall=0.5), END):
        write(event)
    assert not of_kind(read_events(path.parent), WarningEvent)


def test_after_another_epoch_earlier_words_say_nothing_of_it(path: Path):
    write = EventLogWriter(path, lambda _: None)
    kept = epoch(1, 0.3, 0.2, recall=0.0).model_copy(update={"best": True})
    for event in (kept, with_words(recall=0.5), END):
        write(event)
    resumed = EventLogWriter(path, lambda _: None)
    for event in (ResumeEvent(step=20, epoch=2), kept.model_copy(update={"epoch": 2}), END):
        resumed(event)
    (warning,) = of_kind(read_events(path.parent), WarningEvent)
    assert (warning.id, warning.label) == ("zero-recall", "rare")


def test_a_resumed_run_remembers_what_was_warned_of(path: Path):
    writer = EventLogWriter(path, lambda event: None)
    for event in RISING[:2]:
        writer(event)
    passed: list[Event] = []
    resumed = EventLogWriter(path, passed.append)
    resumed(ResumeEvent(step=40, epoch=3))
    resumed(RISING[2])
    assert warnings(passed) == []
    assert len(warnings(read_events(path.parent))) == 1


def test_a_half_line_is_cut_before_a_line_is_added(path: Path):
    path.write_text('{"event": "end"}\n{"event": "st')
    EventLogWriter(path, lambda event: None)(step(EVERY_STEPS))
    assert [event["event"] for event in written(path)] == ["end", "step"]


def losses(events: list[Event]) -> list[float | None]:
    return [loss for each in of_kind(events, StepEvent) for loss in each.losses]


def test_no_loss_before_a_saved_state_is_lost_and_none_is_there_twice(path: Path):
    writer = EventLogWriter(path, lambda _: None)
    for number in range(1, 14):
        writer(step(number, loss=number / 100))
        if number in (4, 12):
            writer(SaveEvent(step=number))
    resumed = EventLogWriter(path, lambda _: None)
    resumed(ResumeEvent(step=4, epoch=1))
    for number in range(5, 21):
        resumed(step(number, loss=number / 100))
    assert losses(read_events(path.parent)) == [number / 100 for number in range(1, 21)]


def test_an_epoch_that_is_validated_again_stands_once(path: Path):
    writer = EventLogWriter(path, lambda _: None)
    for event in (epoch(1, 0.3, 0.3), epoch(2, 0.2, 0.2)):
        writer(event)
    # the state was saved at the last step of the second epoch, before it was validated
    resumed = EventLogWriter(path, lambda _: None)
    for again in (ResumeEvent(step=40, epoch=2), epoch(2, 0.2, 0.2)):
        resumed(again)
    assert [each.epoch for each in of_kind(read_events(path.parent), EpochEvent)] == [1, 2]


def test_a_run_that_goes_on_has_not_ended(path: Path):
    writer = EventLogWriter(path, lambda _: None)
    for event in (epoch(1, 0.3, 0.3), END, ResumeEvent(step=20, epoch=2)):
        writer(event)
    assert not of_kind(read_events(path.parent), EndEvent)
