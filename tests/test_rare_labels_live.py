"""What the tool is for, on the generated sample with the bundled encoder: minutes of training."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from imbtool.cli import app

ROOT = Path(__file__).parents[1]
SEVERE = ("anti-democratic rhetoric", "praising extremist acts")
PLAIN = (
    "loss.name=bce",
    "loss.constraint=0",
    "weights.severe.weight=1",
    "weights.moderate.weight=1",
    "weights.cap=1",
    "training.head_first=false",
    "training.words=false",
    "thresholds.method=0.5",
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(autouse=True)
def all_cores() -> Iterator[None]:
    """The other tests train tiny models, on one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(os.cpu_count() or 1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def sample(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    generator = ROOT / "data" / "generate.py"
    subprocess.run([sys.executable, generator, "--out", folder], check=True)
    return folder


def severe_recalls(sample: Path, runs: Path, settings: tuple[str, ...]) -> list[float]:
    tables = [f"data.{name}={sample / name}.csv" for name in ("train", "validation", "test")]
    sets = [part for setting in (*tables, *settings) for part in ("--set", setting)]
    profile = str(ROOT / "profiles" / "moderation.yaml")
    invoke = CliRunner().invoke
    trained = invoke(app, ["train", "-p", profile, "--runs", str(runs), "--run", "r", *sets])
    assert trained.exit_code == 0, trained.output
    evaluated = invoke(app, ["evaluate", str(runs / "r"), "--json"])
    labels = json.loads(evaluated.stdout)["labels"]
    return [labels[name]["recall"]["value"] for name in SEVERE]


def test_plain_cross_entropy_at_one_half_never_finds_the_severe_labels(sample, tmp_path):
    assert severe_recalls(sample, tmp_path, PLAIN) == [0.0, 0.0]


def test_the_moderation_profile_finds_both_severe_labels(sample, tmp_path):
    assert min(severe_recalls(sample, tmp_path, ())) > 0.2
