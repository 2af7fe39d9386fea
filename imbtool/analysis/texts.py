"""The same and nearly the same texts, within a split and across, and those with other labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

from imbtool.analysis.all_texts import Pool, pool_of
from imbtool.analysis.finding import (
    SPLIT_ANEW,
    Document,
    Finding,
    Place,
    Severity,
    found,
    percent,
)
from imbtool.data.corpus import SPLITS, Corpus
from imbtool.data.duplicates import near_forms, normalised, text_keys
from imbtool.wording import counted, some

SAMPLED_TEXTS = 200_000
"""Of more texts, nearly the same ones are looked for in a sample of this size."""
LEAK_BLOCKS = 0.05
"""From this share of a split in training on, a result on it is no result."""
LABEL_LEAK_BLOCKS, LABEL_LEAK_POSITIVES = 0.5, 10
"""The same of one label: this share of its positives, if it has so many."""
LEAK_WARNS, LABEL_LEAK_WARNS = 0.005, 0.05
"""Below these shares of a split, and of each label's positives, a leak moves no figure."""
PAIRS = ((0, 1), (0, 2), (1, 2))
"""The numbers of every two splits in `SPLITS`; the first is the one to remove rows from."""

Groups = NDArray[np.int64]
Flags = NDArray[np.bool_]


def text_findings(exact: SameTexts) -> Iterator[Finding]:
    """Leaks, duplicates and contradictions; a row is reported as the strictest kind it is.

    Args:
        exact: the texts of a corpus, by `same_texts`.
    """
    pool = exact.pool
    yield from exact.leaks("leak-exact", "also in {}", [np.zeros(len(pool), bool)] * len(PAIRS))
    yield from exact.repeats("duplicate", "repeat", np.zeros(len(pool), bool))
    yield from _contradictions(exact)
    sample = pool_of(pool.corpus, SAMPLED_TEXTS)
    where, texts = _places_in(pool, sample), sample.texts()
    known = [flags[where] for flags in exact.leaked()]
    alike = SameTexts(sample, text_numbers(map(normalised, texts)))
    yield from alike.leaks("leak-normalised", "in {} but for URLs and user names", known)
    known = [one | other for one, other in zip(known, alike.leaked(), strict=True)]
    near = SameTexts(sample, *near_forms(texts))
    yield from near.leaks("leak-near", "nearly as in {}", known)
    yield from near.repeats("near-duplicate", "near repeat", exact.repeated()[where])


def same_texts(corpus: Corpus) -> SameTexts:
    """The texts of all splits, in groups of those that are the same but for case and space."""
    pool = pool_of(corpus)
    return SameTexts(pool, text_numbers(text_keys(pool.texts())))


def text_numbers(keys: Iterable[str]) -> Groups:
    """A number for each text, equal where the keys are.

    Only 64-bit hashes are kept: of ten million texts two different ones share a number with
    a chance of 1 in 400,000.
    """
    hashes = np.fromiter(map(hash, keys), dtype=np.int64)
    numbers, _ = pd.factorize(hashes)
    return np.asarray(numbers, dtype=np.int64)


def _places_in(pool: Pool, sample: Pool) -> Groups:
    """The place in the whole pool of each text of a sample."""
    starts = np.searchsorted(pool.split, np.arange(len(SPLITS)))
    return np.asarray(starts[sample.split] + sample.index, dtype=np.int64)


