"""Several processes that need not talk."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

from torch.distributed import TCPStore

from imbtool.distributed.workers import failures_to_report, run_workers
from imbtool.files.locks import Lock

ALONE = Lock(Path(), None)
"""Of a folder that nobody holds."""


def test_each_process_runs_to_its_end():
    assert run_workers(2, ["--version"], ALONE) == [0, 0]
    assert run_workers(2, ["--nonsense"], ALONE) == [2, 2]


def test_one_that_dies_costs_no_other(monkeypatch, tmp_path):
    code = (
        "import os, pathlib, sys, time\n"
        "rank = os.environ['RANK']\n"
        "if rank == '0': os.kill(os.getpid(), 9)\n"
        "time.sleep(0.2)\n"
        f"pathlib.Path({str(tmp_path)!r}, rank + os.environ['WORLD_SIZE']).touch()"
    )
    start = subprocess.Popen
    monkeypatch.setattr(
        subprocess, "Popen", lambda command, **more: start([sys.executable, "-c", code], **more)
    )
    assert run_workers(3, [], ALONE) == [-9, 0, 0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["13", "23"]


def test_without_torchrun_a_process_answers_for_its_own_failures():
    assert failures_to_report(0, {}) == 0
    assert failures_to_report(2, {}) == 2


def test_under_torchrun_the_last_to_end_answers_for_all(monkeypatch):
    store = TCPStore("localhost", 0, is_master=True, timeout=timedelta(seconds=10))
    environment = {
        "TORCHELASTIC_USE_AGENT_STORE": "True",
        "MASTER_ADDR": "localhost",
        "MASTER_PORT": str(store.port),
        "RANK": "0",
        "WORLD_SIZE": "3",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert [failures_to_report(failed, environment) for failed in (2, 0, 1)] == [0, 0, 3]
    again = {**environment, "TORCHELASTIC_RESTART_COUNT": "1"}
    assert [failures_to_report(failed, again) for failed in (0, 0, 0)] == [0, 0, 0]
