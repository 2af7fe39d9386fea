"""A run: repeatable, the best epoch kept, and stopped where a number is not finite."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Imbtool, read_csv, write_csv
from encoders import KINDS, make_encoder
from safetensors.numpy import load_file

from imbtool.checkpoint import read_checkpoint
from imbtool.model import head_layer
from imbtool.profilefile import Override, read_profile
from imbtool.training import run as run_module
from imbtool.training.engine import Engine
from imbtool.training.run import RunResult, train

STEPS_AN_EPOCH = 25


def run(name: str, **sets: object) -> RunResult:
    """Train `runs/NAME`, by default for one epoch, with other values as `training__seed=1`."""
    values = {"training.epochs": 1} | {key.replace("__", "."): sets[key] for key in sets}
    overrides = [Override(key, str(value), key) for key, value in values.items()]
    settings = read_profile(Path("profile.yaml"), overrides)
    return train(settings, Path("runs") / name, lambda event: None, ["imbtool", "train"])


def weights(result: RunResult) -> dict[str, np.ndarray]:
    """The trained tensors by name."""
    return load_file(result.checkpoint / "model.safetensors")


def events(result: RunResult, kind: str) -> list[dict[str, Any]]:
    """The recorded events of a kind."""
    lines = (result.folder / "events.jsonl").read_text().splitlines()
    return [event for event in map(json.loads, lines) if event["event"] == kind]


def test_the_same_seed_gives_the_same_weights(project: Path) -> None:
    first, second = run("a", training__head_first="true"), run("b", training__head_first="true")
    files = [result.checkpoint / "model.safetensors" for result in (first, second)]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert events(first, "epoch") == events(second, "epoch")


def test_another_seed_gives_other_weights(project: Path) -> None:
    first, second = weights(run("a")), weights(run("b", training__seed=1))
    trained = [name for name in first if name.endswith("query.weight")]
    assert not any(np.array_equal(first[name], second[name]) for name in trained)


@pytest.mark.parametrize("kind", KINDS)
def test_an_encoder_of_each_family_trains(kind: str, project: Path) -> None:
    texts = [row["text"] for row in read_csv(project / "train.csv")]
    make_encoder(kind, project / kind, corpus=texts)
    result = run("a", model__encoder=kind, training__head_first="true")
    before, after = load_file(project / kind / "model.safetensors"), weights(result)
    assert not any(np.array_equal(value, after.get(name)) for name, value in before.items())
    assert read_checkpoint(result.folder).probabilities(texts[:2]).shape == (2, 6)
    assert len(events(result, "head")) == 1
    assert 0 < result.best["f1_macro"] <= 1


def test_the_best_epoch_is_kept(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_epoch = Engine.run_epoch

    def spoiled_at_the_end(engine: Engine, epoch: int) -> float:
        loss = run_epoch(engine, epoch)
        if epoch == 3:
            with torch.no_grad():
                head_layer(engine.model).weight.zero_()
        return loss

    monkeypatch.setattr(Engine, "run_epoch", spoiled_at_the_end)
    result = run("a", training__epochs=3)
    scores = {event["epoch"]: event["f1_macro"] for event in events(result, "epoch")}
    best = max(scores, key=lambda epoch: scores[epoch])
    assert best < 3
    assert read_checkpoint(result.folder).meta.validation["epoch"] == best
    assert result.best["epoch"] == events(result, "end")[0]["best_epoch"] == best
    assert result.best["f1_macro"] == max(scores.values())


def test_a_table_with_cells_that_nobody_knows_trains(project: Path) -> None:
    names = ["abuse", "insults", "violence"]
    for table in ("train.csv", "validation.csv", "test.csv"):
        rows = [
            {"text": row["text"]}
            | {name: str(int(name in row["labels"].split("|"))) for name in names}
            for row in read_csv(Path(table))
        ]
        for row in rows[::5]:
            row["insults"] = ""
        rows[1] |= dict.fromkeys(names, "")
        write_csv(Path(table), rows)
    tables = "".join(f"  {name}: {name}.csv\n" for name in ("train", "validation", "test"))
    training = Path("profile.yaml").read_text().partition("model:")[2]
    Path("profile.yaml").write_text(
        f"data:\n{tables}  labels: {{columns: [abuse, insults, violence]}}\nmodel:{training}"
    )
    result = run("a", training__head_first="true")
    assert all(np.isfinite(value).all() for value in weights(result).values())
    label = read_checkpoint(result.folder).meta.labels["insults"]
    known = [row["insults"] for row in read_csv(Path("train.csv")) if row["insults"]]
    assert label.training_positives == known.count("1")
    assert label.training_negatives == known.count("0")
    assert np.isfinite(events(result, "epoch")[0]["train_loss"])


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_checkpoint(
    project: Path, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_objective, bad_step = run_module.make_objective, STEPS_AN_EPOCH + 3

    def breaking(*arguments: Any) -> Callable[..., torch.Tensor]:
        objective, steps = make_objective(*arguments), iter(range(1, 1000))

        def loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            value = objective(logits, targets)
            is_bad = logits.requires_grad and next(steps) == bad_step
            return value * float("nan") if is_bad else value

        return loss

    monkeypatch.setattr(run_module, "make_objective", breaking)
    result = imbtool("train", "-p", "profile.yaml", "--run", "bad")
    assert result.exit_code == 2
    assert result.stdout == ""
    for piece in (f"step {bad_step}", "loss nan", "[", "lower training.learning_rate"):
        assert piece in result.stderr.partition("error: ")[2]
    kept = read_checkpoint(Path("runs/bad"))
    assert kept.meta.validation["epoch"] == 1
    assert all(parameter.isfinite().all() for parameter in kept.text_model.model.parameters())