@dataclass(frozen=True)
class SameTexts:
    """Texts in groups of those that are the same, some of which may be like others.

    Attributes:
        pool: the texts.
        groups: for each text the number of its group [n].
        links: bool [groups, groups]: which are alike, each with itself; None: no two are.
    """

    pool: Pool
    groups: Groups
    links: csr_array | None = None

    def repeat_counts(self) -> dict[str, int]:
        """For each split how many of its texts repeat an earlier one of it."""
        return self._by_split(np.flatnonzero(self.repeated()))

    def leaked(self) -> list[Flags]:
        """For each pair of splits the texts of either that also stand in the other."""
        return [self._shared(*pair) for pair in PAIRS]

    def repeated(self) -> Flags:
        """The texts that repeat an earlier one of their split."""
        return np.asarray(self._firsts() != np.arange(len(self.pool)), dtype=np.bool_)

    def leaks(self, kind: str, how: str, known: Sequence[Flags]) -> Iterator[Finding]:
        """A finding for every two splits that share texts, but those known for each pair."""
        for pair, but in zip(PAIRS, known, strict=True):
            rows = np.flatnonzero(self._shared(*pair) & ~but)
            if len(rows):
                yield self._leak(kind, how, rows, np.flatnonzero(but), *pair)

    def repeats(self, kind: str, how: str, but: Flags) -> Iterator[Finding]:
        """A finding if texts repeat others of their split, some texts left out."""
        kept = np.flatnonzero(~but)
        part = SameTexts(self.pool.part(kept), self.groups[kept], self.links)
        rows, firsts = np.flatnonzero(part.repeated()), part._firsts()
        if len(rows):
            counts = part._by_split(rows)
            message = f"{counted(len(rows), how)} of a text in the same split ({_in_each(counts)})"
            places = [part._place(row, firsts[row]) for row in rows.tolist()]
            yield found(kind, message, {"splits": counts}, places)

    def _shared(self, first: int, second: int) -> Flags:
        """The texts of one of two splits that are the same as, or like, one of the other."""
        split, nowhere = self.pool.split, len(self.pool)
        like_first, like_second = (
            self._any_like(number)[self.groups] < nowhere for number in (first, second)
        )
        shared = ((split == first) & like_second) | ((split == second) & like_first)
        return np.asarray(shared, dtype=np.bool_)

    def _any_like(self, split: int) -> Groups:
        """For each group the first text of a split that is in it or in one like it; n if none."""
        n = self.groups.max(initial=-1) + 1 if self.links is None else self.links.shape[0]
        rows = np.flatnonzero(self.pool.split == split)[::-1]
        first = np.full(n, len(self.pool), np.int64)
        first[self.groups[rows]] = rows
        if self.links is None:
            return first
        return np.minimum.reduceat(first[self.links.indices], self.links.indptr[:-1])

    def _firsts(self) -> Groups:
        """The place of the first text of its group and split, for each text.

        A group that is like an earlier one of the split has that one's, unless that has another's:
        who deletes all texts but the first ones keeps a text like each.
        """
        keys = self.groups * len(SPLITS) + self.pool.split
        distinct, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
        if self.links is not None:
            first = _led_back(self.links, distinct, first)
        return np.asarray(first[inverse], dtype=np.int64)

    def _leak(
        self, kind: str, how: str, rows: Groups, known: Groups, first: int, second: int
    ) -> Finding:
        """The leak of some rows, as bad as it is by itself or makes that of the known ones."""
        share, labels = self._shares(rows, second)
        evidence = {
            "splits": [SPLITS[first], SPLITS[second]],
            "rows": self._by_split(rows),
            "share": share,
            "labels": labels,
        }
        ours, theirs = SPLITS[second], SPLITS[first]
        texts = counted(self._by_split(rows)[ours], "text")
        message = f"{texts} of {ours} ({percent(share)}) {how.format(theirs)}{_worst(labels)}"
        severity = _leak_severity(kind, first, share, labels)
        together = self._shares(np.union1d(known, rows), second)
        joint = _leak_severity(kind, first, *together)
        if joint not in (severity, _leak_severity(kind, first, *self._shares(known, second))):
            severity = joint
            message += f"; {percent(together[0])} together with those that are the same"
        places = self._both_sides(rows, first, second)
        fix = None if kind == "leak-near" else f"remove these rows from {theirs}, or {SPLIT_ANEW}"
        return found(kind, message, evidence, places, severity, fix)

    def _shares(self, rows: Groups, split: int) -> tuple[float, Document]:
        """What share of a split rows are that leak into it, and of the positives of its labels."""
        there = rows[self.pool.split[rows] == split]
        return len(there) / int((self.pool.split == split).sum()), self._label_shares(there, split)

    def _label_shares(self, rows: Groups, split: int) -> Document:
        """Labels with leaked positives: how many of how many."""
        corpus = self.pool.corpus
        targets = corpus.splits[SPLITS[split]].targets
        leaked = (targets[self.pool.index[rows]] == 1).sum(axis=0)
        positives = (targets[self.pool.index[self.pool.split == split]] == 1).sum(axis=0)
        return {
            name: {"leaked": int(ours), "positives": int(of), "share": float(ours / of)}
            for name, ours, of in zip(corpus.labels.names, leaked, positives, strict=True)
            if ours
        }

    def _both_sides(self, rows: Groups, first: int, second: int) -> list[Place]:
        """Each row with the first one like it in the other split; those to remove come first."""
        others = {first: self._any_like(second), second: self._any_like(first)}
        return [
            self._place(row, others[int(self.pool.split[row])][self.groups[row]]) for row in rows
        ]

    def _place(self, row: int, other: int) -> Place:
        detail = f"as {self.pool.where(other)}"
        return Place(self.pool.name(row), int(self.pool.index[row]), None, detail)

    def _by_split(self, rows: Groups) -> dict[str, int]:
        counts = np.bincount(self.pool.split[rows], minlength=len(SPLITS))
        return dict(zip(SPLITS, counts.tolist(), strict=True))


