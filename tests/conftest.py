"""A tiny project, a run trained in it through the command line, and copies of both to spoil."""

import csv
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from encoders import make_encoder
from hypothesis import settings
from typer.testing import CliRunner, Result

from imbtool.cli import app

torch.set_num_threads(1)
# a machine that nobody watches tries the same cases every time
settings.register_profile("ci", derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")

PARENTS = {"threats": "violence", "praise": "violence", "insults": "abuse", "spying": "abuse"}
KEY_WORDS = {
    "violence": "fighting",
    "threats": "knife",
    "praise": "heroes",
    "abuse": "bother",
    "insults": "stupid",
    "spying": "camera",
}
FILLERS = ["we", "saw", "that", "the", "people", "often", "walk", "to", "market", "and", "talk"]
SIZES = {"train": 200, "validation": 60, "test": 60}
PROFILE = """\
data:
  train: train.csv
  validation: validation.csv
  test: test.csv
  labels: {column: labels, separator: "|"}
  id: id

labels:
  hierarchy:
    violence: [threats, praise]
    abuse: [insults, spying]

model:
  encoder: encoder
  max_length: 24

training:
  epochs: 2
  words: false  # most tests are of what a plain transformers folder holds
  batch_size: 8
  learning_rate: 5e-3
  precision: fp32
  head_first: false
"""

Imbtool = Callable[..., Result]
LONGEST = (
    "test_resume.py",
    "test_processes.py",
    "test_streams.py",
    "test_export.py",
    "test_evaluate.py",
)
"""They start many processes and come first: at the end, one worker would be alone with them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest; the order within a file stays."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(LONGEST)))


def make_row(rng: random.Random, name: str) -> dict[str, str]:
    """A text whose key words give its labels away; a third of the texts have none."""
    chosen = set(rng.sample(sorted(KEY_WORDS), rng.choice([0, 1, 2])))
    words = [KEY_WORDS[label] for label in sorted(chosen)] + rng.choices(
        FILLERS, k=rng.randint(3, 12)
    )
    rng.shuffle(words)
    labels = chosen | {PARENTS[label] for label in chosen if label in PARENTS}
    return {"id": name, "text": " ".join(words), "labels": "|".join(sorted(labels))}


def write_csv(path: Path, rows: list[dict[str, str]]) -> None:
    """Write rows as csv."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def read_csv(path: Path) -> list[dict[str, str]]:
    """Read rows of a csv file, every cell as text."""
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def write_project(folder: Path, seed: int) -> None:
    """Three tables, an encoder and a profile."""
    rng = random.Random(seed)
    for name, size in SIZES.items():
        rows = [make_row(rng, f"{name}-{number:03}") for number in range(size)]
        write_csv(folder / f"{name}.csv", rows)
    texts = [row["text"] for row in read_csv(folder / "train.csv")]
    make_encoder("bert", folder / "encoder", corpus=texts)
    (folder / "profile.yaml").write_text(PROFILE)


@pytest.fixture(scope="session")
def imbtool() -> Imbtool:
    """The command line, called in this process: `imbtool("train", "-p", path).exit_code`."""
    runner = CliRunner()
    return lambda *arguments, stdin=None: runner.invoke(app, [*map(str, arguments)], input=stdin)


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three tables, an encoder and a profile; not to be changed."""
    folder = tmp_path_factory.mktemp("pristine")
    write_project(folder, seed=0)
    return folder


@pytest.fixture(scope="session")
def trained(pristine: Path, imbtool: Imbtool) -> Path:
    """The pristine folder once `imbtool train` has made `runs/first` in it."""
    runs = pristine / "runs"
    result = imbtool("train", "-p", pristine / "profile.yaml", "--run", "first", "--runs", runs)
    assert result.exit_code == 0, result.stderr
    return pristine


@pytest.fixture
def project(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the trained project, run and all, as the current folder."""
    folder = tmp_path / "project"
    shutil.copytree(trained, folder, symlinks=True)
    profile = folder / "runs" / "first" / "profile.yaml"
    profile.write_text(profile.read_text().replace(str(trained), str(folder)))
    monkeypatch.chdir(folder)
    return folder
