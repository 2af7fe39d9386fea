"""A simulated annotator: a data set whose labels are given text by text, as they are asked for.

All training texts are the pool, of which the labelled ones are left out by `find_texts` itself, so
that every seed reads the same features. Files go to runs/benchmarks/find/NAME/.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from benchmarks.shared.tasks import PROFILES
from imbtool.annotation.batch import TABLE, Batch, read_batch
from imbtool.annotation.merge import merge_answers
from imbtool.config.reader import make_profile, read_profile
from imbtool.config.schema import BUNDLED_ENCODERS, Profile
from imbtool.config.writer import render_profile
from imbtool.data.corpus import Corpus, read_corpus
from imbtool.data.imbalance import count_labels, tier_of
from imbtool.files.json_text import read_json, write_json
from imbtool.files.writing import replacing, write_text
from imbtool.search.features import CACHE
from imbtool.search.find import find_texts
from imbtool.search.pool import Pool, candidates, read_pool
from imbtool.search.scorers import FrozenScorer
from imbtool.search.selection import Wish
from imbtool.types import Rows, Targets

SEPARATOR = "|"
ROUNDS = "rounds.json"

Document = dict[str, Any]
Frame = pd.DataFrame


@dataclass(frozen=True)
class Plan:
    """How much is annotated, and by what texts are seen.

    Attributes:
        start: labelled texts before the first batch, drawn at random.
        batches: how many of them.
        size: texts in each.
        encoder: whose features all strategies have.
    """

    start: int
    batches: int
    size: int
    encoder: str = BUNDLED_ENCODERS[0]

    @property
    def read(self) -> int:
        """Texts that are annotated in batches."""
        return self.batches * self.size


@dataclass(frozen=True)
class Study:
    """A data set that is annotated once more.

    Attributes:
        name: of the data set.
        folder: for all files.
        labels: their names [L].
        severe: columns of the labels that are severe by the whole training table.
        targets: the truth of all training texts [n, L].
        pool: the training texts.
        measured: texts of validation and test.
        profile: whose training table is the whole.
        plan: how much is annotated.
    """

    name: str
    folder: Path
    labels: tuple[str, ...]
    severe: Rows
    targets: Targets
    pool: Pool = field(repr=False)
    measured: Sequence[str] = field(repr=False)
    profile: Profile
    plan: Plan

    @property
    def cache(self) -> Path:
        """The folder of features that all seeds share."""
        return self.folder / CACHE

    def start(self, seed: int) -> Rows:
        """The texts that are labelled before the first batch."""
        rng = np.random.default_rng(seed)
        return np.sort(rng.choice(len(self.pool), self.plan.start, replace=False))

    def features(self) -> np.ndarray[Any, np.dtype[np.float32]]:
        """What the frozen encoder makes of the pool [n, d], each column with deviation 1."""
        scorer = FrozenScorer(self.profile, self.cache, print)
        found = np.asarray(scorer._features(self.pool), dtype=np.float32)
        return (found - found.mean(axis=0)) / np.maximum(found.std(axis=0), 1e-6)

    def found(self, seed: int, batches: Sequence[Rows]) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Positives of severe labels among what is labelled, [batches + 1, severe labels]."""
        parts = [self.start(seed), *batches]
        counts = [(self.targets[rows][:, self.severe] == 1).sum(axis=0) for rows in parts]
        return np.cumsum(counts, axis=0)


def prepare(data: Path, least: int, folder: Path, plan: Plan) -> Study:
    """Write the tables of a study, and read them.

    Args:
        data: folder with train.csv, validation.csv and test.csv (id, text, labels).
        least: positives in training below which a label is left out of all tables.
        folder: for what is written.
        plan: how much is annotated.
    """
    name = data.resolve().name
    tables = {
        each: pd.read_csv(data / f"{each}.csv", dtype=str, keep_default_na=False)
        for each in ("train", "validation", "test")
    }
    counts = tables["train"].labels.str.split(SEPARATOR).explode().value_counts()
    kept = {label for label, count in counts.items() if label and count >= least}
    folder.mkdir(parents=True, exist_ok=True)
    for each, table in tables.items():
        cells = [_among(cell, kept) for cell in table.labels]
        _write_table(folder / f"{each}.csv", table.assign(labels=cells))
    _write_table(folder / "pool.csv", tables["train"][["id", "text"]])
    source = folder / "profile.yaml"
    _write_profile(source, folder / "train.csv", folder, _label_section(data, name), plan.encoder)
    profile = read_profile(source)
    corpus = read_corpus(profile)
    return Study(
        name=name,
        folder=folder,
        labels=corpus.labels.names,
        severe=_severe(corpus, profile),
        targets=corpus.train.targets,
        pool=read_pool(folder / "pool.csv", profile.data),
        measured=[*corpus.validation.texts, *corpus.test.texts],
        profile=profile,
        plan=plan,
    )


def _among(cell: str, kept: set[str]) -> str:
    return SEPARATOR.join(label for label in cell.split(SEPARATOR) if label in kept)


def _severe(corpus: Corpus, profile: Profile) -> Rows:
    counts = count_labels(corpus.train.targets)
    tiers = [tier_of(count.ratio, profile.weights) for count in counts]
    return np.flatnonzero(np.array(tiers) == "severe")


def _label_section(data: Path, name: str) -> Document:
    """`labels` of the profile of this name, else the hierarchy of labels.yaml."""
    named = PROFILES / f"{name}.yaml"
    if named.is_file():
        return yaml.safe_load(named.read_text(encoding="utf-8")).get("labels") or {}
    told = data / "labels.yaml"
    parents = yaml.safe_load(told.read_text(encoding="utf-8"))["parents"] if told.is_file() else {}
    below: dict[str, list[str]] = {}
    for child, parent in parents.items():
        below.setdefault(parent, []).append(child)
    tops = [label for label in below if label not in parents]
    return {"hierarchy": {label: _branch(label, below) for label in tops}} if tops else {}


