"""The texts of all splits together, or a sample of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from imbtool.data.corpus import SPLITS, Corpus
from imbtool.types import Rows, Targets


@dataclass(frozen=True)
class CorpusTexts:
    """Some texts of a corpus, each by its split and its index there.

    Attributes:
        corpus: whose texts.
        split: the number of each text's split in `SPLITS` [n].
        index: its index in that split [n].
    """

    corpus: Corpus
    split: Rows
    index: Rows

    def __len__(self) -> int:
        return len(self.index)

    def texts(self) -> list[str]:
        """The texts themselves [n]."""
        splits = self.corpus.splits
        return [
            text
            for number, name in enumerate(SPLITS)
            for text in splits[name].texts.take(self.index[self.split == number])
        ]

    def targets(self) -> Targets:
        """Their targets [n, L]."""
        splits = self.corpus.splits
        targets = np.empty((len(self), len(self.corpus.labels)), np.float32)
        for number, name in enumerate(SPLITS):
            here = self.split == number
            targets[here] = splits[name].label_sets.targets(self.index[here])
        return targets

    def take(self, rows: Rows) -> CorpusTexts:
        """Some of the texts."""
        return CorpusTexts(self.corpus, self.split[rows], self.index[rows])

    def split_name(self, row: int) -> str:
        """The name of the split that a text is in."""
        return SPLITS[self.split[row]]

    def row_name(self, row: int) -> str:
        """How people find a text: `train row 3`, and in which file if there are several."""
        split = self.corpus.splits[self.split_name(row)]
        path, row = split.place(int(self.index[row]))
        file = f" of {path.name}" if len(split.files) > 1 else ""
        return f"{split.name} row {row}{file}"


def corpus_texts(corpus: Corpus, most: int | None = None, seed: int = 0) -> CorpusTexts:
    """All texts, or a sample of at most `most`, in the order of the splits.

    A sample takes small splits whole before it takes more of a large one: a leak is found only
    where both of its texts are in it.
    """
    chosen = sample_rows({name: len(split) for name, split in corpus.splits.items()}, most, seed)
    numbers = [np.full(len(chosen[name]), number) for number, name in enumerate(SPLITS)]
    return CorpusTexts(
        corpus, np.concatenate(numbers), np.concatenate([chosen[name] for name in SPLITS])
    )


def sample_rows(sizes: Mapping[str, int], most: int | None, seed: int = 0) -> dict[str, Rows]:
    """For each split the rows of a sample of at most `most` in all, sorted; small splits whole."""
    left = sum(sizes.values()) if most is None else most
    rng, chosen = np.random.default_rng(seed), {}
    for number, (name, size) in enumerate(sorted(sizes.items(), key=lambda item: item[1])):
        take = min(size, left // (len(sizes) - number))
        left -= take
        whole = take == size
        rows = np.arange(size) if whole else np.sort(rng.choice(size, take, replace=False))
        chosen[name] = rows.astype(np.int64)
    return chosen
