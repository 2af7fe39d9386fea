"""A model that was trained with declared labels and chosen texts is evaluated as it was trained."""

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import PROFILE, read_csv, write_csv

from imbtool.config.reader import read_profile
from imbtool.data.corpus import read_corpus
from imbtool.inference.evaluate import evaluate, own_split, table_split
from imbtool.trained.checkpoint import Checkpoint, read_checkpoint
from imbtool.training.run import train

DECLARED = """
  names: [boasting, recruiting]
"""
LABELS = "|".join(
    ["abuse", "boasting", "insults", "praise", "recruiting", "spying", "threats", "violence"]
)


def declare(folder: Path) -> None:
    """Twenty texts of the training table were chosen by a search, ten of them for `boasting`."""
    rows = read_csv(folder / "train.csv")
    for number, row in enumerate(rows):
        searched = number < 20
        row |= {"known": LABELS * searched, "chosen_by": "score" * searched}
        if number < 10:
            row["labels"] = "|".join(filter(None, [row["labels"], "boasting"]))
    write_csv(folder / "train.csv", rows)
    text = PROFILE.replace('separator: "|"', 'separator: "|", known: known')
    text = text.replace("  id: id\n", "  id: id\n  chosen_by: chosen_by\n")
    text = text.replace("labels:\n  hierarchy:", f"labels:{DECLARED}  hierarchy:")
    text = text.replace(
        "violence: [threats, praise]", "violence: [threats, {recruiting: [praise]}]"
    )
    text = text.replace("epochs: 2", "epochs: 1")
    further = "weights: {custom: {recruiting: 4}}\nloss: {gamma: {recruiting: 3}}\n"
    further += "thresholds: {require: {recruiting: {recall: 0.5}}}\n"
    (folder / "profile.yaml").write_text(text + further)


@pytest.fixture(scope="module")
def checkpoint(pristine: Path, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    folder = tmp_path_factory.mktemp("declared") / "project"
    shutil.copytree(pristine, folder, ignore=shutil.ignore_patterns("runs"))
    declare(folder)
    return read_checkpoint(train(read_profile(folder / "profile.yaml"), folder / "run").checkpoint)


def test_the_model_lacks_the_label_that_cannot_be_learned_and_its_child_moves_up(
    checkpoint: Checkpoint,
):
    labels, meta = checkpoint.labels, checkpoint.meta
    assert "boasting" in labels.names and "recruiting" not in labels.names
    assert meta.labels["praise"].parent == "violence"
    assert meta.declared.left_out == ["recruiting"]
    assert meta.declared.unasked == ["boasting"]
    # known of chosen texts alone, it has no ratio among the others
    assert meta.labels["boasting"].reason == "its ratio 1:1"


@pytest.mark.parametrize("name", ["train", "validation", "test"])
def test_a_split_of_the_run_is_read_as_in_training(checkpoint: Checkpoint, name: str):
    corpus = read_corpus(read_profile(checkpoint.folder.parent / "profile.yaml"))
    split = own_split(checkpoint, name)
    assert split.fingerprint == corpus.splits[name].fingerprint
    unknown = np.isnan(split.targets[:, checkpoint.labels.names.index("boasting")])
    assert unknown.sum() == {"train": 180, "validation": 60, "test": 60}[name]


def test_a_table_with_the_label_that_was_left_out_is_evaluated_without_it(
    checkpoint: Checkpoint, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    rows = read_csv(checkpoint.folder.parents[1] / "test.csv")
    rows = [{**row, "chosen_by": "random"} for row in rows]
    rows[0] |= {"labels": "recruiting|violence", "chosen_by": "similar"}
    write_csv(tmp_path / "new.csv", rows)
    with caplog.at_level(logging.WARNING, "imbtool"):
        split = table_split(checkpoint, tmp_path / "new.csv")
    assert "is left out: 'recruiting'" in caplog.messages[0]
    assert caplog.messages[1].startswith("1 of the 60 texts of new was chosen by a search")
    data = evaluate(checkpoint, split).data
    assert (data.texts, data.chosen) == (60, 1)
