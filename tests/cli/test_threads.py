"""How many threads compute, and how they wait for each other."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from conftest import Imbtool

from imbtool.cli.common import share_cores

SHOW = """
import os, sys
from imbtool.cli import main

sys.argv = ["imbtool", "--version"]
try:
    main()
except SystemExit:
    print(os.environ.get("GOMP_SPINCOUNT"), "torch" in sys.modules)
"""


@pytest.fixture
def own_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The number of threads of this process is what it was, after the test."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_threads_that_wait_leave_their_core_soon() -> None:
    environment: dict[str, str] = {}
    share_cores(environment)
    assert environment == {"GOMP_SPINCOUNT": "1000"}


@pytest.mark.parametrize("name", ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"])
def test_how_the_user_lets_threads_wait_stands(name: str) -> None:
    environment = {name: "1"}
    share_cores(environment)
    assert environment == {name: "1"}


def test_it_is_said_before_torch_is_loaded_which_reads_it_once() -> None:
    environment = {key: value for key, value in os.environ.items() if key != "GOMP_SPINCOUNT"}
    command = [sys.executable, "-c", SHOW]
    shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines()[-1] == "1000 False"


@pytest.mark.parametrize(
    "command",
    [
        ("predict", "runs/first", "test.csv"),
        ("evaluate", "runs/first", "-o", "results"),
        ("train", "profile.yaml", "--dry-run", "--json"),
        ("tune", "--from-run", "runs/first", "--dry-run"),
    ],
    ids=lambda command: command[0],
)
def test_the_number_of_threads_can_be_chosen(
    command: tuple[str, ...], project: Path, imbtool: Imbtool, own_threads: None
) -> None:
    result = imbtool(*command, "--threads", "2")
    assert result.exit_code == 0, result.stderr
    assert torch.get_num_threads() == 2
    assert os.environ["OMP_NUM_THREADS"] == "2"  # for the processes that it starts


def test_no_thread_at_all_is_refused(project: Path, imbtool: Imbtool) -> None:
    assert imbtool("predict", "runs/first", "test.csv", "--threads", "0").exit_code == 2


@pytest.mark.parametrize("command", ["train", "tune"])
def test_what_is_resumed_has_the_threads_that_it_was_begun_with(
    command: str, project: Path, imbtool: Imbtool, own_threads: None
) -> None:
    assert json.loads(Path("runs/first/manifest.json").read_text())["device"]["threads"] == 1
    refused = imbtool(command, "--resume", "runs/first", "--threads", "2")
    assert refused.exit_code == 2
    assert "other settings beside it" in refused.stderr
