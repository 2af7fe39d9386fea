"""A student learns what teachers say of labelled and unlabelled texts, and goes on without them."""

import json
import os
import random
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from accelerate import Accelerator
from conftest import Imbtool, make_row, read_csv, write_csv
from safetensors.numpy import load_file, save_file

from imbtool.config.reader import Override, read_profile
from imbtool.config.schema import Profile
from imbtool.data.corpus import Corpus, read_corpus
from imbtool.data.unlabelled import read_unlabelled
from imbtool.distillation.distil import distil
from imbtool.distillation.teachers import Teachers
from imbtool.distributed.accelerator import make_accelerator
from imbtool.errors import UserError
from imbtool.inference.predict_folder import fingerprint
from imbtool.runs.soft_targets import SoftTargets
from imbtool.trained.checkpoint import read_checkpoint
from imbtool.training.loop import TrainingLoop
from imbtool.training.run import train
from imbtool.training.setup import RunInputs

TEACHER = Path("runs/first")
UNLABELLED = 40
DISTIL = ("distil", str(TEACHER), "-p", "profile.yaml", "--set", "data.unlabelled=more.csv")
QUICK = ("--set", "training.epochs=1", "--set", "training.head_first=true")


@pytest.fixture
def ready(project: Path) -> Path:
    """A project with a teacher, and a table of unlabelled texts."""
    rng = random.Random(11)
    rows = [{"text": f"{make_row(rng, '')['text']} {number}"} for number in range(UNLABELLED)]
    write_csv(project / "more.csv", rows)
    return project


def student(name: str, teachers: Sequence[Path] = (TEACHER,), **sets: object) -> Path:
    values = {"data.unlabelled": "more.csv", "training.epochs": 1, "training.head_first": True}
    values |= {key.replace("__", "."): sets[key] for key in sets}
    overrides = [Override(key, str(each), key) for key, each in values.items() if each is not None]
    settings = read_profile(Path("profile.yaml"), overrides)
    return distil(teachers, settings, Path("runs") / name).folder


def taught(teachers: Sequence[Path], unlabelled: str | None = "more.csv") -> SoftTargets:
    """What teachers say, without a training."""
    sets = [Override("data.unlabelled", unlabelled, "--set")] if unlabelled else []
    settings = read_profile(Path("profile.yaml"), sets)
    return Teachers(teachers, lambda _: None)(settings, read_corpus(settings), make_accelerator())


def manifest_of(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "manifest.json").read_text())["distillation"]
    return found


def weights_of(run: Path) -> bytes:
    return (run / "checkpoint" / "model.safetensors").read_bytes()


def logits_of(run: Path) -> np.ndarray:
    return load_file(run / "teacher.safetensors")["logits"]


def relabelled(teacher: Path, names: Sequence[str]) -> Path:
    """A teacher whose labels have other names."""
    for name in ("imbtool.json", "config.json"):
        path = teacher / "checkpoint" / name
        document = json.loads(path.read_text())
        if name == "imbtool.json":
            old = list(document["labels"])
            renamed = dict(zip(old, names, strict=True))
            labels = {renamed[key]: value for key, value in document["labels"].items()}
            for value in labels.values():
                value["parent"] = renamed.get(value["parent"])
            document["labels"] = labels
        else:
            document["id2label"] = {str(place): name for place, name in enumerate(names)}
            document["label2id"] = {name: place for place, name in enumerate(names)}
        path.write_text(json.dumps(document))
    return teacher


