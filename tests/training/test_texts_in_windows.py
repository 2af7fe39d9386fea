"""Texts in windows are trained on as they are predicted, however many the model takes at once."""

import json
import random
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from conftest import KEY_WORDS, Imbtool, make_row, read_csv
from encoders import KINDS, make_encoder

from imbtool.config.hierarchy import label_set
from imbtool.config.schema import LossSection, ModelSection, TrainingSection
from imbtool.distributed.collectives import Ranks
from imbtool.events import EpochEvent, Event, StartEvent, StepEvent, of_kind, read_events
from imbtool.labels.label_sets import LabelSets
from imbtool.model.encoder import TextModel, load_encoder
from imbtool.model.head import head_layer
from imbtool.model.losses import make_objective
from imbtool.trained.checkpoint import read_checkpoint
from imbtool.training.batches import EncodedTexts
from imbtool.training.head_first import (
    collect_features,
    fit_head,
    make_feature_reader,
)
from imbtool.training.loop import TrainingLoop

NAMES = sorted(KEY_WORDS)
ROWS = [make_row(random.Random(number), str(number)) for number in range(120)]
TEXTS = [f"often we walk to the market and {row['text']}" for row in ROWS]
TARGETS = np.array(
    [[name in row["labels"].split("|") for name in NAMES] for row in ROWS], dtype=np.float32
)
TRAIN, VALIDATION = slice(80), slice(80, None)
WIDTH = 8
RANKS = Ranks(Accelerator())


@pytest.fixture(params=KINDS)
def model(request: pytest.FixtureRequest, tmp_path: Path) -> TextModel:
    """An encoder of each family that reads few tokens at once."""
    return load(request.param, tmp_path)


@pytest.fixture
def bert(tmp_path: Path) -> TextModel:
    return load("bert", tmp_path)


def load(kind: str, folder: Path) -> TextModel:
    make_encoder(kind, folder / "encoder", corpus=TEXTS)
    return loaded(folder / "encoder")


def loaded(encoder: Path) -> TextModel:
    """The encoder with a fresh head."""
    torch.manual_seed(0)
    section = ModelSection(encoder=str(encoder), max_length=WIDTH, long_texts="windows")
    return load_encoder(section, NAMES)


def without_dropout(folder: Path) -> TextModel:
    make_encoder("bert", folder / "encoder", corpus=TEXTS)
    path = folder / "encoder" / "config.json"
    none = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    path.write_text(json.dumps(json.loads(path.read_text()) | none))
    return loaded(folder / "encoder")


def sample(model: TextModel, rows: slice) -> EncodedTexts:
    targets = LabelSets.each(TARGETS[rows])
    return EncodedTexts(model.encode(TEXTS[rows]), targets, range(len(targets)))


def objective() -> Any:
    weights = [3.0] * len(NAMES)
    return make_objective(LossSection(), label_set(NAMES, []), weights, torch.device("cpu"))


def fit(model: TextModel) -> float:
    """Mean average precision on validation that the fitted head tells."""
    parts = (sample(model, TRAIN), sample(model, VALIDATION))
    return fit_head(model, *parts, objective(), nullcontext(), RANKS).average_precision


def test_the_fitted_head_is_the_models_head(model: TextModel):
    fit(model)
    layer, encoded = head_layer(model.model), model.encode(TEXTS)
    assert layer is not None
    rows = collect_features(model, encoded, layer, nullcontext(), RANKS)
    windows = model.windows(encoded)
    assert len(rows) == sum(windows) > len(TEXTS)
    by_hand = (rows @ layer.weight.detach().T + layer.bias.detach()).split(windows)
    expected = np.stack([logits.amax(dim=0).numpy() for logits in by_hand])
    np.testing.assert_allclose(model.logits_of(encoded), expected, rtol=1e-4, atol=1e-3)


def test_a_head_that_has_read_all_of_a_text_ranks_better(bert: TextModel):
    beginnings = replace(bert, long_texts="truncate")
    assert len(set(map(tuple, beginnings.encode(TEXTS)))) == 1
    assert fit(bert) > 1.3 * fit(beginnings)


def test_frozen_features_of_a_text_are_the_mean_of_its_windows(bert: TextModel):
    read = make_feature_reader(bert, TrainingSection(precision="fp32"), Accelerator())
    layer, encoded = head_layer(bert.model), bert.encode(TEXTS[:20])
    assert layer is not None
    rows = collect_features(bert, encoded, layer, nullcontext(), RANKS)
    expected = torch.stack([part.mean(dim=0) for part in rows.split(bert.windows(encoded))])
    torch.testing.assert_close(read(encoded), expected)


