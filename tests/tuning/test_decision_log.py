"""The decision log is read whole or not at all: a damaged line is named, never guessed at."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imbtool.errors import UserError
from imbtool.files.locks import LOCK
from imbtool.tuning.decision_log import is_begun, read_decision_log

SESSION: dict[str, Any] = {
    "event": "session",
    "profile": {"data": {"train": "/t.csv"}},
    "labels": ["a"],
    "fingerprints": {"train": "f00"},
}
CHANGE = {
    "key": "loss.gamma",
    "label": "a",
    "before": 2,
    "after": 3,
    "because": "seen",
    "finding": "zero-recall",
}
ROUND = {"event": "round", "round": 1, "base": None, "changes": [CHANGE]}
OUTCOME = {"objective": 0.5, "rare_recall": None, "labels": {}, "findings": [], "settings": []}
RESULT = {
    "number": 1,
    "base": None,
    "changes": [],
    "outcome": OUTCOME,
    "seconds": 1.0,
    "kept": True,
    "why": "the baseline",
}
WHOLE: list[Any] = [SESSION, ROUND, {"event": "result", "result": RESULT}, ROUND]

Write = Callable[[bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a run's decisions; gives its folder."""

    def written(content: bytes) -> Path:
        (tmp_path / "decisions.jsonl").write_bytes(content)
        return tmp_path

    return written


def lines(*records: Any) -> bytes:
    return b"".join(json.dumps(record, ensure_ascii=False).encode() + b"\n" for record in records)


def test_it_knows_what_is_done_and_what_was_begun(write: Write) -> None:
    log = read_decision_log(write(lines(*WHOLE) + b'{"event": "res'))
    assert (log.labels, log.fingerprints) == (["a"], {"train": "f00"})
    assert [each.number for each in log.rounds] == [1]
    assert log.begun is not None
    assert log.begun.changes[0].after == 3
    assert read_decision_log(write(lines(*WHOLE[:3]))).begun is None


def test_a_profile_from_before_weights_of_words_has_none(write: Write) -> None:
    new = {**SESSION, "profile": {**SESSION["profile"], "training": {"words": True}}}
    for session, has in ((SESSION, False), (new, True)):
        log = read_decision_log(write(lines(session)))
        assert [each.training.words for each in log.profiles] == [has]


def test_a_line_ends_where_json_does_whatever_a_label_is_called(write: Write) -> None:
    odd = "a\u2028b\x85c"
    assert read_decision_log(write(lines({**SESSION, "labels": [odd]}))).labels == [odd]


@pytest.mark.parametrize(
    "damaged",
    [
        b'{"event": "rou',
        b"",
        b"null",
        b"{}",
        b"5",
        b"\xff\xfe",
        b'{"event": "round", "base": 1}',
        b'{"event": "round", "base": 1, "changes": [{"key": "loss.gamma"}]}',
        b'{"event": "result", "result": {"number": 2}}',
        b'{"event": "session", "profile": {}}',
        b'{"event": "results"}',
        b'{"event": false}',
        lines({"event": "result", "result": RESULT | {"number": 3}})[:-1],
        b"[" * 100_000,
        *(
            json.dumps({"event": "result", "result": RESULT | {"number": 2} | spoiled}).encode()
            for spoiled in (
                {"kept": "yes"},
                {"base": 7},
                {"seconds": -1.0},
                {"changes": [CHANGE | {"after": "3"}]},
                {"changes": [CHANGE | {"label": "unknown"}]},
                {"changes": [CHANGE | {"key": "model.encoder"}]},
                {"outcome": OUTCOME | {"objective": "0.5"}},
                {"outcome": OUTCOME | {"labels": {"a": {"f1": 0.5}}}},
                {"outcome": OUTCOME | {"settings": [["loss.gamma", "a"]]}},
                {"outcome": OUTCOME | {"settings": [["loss.gamma", {}, 1.0]]}},
                {"outcome": OUTCOME | {"settings": [[[], "a", 1.0]]}},
                {"outcome": OUTCOME | {"findings": [{"id": "x"}]}},
            )
        ),
        b'{"event": "explored", "base": "1", "changes": []}',
        b'{"event": "round", "base": 2, "changes": []}',
    ],
)
def test_a_damaged_line_is_named(damaged: bytes, write: Write) -> None:
    folder = write(lines(*WHOLE[:3]) + damaged + b"\n" + lines(ROUND))
    with pytest.raises(UserError) as raised:
        read_decision_log(folder)
    (problem,) = raised.value.problems
    assert problem.where == f"{folder}/decisions.jsonl:4"
    assert problem.found


def test_without_its_first_line_it_is_no_log(write: Write) -> None:
    with pytest.raises(UserError, match=r"decisions.jsonl:1\n"):
        read_decision_log(write(lines(*WHOLE[1:])))


def test_what_a_kill_leaves_before_the_first_decision_is_no_run(tmp_path: Path) -> None:
    folder = tmp_path / "t"
    assert not is_begun(folder)
    folder.mkdir()
    assert not is_begun(folder)
    (folder / ".profile.yaml.0123456789abcdef.tmp").write_text("da")
    (folder / "profile.yaml").write_text("data:\n")
    assert not is_begun(folder)
    (folder / "decisions.jsonl").write_text('{"event": "ses')
    assert not is_begun(folder)
    with pytest.raises(UserError, match="start it anew under the same --run"):
        read_decision_log(folder)
    (folder / "decisions.jsonl").write_text('{"event": "session"}\n')
    assert is_begun(folder)


def test_a_lock_that_a_kill_has_left_is_no_run(tmp_path: Path) -> None:
    (tmp_path / LOCK).touch()
    assert not is_begun(tmp_path)


@pytest.mark.parametrize("name", ["rounds", "checkpoint", "notes.txt"])
def test_a_folder_with_anything_else_is_left_alone(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    assert is_begun(tmp_path)
    assert is_begun(Path(__file__))