def test_the_command_trains_a_student_and_keeps_what_the_teacher_says(
    ready: Path, imbtool: Imbtool
) -> None:
    rows = read_csv(Path("more.csv"))
    held_out = read_csv(Path("validation.csv"))[0]["text"]
    write_csv(Path("more.csv"), [*rows, {"text": held_out}, rows[0]])
    result = imbtool(*DISTIL, *QUICK, "--run", "student", "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["checkpoint"] == "runs/student/checkpoint"
    assert f"{UNLABELLED} unlabelled texts" in result.stderr
    assert "next: imbtool evaluate runs/student/checkpoint" in result.stderr
    run, teacher = Path("runs/student"), read_checkpoint(TEACHER)
    assert read_checkpoint(run).labels == teacher.labels
    texts = [row["text"] for row in (*read_csv(Path("train.csv")), *rows)]
    np.testing.assert_allclose(logits_of(run), teacher.logits(texts), rtol=1e-4, atol=1e-4)
    found = manifest_of(run)
    assert found["teachers"] == {str(teacher.folder.absolute()): fingerprint(teacher.folder)}
    assert found["unlabelled"]["texts"] == UNLABELLED
    assert found["left_out"] == {"held_out": 1, "labelled": 0, "repeated": 1}


def test_several_teachers_say_the_mean_of_their_logits(ready: Path) -> None:
    settings = read_profile(Path("profile.yaml"), [Override("training.epochs", "1", "--set")])
    other = train(settings, Path("runs/other")).folder
    one, another, both = (taught(each) for each in ([TEACHER], [other], [TEACHER, other]))
    np.testing.assert_allclose(both.logits, (one.logits + another.logits) / 2, atol=1e-6)
    assert not np.allclose(one.logits, another.logits)


def test_without_unlabelled_texts_the_labelled_ones_are_taught(ready: Path) -> None:
    found = taught([TEACHER], unlabelled=None)
    assert len(found.logits) == len(read_csv(Path("train.csv")))
    assert found.manifest.unlabelled is None


def test_a_student_says_what_its_teacher_says(ready: Path) -> None:
    settings = read_profile(
        Path("profile.yaml"),
        [
            Override("data.unlabelled", "more.csv", "--set"),
            Override("training.epochs", "1", "--set"),
        ],
    )

    def said(logit: float) -> float:
        """The mean probability of a student whose teacher says the same of every text and label."""

        def teach(profile: Profile, corpus: Corpus, _: Accelerator) -> SoftTargets:
            unlabelled = read_unlabelled(profile.data, corpus)
            shape = len(corpus.train) + len(unlabelled), len(corpus.labels)
            return SoftTargets(unlabelled, np.full(shape, logit, np.float32), {"": ""})

        run = Path(f"runs/student{logit}")
        checkpoint = train(settings, run, inputs=RunInputs(settings, teach=teach)).checkpoint
        texts = [row["text"] for row in read_csv(Path("test.csv"))]
        return float(read_checkpoint(checkpoint).probabilities(texts).mean())

    assert said(6.0) - said(-6.0) > 0.1


def test_a_stopped_student_goes_on_to_the_same_weights_without_its_teacher(
    ready: Path, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = student("whole")
    take_step = TrainingLoop.train_step

    def interrupted(loop: TrainingLoop, *arguments: object) -> None:
        if loop.progress.step == 20:
            os.kill(os.getpid(), signal.SIGTERM)
        return take_step(loop, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(TrainingLoop, "train_step", interrupted)
        stopped = imbtool(*DISTIL, *QUICK, "--run", "stopped")
    assert stopped.exit_code == 143
    assert "imbtool train --resume" in stopped.stderr
    shutil.rmtree(TEACHER)
    resumed = imbtool("train", "--resume", "runs/stopped")
    assert resumed.exit_code == 0, resumed.stderr
    assert weights_of(Path("runs/stopped")) == weights_of(whole)


def test_a_student_that_was_killed_before_its_first_save_begins_again(
    ready: Path, imbtool: Imbtool
) -> None:
    run = student("whole")
    before = weights_of(run)
    for name in ("last", "checkpoint", "events.jsonl"):
        (run / name).unlink()
    resumed = imbtool("train", "--resume", run)
    assert resumed.exit_code == 0, resumed.stderr
    assert weights_of(run) == before


def test_a_student_goes_on_only_with_the_texts_and_logits_that_it_began_with(
    ready: Path, imbtool: Imbtool
) -> None:
    run, table = student("student"), Path("more.csv")
    rows, kept = read_csv(table), run / "teacher.safetensors"

    def refusal(*allowed: str) -> str:
        refused = imbtool("train", "--resume", run, *allowed)
        assert refused.exit_code == 2
        return str(refused.stderr)

    write_csv(table, [{"text": "another text entirely"}, *rows[1:]])
    assert "other texts or labels in" in refusal()
    write_csv(table, rows[1:])
    assert f"{len(logits_of(run)) - 1} texts now" in refusal()
    write_csv(table, rows)
    # of texts in another order each would get the logits of another, whatever is allowed
    for path in (table, Path("train.csv")):
        ordered = read_csv(path)
        write_csv(path, ordered[::-1])
        assert f"{path}, or in another order" in refusal("--allow-changed")
        write_csv(path, ordered)
    save_file({"logits": logits_of(run) + 1}, kept)
    assert "other logits than the run began with" in refusal()
    kept.write_bytes(b"")
    assert str(kept) in refusal()


def test_a_teacher_of_other_labels_is_refused_by_their_names(ready: Path) -> None:
    names = list(read_checkpoint(TEACHER).labels.names)
    relabelled(TEACHER, [f"my {name}" if name == "abuse" else name for name in names])
    with pytest.raises(UserError, match="a teacher without abuse and with my abuse"):
        taught([TEACHER])


def test_a_teacher_of_labels_in_another_order_is_refused(ready: Path) -> None:
    names = list(read_checkpoint(TEACHER).labels.names)
    relabelled(TEACHER, [names[1], names[0], *names[2:]])
    with pytest.raises(UserError, match="in another order"):
        taught([TEACHER])


def test_a_teacher_of_another_training_table_may_have_seen_held_out_texts(
    ready: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_csv(Path("train.csv"), read_csv(Path("train.csv"))[:-8])
    taught([TEACHER])
    assert "was trained on another training table" in caplog.text


def test_a_name_that_is_taken_is_refused_before_a_teacher_reads(
    ready: Path, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imbtool.distillation.teachers.read_checkpoint", None)
    refused = imbtool(*DISTIL, "--run", "first")
    assert refused.exit_code == 2
    assert "a run of this name" in refused.stderr
