"""CONTRIBUTING.md names files, folders and make targets that are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PATHS = sorted(set(re.findall(r"`((?:benchmarks|docs|imbtool|tests)/[\w./]*)`", TEXT)))
TARGETS = sorted(set(re.findall(r"`make ([\w-]+)`", TEXT)))


@pytest.mark.parametrize("path", PATHS)
def test_a_path_exists(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_exists(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_the_rooms_are_those_of_the_import_contract() -> None:
    contract = (ROOT / "pyproject.toml").read_text().partition("layers = [")[2].partition("]")[0]
    rooms = {name for name in re.findall(r"\w+", contract) if (ROOT / "imbtool" / name).is_dir()}
    (rule,) = re.findall(r"^- Imports point down: (.*?)\. The", TEXT, re.MULTILINE | re.DOTALL)
    assert rooms - {"distributed"} == set(re.findall(r"`(\w+)`", rule))
