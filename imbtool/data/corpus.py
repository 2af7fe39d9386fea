"""Tables become texts and a target matrix; a missing split is split off; every error is said."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa

from imbtool.config.data_sections import DataSection
from imbtool.config.hierarchy import Labels, label_set
from imbtool.config.schema import Profile
from imbtool.data.datasets import dataset_splits, split_among, split_path
from imbtool.data.declared import (
    NOTHING_DECLARED,
    Declared,
    lacking,
    left_out_notes,
    table_notes,
    unasked_labels,
)
from imbtool.data.duplicates import near_duplicate_groups, text_numbers
from imbtool.data.imbalance import count_labels
from imbtool.data.labelled_table import LabelledTable, read_labelled
from imbtool.data.provenance import bias_notes
from imbtool.data.splitting import split_unchosen
from imbtool.data.tables import Files, place_of, read_table
from imbtool.errors import Problem, UserError, user_error
from imbtool.files.text_format import TextFormat
from imbtool.formats.cells import cell_text, require_columns
from imbtool.formats.texts import Texts
from imbtool.labels.cells import stranger_fix
from imbtool.labels.label_sets import LabelSets
from imbtool.notes import tell
from imbtool.types import Flags, Rows, Targets
from imbtool.wording import counted, did_you_mean, some

SPLITS = ("train", "validation", "test")
SPLIT_SHARE = 0.1
MOST_NEAR = 200_000
"""Texts up to which near duplicates are looked for where a missing split is split off."""
HASHED_AT_ONCE = 4096


@dataclass(frozen=True)
class Split:
    """Texts and their targets.

    What it holds of a text takes its bytes and some twenty more.

    Attributes:
        name: train, validation or test.
        source: the table the rows came from: a file, a folder or glob of files, or a data set.
        texts: n texts.
        label_sets: their targets.
        rows: 1-based row of each text in its source, not counting headers.
        files: the files of the source and how many rows each has, if they are known.
        chosen: whether a search chose each text for labelling [n]; default: none of them.
        digest: the fingerprint of texts that are no longer held; see `without_texts`.
    """

    name: str
    source: Path
    texts: Texts
    label_sets: LabelSets
    rows: Sequence[int] | Rows
    files: Files = ()
    chosen: Flags = field(default_factory=lambda: np.zeros(0, np.bool_))
    digest: str | None = None

    def __post_init__(self) -> None:
        if len(self.chosen) == 0:
            object.__setattr__(self, "chosen", np.zeros(len(self), np.bool_))

    @classmethod
    def of(
        cls,
        name: str,
        source: Path,
        texts: Iterable[str],
        targets: Targets,
        rows: Sequence[int] | Rows,
        chosen: Flags | None = None,
    ) -> Split:
        """A split of texts and targets [n, L] as Python and numpy have them."""
        marks = np.zeros(0, np.bool_) if chosen is None else chosen
        return cls(name, source, Texts.of(texts), LabelSets.each(targets), rows, (), marks)

    def __len__(self) -> int:
        return len(self.label_sets)

    @cached_property
    def targets(self) -> Targets:
        """The targets, written out: float32 [n, L]."""
        return self.label_sets.targets()

    def place(self, index: int) -> tuple[Path, int]:
        """The file in which a text stands, and its 1-based row there."""
        row = int(self.rows[index])
        return place_of(self.files, row) if self.files else (self.source, row)

    def row_text(self, index: int) -> str:
        """The row of a text in words, with its file."""
        return "{}: row {}".format(*self.place(index))

    def part(self, name: str, rows: Rows) -> Split:
        """Some of the texts as a split of another name."""
        return replace(
            self,
            name=name,
            texts=self.texts.take(rows),
            label_sets=self.label_sets.take(rows),
            rows=np.asarray(self.rows)[rows],
            chosen=self.chosen[rows],
        )

    def without_texts(self) -> Split:
        """What is left once the texts have been read: all but them, and their fingerprint."""
        return replace(self, texts=Texts.of([]), digest=self.fingerprint)

    def unchosen(self) -> Split:
        """The texts that no search chose: itself where there are no others."""
        return self.part(self.name, np.flatnonzero(~self.chosen)) if self.chosen.any() else self

    @property
    def fingerprint(self) -> str:
        """sha256 over texts and targets, in order: the same data give the same value."""
        if self.digest is not None:
            return self.digest
        return self._digest(part.data.cast("B") for part in self.label_sets.chunks())

    @property
    def text_fingerprint(self) -> str:
        """sha256 over the texts alone, in order."""
        assert self.digest is None  # the texts are no longer there
        return self._digest(())

    def _digest(self, head: Iterable[memoryview]) -> str:
        """sha256 over some bytes and the texts behind them."""
        digest = hashlib.sha256()
        for part in head:
            digest.update(part)
        for start in range(0, len(self.texts), HASHED_AT_ONCE):
            together = "\0".join([*self.texts[start : start + HASHED_AT_ONCE], ""])
            digest.update(together.encode("utf-8", "surrogatepass"))
        return digest.hexdigest()


@dataclass(frozen=True)
class Corpus:
    """A label set, its three splits, and what became of the declared labels."""

    labels: Labels
    train: Split
    validation: Split
    test: Split
    declared: Declared = NOTHING_DECLARED

    @property
    def splits(self) -> dict[str, Split]:
        """The splits by name."""
        return {name: getattr(self, name) for name in SPLITS}

    def without_texts(self) -> Corpus:
        """The same splits without their texts, once these have been read."""
        train, validation, test = (split.without_texts() for split in self.splits.values())
        return Corpus(self.labels, train, validation, test, self.declared)

    def without(self, left_out: Collection[str]) -> Corpus:
        """The same texts without some labels; their children attach to the next label above."""
        if not left_out:
            return self
        labels, splits = _without(left_out, self.labels, self.splits)
        train, validation, test = splits.values()
        return Corpus(labels, train, validation, test, self.declared)

    def unchosen(self) -> Corpus:
        """The texts that no search chose; itself where there are no others."""
        if not any(split.chosen.any() for split in self.splits.values()):
            return self
        train, validation, test = (split.unchosen() for split in self.splits.values())
        return replace(self, train=train, validation=validation, test=test)


def read_corpus(profile: Profile, learnable: bool = True, complete: bool = True) -> Corpus:
    """Read the tables of a profile.

    A data set with several splits gives those that the profile names no table for. A label that
    `labels.names` declares is one of the label set, whether or not any text has it.

    Args:
        profile: with the tables and what is known of their labels.
        learnable: whether each label must have positives and negatives in training. Declared ones
            without are left out then, and their children in the hierarchy attach to the next
            label above; a sentence tells it, and another one of validation or test texts that a
            search chose.
        complete: whether each split must have texts. Else a table may be a header without rows,
            and nothing is split off from too few texts.

    Raises:
        UserError: with every problem of the first table that cannot be read, or of the labels.

    Examples:
        >>> from pathlib import Path
        >>> from imbtool import read_corpus, read_profile
        >>> corpus = read_corpus(read_profile(Path("profile.yaml")))
        >>> corpus.train.targets.shape == (len(corpus.train.texts), len(corpus.labels.names))
        True
    """
    declared = profile.labels.names
    paths = split_paths(profile.data)
    tables = [
        read_labelled(name, path, profile.data, declared, name == "train", not complete)
        for name, path in paths.items()
    ]
    names = _label_names(tables, profile)
    unasked = unasked_labels(declared, [table.cells for table in tables])
    labels = label_set(names, profile.labels.edges)
    splits = {table.name: _split(table, names, unasked) for table in tables}
    left_out: tuple[str, ...] = ()
    if learnable:
        left_out = _left_out(splits["train"], names, declared)
        labels, splits = _without(left_out, labels, splits)
        _require_both_kinds(splits["train"], labels.names)
        tell(bias_notes({name: splits[name].chosen for name in SPLITS[1:] if name in splits}))
    known = Declared(left_out, tuple(name for name in labels.names if name in unasked))
    return Corpus(labels, **_complete(splits, profile.training.seed, complete), declared=known)


def split_paths(data: DataSection) -> dict[str, Path]:
    """The table of each split that has one; a data set's own splits where none is named.

    Raises:
        UserError: a data set that cannot be had, or has no such split.
    """
    named = {name: path for name in SPLITS if (path := getattr(data, name))}
    own = dataset_splits(data.train)
    given = {name: data.train for name in SPLITS[1:] if split_among(own, name)}
    paths = given | named
    return {name: split_path(paths[name], name) for name in SPLITS if name in paths}


def read_train(profile: Profile) -> tuple[Labels, Split]:
    """Read the training table alone, nothing split off.

    Raises:
        UserError: as `read_corpus`.
    """
    declared = profile.labels.names
    path = split_path(profile.data.train, "train")
    table = read_labelled("train", path, profile.data, declared, True)
    names = _label_names([table], profile)
    unasked = unasked_labels(declared, [table.cells])
    return label_set(names, profile.labels.edges), _split(table, names, unasked)


def read_split(
    name: str, path: Path, data: DataSection, labels: Labels, declared: Declared = NOTHING_DECLARED
) -> Split:
    """Read one table for a known label set, as `evaluate --data` does.

    Args:
        name: of the split.
        path: of the table. It may lack the columns that say how texts were chosen and what is
            known of them, and those of declared labels.
        data: how it is read.
        labels: the label set.
        declared: the declared labels of the model's training. What the table says of those that
            the set lacks is left out, and a sentence tells it.

    Raises:
        UserError: the table cannot be read, or it has other labels that the set lacks.
    """
    table = read_labelled(name, path, data, declared.names, False)
    known = {*labels.names, *declared.left_out}
    unknown = sorted(table.cells.names - known)
    if unknown:
        found = f"labels that the model does not know: {some(unknown)}"
        raise user_error(path, found, "the model's labels", did_you_mean(unknown[0], labels.names))
    if strangers := list(table.cells.known_strangers(known, path, table.told)):
        raise UserError(*strangers)
    tell(table_notes(path, table.cells, declared.left_out))
    return _split(table, labels.names, unasked_labels(declared.unasked, [table.cells]))


def read_own_split(
    name: str, profile: Profile, labels: Labels, declared: Declared | None = None
) -> Split:
    """Read one split as `read_corpus` does, and no table that it does not need.

    Args:
        name: of the split.
        profile: of the training.
        labels: the label set.
        declared: the declared labels of the training. Default: those of the profile that the set
            lacks are left out, and of the others nobody decided less than of any label.

    Raises:
        UserError: as `read_split`, or a data set that cannot be had.
    """
    if declared is None:
        lost = (each for each in profile.labels.names if each not in labels.names)
        declared = Declared(tuple(lost))
    paths = split_paths(profile.data)
    is_whole = name in paths and (name != "train" or len(paths) == len(SPLITS))
    source = name if is_whole else "train"
    split = read_split(source, paths[source], profile.data, labels, declared)
    if is_whole:
        return split
    return _complete(dict.fromkeys(paths, split), profile.training.seed)[name]


def split_column(split: Split, column: str, text_format: TextFormat) -> list[str]:
    """The cells of another column of a split's table, one a text, as text.

    Raises:
        UserError: the table cannot be read, or has no such column.
    """
    frame = read_table(split.source, text_format)
    require_columns(frame, [column], split.source)
    cells = frame[column].tolist()
    return [cell_text(cells[row - 1]) for row in split.rows]


def _split(table: LabelledTable, names: Sequence[str], unasked: Collection[str]) -> Split:
    """The table's texts with targets for some labels; see `unasked_labels`."""
    # what was read of the table goes back to the system before more is needed
    pa.default_memory_pool().release_unused()
    sets, rows = table.cells.label_sets(names, unasked), range(1, len(table.texts) + 1)
    return Split(table.name, table.path, table.texts, sets, rows, table.files, table.chosen)


