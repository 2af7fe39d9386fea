"""The events of a run are read as they were written down; what is none is left out."""

from pathlib import Path

import pytest

from imbtool.events import read_events


@pytest.mark.parametrize(
    "line", [b"{}", b'{"step": 1}', b"5", b"null", b"", b'{"event": "epo', b"\xff\xfe"]
)
def test_a_line_that_is_no_event_is_left_out(line: bytes, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"event": "start"}\n' + line + b'\n{"event": "end"}\n')
    assert [event["event"] for event in read_events(tmp_path)] == ["start", "end"]
