"""Runs that imbtool 0.1.0 wrote, before its documents had their types, still serve every command.

`stored/runs/finished` is a run to its end, `stored/runs/stopped` one that was killed in the middle
of its third epoch, a state saved in that epoch beside it. Both are of the tables beside them.
"""

from __future__ import annotations

import json
import platform
import shutil
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from conftest import Imbtool, read_csv

from imbtool.events import read_log
from imbtool.runs.manifest import read_manifest

STORED = Path(__file__).parents[1] / "stored"
HOME = "/home/you/project"
"""The folder that the runs were made in, and which their files name."""
FIGURES = {
    "epoch": ("train_loss", "validation_loss", "average_precision_macro"),
    "neighbours": ("share",),
}
"""Of events, that must be equal. Thresholds need not be: rules now compete by other scores."""
EXACTLY_ENOUGH = 1e-4
"""Other processors round otherwise."""


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The stored project as the current folder, as if it had been made there with our libraries."""
    folder = tmp_path / "project"
    shutil.copytree(STORED, folder, symlinks=True)
    versions = installed_versions()
    for run in (folder / "runs").iterdir():
        for name in ("profile.yaml", "manifest.json"):
            path = run / name
            path.write_text(path.read_text().replace(HOME, str(folder)))
        manifest = json.loads((run / "manifest.json").read_text())
        (run / "manifest.json").write_text(json.dumps({**manifest, "versions": versions}))
    monkeypatch.chdir(folder)
    return folder


def installed_versions() -> dict[str, str]:
    """The versions here of the libraries that the stored runs name."""
    stored = read_manifest(STORED / "runs" / "finished").versions
    others = {name: version(name) for name in stored if name != "python"}
    return {"python": platform.python_version(), **others}


def test_a_finished_run_is_evaluated_to_the_figures_of_then(stored: Path, imbtool: Imbtool) -> None:
    result = imbtool("evaluate", "runs/finished", "--json")
    assert result.exit_code == 0, result.stderr
    macro = json.loads(result.stdout)["overall"]["macro"]
    assert macro["f1"]["value"] == pytest.approx(0.42297, abs=1e-4)
    assert macro["average_precision"]["value"] == pytest.approx(0.45817, abs=1e-4)


def test_a_finished_run_predicts_what_it_predicted_then(stored: Path, imbtool: Imbtool) -> None:
    result = imbtool("predict", "runs/finished", "test.csv", "-o", "now.csv")
    assert result.exit_code == 0, result.stderr
    then, now = read_csv(Path("predicted.csv")), read_csv(Path("now.csv"))
    assert [row["predicted"] for row in now] == [row["predicted"] for row in then]
    names = [name for name in then[0] if name.startswith("p:")]
    for name in names:
        np.testing.assert_allclose(
            [float(row[name]) for row in now],
            [float(row[name]) for row in then],
            atol=EXACTLY_ENOUGH,
        )


def test_a_stopped_run_goes_on_from_its_state_to_the_end_of_the_one_that_was_not_stopped(
    stored: Path, imbtool: Imbtool
) -> None:
    result = imbtool("train", "--resume", "runs/stopped")
    assert result.exit_code == 0, result.stderr
    whole, resumed = (read_log(Path("runs", name)) for name in ("finished", "stopped"))
    assert not whole.damaged and not resumed.damaged
    for kind in FIGURES:
        then, now = (
            [each.model_dump() for each in log.events if each.event == kind]
            for log in (whole, resumed)
        )
        assert len(then) == len(now) > 0
        for each, other in zip(then, now, strict=True):
            assert each.keys() <= other.keys()
            for key in FIGURES[kind]:
                assert each[key] == pytest.approx(other[key], rel=1e-3), key
    metas = [
        json.loads(Path("runs", name, "checkpoint/imbtool.json").read_text())
        for name in ("finished", "stopped")
    ]
    assert metas[0].keys() <= metas[1].keys()


def test_a_stored_run_that_was_changed_is_refused(stored: Path, imbtool: Imbtool) -> None:
    path = Path("runs/stopped/manifest.json")
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 1'))
    refused = imbtool("train", "--resume", "runs/stopped")
    assert refused.exit_code == 2
    assert "training.seed (1 -> 0)" in refused.stderr