def _label_names(tables: Sequence[LabelledTable], profile: Profile) -> tuple[str, ...]:
    """0/1 columns in their order, then declared labels; names in alphabetical order."""
    columns, declared = profile.data.labels.columns, profile.labels.names
    seen = {name for table in tables for name in table.cells.names}
    further = [name for name in declared if name not in (columns or ())]
    names = tuple(sorted({*seen, *declared}) if columns is None else [*columns, *further])
    strangers = [
        *_strangers(names, profile),
        *chain.from_iterable(
            table.cells.known_strangers(names, table.path, table.told) for table in tables
        ),
    ]
    # where labels are not told apart, none of them is known
    told = (table.cells.separator_problems(table.path, table.told) for table in tables)
    problems = strangers and ([*chain.from_iterable(told)] or strangers)
    if not names:
        fix = "set data.labels.column to the column that holds the labels, or declare labels.names"
        problems.append(Problem(str(tables[0].path), "no labels at all", "label names", fix))
    if len(set(names)) < len(names):
        found = "a label column twice"
        problems.append(Problem("data.labels.columns", found, "each once", "delete one"))
    if problems:
        raise UserError(*problems)
    return names


def _strangers(names: Sequence[str], profile: Profile) -> Iterable[Problem]:
    gamma = profile.loss.gamma
    used = {
        "labels.hierarchy": [name for edge in profile.labels.edges for name in edge]
        + list(profile.labels.hierarchy),
        "labels.descriptions": list(profile.labels.descriptions),
        "weights.custom": list(profile.weights.custom),
        "loss.gamma": list(gamma) if isinstance(gamma, dict) else [],
        "thresholds.require": list(profile.thresholds.require),
    }
    known = set(names)
    for key, mentioned in used.items():
        for name in dict.fromkeys(mentioned):
            if name not in known:
                found = f"the label {name!r}, which no row has"
                yield Problem(key, found, "labels of the data", stranger_fix(name, names))


