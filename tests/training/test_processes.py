"""Several processes train the model that one trains, and end together, whatever happens."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
from conftest import PROFILE, read_csv, write_csv
from transformers import AutoTokenizer, XLNetConfig, XLNetModel

from imbtool.distributed.collectives import Ranks

RECORD = Path(__file__).with_name("record_losses.py")
BY_32 = ("training.epochs=3", "training.batch_size=32")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")


@pytest.fixture(scope="module")
def steady(pristine: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project without dropout, whose last batch of 32 has one text: one process has none."""
    folder = tmp_path_factory.mktemp("steady")
    shutil.copytree(pristine / "encoder", folder / "encoder")
    config = json.loads((folder / "encoder" / "config.json").read_text())
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (folder / "encoder" / "config.json").write_text(json.dumps(config))
    for name, size in {"train": 193, "validation": 59, "test": 60}.items():
        write_csv(folder / f"{name}.csv", read_csv(pristine / f"{name}.csv")[:size])
    (folder / "profile.yaml").write_text(PROFILE)
    return folder


def record(folder: Path, name: str, *settings: str, launcher: tuple[str, ...] = ()) -> dict:
    """Losses of all steps, and the last epoch's event."""
    out = folder / f"{name}.json"
    subprocess.run(
        [sys.executable, *launcher, RECORD, out, f"runs/{name}", *BY_32, *settings],
        cwd=folder,
        env=ENVIRONMENT,
        check=True,
        capture_output=True,
    )
    return json.loads(out.read_text())


@pytest.fixture(scope="module")
def alone(steady: Path) -> dict:
    """One process, 32 texts at once."""
    return record(steady, "alone")


@pytest.mark.parametrize(
    ("settings", "launcher"),
    [
        (("training.micro_batch=8",), ()),
        ((), TORCHRUN),
        (("training.micro_batch=5",), TORCHRUN),
    ],
    ids=["8 texts at once", "2 processes", "2 processes, 5 texts at once"],
)
def test_losses_do_not_depend_on_how_a_batch_is_shared(
    settings: tuple[str, ...], launcher: tuple[str, ...], steady: Path, alone: dict
) -> None:
    name = f"{len(launcher)}-{len(settings)}"
    shared = record(steady, name, *settings, launcher=launcher)
    assert len(alone["losses"]) == 21
    np.testing.assert_allclose(shared["losses"], alone["losses"], rtol=0, atol=1e-5)
    assert shared["epoch"]["validation_loss"] == pytest.approx(
        alone["epoch"]["validation_loss"], abs=1e-5
    )
    support = [
        {name: row["support"] for name, row in each["epoch"]["labels"].items()}
        for each in (shared, alone)
    ]
    assert support[0] == support[1]


@pytest.mark.slow
def test_losses_of_texts_in_windows_do_not_depend_on_it_either(steady: Path) -> None:
    windows = ("model.long_texts=windows", "model.max_length=8")
    alone = record(steady, "windows", *windows)
    shared = record(steady, "shared", *windows, "training.micro_batch=5", launcher=TORCHRUN)
    np.testing.assert_allclose(shared["losses"], alone["losses"], rtol=0, atol=1e-5)
    assert shared["epoch"]["validation_loss"] == pytest.approx(
        alone["epoch"]["validation_loss"], abs=1e-5
    )


