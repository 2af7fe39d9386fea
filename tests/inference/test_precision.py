"""bf16 decides as fp32 does, and `auto` takes it only where validation shows that."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import Imbtool, read_csv, write_csv
from encoders import KINDS, make_encoder
from onnxgraphs import write_exported

from imbtool import with_precision
from imbtool.config.schema import ModelSection
from imbtool.errors import UserError
from imbtool.files.text_format import TextFormat
from imbtool.inference import bf16, precision
from imbtool.inference.bf16 import Bf16Checkpoint, in_bf16
from imbtool.inference.evaluate import own_split
from imbtool.inference.output_folder import MANIFEST
from imbtool.inference.precision import have_rows
from imbtool.model.encoder import load_encoder
from imbtool.model.knn import make_knn_index
from imbtool.trained.checkpoint import Checkpoint, read_checkpoint
from imbtool.trained.metadata import KnnMeta
from imbtool.types import Floats

RUN = Path("runs/first")
NOTE = "note: "


@pytest.fixture
def checkpoint(project: Path) -> Checkpoint:
    return read_checkpoint(RUN)


def texts_of(name: str) -> list[str]:
    return [row["text"] for row in read_csv(Path(name))]


def with_thresholds(checkpoint: Checkpoint, thresholds: Sequence[float]) -> Checkpoint:
    labels = {
        name: label.model_copy(update={"threshold": float(threshold)})
        for (name, label), threshold in zip(checkpoint.meta.labels.items(), thresholds, strict=True)
    }
    return replace(checkpoint, meta=checkpoint.meta.model_copy(update={"labels": labels}))


def at_a_text(checkpoint: Checkpoint, texts: list[str]) -> Checkpoint:
    """Thresholds so near a text's probability that fp32 alone tells them apart, one each label."""
    probabilities = checkpoint.probabilities(texts)
    rows = np.arange(len(checkpoint.labels)) * 7
    return with_thresholds(checkpoint, probabilities[rows, np.arange(len(rows))] - 1e-6)


def decisions(checkpoint: Checkpoint, texts: list[str]) -> list[list[bool]]:
    return checkpoint.decide(checkpoint.probabilities(texts)).tolist()


