"""What `import imbtool` gives: names with examples that run, at no cost until they are used."""

import doctest
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import make_row
from standins import answer_batch, write_pool

import imbtool


@pytest.fixture
def with_pool(project: Path) -> Path:
    """The project, and texts that nobody has labelled."""
    rng = random.Random(7)
    write_pool(project / "pool.csv", [make_row(rng, f"pool-{number}") for number in range(400)])
    return project


@pytest.mark.parametrize("name", imbtool.__all__)
def test_the_example_of_each_public_name_runs(name: str, with_pool: Path) -> None:
    found = doctest.DocTestFinder(recurse=False).find(getattr(imbtool, name), name)
    assert [bool(each.examples) for each in found] == [True]
    assert doctest.DocTestRunner().run(found[0]).failed == 0


def test_the_lines_in_the_docs_run(with_pool: Path) -> None:
    page = (Path(__file__).parents[1] / "docs" / "python.md").read_text(encoding="utf-8")
    first, search, merge = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    lines: dict[str, Any] = {}
    exec(compile(first, "python.md", "exec"), lines)
    assert lines["decisions"].shape == (1, 6)
    assert (Path("runs/mine") / "checkpoint").is_dir()
    exec(compile(search, "python.md", "exec"), lines)
    answer_batch(Path("batches/01"))
    exec(compile(merge, "python.md", "exec"), lines)
    assert len(lines["batch"].texts) == 200
    assert lines["report"].texts["train"] == 180


def test_nothing_heavy_is_loaded_until_a_name_is_used() -> None:
    code = "import imbtool, sys; print({'torch', 'pandas', 'pydantic'} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "set()\n"


def test_another_name_is_refused_as_usual() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = imbtool.nothing
