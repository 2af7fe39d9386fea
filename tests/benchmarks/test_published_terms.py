"""The terms of SemEval-2023 task 10, against scikit-learn's macro-F1 and through a whole run."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import Imbtool, read_csv, write_csv
from encoders import make_encoder
from sklearn.metrics import f1_score

from benchmarks.quality.published_terms import task_figures
from imbtool.config.hierarchy import Labels

ROOT = Path(__file__).parents[2]
LABELS = Labels(("c1", "c2", "root", "v1", "v2", "v3"), (2, 2, -1, 0, 0, 1))
COLUMNS = {"B": [0, 1], "C": [3, 4, 5]}


def texts(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Targets [n, 6] of texts with one line of the hierarchy or none, and probabilities."""
    rng = np.random.default_rng(0)
    lines = [[], [2, 0, 3], [2, 0, 4], [2, 1, 5]]
    targets = np.zeros((number, 6), dtype=np.float32)
    for row, line in enumerate(rng.integers(0, 4, number)):
        targets[row, lines[line]] = 1
    return targets, np.clip(targets * 0.3 + rng.random((number, 6)) * 0.7, 0, 1)


def test_the_figures_are_those_of_scikit_learn() -> None:
    targets, probabilities = texts(300)
    decisions = probabilities >= 0.5
    figures = task_figures(LABELS, decisions, probabilities, targets)
    expected = f1_score(targets[:, 2], decisions[:, 2], average="macro")
    assert figures["A"].value == pytest.approx(expected)
    positive = targets[:, 2] == 1
    for task, columns in COLUMNS.items():
        truth, answers = (
            of[positive][:, columns].argmax(axis=1) for of in (targets, probabilities)
        )
        assert figures[task].value == pytest.approx(f1_score(truth, answers, average="macro"))
        assert figures[task].low < figures[task].value < figures[task].high


@pytest.mark.parametrize(
    ("labels", "row", "told"),
    [
        (Labels(LABELS.names, (-1, 2, -1, 0, 0, 1)), [2, 0, 3], "one label at the top"),
        (LABELS, [2, 0, 1, 3], "not exactly one of 2 labels"),
        (LABELS, [], "1 of 2 classes have no text"),
    ],
)
def test_what_is_no_such_task_is_refused(labels: Labels, row: list[int], told: str) -> None:
    targets = np.zeros((4, 6), dtype=np.float32)
    targets[:, row] = 1
    if row:
        targets[0] = 0
    with pytest.raises(SystemExit, match=told):
        task_figures(labels, targets == 1, targets, targets)


@pytest.mark.slow
def test_a_run_is_scored(tmp_path: Path, pristine: Path, imbtool: Imbtool) -> None:
    lines = {
        "threats": "any|violence|threats",
        "praise": "any|violence|praise",
        "insults": "any|abuse|insults",
    }
    for name in ("train", "validation", "test"):
        rows = read_csv(pristine / f"{name}.csv")
        for row in rows:
            own = [label for label in lines if label in row["labels"]]
            row["labels"] = lines[own[0]] if own else ""
        write_csv(tmp_path / f"{name}.csv", rows)
    make_encoder("bert", tmp_path / "encoder", corpus=[row["text"] for row in rows])
    profile = (pristine / "profile.yaml").read_text()
    profile = profile.replace(
        "    violence: [threats, praise]\n    abuse: [insults, spying]\n",
        "    any:\n      - violence: [threats, praise]\n      - abuse: [insults]\n",
    )
    (tmp_path / "profile.yaml").write_text(profile)
    runs = ("--run", "first", "--runs", tmp_path / "runs")
    result = imbtool("train", "-p", tmp_path / "profile.yaml", *runs)
    assert result.exit_code == 0, result.stderr
    done = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.quality.published_terms"),
            *(tmp_path / "runs" / "first", "--profile", tmp_path / "profile.yaml", "--json"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    shown, document = done.stdout.rsplit("\n", 2)[:2]
    assert [line.split()[0] for line in shown.splitlines()] == ["task", "A", "B", "C"]
    assert set(json.loads(document)) == {"A", "B", "C"}
