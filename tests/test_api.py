"""What `import imbtool` gives: names with examples that run, at no cost until they are used."""

import doctest
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import imbtool


@pytest.mark.parametrize("name", imbtool.__all__)
def test_the_example_of_each_public_name_runs(name: str, project: Path) -> None:
    found = doctest.DocTestFinder(recurse=False).find(getattr(imbtool, name), name)
    assert [bool(each.examples) for each in found] == [True]
    assert doctest.DocTestRunner().run(found[0]).failed == 0


def test_the_lines_in_the_docs_run(project: Path) -> None:
    page = (Path(__file__).parents[1] / "docs" / "python.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    lines: dict[str, Any] = {}
    exec(compile(code, "python.md", "exec"), lines)
    assert lines["decisions"].shape == (1, 6)
    assert (Path("runs/mine") / "checkpoint").is_dir()


def test_nothing_heavy_is_loaded_until_a_name_is_used() -> None:
    code = "import imbtool, sys; print({'torch', 'pandas', 'pydantic'} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "set()\n"


def test_another_name_is_refused_as_usual() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = imbtool.nothing