def _left_out(train: Split, names: Sequence[str], declared: Collection[str]) -> tuple[str, ...]:
    """Declared labels that training has to leave out; a sentence tells it.

    Raises:
        UserError: none is left.
    """
    labels = lacking(train.label_sets, names, declared)
    if len(labels.names) == len(names):
        found = f"no label with positives and negatives; {some(names)} are only declared"
        fix = "label texts that have them: `imbtool find` looks for such texts"
        raise user_error(train.source, found, "a label that can be learned", fix)
    tell(left_out_notes(labels))
    return labels.names


def _without(
    left_out: Collection[str], labels: Labels, splits: Mapping[str, Split]
) -> tuple[Labels, dict[str, Split]]:
    """The label set and the splits without some labels."""
    if not left_out:
        return labels, dict(splits)
    kept = [place for place, name in enumerate(labels.names) if name not in left_out]
    return labels.only(kept), {
        name: replace(split, label_sets=split.label_sets.only(kept))
        for name, split in splits.items()
    }


def _require_both_kinds(train: Split, names: Sequence[str]) -> None:
    counts = count_labels(train.label_sets)
    remedies = {
        "positive": "add texts that have it, or remove the label from every file and the profile",
        "negative": "a label that every text has cannot be learned: remove it",
    }
    for kind, fix in remedies.items():
        of_kind = [getattr(count, f"{kind}s") for count in counts]
        missing = [repr(name) for name, count in zip(names, of_kind, strict=True) if count == 0]
        if missing:
            found = f"no {kind} for {some(missing)}"
            raise user_error(train.source, found, f"a {kind} for each label in training", fix)


