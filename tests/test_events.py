"""The events of a run are read as they were written down; what is none is left out, and named."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from imbtool.errors import UserError
from imbtool.events import EpochEvent, Event, SkippedEvent, read_events, read_log, require_events

LABEL = {"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 3}
EPOCH = {
    "event": "epoch",
    "epoch": 1,
    "step": 20,
    "train_loss": 0.5,
    "validation_loss": None,
    "f1_macro": 0.5,
    "average_precision_macro": 0.5,
    "best": True,
    "labels": {"rare": LABEL},
}
STEP = {"event": "step", "step": 10, "loss": 0.5, "losses": [0.5]}
START = {"event": "start", "learning_rate": {"value": 1e-4}, "epochs": 2}
RESUME = {"event": "resume", "step": 15, "epoch": 1}
END = {"event": "end"}
WHOLE: list[Any] = [START, STEP, EPOCH, {"event": "warning", "id": "x", "label": None}, END]


def dumped(events: list[Event]) -> list[dict[str, Any]]:
    return [event.model_dump() for event in events]


def write(folder: Path, *lines: Any) -> Path:
    path = folder / "events.jsonl"
    told = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    path.write_bytes(b"".join(line + b"\n" for line in told))
    return folder


def test_what_was_written_is_read(tmp_path: Path) -> None:
    assert dumped(require_events(write(tmp_path, *WHOLE))) == WHOLE
    assert read_log(tmp_path).warning is None
    assert read_events(tmp_path / "none") == []


def test_half_a_line_at_the_end_is_what_a_kill_leaves_and_no_damage(tmp_path: Path) -> None:
    path = write(tmp_path, *WHOLE) / "events.jsonl"
    path.write_bytes(path.read_bytes() + b'{"event": "st')
    assert dumped(require_events(tmp_path)) == WHOLE


@pytest.mark.parametrize("step", [0, 15])
def test_what_was_done_over_again_is_left_out(step: int, tmp_path: Path) -> None:
    read = read_events(write(tmp_path, START, STEP, EPOCH, {**RESUME, "step": step}))
    assert [event.event for event in read] == ["start", *["step"] * (step > 0), "resume"]


@pytest.mark.parametrize(
    "line",
    [
        b"{}",
        b'{"step": 1}',
        b"5",
        b"null",
        b"[]",
        b"",
        b'{"event": "epo',
        b"\xff\xfe",
        b'{"event": ["epoch"]}',
        b'{"event": "later", "step": "x"}',
        b"[" * 100_000,
        b"[" * 400 + b"]" * 400,
        {**STEP, "loss": "0.5"},
        {**STEP, "losses": None},
        {**STEP, "losses": [0.5, [0.5]]},
        {**STEP, "step": None},
        {**STEP, "step": 10**40},
        b'{"event": "step", "step": 10, "loss": 1e999}',
        {key: EPOCH[key] for key in EPOCH if key != "best"},
        {**EPOCH, "best": "yes"},
        {**EPOCH, "epoch": True},
        {**EPOCH, "f1_macro": 5},
        {**EPOCH, "labels": [LABEL]},
        {**EPOCH, "labels": {"rare": {**LABEL, "support": -1}}},
        {**EPOCH, "labels": {"rare": {**LABEL, "precision": 0}}},
        {**EPOCH, "violations": [{"child": "a"}]},
        {**EPOCH, "violations": [{"child": "a", "parent": "b", "decided": 1, "texts": 2}]},
        {**START, "learning_rate": {"value": 0}},
        {**START, "epochs": "auto"},
        {"event": "resume"},
        {"event": "warning", "id": []},
        {"event": "head"},
        {"event": "neighbours", "share": 0.5, "figures": {"labels": {}}},
    ],
    ids=lambda line: str(line)[:60],
)
def test_a_line_that_is_no_event_is_left_out_said_and_nothing_to_decide_on(
    line: Any, tmp_path: Path
) -> None:
    log = read_log(write(tmp_path, STEP, line, END))
    assert dumped(log.events) == [STEP, END]
    assert log.warning
    assert log.warning.startswith(
        f"1 damaged line left out, the first at {tmp_path}/events.jsonl:2"
    )
    with pytest.raises(UserError, match=r"events\.jsonl:2"):
        require_events(tmp_path)


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ([EPOCH, STEP], "step 10 after step 20"),
        ([EPOCH, {**EPOCH, "labels": {}}], "an epoch that differs in the labels rare"),
    ],
)
def test_lines_that_do_not_follow_each_other_are_no_record(
    lines: list[Any], found: str, tmp_path: Path
) -> None:
    assert dumped(read_log(write(tmp_path, *lines)).events) == lines[:1]
    with pytest.raises(UserError, match=found):
        require_events(tmp_path)


def test_the_key_that_is_wrong_is_named(tmp_path: Path) -> None:
    spoiled = {**EPOCH, "labels": {"rare": {**LABEL, "recall": "much"}}}
    with pytest.raises(UserError) as raised:
        require_events(write(tmp_path, spoiled))
    (problem,) = raised.value.problems
    assert problem.where == f"{tmp_path}/events.jsonl:1: labels.rare.recall"
    assert problem.found == '"much"'


def test_an_event_of_another_version_is_read_and_keeps_what_it_says(tmp_path: Path) -> None:
    odd = [{"event": "later", "step": 3, "what": [1]}, {**EPOCH, "note": "kept"}]
    assert dumped(require_events(write(tmp_path, *odd))) == odd


@pytest.mark.parametrize("undefined", [math.nan, math.inf, None])
def test_a_metric_that_is_not_defined_is_none_and_null(undefined: float | None) -> None:
    event = EpochEvent(**EPOCH | {"f1_macro": undefined, "train_loss": undefined})
    assert (event.f1_macro, event.train_loss) == (None, None)
    assert event.model_dump()["f1_macro"] is None


def test_an_event_cannot_be_changed_and_is_written_with_the_keys_that_it_was_given() -> None:
    event = SkippedEvent(epoch=1, step=3, rows=[5])
    assert event.model_dump() == {"event": "skipped", "epoch": 1, "step": 3, "rows": [5]}
    with pytest.raises(ValidationError):
        event.step = 4  # type: ignore[misc]