def trained(model: TextModel, micro_batch: int | None) -> tuple[list[float], set[int]]:
    """Losses of two epochs, and how many windows went through the model at once."""
    section = TrainingSection(
        epochs=2, batch_size=16, learning_rate=5e-3, precision="fp32", micro_batch=micro_batch
    )
    events: list[Event] = []
    data = sample(model, TRAIN)
    loop = TrainingLoop(Accelerator(), model, data, objective(), section, events.append)
    rows: set[int] = set()
    model.model.register_forward_pre_hook(
        lambda module, args, inputs: rows.add(len(inputs["input_ids"])), with_kwargs=True
    )
    for _ in range(2):
        loop.run_epoch(lambda: None)
    assert sum(step.tokens for step in of_kind(events, StepEvent)) == 2 * sum(
        map(len, data.encoded)
    )
    return [step.loss for step in of_kind(events, StepEvent)], rows


def test_losses_do_not_depend_on_how_many_windows_are_taken_at_once(tmp_path: Path):
    whole, at_once = trained(without_dropout(tmp_path / "a"), None)
    parted, few = trained(without_dropout(tmp_path / "b"), 5)
    assert len(whole) == 10
    assert 5 < max(at_once) <= 16 and max(few) <= 5
    assert whole[-1] < whole[0]
    np.testing.assert_allclose(parted, whole, rtol=0, atol=1e-5)


def test_losses_do_not_depend_on_how_many_tokens_are_taken_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    whole, at_once = trained(without_dropout(tmp_path / "a"), None)
    monkeypatch.setattr("imbtool.training.loop.most_texts", lambda *_: lambda tokens: 6)
    parted, few = trained(without_dropout(tmp_path / "b"), None)
    assert max(at_once) > 6 and max(few) <= 6
    np.testing.assert_allclose(parted, whole, rtol=0, atol=1e-5)


SHORT = ("--set", f"model.max_length={WIDTH}", "--set", "training.head_first=true")


def test_a_run_reads_to_the_end_and_its_checkpoint_does_so_too(project: Path, imbtool: Imbtool):
    best = {}
    for way in ("truncate", "windows"):
        sets = (*SHORT, "--set", f"model.long_texts={way}", "--epochs", "1", "--run", way)
        result = imbtool("train", "-p", "profile.yaml", *sets)
        assert result.exit_code == 0, result.stderr
        events = read_events(Path("runs") / way)
        (start,) = of_kind(events, StartEvent)
        best[way] = of_kind(events, EpochEvent)[0]
        assert (start.cut_off > 0) == (way == "truncate")
    assert best["windows"].average_precision_macro > best["truncate"].average_precision_macro

    checkpoint = read_checkpoint(Path("runs/windows"))
    assert (checkpoint.meta.long_texts, checkpoint.meta.max_length) == ("windows", WIDTH)
    model = checkpoint.text_model
    (long,) = model.encode(["we walk to the market and talk " * 3 + "knife"])
    parts = [long[at : at + WIDTH] for at in range(0, len(long), WIDTH)]
    np.testing.assert_allclose(
        model.logits_of([long])[0], model.logits_of(parts).max(axis=0), atol=1e-5
    )
    texts = [row["text"] for row in read_csv(Path("validation.csv"))]
    decided = checkpoint.decide(checkpoint.probabilities(texts))
    assert [row.support > 0 for row in best["windows"].labels.values()] == [True] * 6
    assert decided.any()


def test_a_dry_run_counts_padding_by_windows(project: Path, imbtool: Imbtool):
    sets = (*SHORT, "--set", "model.long_texts=windows", "--dry-run", "--json")
    result = imbtool("train", "-p", "profile.yaml", *sets)
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert 0 < document["padding_share"] < 0.5
    model = loaded(project / "encoder")
    texts = [row["text"] for row in read_csv(Path("train.csv"))]
    assert document["tokens_an_epoch"] == sum(map(len, model.encode(texts)))
    assert document["cut_off"] == 0


def test_a_checkpoint_that_says_nothing_of_long_texts_cuts_them_off(project: Path):
    path = Path("runs/first/checkpoint/imbtool.json")
    meta = json.loads(path.read_text())
    assert meta.pop("long_texts") == "truncate"
    path.write_text(json.dumps(meta))
    checkpoint = read_checkpoint(Path("runs/first"))
    assert checkpoint.text_model.long_texts == checkpoint.meta.long_texts == "truncate"