def _complete(splits: Mapping[str, Split], seed: int, complete: bool = True) -> dict[str, Split]:
    """Split missing validation and test off from train, each a tenth of what may leave it.

    Texts that a search chose, and near duplicates of them, stay in training. Where there are too
    few others, all texts do, unless the splits must be complete.
    """
    missing = [name for name in SPLITS[1:] if name not in splits]
    result = dict(splits)
    if not missing:
        return result
    train = splits["train"]
    keys = _kept_together(train.texts)
    shares = [1.0 - SPLIT_SHARE * len(missing), *[SPLIT_SHARE] * len(missing)]
    parts = split_unchosen(train.label_sets, shares, seed, keys, train.chosen)
    if not complete and not all(map(len, parts)):
        everything, nothing = np.arange(len(train)), np.arange(0)
        parts = [everything, *[nothing] * len(missing)]
    for name, rows in zip(["train", *missing], parts, strict=True):
        if complete and len(rows) == 0:
            chosen = int(train.chosen.sum())
            but = f" of which a search chose {chosen:,}," * bool(chosen)
            found = f"{counted(len(train), 'row')},{but} too few to split off {name}"
            raise user_error(train.source, found, "more rows", f"give data.{name}, or more texts")
        result[name] = train.part(name, rows)
    return result


def _kept_together(texts: Sequence[str]) -> Rows:
    """Near duplicates have the same number; of more than `MOST_NEAR` texts the same ones do."""
    return text_numbers(texts) if len(texts) > MOST_NEAR else near_duplicate_groups(texts)
