"""Words and neighbours in a run: validation chooses their shares, and all readers have them."""

import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from conftest import Imbtool, read_csv, write_csv
from safetensors.numpy import load_file

from imbtool.distributed.collectives import Ranks
from imbtool.evaluation.calibration import sigmoid
from imbtool.events import EndEvent, NeighboursEvent, WordsEvent, of_kind, read_events
from imbtool.files.json_text import read_json
from imbtool.inference.bf16 import in_bf16
from imbtool.model.head import head_layer
from imbtool.model.long_texts import windows_of
from imbtool.model.word_head import Words
from imbtool.serving.served_model import load_model
from imbtool.trained.checkpoint import read_checkpoint
from imbtool.training import additions
from imbtool.training.head_first import collect_features
from imbtool.tuning.finished_run import read_finished_run

PLAIN = ("train", "-p", "profile.yaml", "--epochs", "2", "--set", "training.words=false")
TRAIN = (*PLAIN, "--set", "training.neighbours=true")
RUN = Path("runs/near")
ALONE = Ranks(Accelerator())


def event_of(run: Path) -> NeighboursEvent:
    (event,) = of_kind(read_events(run), NeighboursEvent)
    return event


@pytest.fixture
def near(project: Path, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose run `near` gives neighbours a share, whatever validation says."""
    monkeypatch.setattr(additions, "WEIGHTS", (0.0, 0.3))
    monkeypatch.setattr(
        additions, "average_precision", lambda scores, _: scores[:1, 0] * 0 + next(gains)
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
    assert list(ranked) == list(additions.WEIGHTS)
    assert event.share == max(ranked, key=lambda share: ranked[share])
    assert (meta["neighbours"] or {"share": 0.0})["share"] == event.share
    assert (RUN / "checkpoint" / "neighbours.safetensors").is_file() == bool(event.share)


def test_without_a_better_share_the_checkpoint_is_that_of_the_epoch(
    project: Path, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(additions, "WEIGHTS", (0.0,))
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


WITH_WORDS = (*PLAIN, "--set", "training.words=true")
WORDS = Path("runs/words")


@pytest.fixture
def words(project: Path, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose run `words` gives words a share of 0.5, whatever validation says."""
    monkeypatch.setattr(additions, "stacked", lambda *_: additions.Stack(0.5, -0.25))
    result = imbtool(*WITH_WORDS, "--run", "words")
    assert result.exit_code == 0, result.stderr
    said = " ".join(result.stderr.split())
    assert "are added to the logits (training.words): mean average precision goes from" in said
    return project


def test_validation_chooses_the_share_of_words(project: Path, imbtool: Imbtool) -> None:
    assert imbtool(*WITH_WORDS, "--run", "words").exit_code == 0
    (event,) = of_kind(read_events(WORDS), WordsEvent)
    # the words of the project's texts decide its labels
    assert 0 < event.share <= 1
    assert event.average_precision[f"{event.share:g}"] > event.average_precision["0"]
    assert read_json(WORDS / "checkpoint" / "imbtool.json")["words"]["share"] == event.share
    assert (WORDS / "checkpoint" / "words.safetensors").is_file()


def made_up(texts: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits and scores of two labels, and targets that are as probable as their sum says."""
    rng = np.random.default_rng(seed)
    logits, scores = rng.normal(0, 2, (2, texts, 2))
    chances = 1 / (1 + np.exp(-(logits + 0.5 * scores - 1)))
    return logits, scores, (rng.random((texts, 2)) < chances).astype(np.float32)


def test_a_share_is_what_makes_the_targets_most_likely() -> None:
    logits, scores, targets = made_up(20_000)
    found = additions.stacked(logits, scores, targets)
    assert found.share == pytest.approx(0.5, abs=0.03)
    # a regression on the logits alone has a smaller intercept, which 0 stood for until then
    assert -0.5 < found.shift < 0


def test_unknown_targets_have_no_part_in_the_share() -> None:
    logits, scores, targets = made_up(4000)
    some = targets.copy()
    some[2000:, 0] = np.nan
    scores[2000:, 0] = 1e6
    known = additions.stacked(logits, scores, some)
    assert 0.3 < known.share < 0.7


def test_scores_that_say_nothing_or_the_contrary_get_no_share() -> None:
    logits, scores, targets = made_up(4000)
    noise = np.random.default_rng(5).normal(0, 2, scores.shape)
    assert additions.stacked(logits, noise, made_up(4000, seed=1)[2] * 0 + targets).share == 0
    assert additions.stacked(logits, -scores, targets).share == 0


def test_a_share_is_one_at_most() -> None:
    logits, scores, targets = made_up(4000)
    assert additions.stacked(scores, logits, targets).share == 1


def test_a_sample_without_a_positive_chooses_no_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(additions, "MOST_STACKED", 50)
    logits, scores, targets = made_up(5000)
    targets[:] = 0
    targets[0, 0] = 1
    assert additions.stacked(logits, scores, targets) == additions.NOTHING


def test_of_few_texts_chance_is_not_taken_for_a_gain() -> None:
    added = 0
    for seed in range(60):
        logits, _, targets = made_up(20, seed)
        noise = np.random.default_rng(900 + seed).normal(0, 2, logits.shape)
        added += additions.stacked(logits, noise, targets).share > 0
    assert added <= 10  # 16% of noise gains a unit of log likelihood, half of it with this sign


def test_words_that_rank_worse_on_validation_are_not_added(
    project: Path, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch
) -> None:
    gains = iter([0.2, 0.1])
    monkeypatch.setattr(additions, "stacked", lambda *_: additions.Stack(0.5, 0.0))
    monkeypatch.setattr(
        additions, "average_precision", lambda scores, _: scores[:1, 0] * 0 + next(gains)
    )
    result = imbtool(*WITH_WORDS, "--run", "words")
    said = " ".join(result.stderr.split())
    assert "weights of words are not added: validation ranks no better with them" in said
    assert not (WORDS / "checkpoint" / "words.safetensors").exists()


def test_the_score_of_a_text_in_windows_is_its_highest(project: Path) -> None:
    text_model = read_checkpoint(Path("runs/first")).text_model
    narrow = replace(text_model, max_length=4, long_texts="windows")
    encoded = [[1, 10, 11, 2, 1, 10, 12, 2], [1, 12, 2]]
    words = Words(np.array([10, 11, 12]), np.ones(3))
    weights = np.array([[0.0], [1.0], [-1.0]])
    found = additions._held_out_scores(words, weights, narrow, encoded)
    assert found[:, 0] == pytest.approx([np.sqrt(0.5), -1])


@pytest.mark.parametrize("value", [0, 1, np.nan])
def test_targets_that_are_all_the_same_choose_no_share(value: float) -> None:
    logits, scores, targets = made_up(50)
    assert additions.stacked(logits, scores, targets * 0 + np.float32(value)).share == 0


def test_a_gain_that_is_too_small_leaves_the_checkpoint_of_the_epoch(
    project: Path, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(additions, "LEAST_GAIN", 1.0)
    result = imbtool(*WITH_WORDS, "--run", "words")
    said = " ".join(result.stderr.split())
    assert "weights of words are not added: on validation they gain too little" in said
    assert imbtool(*PLAIN, "--run", "plain").exit_code == 0
    for name in ("model.safetensors", "imbtool.json"):
        kept = [(Path("runs") / each / "checkpoint" / name).read_bytes() for each in RUNS]
        assert kept[0] == kept[1]


RUNS = ("words", "plain")


def test_texts_of_unknown_tokens_get_no_weights(project: Path, imbtool: Imbtool) -> None:
    for name in ("train", "validation"):
        rows = read_csv(project / f"{name}.csv")
        write_csv(project / f"{name}.csv", [{**row, "text": "☃"} for row in rows])
    result = imbtool(*WITH_WORDS, "--run", "words")
    assert "weights of words are not added: no word occurs in two training texts" in " ".join(
        result.stderr.split()
    )


def test_words_are_added_as_validation_saw_them(words: Path, imbtool: Imbtool) -> None:
    checkpoint = read_checkpoint(WORDS)
    texts = [row["text"] for row in read_csv(words / "validation.csv")]
    ends = of_kind(read_events(WORDS), EndEvent)
    assert checkpoint.meta.validation.f1_macro == ends[-1].f1_macro
    assert read_finished_run(WORDS).kept.f1_macro == ends[-1].f1_macro
    assert imbtool(*PLAIN, "--run", "plain").exit_code == 0
    plain = read_checkpoint(Path("runs/plain")).logits(texts)
    added = checkpoint.logits(texts) - plain
    # half of the deviation of a label's logits, and the shift on average
    np.testing.assert_allclose(added.std(axis=0), 0.5 * plain.std(axis=0), rtol=1e-3)
    np.testing.assert_allclose(added.mean(axis=0), -0.25, atol=1e-4)


def test_words_that_a_resumed_run_does_not_add_are_taken_back(
    words: Path, imbtool: Imbtool
) -> None:
    profile = WORDS / "profile.yaml"
    text = profile.read_text()
    assert "words: true" in text
    profile.write_text(text.replace("words: true", "words: false"))
    result = imbtool("train", "--resume", str(WORDS), "--allow-changed")
    assert result.exit_code == 0, result.stderr
    assert not (WORDS / "checkpoint" / "words.safetensors").exists()
    assert imbtool(*PLAIN, "--run", "plain").exit_code == 0
    for name in ("model.safetensors", "imbtool.json"):
        kept = [(Path("runs") / each / "checkpoint" / name).read_bytes() for each in RUNS]
        assert kept[0] == kept[1]


def test_plain_transformers_decides_without_words_by_thresholds_of_its_own(
    words: Path, imbtool: Imbtool
) -> None:
    assert imbtool(*PLAIN, "--run", "plain").exit_code == 0
    meta, plain = (read_json(Path("runs") / run / "checkpoint" / "imbtool.json") for run in RUNS)
    assert meta["words"]["thresholds"] == pytest.approx(
        {name: label["threshold"] for name, label in plain["labels"].items()}, abs=1e-6
    )
    card = (WORDS / "checkpoint" / "README.md").read_text()
    assert "`words.safetensors` has weights of" in card
    lines: dict[str, Any] = {}
    code = card.split("```python\n")[1].split("```")[0]
    exec(code.replace("FOLDER", str(WORDS / "checkpoint")), lines)
    imbtool("predict", "runs/plain", "test.csv", "-o", "plain.csv")
    for row in read_csv(words / "plain.csv")[:20]:
        assert lines["decide"](row["text"]) == set(filter(None, row["predicted"].split("|")))


def test_words_and_neighbours_go_together(
    project: Path, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch
) -> None:
    gains = iter([0.1, 0.2] * 9)
    monkeypatch.setattr(additions, "stacked", lambda *_: additions.Stack(0.5, 0.0))
    monkeypatch.setattr(additions, "WEIGHTS", (0.0, 0.3))
    monkeypatch.setattr(
        additions, "average_precision", lambda scores, _: scores[:1, 0] * 0 + next(gains)
    )
    sets = ("--set", "training.neighbours=true", "--run", "words")
    assert imbtool(*WITH_WORDS, *sets).exit_code == 0
    checkpoint = read_checkpoint(WORDS)
    assert checkpoint.text_model.words is not None
    assert checkpoint.knn is not None
    assert checkpoint.meta.validation.f1_macro == of_kind(read_events(WORDS), EndEvent)[-1].f1_macro
    # the code of the card has neither, so it must take the thresholds of the bare model
    assert imbtool(*PLAIN, "--run", "plain").exit_code == 0
    plain = read_json(Path("runs/plain/checkpoint/imbtool.json"))
    lines: dict[str, Any] = {}
    code = (WORDS / "checkpoint/README.md").read_text().split("```python\n")[1].split("```")[0]
    exec(code.replace("FOLDER", str(WORDS / "checkpoint")), lines)
    assert lines["thresholds"] == pytest.approx(
        {name: label["threshold"] for name, label in plain["labels"].items()}, abs=1e-6
    )


def test_a_checkpoint_that_lost_its_words_is_refused(words: Path, imbtool: Imbtool) -> None:
    (WORDS / "checkpoint" / "words.safetensors").unlink()
    result = imbtool("predict", WORDS, "test.csv")
    assert result.exit_code == 2
    assert "words.safetensors" in result.stderr


def test_resuming_a_run_with_words_ends_with_the_same(words: Path, imbtool: Imbtool) -> None:
    files = ("model.safetensors", "words.safetensors", "imbtool.json")
    before = [(WORDS / "checkpoint" / name).read_bytes() for name in files]
    assert imbtool("train", "--resume", WORDS).exit_code == 0
    assert [(WORDS / "checkpoint" / name).read_bytes() for name in files] == before


def test_texts_in_windows_have_words_in_each(
    project: Path, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(additions, "stacked", lambda *_: additions.Stack(0.5, 0.0))
    sets = ("--set", "model.long_texts=windows", "--set", "model.max_length=8", "--run", "words")
    assert imbtool(*WITH_WORDS, *sets).exit_code == 0
    checkpoint = read_checkpoint(WORDS)
    texts = [row["text"] for row in read_csv(project / "validation.csv")]
    encoded = checkpoint.text_model.encode(texts)
    assert max(map(len, encoded)) > 8
    decided = checkpoint.decide(checkpoint.probabilities(texts))
    # what validation chose is what the checkpoint reads: each window with words of its own
    (row,) = np.flatnonzero([len(ids) == max(map(len, encoded)) for ids in encoded])[:1]
    windows = windows_of(encoded[row], 8)
    alone = [checkpoint.text_model.logits_of([window])[0] for window in windows]
    np.testing.assert_allclose(checkpoint.logits([texts[row]])[0], np.max(alone, axis=0), atol=1e-5)
    assert decided.any()


def test_bf16_has_the_same_words(words: Path) -> None:
    checkpoint = read_checkpoint(WORDS)
    texts = [row["text"] for row in read_csv(words / "validation.csv")]
    narrow = in_bf16(checkpoint)
    assert narrow.text_model.words is checkpoint.text_model.words
    np.testing.assert_allclose(narrow.logits(texts), checkpoint.logits(texts), atol=0.1)


def test_the_server_and_predict_add_words(words: Path, imbtool: Imbtool) -> None:
    texts = [row["text"] for row in read_csv(words / "test.csv")][:9]
    served, expected = load_model(WORDS), read_checkpoint(WORDS).probabilities(texts)
    np.testing.assert_allclose(sigmoid(served.predict(texts).logits), expected, atol=1e-6)
    imbtool("predict", WORDS, "test.csv", "-o", "out.csv")
    for row, probabilities in zip(read_csv(words / "out.csv"), expected, strict=False):
        assert float(row["p:threats"]) == pytest.approx(
            probabilities[read_checkpoint(WORDS).labels.names.index("threats")], abs=1e-6
        )
