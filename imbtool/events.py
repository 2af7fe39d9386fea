"""What a run has told while it went, read from its events.jsonl."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Event = dict[str, Any]


def read_events(run: Path) -> list[Event]:
    """The events of a run, oldest first; none where there is no run.

    A line that is no event, half of one or damaged, is left out, and so is what a resumed run did
    over again.
    """
    path = run / "events.jsonl"
    # of bytes: a text's lines would also end at separators that JSON leaves in strings
    lines = path.read_bytes().splitlines() if path.is_file() else []
    events: list[Event] = []
    for event in filter(None, map(_event, lines)):
        if event["event"] == "resume":
            events = [past for past in events if past.get("step", 0) <= event["step"]]
        events.append(event)
    return events


def _event(line: bytes) -> Event | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "event" in event else None