def _branch(label: str, below: dict[str, list[str]]) -> list[Any]:
    """What stands under a label: names, or maps from a name to what stands under it."""
    return [{child: _branch(child, below)} if child in below else child for child in below[label]]


def _write_table(path: Path, frame: Frame) -> None:
    with replacing(path) as draft:
        frame.to_csv(draft, index=False)


def _write_profile(path: Path, train: Path, folder: Path, labels: Document, encoder: str) -> None:
    """A profile whose validation and test tables are those in a folder."""
    tables = {"train": train, **{name: folder / f"{name}.csv" for name in ("validation", "test")}}
    data = {name: str(table.resolve()) for name, table in tables.items()}
    values: Document = {
        "data": {**data, "id": "id"},
        "labels": labels,
        "model": {"encoder": encoder},
    }
    write_text(path, render_profile(make_profile(values)))


# ---- imbtool's own search


def search_by_imbtool(study: Study, seed: int) -> list[Batch]:
    """`find_texts`, answers, `merge_answers`, and again; what is there already is kept."""
    folder = study.folder / f"imbtool-{seed}"
    source = _begun(study, seed, folder)
    batches = []
    for number in range(1, study.plan.batches + 1):
        batch, merged = folder / "batches" / f"{number:02}", folder / "merged" / f"{number:02}"
        if not (merged / "profile.yaml").is_file():
            if not batch.is_dir():
                wish = Wish(texts=study.plan.size, seed=seed)
                find_texts(source, study.pool.source, batch, wish)
            answer(study, batch)
            merge_answers(source, [batch / TABLE], merged)
        batches.append(read_batch(batch))
        source = merged / "profile.yaml"
    return batches


def _begun(study: Study, seed: int, folder: Path) -> Path:
    """The profile before the first batch, whose training table is the start."""
    source, told = folder / "profile.yaml", folder / "start.json"
    rows = study.start(seed)
    ids = [study.pool.ids[row] for row in rows]
    document = {"size": study.plan.size, "encoder": study.plan.encoder, "ids": ids}
    if told.is_file():
        if read_json(told) != document:
            raise SystemExit(f"{folder} was made with other options: move it away")
        return source
    (folder / "batches").mkdir(parents=True, exist_ok=True)
    study.cache.mkdir(exist_ok=True)
    link = folder / "batches" / CACHE
    if not link.is_symlink():
        link.symlink_to(study.cache.resolve(), target_is_directory=True)
    whole = pd.read_csv(study.folder / "train.csv", dtype=str, keep_default_na=False)
    _write_table(folder / "train.csv", whole.iloc[rows])
    labels = study.profile.labels.model_dump(mode="json", exclude_unset=True)
    if strange := _unnamed(study, rows):
        labels["names"] = strange
    _write_profile(source, folder / "train.csv", study.folder, labels, study.plan.encoder)
    write_json(told, document)
    return source


def _unnamed(study: Study, rows: Rows) -> list[str]:
    """Labels that no text has which is labelled at first, so that they must be declared."""
    tables = (study.folder / f"{name}.csv" for name in ("validation", "test"))
    frames = (pd.read_csv(path, dtype=str, keep_default_na=False) for path in tables)
    there = {label for frame in frames for cell in frame.labels for label in cell.split(SEPARATOR)}
    has = (study.targets[rows] == 1).any(axis=0)
    return [
        label for label, some in zip(study.labels, has, strict=True) if not some | (label in there)
    ]


def answer(study: Study, folder: Path) -> None:
    """Fill in the answers to the batch in a folder."""
    batch = read_batch(folder)
    table = pd.read_csv(folder / TABLE, dtype=str, keep_default_na=False)
    answers = []
    for row in rows_of(study, batch):
        given = np.flatnonzero(study.targets[row] == 1)
        answers.append(SEPARATOR.join(study.labels[label] for label in given))
    column = batch.answer.column or ""
    table[column] = [cell or batch.answer.none for cell in answers]
    _write_table(folder / TABLE, table)


def rows_of(study: Study, batch: Batch) -> Rows:
    """The rows of the pool that a batch holds."""
    place = {name: row for row, name in enumerate(study.pool.ids)}
    return np.array([place[text.id] for text in batch.texts], dtype=np.int64)


# ---- whether the bounds held


@dataclass(frozen=True)
class Held:
    """Bounds that `find` gave, by label and batch, and whether they cover the truth.

    Attributes:
        severe: whether the label is severe.
        remaining: whether the bounds of what the pool still holds do.
        recall: whether those of the recall so far do.
    """

    severe: bool
    remaining: bool
    recall: bool


def bounds_held(study: Study, seed: int, batches: Sequence[Batch]) -> Iterator[Held]:
    """Compare all bounds of a search with the truth about the texts that could be chosen."""
    labelled = [study.pool.texts[row] for row in study.start(seed)]
    population = candidates(study.pool, [*labelled, *study.measured], []).rows
    held = (study.targets[population] == 1).sum(axis=0)
    found = np.zeros_like(held)
    severe = set(study.severe.tolist())
    for batch in batches:
        for row in batch.remaining:
            label = study.labels.index(row.label)
            left = held[label] - found[label]
            recall = found[label] / held[label] if held[label] else 1.0
            yield Held(
                label in severe,
                bool(row.low <= left <= row.high),
                bool(row.recall_low - 1e-9 <= recall <= row.recall_high + 1e-9),
            )
        found += (study.targets[rows_of(study, batch)] == 1).sum(axis=0)
