"""What the made-up moderation sample promises to those who train and test on it."""

import csv
import importlib
import re
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline

DATA = Path(__file__).resolve().parents[2] / "data"
sys.path.insert(0, str(DATA))
generate = importlib.import_module("generate")

SPLITS = ("train", "validation", "test")
LABELS = (
    "extremism",
    "anti-democratic rhetoric",
    "praising extremist acts",
    "violence",
    "praising violence",
    "ideologically motivated threats",
    "harassment",
    "sexual harassment",
    "insults",
)
PARENTS = {
    "anti-democratic rhetoric": "extremism",
    "praising extremist acts": "extremism",
    "praising violence": "violence",
    "ideologically motivated threats": "violence",
    "sexual harassment": "harassment",
    "insults": "harassment",
}
SEVERE = LABELS[1:3]
MODERATE = (*LABELS[4:6], *LABELS[7:9])

Sample = dict[str, list[dict[str, str]]]


def run(out: Path, *options: str) -> str:
    command = [sys.executable, str(DATA / "generate.py"), "--out", str(out), *options]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def targets(rows: list[dict[str, str]]) -> NDArray[np.int_]:
    return np.array([[label in row["labels"].split("|") for label in LABELS] for row in rows], int)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sample")
    printed = run(out)
    assert printed.split() == [str(out / f"{split}.csv") for split in SPLITS]
    return out


@pytest.fixture(scope="module")
def sample(folder: Path) -> Sample:
    found: Sample = {}
    for split in SPLITS:
        with (folder / f"{split}.csv").open(encoding="utf-8", newline="") as file:
            found[split] = list(csv.DictReader(file))
    return found


def test_same_seed_gives_the_same_bytes_and_another_seed_others(
    folder: Path, tmp_path: Path
) -> None:
    run(tmp_path / "again", "--seed", "0")
    run(tmp_path / "other", "--seed", "1")
    first, again, other = (contents(f) for f in (folder, tmp_path / "again", tmp_path / "other"))
    assert set(first) == {f"{split}.csv" for split in SPLITS}
    assert again == first
    assert all(other[name] != first[name] for name in first)
    assert not any(b"\r" in file for file in first.values())


def test_severe_labels_are_rarer_than_one_in_a_hundred_and_moderate_ones_than_one_in_ten(
    sample: Sample,
) -> None:
    positives = targets(sample["train"]).sum(axis=0)
    ratios = dict(zip(LABELS, (len(sample["train"]) - positives) / positives, strict=True))
    assert all(ratios[label] >= 100 for label in SEVERE), ratios
    assert all(10 <= ratios[label] < 100 for label in MODERATE), ratios
    assert all(targets(sample[split]).sum(axis=0).min() >= 10 for split in SPLITS)


def test_labels_stand_in_their_order_and_never_without_their_parent(sample: Sample) -> None:
    for row in (row for rows in sample.values() for row in rows):
        found = row["labels"].split("|") if row["labels"] else []
        assert found == [label for label in LABELS if label in found]
        assert {PARENTS[label] for label in found if label in PARENTS} <= set(found)


def test_no_template_serves_two_splits(sample: Sample) -> None:
    for one, other in combinations(SPLITS, 2):
        assert generate.templates(one).isdisjoint(generate.templates(other))
    for split, rows in sample.items():
        fragments = {
            max(re.split(r"\{\w+\}", template), key=len) for template in generate.templates(split)
        }
        for row in (row for row in rows if row["labels"]):
            assert any(fragment in row["text"] for fragment in fragments), (split, row)


def test_every_text_is_new_and_of_moderate_length(sample: Sample) -> None:
    rows = [row for rows in sample.values() for row in rows]
    assert all(list(row) == ["id", "text", "labels"] for row in rows)
    texts = [row["text"] for row in rows]
    assert len(set(texts)) == len({row["id"] for row in rows}) == len(rows)
    assert all(12 <= len(text.split()) <= 30 for text in texts)


def test_words_alone_go_part_of_the_way(sample: Sample) -> None:
    model = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2)),
        OneVsRestClassifier(LogisticRegression(class_weight="balanced", C=3, max_iter=1000)),
    )
    model.fit([row["text"] for row in sample["train"]], targets(sample["train"]))
    predicted = model.predict([row["text"] for row in sample["test"]])
    scores = f1_score(targets(sample["test"]), predicted, average=None)
    assert 0.5 <= scores.mean() <= 0.85
    assert all(0.2 < scores[LABELS.index(label)] < 0.85 for label in SEVERE)
