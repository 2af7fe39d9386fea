"""A larger encoder is suggested where rare labels have positives and are still found badly."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from conftest import Imbtool

from imbtool.events import EpochEvent, LabelEpochMetrics, of_kind, read_events
from imbtool.files.json_text import read_json, write_json
from imbtool.model.bundled import BASE, SMALL
from imbtool.runs.advice import earlier_results, larger_encoder_advice

RUN = Path("runs/first")
META, MANIFEST = RUN / "checkpoint" / "imbtool.json", RUN / "manifest.json"
ENOUGH = {"tier": "moderate", "training_positives": 100}


@pytest.fixture
def best(project: Path) -> EpochEvent:
    """The best epoch of a run with the small bundled encoder, as its documents say."""
    change(META, encoder=SMALL.name)
    return [epoch for epoch in of_kind(read_events(RUN), EpochEvent) if epoch.best][-1]


def change(path: Path, **parts: Any) -> None:
    write_json(path, {**read_json(path), **parts})


def reached(best: EpochEvent, f1: float | None, support: int = 10, **label: Any) -> EpochEvent:
    """Every label of the run is alike, and reaches this on validation."""
    labels = {name: {**row, **ENOUGH, **label} for name, row in read_json(META)["labels"].items()}
    change(META, labels=labels)
    row = LabelEpochMetrics(precision=f1, recall=f1, f1=f1, support=support)
    return best.model_copy(update={"labels": dict.fromkeys(labels, row)})


def test_rare_labels_that_are_found_badly_ask_for_a_larger_encoder(best: EpochEvent):
    advice = larger_encoder_advice(RUN, reached(best, 0.41))
    assert advice is not None
    for said in (f"model.encoder: {BASE.key}", "F1 of 0.41", "five times", "imbtool distil"):
        assert said in advice


@pytest.mark.parametrize(
    ("f1", "support", "label"),
    [
        (0.5, 10, {}),
        (0.41, 9, {}),
        (None, 10, {}),
        (0.41, 10, {"training_positives": 99}),
        (0.41, 10, {"tier": "common"}),
    ],
    ids=["found", "not measured", "undefined", "few positives", "frequent"],
)
def test_other_labels_do_not(
    best: EpochEvent, f1: float | None, support: int, label: dict[str, Any]
):
    assert larger_encoder_advice(RUN, reached(best, f1, support, **label)) is None


def test_a_run_with_another_encoder_gets_no_advice(best: EpochEvent):
    epoch = reached(best, 0.41)
    change(META, encoder=BASE.name)
    assert larger_encoder_advice(RUN, epoch) is None


def test_a_student_gets_no_advice(best: EpochEvent):
    epoch = reached(best, 0.41)
    texts = {"source": "pool.csv", "texts": 9, "fingerprint": "0" * 64}
    taught = {"teachers": {}, "unlabelled": texts, "left_out": {}, "logits": "0" * 64}
    change(MANIFEST, distillation={**taught, "temperature": 1.0, "label_share": 0.5})
    assert larger_encoder_advice(RUN, epoch) is None


def test_train_gives_the_advice_before_it_names_the_next_command(
    project: Path, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch
):
    shutil.rmtree("runs")
    monkeypatch.setattr("imbtool.runs.advice.larger_encoder_advice", lambda *_: "Try another.")
    done = imbtool("train", "-p", "profile.yaml", "--run", "first", "--json")
    assert done.stderr.splitlines()[-2:] == [
        "Try another.",
        "next: imbtool evaluate runs/first/checkpoint",
    ]
    assert "Try another." not in done.stdout


def test_results_of_a_checkpoint_before_are_named(project: Path):
    run = Path("runs/first")
    assert earlier_results(run) is None
    for name in ("evaluation.json", "evaluation-validation.json"):
        (run / name).write_text("{}")
    assert earlier_results(run) is None
    written = (run / "checkpoint" / "imbtool.json").stat().st_mtime
    os.utime(run / "evaluation.json", (written - 9, written - 9))
    assert (
        earlier_results(run) == "of the checkpoint before: evaluation.json, with report and plots"
    )
