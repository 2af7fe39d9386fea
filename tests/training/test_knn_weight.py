"""Neighbours in a run: a share that validation chose, in the checkpoint and in its readers."""

import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from conftest import Imbtool, read_csv
from safetensors.numpy import load_file

from imbtool.distributed.collectives import Ranks
from imbtool.events import EndEvent, NeighboursEvent, of_kind, read_events
from imbtool.files.json_text import read_json
from imbtool.model.checkpoint import read_checkpoint
from imbtool.model.head import head_layer
from imbtool.training import knn_weight
from imbtool.training.head_first import collect_features
from imbtool.training.knn_weight import WEIGHTS
from imbtool.tuning.finished_run import read_finished_run

TRAIN = ("train", "-p", "profile.yaml", "--set", "training.neighbours=true", "--epochs", "2")
RUN = Path("runs/near")
ALONE = Ranks(Accelerator())


def event_of(run: Path) -> NeighboursEvent:
    (event,) = of_kind(read_events(run), NeighboursEvent)
    return event


@pytest.fixture
def near(project: Path, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose run `near` gives neighbours a share, whatever validation says."""
    monkeypatch.setattr(knn_weight, "WEIGHTS", (0.0, 0.3))
    monkeypatch.setattr(
        knn_weight, "average_precision", lambda scores, _: scores[:1, 0] * 0 + next(gains)
    )
    gains = iter([0.1, 0.2] * 9)
    result = imbtool(*TRAIN, "--run", "near")
    assert result.exit_code == 0, result.stderr
    assert "get a weight of 30%: mean average precision goes from 0.100 to 0.200" in result.stderr
    return project


def test_validation_chooses_the_share(project: Path, imbtool: Imbtool) -> None:
    result = imbtool(*TRAIN, "--run", "near")
    assert result.exit_code == 0, result.stderr
    event, meta = event_of(RUN), read_json(RUN / "checkpoint" / "imbtool.json")
    ranked = {float(share): value for share, value in event.average_precision.items()}
    assert list(ranked) == list(WEIGHTS)
    assert event.share == max(ranked, key=lambda share: ranked[share])
    assert (meta["neighbours"] or {"share": 0.0})["share"] == event.share
    assert (RUN / "checkpoint" / "neighbours.safetensors").is_file() == bool(event.share)


def test_without_a_better_share_the_checkpoint_is_that_of_the_epoch(
    project: Path, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(knn_weight, "WEIGHTS", (0.0,))
    result = imbtool(*TRAIN, "--run", "near")
    assert "nearest training texts get no weight: no weight improves the ranking" in result.stderr
    assert imbtool(*TRAIN, "--set", "training.neighbours=false", "--run", "far").exit_code == 0
    for name in ("model.safetensors", "imbtool.json"):
        kept = [(Path("runs") / run / "checkpoint" / name).read_bytes() for run in ("near", "far")]
        assert kept[0] == kept[1]


def test_the_checkpoint_reads_as_validation_did(near: Path) -> None:
    checkpoint = read_checkpoint(RUN)
    rows = read_csv(near / "validation.csv")
    probabilities = checkpoint.probabilities([row["text"] for row in rows])
    ends = of_kind(read_events(RUN), EndEvent)
    assert checkpoint.meta.validation.f1_macro == ends[-1].f1_macro
    assert checkpoint.meta.validation.f1_macro == event_of(RUN).figures.f1_macro
    assert read_finished_run(RUN).kept.f1_macro == ends[-1].f1_macro
    alone = checkpoint.text_model.logits([row["text"] for row in rows])
    own = torch.sigmoid(torch.from_numpy(alone)).numpy()
    assert checkpoint.knn is not None
    said = (probabilities - 0.7 * own) / 0.3
    assert (said > -1e-5).all()
    assert (said < 1 + 1e-5).all()
    assert np.abs(said - own).max() > 0.05
    assert len(checkpoint.knn.features) == len(read_csv(near / "train.csv"))


def test_a_text_that_was_trained_on_is_its_own_nearest(near: Path) -> None:
    checkpoint = read_checkpoint(RUN)
    rows = read_csv(near / "train.csv")
    assert checkpoint.knn is not None
    given = np.array(
        [[name in row["labels"].split("|") for name in checkpoint.labels.names] for row in rows]
    )
    np.testing.assert_array_equal(checkpoint.knn.targets.numpy(), given)


def test_the_model_is_that_of_the_best_epoch(near: Path, imbtool: Imbtool) -> None:
    assert imbtool(*TRAIN, "--set", "training.neighbours=false", "--run", "far").exit_code == 0
    near_weights, far = (
        load_file(Path("runs") / run / "checkpoint" / "model.safetensors")
        for run in ("near", "far")
    )
    assert all(np.array_equal(near_weights[name], far[name]) for name in far)


def test_plain_transformers_decides_with_thresholds_of_its_own(
    near: Path, imbtool: Imbtool
) -> None:
    assert imbtool(*TRAIN, "--set", "training.neighbours=false", "--run", "far").exit_code == 0
    near_meta, far = (
        read_json(Path("runs") / run / "checkpoint" / "imbtool.json") for run in ("near", "far")
    )
    alone = near_meta["neighbours"]
    assert alone["thresholds"] == pytest.approx(
        {name: label["threshold"] for name, label in far["labels"].items()}, abs=1e-6
    )
    assert alone["coherence"] == far["coherence"]
    code = (RUN / "checkpoint" / "README.md").read_text().split("```python\n")[1].split("```")[0]
    lines: dict[str, Any] = {}
    exec(code.replace("FOLDER", str(RUN / "checkpoint")), lines)
    imbtool("predict", "runs/far", "test.csv", "-o", "far.csv")
    for row in read_csv(near / "far.csv")[:20]:
        assert lines["decide"](row["text"]) == set(filter(None, row["predicted"].split("|")))


def test_a_checkpoint_that_lost_its_neighbours_is_refused(near: Path, imbtool: Imbtool) -> None:
    (RUN / "checkpoint" / "neighbours.safetensors").unlink()
    result = imbtool("predict", RUN, "test.csv")
    assert result.exit_code == 2
    assert "neighbours.safetensors" in result.stderr


def test_resuming_a_finished_run_asks_again_and_finds_the_same(
    near: Path, imbtool: Imbtool
) -> None:
    files = ("model.safetensors", "neighbours.safetensors", "imbtool.json")
    before = [(RUN / "checkpoint" / name).read_bytes() for name in files]
    result = imbtool("train", "--resume", RUN)
    assert result.exit_code == 0, result.stderr
    assert [(RUN / "checkpoint" / name).read_bytes() for name in files] == before


def test_two_processes_remember_each_text_once(project: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "imbtool", *TRAIN, "--processes", "2", "--run", "near"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    event, checkpoint = event_of(RUN), read_checkpoint(RUN)
    encoded = checkpoint.text_model.encode([row["text"] for row in read_csv(project / "train.csv")])
    layer = head_layer(checkpoint.text_model.model)
    features = collect_features(checkpoint.text_model, encoded, layer, nullcontext(), ALONE)
    assert event.share > 0
    assert checkpoint.knn is not None
    expected = torch.nn.functional.normalize(features)
    torch.testing.assert_close(checkpoint.knn.features, expected, rtol=0, atol=1e-3)
