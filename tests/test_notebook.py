"""The notebook runs from its first cell to its last, and makes what it speaks of."""

import json
import os
import sys
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[1] / "docs" / "notebooks" / "from-csv-to-report.ipynb"
MADE = (
    "profile.yaml",
    "analysis/analysis.html",
    "runs/first/report.html",
    "runs/first/plots/intervals.png",
)


def test_it_is_kept_without_outputs() -> None:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert code
    assert [cell["source"] for cell in code if cell["outputs"] or cell["execution_count"]] == []


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_it_runs_and_makes_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=None, kernel_name="python3").execute()
    (folder,) = (path.parent for path in tmp_path.glob("*/messages.csv"))
    assert [name for name in MADE if not (folder / name).is_file()] == []
    said = "".join(output.get("text", "") for output in notebook.cells[-1].outputs)
    assert "Someone burned his hand on the lid.,injury," in said
