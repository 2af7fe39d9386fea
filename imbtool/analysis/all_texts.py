"""The texts of all splits as one row of numbers, whole or sampled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from imbtool.data.corpus import SPLITS, Corpus
from imbtool.types import Rows, Targets


@dataclass(frozen=True)
class Pool:
    """Some texts of a corpus, each by its split and its place there.

    Attributes:
        corpus: whose texts.
        split: the number of each text's split in `SPLITS` [n].
        index: its place in that split [n].
    """

    corpus: Corpus
    split: Rows
    index: Rows

    def __len__(self) -> int:
        return len(self.index)

    def texts(self) -> list[str]:
        """The texts themselves [n]."""
        parts = self.corpus.splits
        return [
            text
            for number, name in enumerate(SPLITS)
            for text in map(parts[name].texts.__getitem__, self.index[self.split == number])
        ]

    def targets(self) -> Targets:
        """Their targets [n, L]."""
        parts = self.corpus.splits
        targets = np.empty((len(self), len(self.corpus.labels)), np.float32)
        for number, name in enumerate(SPLITS):
            here = self.split == number
            targets[here] = parts[name].targets[self.index[here]]
        return targets

    def part(self, places: Rows) -> Pool:
        """The texts at some places."""
        return Pool(self.corpus, self.split[places], self.index[places])

    def name(self, place: int) -> str:
        """The split of the text at `place`, by name."""
        return SPLITS[self.split[place]]

    def where(self, place: int) -> str:
        """Where the text at `place` stands: `train row 3`, and of which file if there are some."""
        split = self.corpus.splits[self.name(place)]
        path, row = split.place(int(self.index[place]))
        file = f" of {path.name}" if len(split.files) > 1 else ""
        return f"{split.name} row {row}{file}"


def pool_of(corpus: Corpus, most: int | None = None, seed: int = 0) -> Pool:
    """All texts, or a sample of at most `most`, in the order of the splits.

    A sample takes small splits whole before it takes more of a large one: a leak is found only
    where both of its texts are in it.
    """
    chosen = sampled({name: len(split) for name, split in corpus.splits.items()}, most, seed)
    numbers = [np.full(len(chosen[name]), number) for number, name in enumerate(SPLITS)]
    return Pool(corpus, np.concatenate(numbers), np.concatenate([chosen[name] for name in SPLITS]))


def sampled(sizes: Mapping[str, int], most: int | None, seed: int = 0) -> dict[str, Rows]:
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
