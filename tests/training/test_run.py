"""A run: repeatable, the best epoch kept, and stopped where a number is not finite."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import PARENTS, Imbtool, read_csv, write_csv
from encoders import KINDS, make_encoder
from safetensors.numpy import load_file

from imbtool.config.reader import Override, read_profile
from imbtool.model.head import head_layer
from imbtool.model.losses import Objective
from imbtool.trained.checkpoint import read_checkpoint
from imbtool.training.loop import MOST_SKIPPED, TrainingLoop
from imbtool.training.optimizer import clipped_step
from imbtool.training.run import AUTO_PATIENCE, RunResult, train
from imbtool.training.validation import ValidationResult, validate

STEPS_AN_EPOCH = 25


def with_metric(result: ValidationResult, **metric: float) -> ValidationResult:
    """The result of a validation with another value of a metric."""
    return replace(result, metrics=result.metrics.model_copy(update=metric))


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


@pytest.mark.parametrize("frozen", [True, False])
def test_word_embeddings_are_trained_only_if_the_profile_says_so(
    frozen: bool, project: Path
) -> None:
    trained = weights(run("a", training__freeze_embeddings=str(frozen).lower()))
    (encoder,) = project.glob("**/encoder/model.safetensors")
    (words,) = [table for name, table in load_file(encoder).items() if "word_embeddings" in name]
    (after,) = [table for name, table in trained.items() if "word_embeddings" in name]
    assert np.array_equal(words, after) == frozen


def test_the_kept_weights_are_the_mean_over_the_latter_half(project: Path) -> None:
    result = run("a")
    state, kept = load_file(result.folder / "last" / "state.safetensors"), weights(result)
    name = next(name for name in kept if name.endswith("query.weight"))
    assert np.array_equal(kept[name], state[f"average.{name}"])
    assert not np.array_equal(kept[name], state[f"model.{name}"])


def test_skipped_steps_have_no_share_in_the_mean(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed: list[torch.Tensor] = []

    def step(optimizer: torch.optim.AdamW, *rest: Any) -> None:
        clipped_step(optimizer, *rest)
        passed.append(optimizer.param_groups[0]["params"][-1].detach().clone())

    monkeypatch.setattr("imbtool.training.loop.clipped_step", step)
    first_of_the_half, a_later_one = STEPS_AN_EPOCH // 2 + 1, 20
    break_the_loss(monkeypatch, lambda number: number in (first_of_the_half, a_later_one))
    kept = weights(run("a", training__on_nonfinite="skip"))["classifier.weight"]
    half = torch.stack(passed[first_of_the_half - 1 :])
    assert len(half) == STEPS_AN_EPOCH - STEPS_AN_EPOCH // 2 - 2
    np.testing.assert_allclose(kept, half.mean(dim=0), rtol=1e-4, atol=1e-6)


def test_without_averaging_the_kept_weights_are_the_last_ones(project: Path) -> None:
    result = run("a", training__average_weights="false")
    state, kept = load_file(result.folder / "last" / "state.safetensors"), weights(result)
    assert all(np.array_equal(kept[name], state[f"model.{name}"]) for name in kept)


@pytest.mark.parametrize("kind", KINDS)
def test_an_encoder_of_each_family_trains(kind: str, project: Path) -> None:
    texts = [row["text"] for row in read_csv(project / "train.csv")]
    make_encoder(kind, project / kind, corpus=texts)
    result = run("a", model__encoder=kind, training__head_first="true")
    before, after = load_file(project / kind / "model.safetensors"), weights(result)
    assert not any(np.array_equal(value, after.get(name)) for name, value in before.items())
    assert read_checkpoint(result.folder).probabilities(texts[:2]).shape == (2, 6)
    assert len(events(result, "head")) == 1
    assert 0 < result.best.f1_macro <= 1


def test_the_best_epoch_is_kept(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_epoch = TrainingLoop.run_epoch

    def spoiled_at_the_end(loop: TrainingLoop, after_step: Callable[[], None]) -> float:
        loss = run_epoch(loop, after_step)
        if loop.progress.epoch > 3:
            with torch.no_grad():
                head_layer(loop.model).weight.zero_()
        return loss

    monkeypatch.setattr(TrainingLoop, "run_epoch", spoiled_at_the_end)
    result = run("a", training__epochs=3, training__average_weights="false")
    scores = {event["epoch"]: event["f1_macro"] for event in events(result, "epoch")}
    best = max(scores, key=lambda epoch: scores[epoch])
    assert best < 3
    assert read_checkpoint(result.folder).meta.validation.epoch == best
    assert result.best.epoch == events(result, "end")[0]["best_epoch"] == best
    assert result.best.f1_macro == max(scores.values())


def test_a_requirement_gives_its_label_a_threshold_and_is_kept_in_the_checkpoint(
    project: Path,
) -> None:
    result = run("a", thresholds__require="{threats: {recall: 0.7}}")
    checkpoint = read_checkpoint(result.folder)
    meta = checkpoint.meta
    label, other = meta.labels["threats"], meta.labels["praise"]
    assert (label.rule, other.rule) == ("required recall", meta.threshold_rule)
    assert other.requirement is None
    assert label.requirement.asked == "recall >= 0.7"
    rows = read_csv(Path("validation.csv"))
    decided = checkpoint.decide(checkpoint.probabilities([row["text"] for row in rows]))
    given = ["threats" in row["labels"].split("|") for row in rows]
    found = decided[given, checkpoint.labels.names.index("threats")]
    assert label.requirement.validation.value == pytest.approx(found.mean())
    assert f"{found.sum()} of {sum(given)} positives found" in label.requirement.sentence
    assert events(result, "end")[0]["requirements"] == {"threats": label.requirement.model_dump()}


def test_an_epoch_says_on_how_many_texts_a_child_is_decided_without_its_parent(
    project: Path,
) -> None:
    result = run("a")
    checkpoint = read_checkpoint(result.folder)
    texts = [row["text"] for row in read_csv(Path("validation.csv"))]
    columns = (checkpoint.probabilities(texts) >= checkpoint.meta.thresholds).T
    decided = dict(zip(checkpoint.meta.labels, columns, strict=True))
    rows = result.best.violations
    assert {row.child: row.parent for row in rows} == PARENTS
    for row in rows:
        child, parent = decided[row.child], decided[row.parent]
        assert row.decided == child.sum()
        assert row.texts == (child & ~parent).sum()
    assert sum(row.decided for row in rows) > 0


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


def break_the_loss(monkeypatch: pytest.MonkeyPatch, bad: Callable[[int], bool]) -> None:
    """Make the training loss of some steps, numbered from 1, not finite."""
    call, steps = Objective.__call__, iter(range(1, 10_000))

    def broken(objective: Objective, logits: torch.Tensor, *rest: Any) -> torch.Tensor:
        value = call(objective, logits, *rest)
        return value * float("nan") if logits.requires_grad and bad(next(steps)) else value

    monkeypatch.setattr(Objective, "__call__", broken)


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_checkpoint(
    project: Path, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad_step = STEPS_AN_EPOCH + 3
    break_the_loss(monkeypatch, lambda step: step == bad_step)
    result = imbtool("train", "-p", "profile.yaml", "--run", "bad")
    assert result.exit_code == 2
    assert result.stdout == ""
    said = result.stderr.partition("error: ")[2]
    for piece in (f"step {bad_step}", "loss nan", "of data.train", "lower training.learning_rate"):
        assert piece in said
    kept = read_checkpoint(Path("runs/bad"))
    assert kept.meta.validation.epoch == 1
    assert all(parameter.isfinite().all() for parameter in kept.text_model.model.parameters())


def test_steps_that_are_not_finite_can_be_skipped_and_are_told(
    project: Path, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_the_loss(monkeypatch, lambda step: step in (3, 4, 20))
    skip = ("--set", "training.on_nonfinite=skip", "--epochs", "1")
    result = imbtool("train", "-p", "profile.yaml", "--run", "skips", *skip)
    assert result.exit_code == 0, result.stderr
    assert "step 20 skipped: loss nan" in result.stderr
    lines = map(json.loads, Path("runs/skips/events.jsonl").read_text().splitlines())
    skipped = [event for event in lines if event["event"] == "skipped"]
    assert [event["step"] for event in skipped] == [3, 4, 20]
    assert all(len(event["rows"]) == 8 for event in skipped)
    kept = read_checkpoint(Path("runs/skips")).text_model.model
    assert all(parameter.isfinite().all() for parameter in kept.parameters())


def test_too_many_skipped_steps_in_a_row_stop_the_run(
    project: Path, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_the_loss(monkeypatch, lambda step: step > 4)
    result = imbtool("train", "-p", "profile.yaml", "--set", "training.on_nonfinite=skip")
    assert result.exit_code == 2
    assert f"step {4 + MOST_SKIPPED + 1}" in result.stderr.partition("error: ")[2]


def test_weights_that_give_no_probability_stop_the_run(project: Path, imbtool: Imbtool) -> None:
    wild = ("learning_rate=1e30", "batch_size=200", "warmup=0", "epochs=1")
    sets = [word for setting in wild for word in ("--set", f"training.{setting}")]
    result = imbtool("train", "-p", "profile.yaml", *sets)
    assert result.exit_code == 2
    assert "lower training.learning_rate" in result.stderr.partition("error: validation")[2]


def test_patience_ends_a_run_that_gets_no_better(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([0.3, 0.5, 0.4, 0.5, 0.9])

    def scored(*arguments: Any) -> ValidationResult:
        return with_metric(validate(*arguments), f1_macro=next(scores))

    monkeypatch.setattr("imbtool.training.run.validate", scored)
    result = run("a", training__epochs=5, training__patience=2)
    assert [event["f1_macro"] for event in events(result, "epoch")] == [0.3, 0.5, 0.4, 0.5]
    assert result.best.epoch == 2
    assert events(result, "end")[0]["early"] is True


def test_a_small_set_trains_until_it_gets_no_better(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([0.9, *[0.3] * 9, 0.8, 0.3, 0.95, *[0.3] * 9])

    def scored(*arguments: Any) -> ValidationResult:
        return with_metric(validate(*arguments), f1_macro=next(scores))

    monkeypatch.setattr("imbtool.training.run.validate", scored)
    result = run("a", training__epochs="auto")
    (start,) = events(result, "start")
    assert (start["epochs"], start["steps"]) == (20, 20 * STEPS_AN_EPOCH)
    assert start["epochs_reason"] == f"auto, {STEPS_AN_EPOCH} steps each"
    assert len(events(result, "epoch")) == 13 + AUTO_PATIENCE
    assert result.best.epoch == 13
    assert events(result, "end")[0]["early"] is True


def test_the_profile_chooses_the_metric_of_the_best_epoch(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    precisions = iter([0.2, 0.6, 0.4])

    def scored(*arguments: Any) -> ValidationResult:
        return with_metric(validate(*arguments), average_precision_macro=next(precisions))

    monkeypatch.setattr("imbtool.training.run.validate", scored)
    result = run("a", training__epochs=3, training__best_by="average_precision_macro")
    assert result.best.epoch == 2
    assert events(result, "end")[0]["early"] is False


def test_a_secondary_metric_needs_a_hierarchy(project: Path, imbtool: Imbtool) -> None:
    sets = ("--set", "training.best_by=secondary_f1_macro", "--set", "labels.hierarchy={}")
    refused = imbtool("train", "-p", "profile.yaml", *sets)
    assert refused.exit_code == 2
    assert "without a hierarchy" in refused.stderr
    assert not Path("runs/profile-1").exists()


def test_a_secondary_metric_needs_a_secondary_label_on_validation(
    project: Path, imbtool: Imbtool
) -> None:
    rows = [row | {"labels": "violence"} for row in read_csv(Path("validation.csv"))]
    write_csv(Path("validation.csv"), rows)
    best_by = ("--set", "training.best_by=secondary_f1_macro")
    refused = imbtool("train", "-p", "profile.yaml", *best_by)
    assert refused.exit_code == 2
    assert "no positive of a secondary label in" in refused.stderr
    assert not Path("runs/profile-1").exists()


def test_one_text_is_no_validation_even_if_it_has_a_label(project: Path, imbtool: Imbtool) -> None:
    row = read_csv(Path("validation.csv"))[0]
    write_csv(Path("validation.csv"), [row | {"labels": "violence"}])
    refused = imbtool("train", "-p", "profile.yaml")
    assert refused.exit_code == 2
    assert "found     1 text\n" in refused.stderr


def test_tensorboard_follows_a_run(project: Path, imbtool: Imbtool) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    result = imbtool("train", "-p", "profile.yaml", "--run", "tracked", "--track", "tensorboard")
    assert result.exit_code == 0, result.stderr
    log = accumulator.EventAccumulator(str(Path("runs/tracked/imbtool")))
    log.Reload()
    recorded = [
        event
        for event in map(json.loads, Path("runs/tracked/events.jsonl").read_text().splitlines())
        if event["event"] == "epoch"
    ]
    logged = [(point.step, point.value) for point in log.Scalars("epoch/f1_macro")]
    assert [step for step, _ in logged] == [event["step"] for event in recorded]
    assert [value for _, value in logged] == pytest.approx([row["f1_macro"] for row in recorded])
    assert "epoch/labels/threats/recall" in log.Tags()["scalars"]


@pytest.mark.parametrize("name", ["tensorbored", "wandb"])
def test_a_tracker_that_is_unknown_or_not_installed_is_named(
    name: str, project: Path, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    refused = imbtool("train", "-p", "profile.yaml", "--track", name)
    assert refused.exit_code == 2
    assert name in refused.stderr
    assert not Path("runs/profile-1").exists()


def test_a_dry_run_says_what_would_run_and_writes_nothing(project: Path, imbtool: Imbtool) -> None:
    before = sorted(project.rglob("*"))
    result = imbtool("train", "-p", "profile.yaml", "--dry-run", "--json")
    assert result.exit_code == 0, result.stderr
    assert sorted(project.rglob("*")) == before
    document = json.loads(result.stdout)
    assert document["steps"] == 2 * STEPS_AN_EPOCH
    assert document["tokens_per_second"] > 0
    assert 0 <= document["padding_share"] < 0.5
    assert set(document["minutes"]) == {"head", "training", "validation", "words", "neighbours"}
    assert document["weights"]["threats"]["weight"] >= 1
    shown = " ".join(imbtool("train", "-p", "profile.yaml", "--dry-run").stdout.split())
    for piece in ("50 steps", "tokens/s", "GiB", "min (", "threats"):
        assert piece in shown