def _led_back(links: csr_array, keys: Groups, first: Groups) -> Groups:
    """The first text of each group and split, or that of the earliest like it that keeps its own.

    Args:
        links: which groups are alike.
        keys: group * number of splits + split, sorted.
        first: the first text of each.
    """
    at = {key: place for place, key in enumerate(keys.tolist())}
    result, keeps = first.copy(), np.zeros(len(keys), np.bool_)
    for place in np.argsort(first, kind="stable").tolist():
        group, split = divmod(int(keys[place]), len(SPLITS))
        likes = links.indices[links.indptr[group] : links.indptr[group + 1]].tolist()
        there = [at[key] for like in likes if (key := like * len(SPLITS) + split) in at]
        result[place] = min((first[other] for other in there if keeps[other]), default=first[place])
        keeps[place] = result[place] == first[place]
    return result


def _contradictions(same: SameTexts) -> Iterator[Finding]:
    pool, groups = same.pool, same.groups
    rows = np.flatnonzero(np.bincount(groups)[groups] > 1)
    if not len(rows):
        return
    rows = rows[np.argsort(groups[rows], kind="stable")]
    starts = np.flatnonzero(np.diff(groups[rows], prepend=-1))
    targets = pool.part(rows).targets()
    # unknown contradicts nothing: fmax and fmin pass over NaN
    high, low = (reduce.reduceat(targets, starts) for reduce in (np.fmax, np.fmin))
    clash = (high == 1) & (low == 0)
    if clash.any():
        of_group = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(rows)))
        yield _contradiction(pool, rows, of_group, clash)


def _contradiction(pool: Pool, rows: Groups, of_group: Groups, clash: Flags) -> Finding:
    names = pool.corpus.labels.names
    counts = clash.sum(axis=0).tolist()
    labels = {name: count for name, count in zip(names, counts, strict=True) if count}
    within = {group: _names(names, clash[group]) for group in np.flatnonzero(clash.any(axis=1))}
    places = [
        _contradicted(pool, int(row), within[group])
        for row, group in zip(rows, of_group.tolist(), strict=True)
        if group in within
    ]
    worst = sorted(labels, key=lambda name: -labels[name])
    message = (
        f"{counted(len(within), 'text')} with different labels in different rows "
        f"({counted(len(places), 'row')}; {some(f'{name} {labels[name]:,}' for name in worst)})"
    )
    return found("contradiction", message, {"texts": len(within), "labels": labels}, places)


def _contradicted(pool: Pool, row: int, names: list[str]) -> Place:
    label = names[0] if len(names) == 1 else None
    detail = f"other rows differ in {', '.join(names)}"
    return Place(pool.name(row), int(pool.index[row]), label, detail)


def _leak_severity(kind: str, first: int, share: float, labels: Document) -> Severity:
    """A leak from training of a size that decides the result blocks; near texts do not.

    One of a few texts is a note.
    """
    worst = max(
        (row["share"] for row in labels.values() if row["positives"] >= LABEL_LEAK_POSITIVES),
        default=0.0,
    )
    if share < LEAK_WARNS and worst < LABEL_LEAK_WARNS:
        return "note"
    large = share >= LEAK_BLOCKS or worst >= LABEL_LEAK_BLOCKS
    return "blocks" if large and kind != "leak-near" and SPLITS[first] == "train" else "warns"


def _worst(labels: Document) -> str:
    """The label whose positives leak most, if that moves its figures."""
    name, row = max(labels.items(), key=lambda item: item[1]["share"], default=("", None))
    if row is None or row["share"] < LABEL_LEAK_WARNS:
        return ""
    return f"; {name} is hit hardest: {row['leaked']:,} of its {row['positives']:,} positives"


def _in_each(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items() if count)


def _names(names: Sequence[str], chosen: Flags) -> list[str]:
    return [names[label] for label in np.flatnonzero(chosen).tolist()]
