"""A run that was stopped or killed at any moment goes on to the weights it would have had."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Imbtool
from safetensors import SafetensorError

from imbtool.events import EpochEvent, StepEvent, of_kind, read_events
from imbtool.runs import state
from imbtool.training.loop import TrainingLoop
from imbtool.training.optimizer import MOST_AVERAGED

TRAIN = ("train", "-p", "profile.yaml", "--set", "training.head_first=true")
SAVE_ALWAYS = ("--set", "training.save_every=0.00001")


def weights_of(run: str) -> bytes:
    return (Path("runs") / run / "checkpoint" / "model.safetensors").read_bytes()


def epochs_of(run: str) -> list[EpochEvent]:
    return of_kind(read_events(Path("runs") / run), EpochEvent)


def losses_of(run: str) -> list[float | None]:
    events = read_events(Path("runs") / run)
    return [loss for step in of_kind(events, StepEvent) for loss in step.losses]


def signal_at(step: int, number: signal.Signals, monkeypatch: pytest.MonkeyPatch) -> None:
    """Send this process a signal in the middle of a step."""
    take_step = TrainingLoop.train_step

    def interrupted(loop: TrainingLoop, *arguments: object) -> None:
        if loop.progress.step == step:
            os.kill(os.getpid(), number)
        return take_step(loop, *arguments)

    monkeypatch.setattr(TrainingLoop, "train_step", interrupted)


@pytest.fixture
def whole(project: Path, imbtool: Imbtool) -> Path:
    """A project with the run `whole`, which nothing disturbed."""
    result = imbtool(*TRAIN, *SAVE_ALWAYS, "--run", "whole")
    assert result.exit_code == 0, result.stderr
    return project


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"]
)
@pytest.mark.parametrize("step", [3, 24, 30])
def test_a_signal_saves_first_and_the_run_goes_on_to_the_same_weights(
    step: int,
    number: signal.Signals,
    code: int,
    whole: Path,
    imbtool: Imbtool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        signal_at(step, number, patch)
        stopped = imbtool(*TRAIN, *SAVE_ALWAYS, "--run", "stopped")
    assert stopped.exit_code == code
    assert "--resume" in stopped.stderr
    resumed = imbtool("train", "--resume", "runs/stopped")
    assert resumed.exit_code == 0, resumed.stderr
    assert weights_of("stopped") == weights_of("whole")
    assert epochs_of("stopped") == epochs_of("whole")
    assert losses_of("stopped") == losses_of("whole")


def kill_when(ready: Callable[[], bool], run: str) -> None:
    """Start a run of its own process and SIGKILL it once something has come about."""
    command = [sys.executable, "-m", "imbtool", *TRAIN, *SAVE_ALWAYS, "--run", run]
    process = subprocess.Popen(
        command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.DEVNULL
    )
    while not ready():
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.001)
    process.kill()
    process.wait()


def moments(run: str) -> dict[str, Callable[[], bool]]:
    folder = Path("runs") / run
    return {
        "before the first save": (folder / "events.jsonl").exists,
        "between two saves": lambda: (folder / "last-7").exists(),
        "in the middle of a save": lambda: any(
            path.name.startswith("last-1") and not (path / state.PROGRESS).exists()
            for path in folder.glob("last-1?")
        ),
        "in the second epoch": lambda: (folder / "checkpoint-1").exists(),
    }


@pytest.mark.parametrize("moment", sorted(moments("")))
def test_a_run_killed_at_any_moment_resumes_to_the_same_weights(
    moment: str, whole: Path, imbtool: Imbtool
) -> None:
    kill_when(moments("killed")[moment], "killed")
    resumed = imbtool("train", "--resume", "runs/killed")
    assert resumed.exit_code == 0, resumed.stderr
    assert weights_of("killed") == weights_of("whole")
    assert epochs_of("killed") == epochs_of("whole")


def test_a_half_line_of_a_kill_is_cut_from_the_events(whole: Path, imbtool: Imbtool) -> None:
    events = Path("runs/whole/events.jsonl")
    with events.open("a") as stream:
        stream.write('{"event": "st')
    assert imbtool("train", "--resume", "runs/whole").exit_code == 0
    assert all(json.loads(line) for line in events.read_text().splitlines())


@pytest.mark.parametrize(
    ("spoil", "key"),
    [
        (lambda: edit("runs/whole/profile.yaml", "batch_size: 8", "batch_size: 4"), "batch_size"),
        (lambda: edit("train.csv", "people", "persons"), "data.train.fingerprint"),
        (lambda: edit("runs/whole/manifest.json", '"torch": "', '"torch": "0.'), "versions.torch"),
    ],
    ids=["profile", "data", "versions"],
)
def test_what_changed_since_the_start_is_named_and_refused_unless_allowed(
    spoil: Callable[[], None], key: str, whole: Path, imbtool: Imbtool
) -> None:
    spoil()
    refused = imbtool("train", "--resume", "runs/whole")
    assert refused.exit_code == 2
    assert key in refused.stderr
    assert imbtool("train", "--resume", "runs/whole", "--allow-changed").exit_code == 0


def test_other_labels_are_refused_whatever_is_allowed(whole: Path, imbtool: Imbtool) -> None:
    for name in ("profile.yaml", "train.csv", "validation.csv", "test.csv"):
        edit(name, "abuse", "wrongs")
    edit("runs/whole/profile.yaml", "abuse", "wrongs")
    before = (Path("runs/whole/checkpoint/imbtool.json")).read_bytes()
    refused = imbtool("train", "--resume", "runs/whole", "--allow-changed")
    assert refused.exit_code == 2
    assert "other labels than at the start: abuse, wrongs" in " ".join(refused.stderr.split())
    assert Path("runs/whole/checkpoint/imbtool.json").read_bytes() == before


def test_a_run_that_is_made_longer_averages_in_its_new_latter_half(
    whole: Path, imbtool: Imbtool
) -> None:
    edit("runs/whole/profile.yaml", "epochs: 2", "epochs: 8")
    assert imbtool("train", "--resume", "runs/whole", "--allow-changed").exit_code == 0
    measured = [epoch.validation_loss for epoch in epochs_of("whole")]
    assert len(set(measured)) == 8
    steps = epochs_of("whole")[0].step
    progress = json.loads(Path("runs/whole/last/progress.json").read_text())
    assert progress["averaged"] == min(4 * steps, -(-4 * steps // -(-4 * steps // MOST_AVERAGED)))


def edit(path: str, old: str, new: str) -> None:
    text = Path(path).read_text()
    assert old in text
    Path(path).write_text(text.replace(old, new))


def test_a_full_disk_in_a_save_ends_with_one_message_and_the_state_before(
    whole: Path, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, saves = state.save_file, []

    def full_at_the_fifth(tensors: dict, path: Path) -> None:
        saves.append(path)
        if len(saves) == 5:
            path.write_bytes(b"half")
            raise SafetensorError("Error while serializing: No space left on device")
        write(tensors, path)

    with monkeypatch.context() as patch:
        patch.setattr(state, "save_file", full_at_the_fifth)
        full = imbtool(*TRAIN, *SAVE_ALWAYS, "--run", "full")
    assert full.exit_code == 2
    assert "No space left" in full.stderr
    assert {path.name for path in Path("runs/full").glob("last*")} == {"last", "last-4"}
    assert imbtool("train", "--resume", "runs/full").exit_code == 0
    assert weights_of("full") == weights_of("whole")


LIMITED = """
import resource, sys
from imbtool.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
del sys.argv[1]
main()
"""


def test_a_file_that_the_system_cuts_off_ends_with_one_message_and_the_state_before(
    whole: Path, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        signal_at(5, signal.SIGTERM, patch)
        assert imbtool(*TRAIN, *SAVE_ALWAYS, "--run", "cut").exit_code == 143
    state_file = Path("runs/cut/last") / state.TENSORS
    command = [sys.executable, "-c", LIMITED, str(state_file.stat().st_size // 2)]
    result = subprocess.run(
        [*command, "train", "--resume", "runs/cut"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 2, result.stderr
    assert result.stderr.count("\nerror: ") == 1
    assert "could not be written" in result.stderr
    assert "Traceback" not in result.stderr
    assert imbtool("train", "--resume", "runs/cut").exit_code == 0
    assert weights_of("cut") == weights_of("whole")


def test_resume_takes_no_other_settings(whole: Path, imbtool: Imbtool) -> None:
    refused = imbtool("train", "--resume", "runs/whole", "--epochs", "9")
    assert refused.exit_code == 2
    assert "--resume alone" in refused.stderr


def test_a_run_without_a_saved_state_cannot_be_resumed(project: Path, imbtool: Imbtool) -> None:
    for path in Path("runs/first").glob("last*"):
        path.unlink() if path.is_symlink() else [child.unlink() for child in path.iterdir()]
    refused = imbtool("train", "--resume", "runs/first", "--allow-changed")
    assert refused.exit_code == 2
    assert "no saved state" in refused.stderr
