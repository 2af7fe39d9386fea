"""The folds of a data set, for cross-validation: all its texts, cut anew in each repeat.

Folds are stratified by label as imbtool splits tables. Near duplicates are never in two parts, and
texts that a search chose for labelling are only trained on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from imbtool.config.hierarchy import Labels
from imbtool.config.schema import Profile
from imbtool.data.corpus import SPLIT_SHARE, SPLITS, Corpus, Split, read_corpus
from imbtool.data.duplicates import near_duplicate_groups
from imbtool.data.splitting import bound_rows, stratified_split
from imbtool.data.tables import read_table
from imbtool.data.writer import TableWriter
from imbtool.types import Rows


@dataclass(frozen=True)
class Fold:
    """Which texts of a pool are trained on, thresholds are chosen on, and are tested.

    Attributes:
        repeat: from 0; also the seed of the cut.
        number: of the fold in its repeat, from 0.
        train: rows.
        validation: rows, a tenth of what is not tested.
        test: rows.
    """

    repeat: int
    number: int
    train: Rows
    validation: Rows
    test: Rows


@dataclass(frozen=True)
class Pool:
    """All texts of a data set, whatever split they came from.

    Attributes:
        labels: all of them.
        texts: with their targets, as one split.
        table: the rows of the texts, cell by cell, as the tables have them.
    """

    labels: Labels
    texts: Split
    table: pd.DataFrame

    @cached_property
    def groups(self) -> Rows:
        """The number of each text's group of near duplicates."""
        return near_duplicate_groups(self.texts.texts)

    def part(self, rows: Rows) -> Pool:
        """Some of the texts."""
        return Pool(self.labels, self.texts.part("train", rows), self.table.iloc[rows])

    def folds(self, number: int, repeat: int) -> Iterator[Fold]:
        """The folds of a repeat: each text that no search chose is tested in one of them."""
        bound = bound_rows(self.groups.tolist(), self.texts.chosen)
        free = np.flatnonzero(~bound)
        for place, tested in enumerate(self._split(free, [1 / number] * number, repeat)):
            others = np.setdiff1d(free, tested)
            train, validation = self._split(others, [1 - SPLIT_SHARE, SPLIT_SHARE], repeat)
            train = np.union1d(train, np.flatnonzero(bound))
            yield Fold(repeat, place, train, validation, tested)

    def corpus(self, fold: Fold) -> Corpus:
        """A fold as a corpus, without labels that its training texts cannot teach."""
        splits = {name: self.texts.part(name, getattr(fold, name)) for name in SPLITS}
        targets = splits["train"].targets
        learnable = (targets == 1).any(axis=0) & (targets == 0).any(axis=0)
        left_out = [name for name, can in zip(self.labels.names, learnable, strict=True) if not can]
        return Corpus(self.labels, **splits).without(left_out)

    def write(self, fold: Fold, folder: Path) -> None:
        """Write the tables of a fold, train.csv, validation.csv and test.csv, into a folder."""
        for name in SPLITS:
            with TableWriter(folder / f"{name}.csv", ".csv") as writer:
                writer.write(self.table.iloc[getattr(fold, name)])

    def _split(self, rows: Rows, shares: Sequence[float], seed: int) -> list[Rows]:
        groups = self.groups[rows].tolist()
        return [
            rows[part] for part in stratified_split(self.texts.targets[rows], shares, seed, groups)
        ]


def read_pool(profile: Profile, most: int | None = None) -> Pool:
    """All splits of a profile's data set as one.

    Args:
        profile: of the data set.
        most: texts to keep, stratified; default: all.

    Raises:
        UserError: a table cannot be read.
    """
    corpus = read_corpus(profile, learnable=False)
    splits = list(corpus.splits.values())
    frames = [
        read_table(split.source, profile.data.text_format).iloc[np.asarray(split.rows) - 1]
        for split in splits
    ]
    texts = Split.of(
        name="train",
        source=splits[0].source,
        texts=[text for split in splits for text in split.texts],
        targets=np.concatenate([split.targets for split in splits]),
        rows=range(1, 1 + sum(map(len, splits))),
        chosen=np.concatenate([split.chosen for split in splits]),
    )
    pool = Pool(corpus.labels, texts, pd.concat(frames, ignore_index=True).fillna(""))
    if most is None or most >= len(texts):
        return pool
    share = most / len(texts)
    return pool.part(
        stratified_split(texts.targets, [share, 1 - share], 0, pool.groups.tolist())[0]
    )
