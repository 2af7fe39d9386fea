"""What a search rests on: a project with a rare label, a pool, a scorer without an encoder."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from conftest import read_csv, write_csv

from imbtool.annotation.batch import Batch
from imbtool.config.reader import read_profile
from imbtool.config.schema import Profile
from imbtool.data.corpus import Corpus, read_corpus
from imbtool.search.choice import Scores
from imbtool.search.find import find_texts
from imbtool.search.pool import Pool, read_pool
from imbtool.search.scorers import StandIns
from imbtool.search.scores import standardised
from imbtool.search.selection import Search, Wish
from imbtool.types import Rows

KEYS = {"billing": "invoice", "spam": "casino", "threat": "knife"}
"""The labels, each with the word that gives it away."""
SYLLABLES = ["ba", "de", "fi", "go", "lu", "ma", "ne", "pi", "ro", "su", "ta", "ve"]
PROFILE = "data: {train: train.csv, id: id}\n"
ENCODER = "model: {encoder: encoder, max_length: 64}\n"


def words(rng: random.Random, number: int) -> list[str]:
    """Words that hardly ever recur, so that no two texts are nearly the same."""
    return ["".join(rng.choices(SYLLABLES, k=3)) for _ in range(number)]


def make_text(rng: random.Random, *labels: str) -> str:
    """A text of these labels."""
    parts = [*words(rng, 7), *(KEYS[label] for label in labels)]
    rng.shuffle(parts)
    return " ".join(parts)


def labels_of(text: str) -> list[str]:
    """What an annotator who reads it says."""
    return [label for label, key in KEYS.items() if key in text.split()]


def labelled_rows(number: int, threats: int = 1, seed: int = 0) -> list[dict[str, str]]:
    """Texts of `billing` and `spam` in turn, and so many threats."""
    rng = random.Random(seed)
    rows = []
    for place in range(number):
        label = "threat" if place < threats else ("billing", "spam")[place % 2]
        rows.append({"id": f"l{seed}-{place}", "text": make_text(rng, label), "labels": label})
    return rows


def pool_rows(number: int, threats: int, seed: int = 1) -> list[dict[str, str]]:
    """Texts of which so many are threats, and a third each `billing` and `spam`."""
    rng = random.Random(seed)
    kinds = ["threat"] * threats + ["billing", "spam", ""] * number
    texts = [make_text(rng, *filter(None, [kind])) for kind in kinds[:number]]
    rng.shuffle(texts)
    return [{"id": f"p{place}", "text": text} for place, text in enumerate(texts)]


def make_project(folder: Path, profile: str = PROFILE, number: int = 60, threats: int = 1) -> Path:
    """A profile with a training table, and a pool of 300 texts with 20 threats.

    Returns:
        The path of the profile; `pool.csv` is beside it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_csv(folder / "train.csv", labelled_rows(number, threats))
    write_csv(folder / "pool.csv", pool_rows(300, 20))
    (folder / "profile.yaml").write_text(profile)
    return folder / "profile.yaml"


@dataclass(frozen=True)
class WordScorer:
    """Scores texts by the words that give labels away, and counts how often it is asked."""

    profile: Profile
    unseen: frozenset[str] = frozenset()
    asked: list[tuple[tuple[str, ...], Mapping[str, Sequence[str]]]] = field(default_factory=list)

    def scores(
        self, pool: Pool, rows: Rows, corpus: Corpus, names: Sequence[str], stand_ins: StandIns
    ) -> Scores:
        self.asked.append((tuple(names), stand_ins))
        texts = [pool.texts[row] for row in rows]
        columns = []
        for name in names:
            key = KEYS.get(name, name)
            found = [float(key in text.split()) for text in texts]
            # texts without the word in an order of their own, the same each time
            rest = [random.Random(text).random() / 10 for text in texts]
            columns.append(standardised(np.add(found, rest)))
        return np.stack(columns, axis=1).astype(np.float32)

    def suggestions(self, pool: Pool, rows: Rows, corpus: Corpus) -> list[list[str]]:
        return [labels_of(pool.texts[row]) for row in rows]


def begin(profile: Path, wish: Wish, scorer: WordScorer | None = None) -> Search:
    """A search of the pool beside a profile, with earlier batches in the folder `batches`."""
    scorer = scorer or WordScorer(read_profile(profile))
    corpus = read_corpus(scorer.profile, learnable=False, complete=False)
    pool = read_pool(profile.parent / "pool.csv", scorer.profile.data)
    return Search.begin(scorer, corpus, pool, profile.parent / "batches", wish)


def find(profile: Path, name: str, wish: Wish, source: Path | None = None) -> Batch:
    """A batch from the pool beside a profile, in the folder `batches` there."""
    folder = profile.parent / "batches" / name
    return find_texts(source or profile, profile.parent / "pool.csv", folder, wish)


def answer(folder: Path, column: str = "labels") -> Path:
    """Fill in batch.csv as one who reads every text does."""
    rows = read_csv(folder / "batch.csv")
    for row in rows:
        row[column] = "|".join(labels_of(row["text"])) or "none"
    write_csv(folder / "batch.csv", rows)
    return folder / "batch.csv"
