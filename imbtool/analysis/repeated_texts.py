"""The same and nearly the same texts, within a split and across, and those with other labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from imbtool.analysis.corpus_texts import CorpusTexts, corpus_texts
from imbtool.analysis.finding import (
    SPLIT_AGAIN,
    Finding,
    FoundRows,
    Severity,
    found,
    percent,
)
from imbtool.data.corpus import SPLITS, Corpus
from imbtool.data.duplicates import near_forms, text_numbers
from imbtool.data.imbalance import count_labels
from imbtool.types import Flags
from imbtool.wording import counted, some

SAMPLED_TEXTS = 200_000
"""Of more texts, nearly the same ones are looked for in a sample of this size."""
ERROR_SHARE = 0.05
"""From this share of a split that is also in training on, metrics on the split mean nothing."""
ERROR_LABEL_SHARE, ERROR_LABEL_POSITIVES = 0.5, 10
"""The same for one label: this share of its positives, if it has so many."""
WARNING_SHARE, WARNING_LABEL_SHARE = 0.005, 0.05
"""Below these shares of a split, and of the positives of each label, a leak changes no metric."""
GROUPS_AT_ONCE = 50_000
"""Different texts whose labels are compared at once."""
PAIRS = ((0, 1), (0, 2), (1, 2))
"""The numbers of every two splits in `SPLITS`; the first is the one to remove rows from."""

Groups = NDArray[np.int64]

LEAKS = {
    "leak-exact": "also in {}",
    "leak-normalised": "also in {}, except for URLs and user names",
    "leak-near": "nearly the same as texts of {}",
}
REPEATS = {"duplicate": "the same as", "near-duplicate": "nearly the same as"}


@dataclass(frozen=True)
class LabelLeak:
    """How many of the positives of a label leak."""

    leaked: int
    positives: int
    share: float


def text_findings(exact: SameTexts) -> Iterator[Finding]:
    """Leaks, duplicates and contradictions; a row is reported as the strictest kind it is.

    Args:
        exact: the texts of a corpus, by `same_texts`.
    """
    none = np.zeros(len(exact.texts), bool)
    yield from exact.leaks("leak-exact", [none] * len(PAIRS))
    yield from exact.repeats("duplicate", none)
    yield from _contradictions(exact)
    sample = corpus_texts(exact.texts.corpus, SAMPLED_TEXTS)
    where, texts = _rows_in(exact.texts, sample), sample.texts()
    known = [flags[where] for flags in exact.leaked()]
    forms, links = near_forms(texts)
    alike = SameTexts(sample, forms)
    yield from alike.leaks("leak-normalised", known)
    known = [one | other for one, other in zip(known, alike.leaked(), strict=True)]
    near = SameTexts(sample, forms, links)
    yield from near.leaks("leak-near", known)
    yield from near.repeats("near-duplicate", exact.repeated()[where])


def same_texts(corpus: Corpus) -> SameTexts:
    """The texts of all splits, in groups of those that are the same but for case and space."""
    texts = (split.texts for split in corpus.splits.values())
    return SameTexts(corpus_texts(corpus), text_numbers(*texts))


def _rows_in(whole: CorpusTexts, sample: CorpusTexts) -> Groups:
    """For each text of a sample its index among all texts."""
    starts = np.searchsorted(whole.split, np.arange(len(SPLITS)))
    return np.asarray(starts[sample.split] + sample.index, dtype=np.int64)


@dataclass(frozen=True)
class SameTexts:
    """Texts in groups of those that are the same, some of which may be like others.

    Attributes:
        texts: the texts.
        groups: for each text the number of its group [n].
        links: bool [groups, groups]: which are alike, each with itself; None: no two are.
    """

    texts: CorpusTexts
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
        return np.asarray(self._firsts != np.arange(len(self.texts)), dtype=np.bool_)

    def leaks(self, kind: str, known: Sequence[Flags]) -> Iterator[Finding]:
        """A finding for every two splits that share texts, but those known for each pair."""
        for pair, but in zip(PAIRS, known, strict=True):
            rows = np.flatnonzero(self._shared(*pair) & ~but)
            if len(rows):
                yield self._leak(kind, rows, np.flatnonzero(but), *pair)

    def repeats(self, kind: str, but: Flags) -> Iterator[Finding]:
        """A finding if texts repeat others of their split, some texts left out."""
        kept = np.flatnonzero(~but)
        part = SameTexts(self.texts.take(kept), self.groups[kept], self.links)
        rows = np.flatnonzero(part.repeated())
        if len(rows):
            counts = part._by_split(rows)
            subject = f"{counted(len(rows), 'text')} {_are(len(rows))}"
            message = f"{subject} {REPEATS[kind]} an earlier text of the split: {_in_each(counts)}."
            found_rows = part._found_rows(rows, part._firsts[rows])
            yield found(kind, message, {"splits": counts}, found_rows)

    def _shared(self, first: int, second: int) -> Flags:
        """The texts of one of two splits that are the same as, or like, one of the other."""
        split, nowhere = self.texts.split, len(self.texts)
        like_first, like_second = (
            self._any_like(number)[self.groups] < nowhere for number in (first, second)
        )
        shared = ((split == first) & like_second) | ((split == second) & like_first)
        return np.asarray(shared, dtype=np.bool_)

    def _any_like(self, split: int) -> Groups:
        """For each group the first text of a split that is in it or in one like it; n if none."""
        n = self.groups.max(initial=-1) + 1 if self.links is None else self.links.shape[0]
        rows = np.flatnonzero(self.texts.split == split)[::-1]
        first = np.full(n, len(self.texts), np.int64)
        first[self.groups[rows]] = rows
        if self.links is None:
            return first
        return np.minimum.reduceat(first[self.links.indices], self.links.indptr[:-1])

    @cached_property
    def _firsts(self) -> Groups:
        """The index of the first text of its group and split, for each text.

        A group that is like an earlier one of the split has that one's, unless that has another's:
        who deletes all texts but the first ones keeps a text like each.
        """
        keys = self.groups * len(SPLITS) + self.texts.split
        distinct, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
        if self.links is not None:
            first = _led_back(self.links, distinct, first)
        return np.asarray(first[inverse], dtype=np.int64)

    def _leak(self, kind: str, rows: Groups, known: Groups, first: int, second: int) -> Finding:
        """The leak of some rows, as severe as it is by itself or together with the known ones."""
        share, labels = self._shares(rows, second)
        evidence = {
            "splits": [SPLITS[first], SPLITS[second]],
            "rows": self._by_split(rows),
            "share": share,
            "labels": {name: asdict(leak) for name, leak in labels.items()},
        }
        ours, theirs = SPLITS[second], SPLITS[first]
        count = self._by_split(rows)[ours]
        subject = f"{counted(count, 'text')} of {ours} ({percent(share)}) {_are(count)}"
        message = f"{subject} {LEAKS[kind].format(theirs)}.{_worst(labels)}"
        severity = _leak_severity(kind, first, share, labels)
        together = self._shares(np.union1d(known, rows), second)
        joint = _leak_severity(kind, first, *together)
        if joint not in (severity, _leak_severity(kind, first, *self._shares(known, second))):
            severity = joint
            message += f" Together with identical texts it is {percent(together[0])}."
        found_rows = self._both_sides(rows, first, second)
        fix = None if kind == "leak-near" else f"Remove these rows from {theirs}, or {SPLIT_AGAIN}."
        return found(kind, message, evidence, found_rows, severity, fix)

    def _shares(self, rows: Groups, split: int) -> tuple[float, dict[str, LabelLeak]]:
        """What share of a split rows are that leak into it, and of the positives of its labels."""
        there = rows[self.texts.split[rows] == split]
        return len(there) / int((self.texts.split == split).sum()), self._label_shares(there, split)

    def _label_shares(self, rows: Groups, split: int) -> dict[str, LabelLeak]:
        """Labels with leaked positives: how many of how many."""
        corpus = self.texts.corpus
        targets = corpus.splits[SPLITS[split]].label_sets
        every = self.texts.index[self.texts.split == split]
        leaked, positives = (
            [count.positives for count in count_labels(targets.take(texts))]
            for texts in (self.texts.index[rows], every)
        )
        return {
            name: LabelLeak(ours, of, ours / of)
            for name, ours, of in zip(corpus.labels.names, leaked, positives, strict=True)
            if ours
        }

    def _both_sides(self, rows: Groups, first: int, second: int) -> FoundRows:
        """Each row with the first one like it in the other split; those to remove come first."""
        groups = self.groups[rows]
        others = np.where(
            self.texts.split[rows] == first,
            self._any_like(second)[groups],
            self._any_like(first)[groups],
        )
        return self._found_rows(rows, others)

    def _found_rows(self, rows: Groups, others: Groups) -> FoundRows:
        """Rows, each with another one that it is like."""
        return FoundRows(
            self.texts.split[rows],
            self.texts.index[rows],
            lambda at: (None, f"like {self.texts.row_name(others[at])}"),
        )

    def _by_split(self, rows: Groups) -> dict[str, int]:
        counts = np.bincount(self.texts.split[rows], minlength=len(SPLITS))
        return dict(zip(SPLITS, counts.tolist(), strict=True))


def _led_back(links: csr_array, keys: Groups, first: Groups) -> Groups:
    """The first text of each group and split, or that of the earliest like it that keeps its own.

    Args:
        links: which groups are alike.
        keys: group * number of splits + split, sorted.
        first: the first text of each.
    """
    at = {key: row for row, key in enumerate(keys.tolist())}
    result, keeps = first.copy(), np.zeros(len(keys), np.bool_)
    for row in np.argsort(first, kind="stable").tolist():
        group, split = divmod(int(keys[row]), len(SPLITS))
        likes = links.indices[links.indptr[group] : links.indptr[group + 1]].tolist()
        there = [at[key] for like in likes if (key := like * len(SPLITS) + split) in at]
        result[row] = min((first[other] for other in there if keeps[other]), default=first[row])
        keeps[row] = result[row] == first[row]
    return result


def _contradictions(same: SameTexts) -> Iterator[Finding]:
    groups = same.groups
    rows = np.flatnonzero(np.bincount(groups)[groups] > 1)
    if not len(rows):
        return
    rows = rows[np.argsort(groups[rows], kind="stable")]
    starts = np.flatnonzero(np.diff(groups[rows], prepend=-1))
    clash = np.concatenate([*_clashes(same.texts, rows, starts)])
    if clash.any():
        of_group = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(rows)))
        yield _contradiction(same.texts, rows, of_group, clash)


def _clashes(texts: CorpusTexts, rows: Groups, starts: Groups) -> Iterator[Flags]:
    """Yield which labels the rows of a group have and have not, [groups, L], some at a time.

    Args:
        texts: all texts.
        rows: those of the groups, group by group.
        starts: where each group begins in `rows`.
    """
    for begin in range(0, len(starts), GROUPS_AT_ONCE):
        here = starts[begin : begin + GROUPS_AT_ONCE]
        end = starts[begin + GROUPS_AT_ONCE] if begin + GROUPS_AT_ONCE < len(starts) else len(rows)
        targets = texts.take(rows[here[0] : end]).targets()
        # unknown contradicts nothing: fmax and fmin pass over NaN
        high, low = (ufunc.reduceat(targets, here - here[0]) for ufunc in (np.fmax, np.fmin))
        yield (high == 1) & (low == 0)


def _contradiction(texts: CorpusTexts, rows: Groups, of_group: Groups, clash: Flags) -> Finding:
    names = texts.corpus.labels.names
    counts = clash.sum(axis=0).tolist()
    labels = {name: count for name, count in zip(names, counts, strict=True) if count}
    clashing = np.asarray(clash.any(axis=1))
    kept = clashing[of_group]
    rows, of_group = rows[kept], of_group[kept]

    def tell(at: int) -> tuple[str | None, str]:
        own = _names(names, clash[of_group[at]])
        return own[0] if len(own) == 1 else None, f"other rows differ in {', '.join(own)}"

    different = int(clashing.sum())
    worst = sorted(labels, key=lambda name: -labels[name])
    message = (
        f"{counted(different, 'text')} {'has' if different == 1 else 'have'} different labels "
        f"in different rows, {counted(len(rows), 'row')} in all. The copies differ in "
        f"{some(f'{name} ({labels[name]:,})' for name in worst)}."
    )
    found_rows = FoundRows(texts.split[rows], texts.index[rows], tell)
    return found("contradiction", message, {"texts": different, "labels": labels}, found_rows)


def _leak_severity(
    kind: str, first: int, share: float, labels: Mapping[str, LabelLeak]
) -> Severity:
    """A leak from training that is large enough to decide the metrics is an error.

    Near texts are never an error. A leak of a few texts is an info.
    """
    worst = max(
        (leak.share for leak in labels.values() if leak.positives >= ERROR_LABEL_POSITIVES),
        default=0.0,
    )
    if share < WARNING_SHARE and worst < WARNING_LABEL_SHARE:
        return "info"
    large = share >= ERROR_SHARE or worst >= ERROR_LABEL_SHARE
    return "error" if large and kind != "leak-near" and SPLITS[first] == "train" else "warning"


def _worst(labels: Mapping[str, LabelLeak]) -> str:
    """The label whose positives leak most, if that changes its metrics."""
    name, leak = max(labels.items(), key=lambda item: item[1].share, default=("", None))
    if leak is None or leak.share < WARNING_LABEL_SHARE:
        return ""
    return (
        f" The label {name} is affected most: {leak.leaked:,} of its {leak.positives:,} positives."
    )


def _are(number: int) -> str:
    return "is" if number == 1 else "are"


def _in_each(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items() if count)


def _names(names: Sequence[str], chosen: Flags) -> list[str]:
    return [names[label] for label in np.flatnonzero(chosen).tolist()]
