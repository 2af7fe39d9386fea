"""Exports that the real tools have written are read as they were answered."""

from pathlib import Path

import pytest

from benchmarks.round_trips.doccano import USERS, for_one
from benchmarks.round_trips.plan import Answers, Plan, compare, make_batch, make_plan
from benchmarks.round_trips.reading import read_back, write_batch

STORED = Path(__file__).parent / "exports"
TEXTS = 30
LABEL_STUDIO = ["1", "2"]


def lost(tmp_path: Path, paths: list[Path], people: list[str | None], one: bool = False) -> list:
    """What of the answers to the stored tasks does not come back."""
    batch = make_batch(TEXTS, 0, prefilled=True)
    write_batch(batch, tmp_path)
    plan: Plan = make_plan(batch, 0)
    found: Answers = {}
    for path in paths:
        copy = tmp_path / path.name
        copy.write_bytes(path.read_bytes())
        read = read_back(copy, tmp_path)
        assert read is not None
        found |= read
    result = compare(paths[0].name, batch, for_one(plan) if one else plan, people, found)
    assert result.given == result.same > 10
    return [*result.changed, *result.missing, *result.invented, *[""] * result.foreign]


@pytest.mark.parametrize("path", sorted((STORED / "label-studio").iterdir()), ids=lambda p: p.name)
def test_label_studio_loses_nothing(tmp_path: Path, path: Path) -> None:
    assert lost(tmp_path, [path], LABEL_STUDIO) == []


@pytest.mark.parametrize("ending", ["jsonl", "json"])
def test_approved_documents_of_doccano_lose_nothing(tmp_path: Path, ending: str) -> None:
    paths = [STORED / "doccano" / f"{user}.{ending}" for user in USERS]
    assert lost(tmp_path, paths, list(USERS)) == []
    assert lost(tmp_path, [STORED / "doccano" / f"all.{ending}"], [None, None], one=True) == []
