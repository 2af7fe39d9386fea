"""A run is read as it was written down: what is damaged is left out or refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from imbtool.errors import UserError
from imbtool.tuning.finished_run import preview, read_finished_run

RUN = Path("runs/first")
EVENTS = RUN / "events.jsonl"


def written() -> list[dict[str, Any]]:
    return [json.loads(line) for line in EVENTS.read_text().splitlines()]


def keep(*names: str) -> None:
    """Leave only some events of the run."""
    kept = [event for event in written() if event["event"] in names]
    EVENTS.write_text("".join(json.dumps(event) + "\n" for event in kept))


def test_a_finished_run_is_looked_at(project: Path) -> None:
    assert preview(RUN).objective.name == "f1_macro"


def test_an_unfinished_run_is_no_finished_one(project: Path) -> None:
    keep("start", "epoch")
    with pytest.raises(UserError, match="imbtool train --resume runs/first"):
        preview(RUN)


def test_without_its_start_a_run_cannot_be_judged(project: Path) -> None:
    keep("epoch", "end")
    with pytest.raises(UserError, match=r"no start in events\.jsonl"):
        preview(RUN)


def test_events_and_checkpoint_must_be_of_the_same_labels(project: Path) -> None:
    path = RUN / "checkpoint" / "imbtool.json"
    meta: dict[str, Any] = json.loads(path.read_text())
    del meta["labels"]["threats"]
    path.write_text(json.dumps(meta))
    with pytest.raises(UserError, match="lacks: threats"):
        read_finished_run(RUN)


def test_a_head_that_was_measured_on_a_sample_is_not_compared(project: Path) -> None:
    head = {"event": "head", "average_precision": 0.4}
    for sampled, frozen in ((False, 0.4), (True, None)):
        with EVENTS.open("a") as stream:
            stream.write(json.dumps({**head, "sampled": sampled}) + "\n")
        assert read_finished_run(RUN).frozen == frozen


@pytest.mark.parametrize(
    "spoil",
    [
        lambda event: event.pop("best"),
        lambda event: event["labels"]["threats"].update(support="3"),
        lambda event: event.update(f1_macro=[]),
    ],
)
def test_a_damaged_event_is_named_not_decided_on(spoil: Any, project: Path) -> None:
    events = written()
    number = next(at for at, event in enumerate(events) if event["event"] == "epoch")
    spoil(events[number])
    EVENTS.write_text("".join(json.dumps(event) + "\n" for event in events))
    with pytest.raises(UserError, match=rf"events\.jsonl:{number + 1}: "):
        preview(RUN)


def test_a_kept_epoch_is_needed(project: Path) -> None:
    EVENTS.write_text(EVENTS.read_text().replace('"best": true', '"best": false'))
    with pytest.raises(UserError, match="no epoch that was the best so far"):
        preview(RUN)


def test_the_objective_must_have_been_measured(project: Path) -> None:
    EVENTS.write_text(EVENTS.read_text().replace('"secondary_f1_macro"', '"other"'))
    profile = RUN / "profile.yaml"
    profile.write_text(
        profile.read_text().replace("objective: f1_macro", "objective: secondary_f1_macro")
    )
    with pytest.raises(UserError, match="no secondary_f1_macro in the kept epoch"):
        preview(RUN)