@pytest.mark.slow
def test_weights_that_no_logit_rests_on_keep_no_process_waiting(steady: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(steady / "encoder")
    tokenizer.save_pretrained(steady / "xlnet")
    size = {"d_model": 32, "n_layer": 2, "n_head": 2, "d_inner": 64, "vocab_size": len(tokenizer)}
    config = XLNetConfig(**size, pad_token_id=tokenizer.pad_token_id)
    XLNetModel(config).save_pretrained(steady / "xlnet")
    trained = record(steady, "xlnet", "model.encoder=xlnet", launcher=TORCHRUN)
    assert len(trained["losses"]) == 21


class FakeAccelerator:
    def __init__(self, rank: int, processes: int) -> None:
        self.process_index, self.num_processes = rank, processes


@pytest.mark.parametrize("processes", [1, 2, 3, 8])
def test_in_evaluation_each_row_belongs_to_one_process(processes: int) -> None:
    rows = [Ranks(FakeAccelerator(rank, processes)).mine(61) for rank in range(processes)]
    assert sorted(np.concatenate(rows).tolist()) == list(range(61))
    assert max(map(len, rows)) - min(map(len, rows)) <= 1


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """`imbtool train` in the folder."""
    return subprocess.Popen(
        [sys.executable, "-m", "imbtool", "train", *arguments],
        cwd=folder,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Exit code, stdout and stderr."""
    out, errors = process.communicate(timeout=120)
    return process.returncode, out, errors


TWO = ("-p", "profile.yaml", "--processes", "2", "--set", "training.save_every=1 steps")
LONG = (*TWO, "--epochs", "3")


def weights(folder: Path, run: str) -> bytes:
    return (folder / "runs" / run / "checkpoint" / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def undisturbed(pristine: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project, dropout and all, with the run `whole` of two processes."""
    folder = tmp_path_factory.mktemp("two") / "project"
    shutil.copytree(pristine, folder, ignore=shutil.ignore_patterns("runs"))
    code, out, errors = finish(start(folder, *LONG, "--run", "whole"))
    assert code == 0, errors
    assert out.count("checkpoint:") == 1
    for once in ("on 2 processes", "Epoch 1", "Epoch 3", "kept epoch", "next: imbtool evaluate"):
        assert errors.count(once) == 1
    assert sorted(path.name for path in (folder / "runs").iterdir()) == ["whole"]
    return folder


def when_saved(folder: Path, run: str, saves: int) -> None:
    """Wait until a run has saved its state so often."""
    deadline = time.monotonic() + 60
    link = folder / "runs" / run / "last"
    while not link.is_symlink() or int(link.resolve().name.removeprefix("last-")) < saves:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def second_process(launcher: subprocess.Popen[str]) -> psutil.Process:
    workers = psutil.Process(launcher.pid).children(recursive=True)
    return next(each for each in workers if each.environ().get("RANK") == "1")


@pytest.mark.parametrize(
    ("disturb", "code", "said"),
    [
        (lambda launcher: launcher.send_signal(signal.SIGTERM), 143, "--resume"),
        (lambda launcher: second_process(launcher).kill(), 2, "process 1"),
    ],
    ids=["SIGTERM to all", "SIGKILL to one"],
)
def test_processes_end_together_and_resume_to_the_same_weights(
    disturb: Callable[[subprocess.Popen[str]], None], code: int, said: str, undisturbed: Path
) -> None:
    run = f"stopped-{code}"
    process = start(undisturbed, *LONG, "--run", run)
    when_saved(undisturbed, run, saves=30)
    disturb(process)
    ended, _, errors = finish(process)
    assert ended == code, errors
    assert errors.count(said) == 1
    assert "Traceback" not in errors
    resumed, _, errors = finish(start(undisturbed, "--resume", f"runs/{run}"))
    assert resumed == 0, errors
    assert weights(undisturbed, run) == weights(undisturbed, "whole")


def test_what_is_wrong_is_said_once(undisturbed: Path) -> None:
    code, out, errors = finish(start(undisturbed, *TWO, "--run", "whole"))
    assert (code, out) == (2, "")
    assert errors.count("a run of this name") == 1


def test_another_number_of_processes_is_a_change(undisturbed: Path) -> None:
    code, _, errors = finish(start(undisturbed, "--resume", "runs/whole", "--processes", "1"))
    assert code == 2
    assert "device.processes (2 -> 1)" in errors


def test_accelerate_launch_starts_the_same_run(undisturbed: Path) -> None:
    launcher = ("-m", "accelerate.commands.launch", "--num_processes", "1", "--cpu")
    command = [sys.executable, *launcher, "-m", "imbtool", "train", "-p", "profile.yaml"]
    result = subprocess.run(
        [*command, "--run", "accelerated"], cwd=undisturbed, env=ENVIRONMENT, capture_output=True
    )
    assert result.returncode == 0, result.stderr
    assert (undisturbed / "runs" / "accelerated" / "checkpoint").is_dir()
