"""`imbtool tune` on a tiny project, trained in earnest: what it writes, shows, and survives."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Imbtool
from typer.testing import Result

from imbtool.training.loop import TrainingLoop
from imbtool.tuning import loop as session

STRICT = (
    *("--set", "weights.moderate={ratio: 1.1, weight: 5}"),
    *("--set", "tuning.healthy.recall=0.95"),
    *("--set", "tuning.healthy.precision=0.99"),
    *("--set", "training.epochs=1"),
    *("--budget-runs", "2"),
)
"""All labels are rare, and hardly any is well; one epoch cannot tell whether it still improves."""
TUNE = ("tune", "-p", "profile.yaml", *STRICT)
SAVE_ALWAYS = ("--set", "training.save_every=0.00001")


def decisions(run: str) -> list[dict[str, Any]]:
    lines = (Path(run) / "decisions.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def weights_of(run: str) -> bytes:
    return (Path("runs") / run / "checkpoint" / "model.safetensors").read_bytes()


def results(run: str) -> list[dict[str, Any]]:
    """What came of the rounds, without their times."""
    records = [record for record in decisions(run) if record["event"] == "result"]
    return [record["result"] | {"seconds": 0} for record in records]


@pytest.fixture(scope="module")
def tuned(trained: Path, imbtool: Imbtool) -> Iterator[Result]:
    """The tuning `runs/tuned` of the trained project, copies of which the tests get."""
    profile, runs = trained / "profile.yaml", trained / "runs"
    result = imbtool("tune", "-p", profile, *STRICT, "--runs", runs, "--run", "tuned")
    assert result.exit_code == 0, result.stderr
    yield result
    shutil.rmtree(runs / "tuned")  # other files find the project as it was


def test_a_tuning_leaves_all_that_is_documented_and_names_the_next_command(
    tuned: Result, project: Path, imbtool: Imbtool
) -> None:
    folder = Path("runs/tuned")
    assert {path.name for path in folder.iterdir()} == {
        "profile.yaml",
        "tuned-profile.yaml",
        "decisions.jsonl",
        "manifest.json",
        "rounds",
        "checkpoint",
        "checkpoint-1",
        "tuning.html",
        "plots",
    }
    assert [path.name for path in (folder / "plots").iterdir()] == ["tuning.png"]
    assert [path.name for path in sorted((folder / "rounds").iterdir())] == ["1", "2"]
    (_, second) = results("runs/tuned")
    assert second["changes"]
    assert second["base"] == 1
    hint = tuned.stderr.splitlines()[-1]
    assert hint.startswith("next: imbtool evaluate ")
    assert hint.endswith("runs/tuned/checkpoint")
    profile = folder / "profile.yaml"
    profile.write_text(profile.read_text().replace(str(tuned_in(tuned)), str(project)))
    assert imbtool("evaluate", "runs/tuned").exit_code == 0


def tuned_in(result: Result) -> Path:
    """The folder that the tuning ran in."""
    return Path(result.stderr.splitlines()[-1].rpartition(" ")[2]).parents[2]


def test_the_tuned_profile_gives_the_checkpoint_again(
    tuned: Result, project: Path, imbtool: Imbtool
) -> None:
    again = imbtool("train", "-p", "runs/tuned/tuned-profile.yaml", "--run", "again")
    assert again.exit_code == 0, again.stderr
    assert weights_of("again") == weights_of("tuned")


def test_progress_goes_to_stderr_and_the_summary_to_stdout(tuned: Result) -> None:
    seen = " ".join(tuned.stderr.split())
    for piece in (
        "Round 1: the profile as it is",
        "epoch 1: macro-F1",
        "precision",
        "act",
        "trying weights and gammas",
        "with the encoder frozen",
        "Round 2, from round",
        "because",
        "budget left: 1 run",
        "budget left: 0 runs",
    ):
        assert piece in seen, piece
    shown = " ".join(tuned.stdout.split())
    for piece in (
        "Rounds",
        "the baseline",
        "threats",
        "stopped: the budget of runs",
        "checkpoint:",
    ):
        assert piece in shown, piece
    assert "epoch 1" not in shown


def test_json_is_the_summary_alone(project: Path, imbtool: Imbtool) -> None:
    result = imbtool(*TUNE, "--budget-runs", "1", "--json")
    summary = json.loads(result.stdout)
    assert set(summary) == {
        "run", "checkpoint", "profile", "objective", "stop", "budget", "best_round", "changes",
        "rounds", "labels",
    }  # fmt: skip
    assert summary["run"] == "runs/profile-1"
    assert summary["stop"]["reason"] == "budget-runs"


def test_killed_in_the_middle_of_a_round_it_goes_on_to_the_same_weights(
    tuned: Result, project: Path, imbtool: Imbtool
) -> None:
    command = [sys.executable, "-m", "imbtool", *TUNE, *SAVE_ALWAYS, "--run", "killed"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    while not Path("runs/killed/rounds/2/last-7").exists():
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.001)
    process.kill()
    process.wait()
    first_round = Path("runs/killed/rounds/1/events.jsonl")
    before = first_round.read_bytes()
    resumed = imbtool("tune", "--resume", "runs/killed")
    assert resumed.exit_code == 0, resumed.stderr
    assert results("runs/killed") == results("runs/tuned")
    assert weights_of("killed") == weights_of("tuned")
    assert first_round.read_bytes() == before
    assert Path("runs/killed/tuning.html").is_file()


def test_ctrl_c_saves_first_and_says_how_to_go_on(
    project: Path, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_step = TrainingLoop.train_step

    def interrupted(loop: TrainingLoop, *arguments: object) -> None:
        if loop.progress.step == 5:
            os.kill(os.getpid(), signal.SIGINT)
        return take_step(loop, *arguments)

    monkeypatch.setattr(TrainingLoop, "train_step", interrupted)
    stopped = imbtool(*TUNE, "--run", "stopped")
    assert stopped.exit_code == 130
    assert stopped.stdout == ""
    assert "`imbtool tune --resume runs/stopped` goes on from here" in stopped.stderr
    assert Path("runs/stopped/rounds/1/last").is_dir()


def test_ctrl_c_before_anything_is_written_names_no_run_to_go_on_with(
    project: Path, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(session, "read_data", interrupted)
    stopped = imbtool(*TUNE, "--run", "stopped")
    assert stopped.exit_code == 130
    assert "--resume" not in stopped.stderr
    assert not Path("runs/stopped").exists()


def test_a_dry_run_shows_which_rules_would_fire_and_writes_nothing(
    project: Path, imbtool: Imbtool
) -> None:
    meta = Path("runs/first/checkpoint/imbtool.json")
    document = json.loads(meta.read_text())
    for row in document["labels"].values():
        row["tier"] = "severe"
    meta.write_text(json.dumps(document))
    before = sorted(project.rglob("*"))
    shown = imbtool("tune", "--from-run", "runs/first", "--dry-run")
    assert shown.exit_code == 0, shown.stderr
    assert "next: imbtool tune runs/first/profile.yaml" in shown.stderr
    preview = json.loads(imbtool("tune", "--from-run", "runs/first", "--dry-run", "--json").stdout)
    assert sorted(project.rglob("*")) == before
    assert not preview["healthy"]
    acted = {row["label"] for row in preview["findings"] if row["verdict"] == "act"}
    assert {change["label"] for change in preview["changes"]} <= acted
    (first, *_) = preview["changes"]
    whose = first["label"] or "the run"
    for piece in (first["key"], whose, f"{first['before']:g}", f"{first['after']:g}"):
        assert piece in shown.stdout


def test_a_launcher_of_several_processes_is_refused(
    project: Path, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    refused = imbtool(*TUNE)
    assert refused.exit_code == 2
    assert "start it without a launcher" in refused.stderr