@pytest.fixture
def lenient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny model may lose in bf16 what a large one does not; its device computes in bf16."""
    monkeypatch.setattr(precision, "computes_bf16", lambda device: True)
    for name, value in (("LEAST_AGREEMENT", 0.9), ("MOST_LOST", 0.1), ("SURELY_LOST", 0.1)):
        monkeypatch.setattr(precision, name, value)


def are_many(least: int) -> bool:
    return True


def notes(stderr: str) -> list[str]:
    return [line.removeprefix(NOTE) for line in stderr.splitlines() if line.startswith(NOTE)]


def test_texts_near_a_threshold_are_decided_in_fp32(checkpoint: Checkpoint) -> None:
    texts = texts_of("test.csv")
    model = at_a_text(checkpoint, texts)
    guarded = with_precision(model, "bf16")
    assert isinstance(guarded, Bf16Checkpoint)
    assert decisions(guarded.fast, texts) != decisions(model, texts)
    assert decisions(guarded, texts) == decisions(model, texts)
    assert 6 <= guarded.tally.again < guarded.tally.texts == 60


def test_all_other_texts_are_computed_in_bf16(checkpoint: Checkpoint) -> None:
    texts = texts_of("test.csv")
    guarded = with_precision(checkpoint, "bf16")
    found, fast, slow = (each.logits(texts) for each in (guarded, guarded.fast, checkpoint))
    is_fast = (found == fast).all(axis=1)
    assert int(is_fast.sum()) == 60 - guarded.tally.again > 0
    assert found[~is_fast] == pytest.approx(slow[~is_fast], abs=1e-5)
    assert 0 < np.abs(fast - slow).max() < 0.1


def test_a_number_that_overflows_in_bf16_is_computed_in_fp32(checkpoint: Checkpoint) -> None:
    guarded = with_precision(checkpoint, "bf16")
    spoilt = replace(guarded.fast, text_model=guarded.fast.text_model)
    object.__setattr__(spoilt, "_logits", lambda texts: np.full((len(texts), 6), np.nan))
    found = replace(guarded, fast=spoilt).logits(["a knife", "a camera"])
    assert found == pytest.approx(checkpoint.logits(["a knife", "a camera"]), abs=1e-5)


def test_with_a_knn_index_the_decisions_are_the_same_too(checkpoint: Checkpoint) -> None:
    split = own_split(checkpoint, "validation")
    features = torch.randn(len(split), 32, generator=torch.Generator().manual_seed(0))
    alone = dict.fromkeys(checkpoint.labels.names, 0.5)
    neighbours = KnnMeta(share=0.4, texts=len(split), thresholds=alone, coherence=None)
    meta = checkpoint.meta.model_copy(update={"neighbours": neighbours})
    model = replace(checkpoint, meta=meta, knn=make_knn_index(features, split.targets))
    texts = texts_of("test.csv")
    model = at_a_text(model, texts)
    guarded = with_precision(model, "bf16")
    assert decisions(guarded.fast, texts) != decisions(model, texts)
    assert decisions(guarded, texts) == decisions(model, texts)


@pytest.mark.parametrize("kind", KINDS)
def test_every_family_computes_in_bf16_and_its_head_in_fp32(
    kind: str, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    texts = texts_of("test.csv")[:20]
    folder = make_encoder(kind, tmp_path / kind, corpus=texts)
    section = ModelSection(encoder=str(folder), max_length=24)
    model = replace(checkpoint, text_model=load_encoder(section, list(checkpoint.meta.labels)))
    before = model.logits(texts)
    fast = in_bf16(model)
    found = fast.logits(texts)
    assert 0 < np.abs(found - before).max() < 0.2
    narrow = torch.from_numpy(found).bfloat16().double().numpy()
    assert (found != narrow).any()
    assert {each.dtype for each in fast.text_model.model.parameters()} == {
        torch.float32,
        torch.bfloat16,
    }
    assert (model.logits(texts) == before).all()


def test_auto_says_what_validation_shows(
    checkpoint: Checkpoint, lenient: None, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("WARNING", "imbtool"):
        chosen = with_precision(checkpoint, "auto", are_many)
    assert chosen.precision == "bf16"
    (said,) = caplog.messages
    assert said.startswith("bf16 is used: on 60 validation texts ")
    assert "% of its own decisions are those of fp32" in said


class Altered(Checkpoint):
    """A checkpoint whose logits are altered after they are computed."""

    def _logits(self, texts: Sequence[str]) -> Floats:
        return self.alter(super()._logits(texts))  # type: ignore[attr-defined]


def altered(checkpoint: Checkpoint, alter: object) -> Altered:
    model = Altered(checkpoint.folder, checkpoint.text_model, checkpoint.meta)
    object.__setattr__(model, "alter", alter)
    return model


def turn_the_first_text(logits: Floats) -> Floats:
    return np.concatenate([-logits[:1] * 100, logits[1:]])


def turn_the_ranks(logits: Floats) -> Floats:
    return -logits


@pytest.mark.parametrize(
    ("alter", "thresholds", "said"),
    [
        (turn_the_first_text, 0.5, "on validation 9"),
        (turn_the_ranks, 1.0, "on validation the average precision of "),
    ],
)
def test_auto_stays_with_fp32_where_bf16_would_lose_something(
    alter: object,
    thresholds: float,
    said: str,
    checkpoint: Checkpoint,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(precision, "computes_bf16", lambda device: True)
    monkeypatch.setattr(precision, "in_bf16", lambda model: altered(model, alter))
    model = with_thresholds(checkpoint, [thresholds] * 6)
    with caplog.at_level("WARNING", "imbtool"):
        assert with_precision(model, "auto", are_many) is model
    (told,) = caplog.messages
    assert told.startswith(f"fp32 is used: {said}")


def test_auto_stays_with_fp32_for_few_texts_or_on_another_device_and_says_so(
    project: Path, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "in_bf16", None)
    monkeypatch.setattr(precision, "computes_bf16", lambda device: True)
    auto = ("--precision", "auto")
    few = imbtool("predict", RUN, "test.csv", "-o", "auto.csv", *auto)
    assert notes(few.stderr) == [
        "fp32 is used: there are fewer than 240 texts, from which on measuring bf16 pays."
    ]
    lines = imbtool("predict", RUN, *auto, stdin="a knife\n")
    assert notes(lines.stderr) == [
        "fp32 is used: nobody knows whether 240 texts will come, for which measuring bf16 pays."
    ]
    monkeypatch.setattr(precision, "computes_bf16", lambda device: False)
    other = imbtool("predict", RUN, "test.csv", "-o", "other.csv", *auto)
    assert notes(other.stderr) == ["fp32 is used: this cpu has no bf16 arithmetic."]
    assert imbtool("predict", RUN, "test.csv", "-o", "fp32.csv").exit_code == 0
    alike = {Path(f"{name}.csv").read_bytes() for name in ("auto", "other", "fp32")}
    assert len(alike) == 1


def test_a_checkpoint_without_its_validation_texts_has_fp32_alone(
    project: Path, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "computes_bf16", lambda device: True)
    shutil.copytree(RUN / "checkpoint", "moved")
    auto = imbtool("predict", "moved", "test.csv", "--precision", "auto")
    assert auto.exit_code == 0
    assert "fp32 is used: the validation texts cannot be had (no run's profile" in auto.stderr
    refused = imbtool("predict", "moved", "test.csv", "--precision", "bf16")
    assert refused.exit_code == 2
    assert "the validation texts cannot be had (no run's profile.yaml beside" in refused.stderr


def test_an_exported_model_computes_as_it_was_exported(project: Path, imbtool: Imbtool) -> None:
    write_exported(RUN / "checkpoint", Path("exported"))
    auto = imbtool("predict", "exported", "test.csv", "--precision", "auto")
    assert (auto.exit_code, notes(auto.stderr)) == (
        0,
        ["fp32 is used: the exported graph computes in it."],
    )
    refused = imbtool("predict", "exported", "test.csv", "--precision", "bf16")
    assert refused.exit_code == 2
    assert "an exported model, which computes in fp32" in refused.stderr


def test_another_precision_is_refused_before_the_model_is_loaded(
    project: Path, imbtool: Imbtool
) -> None:
    (RUN / "checkpoint" / "model.safetensors").unlink()
    for source in (["test.csv"], [".", "-o", "out"]):
        refused = imbtool("predict", RUN, *source, "--precision", "fp16")
        assert refused.exit_code == 2
        assert "did you mean 'bf16'?" in refused.stderr


def test_the_command_decides_alike_and_says_how_many_texts_fp32_decided(
    project: Path, imbtool: Imbtool
) -> None:
    for name in ("fp32", "bf16"):
        command = ("predict", RUN, "test.csv", "-o", f"{name}.csv", "--precision", name)
        result = imbtool(*command)
        assert result.exit_code == 0, result.stderr
    (said,) = notes(result.stderr)
    assert " of 60 texts lay so near a threshold that fp32 decided them" in said
    slow, fast = (read_csv(Path(f"{name}.csv")) for name in ("fp32", "bf16"))
    assert [row["predicted"] for row in fast] == [row["predicted"] for row in slow]
    assert fast != slow


@pytest.mark.parametrize(
    ("value", "high", "does"),
    [(-0.02, 0.01, True), (-0.005, -0.002, True), (-0.005, 0.001, False), (None, None, False)],
    ids=["far", "surely", "perhaps a little", "no positives"],
)
def test_a_label_loses_average_precision_far_or_surely(
    value: float | None, high: float | None, does: bool
) -> None:
    difference = SimpleNamespace(average_precision=SimpleNamespace(value=value, high=high))
    assert precision._falls(SimpleNamespace(labels={"a": difference}), "a") is does


@pytest.fixture
def shards(project: Path) -> None:
    """A folder `in` with two tables."""
    Path("in").mkdir()
    rows = read_csv(Path("test.csv"))[:10]
    for number in range(2):
        write_csv(Path("in", f"part-{number}.csv"), rows[5 * number : 5 * number + 5])


def into_folder(imbtool: Imbtool, wanted: str) -> tuple[int, str]:
    result = imbtool("predict", RUN, "in", "-o", "out", "--precision", wanted)
    return result.exit_code, result.stderr


def test_a_folder_has_one_precision(shards: None, imbtool: Imbtool) -> None:
    assert into_folder(imbtool, "bf16")[0] == 0
    assert json.loads(Path("out", MANIFEST).read_text())["precision"] == "bf16"
    Path("out/part-1.csv").unlink()
    code, stderr = into_folder(imbtool, "fp32")
    assert code == 2
    assert 'another precision ("bf16" -> "fp32")' in stderr


def test_auto_goes_on_with_what_a_folder_was_begun_with(
    shards: None, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert into_folder(imbtool, "bf16")[0] == 0
    whole = Path("out/part-1.csv").read_bytes()
    Path("out/part-1.csv").unlink()
    monkeypatch.setattr(precision, "computes_bf16", lambda device: False)
    code, stderr = into_folder(imbtool, "auto")
    assert (code, "1 done, 1 skipped" in stderr) == (0, True)
    assert Path("out/part-1.csv").read_bytes() == whole


def test_auto_decides_once_for_a_whole_folder(
    shards: None, lenient: None, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "TIMES_VALIDATION", 10 / 60)
    code, stderr = into_folder(imbtool, "auto")
    assert code == 0
    assert json.loads(Path("out", MANIFEST).read_text())["precision"] == "bf16"
    assert "bf16 is used: on 60 validation texts" in stderr
    assert "of 10 texts lay so near" in stderr


def test_a_folder_of_an_earlier_version_is_one_of_fp32(shards: None, imbtool: Imbtool) -> None:
    assert into_folder(imbtool, "fp32")[0] == 0
    path = Path("out", MANIFEST)
    before = {key: each for key, each in json.loads(path.read_text()).items() if key != "precision"}
    path.write_text(json.dumps(before))
    Path("out/part-1.csv").unlink()
    assert into_folder(imbtool, "bf16")[0] == 2
    assert into_folder(imbtool, "fp32")[0] == 0


def test_no_more_rows_are_read_than_must_be_counted(project: Path) -> None:
    tables = [Path("test.csv"), Path("missing.csv"), Path("train.csv"), Path("never.csv")]
    as_found = TextFormat()
    assert have_rows(tables, as_found, 60)
    assert have_rows(tables, as_found, 260)
    assert not have_rows(tables, as_found, 261)
    assert have_rows(iter(tables[:3]), as_found, 61)


def test_the_bounds_are_those_of_each_label_on_validation(checkpoint: Checkpoint) -> None:
    guarded = with_precision(checkpoint, "bf16")
    assert isinstance(guarded, Bf16Checkpoint)
    texts = own_split(checkpoint, "validation").texts
    most = np.abs(guarded.fast.logits(texts) - checkpoint.logits(texts)).max(axis=0)
    assert guarded.bounds == pytest.approx(bf16.MARGIN * most)


def test_bf16_without_validation_texts_is_refused_from_python(project: Path) -> None:
    shutil.copytree(RUN / "checkpoint", "moved")
    with pytest.raises(UserError, match="the validation texts cannot be had"):
        with_precision(read_checkpoint(Path("moved")), "bf16")


def test_a_model_that_cannot_compute_in_bf16_stays_in_fp32(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "computes_bf16", lambda device: True)
    # the head, in fp32, then gets features in bf16
    monkeypatch.setattr(bf16, "_widened", lambda layer, inputs: inputs)
    assert with_precision(checkpoint, "auto", are_many) is checkpoint
    with pytest.raises(UserError, match="a model that computes in bf16"):
        with_precision(checkpoint, "bf16")
