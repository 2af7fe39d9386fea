"""Streams as a shell hands them over: any encoding, closed, full, or a pipe that nobody reads."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Imbtool, read_csv, write_csv

from imbtool.cli.streams import PLAIN, SHOWN, prepare_streams

LABELS = {"threats": "größe", "praise": "愛", "violence": "a → b"}
FULL = Path("/dev/full")


@pytest.fixture
def foreign(pristine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A table whose labels no old terminal can show, as the current folder's."""
    rows = read_csv(pristine / "train.csv")
    for row in rows:
        row["labels"] = "|".join(LABELS.get(name, name) for name in row["labels"].split("|"))
    write_csv(tmp_path / "train.csv", rows)
    (tmp_path / "profile.yaml").write_text("data: {train: train.csv}\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def typed(line: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """A line of shell in which `imbtool` is this one; its exit code, piped on or not."""
    line = line.replace("imbtool", f"'{sys.executable}' -m imbtool", 1)
    return subprocess.run(
        ["bash", "-c", f"{line}; exit ${{PIPESTATUS[0]}}"],
        env={**os.environ, **variables},
        capture_output=True,
        check=False,
    )


def test_characters_that_a_terminal_lacks_are_written_otherwise(foreign: Path) -> None:
    result = typed("imbtool weights profile.yaml", PYTHONIOENCODING="ascii")
    assert (result.returncode, b"Traceback" in result.stderr) == (0, False)
    shown = result.stdout.decode("ascii")
    assert all(name in shown for name in (r"gr\xf6\xdfe", r"\u611b", "a -> b"))


def test_json_is_utf8_whatever_the_terminal_has(foreign: Path) -> None:
    result = typed("imbtool weights profile.yaml --json", PYTHONIOENCODING="cp1252")
    assert result.returncode == 0
    assert set(LABELS.values()) <= set(json.loads(result.stdout.decode("utf-8"))["labels"])


def test_figures_are_drawn_whatever_backend_a_notebook_names(foreign: Path) -> None:
    result = typed("imbtool weights profile.yaml -o out", MPLBACKEND="absent")
    assert (result.returncode, result.stderr.count(b"Traceback")) == (0, 0)
    assert list(foreign.glob("out/*.png"))


@pytest.mark.parametrize(
    ("line", "code", "where"),
    [
        ("imbtool --version >&-", 2, "stdout"),
        ("imbtool --version > /dev/full", 2, "stdout"),
        ("imbtool --help > /dev/full", 2, "stdout"),
        ("imbtool weights none.yaml > /dev/full 2>&1", 2, ""),
        ("imbtool --help | true", 1, ""),
        ("imbtool --version 2>&-", 0, ""),
        ("imbtool weights none.yaml <&-", 2, "none.yaml"),
        ("imbtool weights none.yaml >&- 2>&-", 2, ""),
    ],
)
def test_a_stream_that_takes_nothing_ends_the_program_with_one_message_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, code: int, where: str
) -> None:
    if not FULL.exists():
        pytest.skip("there is no /dev/full")
    monkeypatch.chdir(tmp_path)
    result = typed(line)
    message = result.stderr.decode()
    assert result.returncode == code, message
    assert message.startswith(f"error: {where}\n  found " if where else "")
    assert message.count("error: ") == bool(where)
    assert "Traceback" not in message
    assert "Exception ignored" not in message


@pytest.mark.parametrize("options", ["", " --json"])
def test_a_result_that_does_not_fit_is_said(foreign: Path, options: str) -> None:
    result = typed(f"imbtool weights profile.yaml{options} > /dev/full")
    assert result.returncode == 2
    assert result.stderr.decode().splitlines()[:2] == [
        "error: stdout",
        "  found     No space left on device",
    ]


@pytest.mark.slow
def test_predictions_are_utf8_and_need_a_stdin_that_is_open(project: Path) -> None:
    rows = [{**row, "note": "größe 愛"} for row in read_csv(Path("test.csv"))]
    write_csv(Path("noted.csv"), rows)
    result = typed("imbtool predict runs/first noted.csv", PYTHONIOENCODING="ascii")
    assert result.returncode == 0
    assert result.stdout.decode("utf-8").count("größe 愛") == len(rows)
    closed = typed("imbtool predict runs/first <&-")
    assert closed.returncode == 2
    assert closed.stderr.decode().startswith("error: stdin\n  found     a closed stream\n")


def test_what_is_shown_otherwise_is_plain(imbtool: Imbtool) -> None:
    prepare_streams()
    assert all(text.isascii() and "\\" not in text for text in PLAIN.values())
    assert "a … \ud800é".encode("ascii", SHOWN) == rb"a ... \ud800\xe9"
