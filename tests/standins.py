"""A small folder with all that pages of the documentation name: tables, profiles, runs."""

import json
import random
import shutil
from collections.abc import Mapping
from pathlib import Path

import yaml
from conftest import FILLERS, Imbtool, read_csv, write_csv
from encoders import make_encoder

ROOT = Path(__file__).parents[1]
SIZES = {"train": 150, "validation": 60, "test": 60}
POOL = 1000
"""Texts that nobody has labelled."""
BATCH = Path("batches/01")
RUNS = ("NEW", "OLD", "new", "old")
"""Beside `runs/NAME`, of which they are copies."""
QUICK = (
    *("--set", "model.encoder=encoder"),
    *("--set", "model.max_length=24"),
    *("--set", "training.epochs=1"),
    *("--set", "training.precision=fp32"),
    *("--set", "tuning.budget_runs=2"),
)
"""A training of a second. What a page itself sets stands behind, and wins."""

Parents = Mapping[str, str | None]
"""The label above each label."""


def write_stand_ins(imbtool: Imbtool) -> None:
    """Fill the current folder with all but what the pages' own commands make."""
    shutil.copytree(ROOT / "profiles", "profiles")
    rows = _write_tables(Path(), _parents("moderation"))
    write_csv(Path("all.csv"), rows)
    write_csv(Path("new.csv"), [{"text": row["text"]} for row in rows])
    Path("shards").mkdir()
    for name in ("1", "2"):
        shutil.copy("new.csv", f"shards/{name}.csv")
    write_pool(Path("pool.csv"), _rows("pool", POOL, _parents("moderation")))
    make_encoder("bert", Path("encoder"), corpus=[row["text"] for row in rows])
    _write_tables(Path("data/sample"), _parents("moderation"))
    write_foreign_tables(Path())
    for command in (
        ("init", "train.csv"),
        ("train", "-p", "profile.yaml", "--run", "NAME", *QUICK),
        ("predict", "runs/NAME", "test.csv", "-o", "theirs.csv"),
        ("find", "profile.yaml", "pool.csv", "-n", "50", "-o", str(BATCH)),
    ):
        result = imbtool(*command)
        assert result.exit_code == 0, (result.stderr, result.exception)
    answer_batch(BATCH)
    shutil.copy("theirs.csv", "svm.csv")
    for name in RUNS:
        shutil.copytree("runs/NAME", Path("runs") / name, symlinks=True)


def write_pool(path: Path, rows: list[dict[str, str]]) -> None:
    """A table of texts whose labels nobody knows."""
    write_csv(path, [{"id": row["id"], "text": row["text"]} for row in rows])


def answer_batch(folder: Path) -> None:
    """Fill in a batch as a person would: every other text has one of the labels."""
    batch = json.loads((folder / "batch.json").read_text(encoding="utf-8"))
    labels, answer = batch["labels"], batch["answer"]
    rows = read_csv(folder / "batch.csv")
    for number, row in enumerate(rows):
        given = labels[number // 2 % len(labels)] if number % 2 else answer["none"]
        row[answer["column"]] = given
    write_csv(folder / "batch.csv", rows)


def write_foreign_tables(folder: Path) -> None:
    """Tables by the names of public data sets that the pages tell of, and which are not ours."""
    _write_tables(folder / "data/edos", _parents("edos"))
    _write_tables(folder / "data/goemotions", dict.fromkeys(["joy", "fear", "grief"]))


def _parents(profile: str) -> Parents:
    text = (ROOT / "profiles" / f"{profile}.yaml").read_text()
    return dict(_edges(yaml.safe_load(text)["labels"]["hierarchy"], None))


def _edges(below: object, parent: str | None) -> list[tuple[str, str | None]]:
    """Each label of a (part of a) hierarchy with the one above it."""
    if isinstance(below, str):
        return [(below, parent)]
    if isinstance(below, dict):
        edges = [(name, parent) for name in below]
        return [*edges, *(edge for name in below for edge in _edges(below[name], name))]
    assert isinstance(below, list)
    return [edge for each in below for edge in _edges(each, parent)]


def _write_tables(folder: Path, parents: Parents) -> list[dict[str, str]]:
    """Three splits of texts whose words give their labels away; all their rows."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for split, size in SIZES.items():
        rows = _rows(split, size, parents)
        write_csv(folder / f"{split}.csv", rows)
        written += rows
    return written


def _rows(name: str, number: int, parents: Parents) -> list[dict[str, str]]:
    rng = random.Random(name)
    return [_row(rng, f"{name}-{row}", parents) for row in range(number)]


def _row(rng: random.Random, name: str, parents: Parents) -> dict[str, str]:
    chosen = rng.sample(sorted(parents), rng.choice([0, 1, 2]))
    words = [f"about{sorted(parents).index(label)}" for label in chosen]
    words += rng.choices(FILLERS, k=rng.randint(4, 12))
    rng.shuffle(words)
    labels = {above for label in chosen for above in _line(label, parents)}
    return {
        "id": name,
        "text": " ".join(words),
        "labels": "|".join(sorted(labels)),
        "language": rng.choice(["de", "en"]),
        "author": f"author {rng.randrange(40)}",
    }


def _line(label: str, parents: Parents) -> list[str]:
    """A label and all above it."""
    above = parents[label]
    return [label, *(_line(above, parents) if above else [])]
