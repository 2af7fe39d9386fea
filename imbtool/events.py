"""What a run has told while it went, read from its events.jsonl."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Event = dict[str, Any]


def read_events(run: Path) -> list[Event]:
    """The events of a run, oldest first; none where there is no run.

    A half line is left out, and so is what a resumed run did over again.
    """
    path = run / "events.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    events: list[Event] = []
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if event["event"] == "resume":
            events = [past for past in events if past.get("step", 0) <= event["step"]]
        events.append(event)
    return events
