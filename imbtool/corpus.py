"""Tables become texts and a target matrix; a missing split is split off; every error is said."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from imbtool.errors import Problem, UserError, counted, did_you_mean, fail, some
from imbtool.labels import Labels, label_set
from imbtool.profile import DataSection, LabelSource, Profile
from imbtool.splitting import stratified_split
from imbtool.tables import cell_text, read_table, require_columns

Targets = NDArray[np.float32]
"""[n, L]: 1 the text has the label, 0 it has not, NaN nobody knows."""

SPLITS = ("train", "validation", "test")
SPLIT_SHARE = 0.1
LIKELY_SEPARATORS = "|;,/\t"


@dataclass(frozen=True)
class Split:
    """Texts and their targets.

    Attributes:
        name: train, validation or test.
        source: the file the rows came from.
        texts: n texts.
        targets: float32 [n, L].
        rows: 1-based row of each text in its file, not counting the header.
    """

    name: str
    source: Path
    texts: list[str]
    targets: Targets
    rows: list[int]

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def fingerprint(self) -> str:
        """sha256 over texts and targets, in order: the same data give the same value."""
        digest = hashlib.sha256(np.ascontiguousarray(self.targets).tobytes())
        for text in self.texts:
            digest.update(text.encode("utf-8", "surrogatepass") + b"\0")
        return digest.hexdigest()


@dataclass(frozen=True)
class Corpus:
    """A label set and its three splits."""

    labels: Labels
    train: Split
    validation: Split
    test: Split

    @property
    def splits(self) -> dict[str, Split]:
        """The splits by name."""
        return {name: getattr(self, name) for name in SPLITS}


@dataclass(frozen=True)
class _Table:
    name: str
    path: Path
    texts: list[str]
    cells: list[list[str]]
    """For each row its label names, or, for 0/1 columns, its cells in column order."""


def read_corpus(profile: Profile) -> Corpus:
    """Read the tables of a profile.

    Raises:
        UserError: with every problem of the first table that cannot be read, or of the labels.
    """
    paths = {name: getattr(profile.data, name) for name in SPLITS}
    tables = [_read(name, path, profile.data) for name, path in paths.items() if path]
    names = _label_names(tables, profile)
    labels = label_set(names, profile.labels.edges)
    splits = {table.name: _split(table, names, profile.data.labels) for table in tables}
    _require_both_kinds(splits, names, profile)
    return Corpus(labels, **_complete(splits, profile.training.seed))


def read_split(name: str, path: Path, data: DataSection, labels: Labels) -> Split:
    """Read one table for a known label set, as `evaluate --data` does.

    Raises:
        UserError: the table cannot be read, or it has labels that the set lacks.
    """
    table = _read(name, path, data)
    if data.labels.columns is None:
        known = set(labels.names)
        unknown = sorted({label for row in table.cells for label in row} - known)
        if unknown:
            found = f"labels that the model does not know: {some(unknown)}"
            raise fail(path, found, "the model's labels", did_you_mean(unknown[0], labels.names))
    return _split(table, labels.names, data.labels)


def split_column(split: Split, column: str, encoding: str) -> list[str]:
    """The cells of another column of a split's table, one a text, as text.

    Raises:
        UserError: the table cannot be read, or has no such column.
    """
    frame = read_table(split.source, encoding)
    require_columns(frame, [column], split.source)
    cells = frame[column].tolist()
    return [cell_text(cells[row - 1]) for row in split.rows]


def joined_text(frame: pd.DataFrame, columns: str | Sequence[str]) -> list[str]:
    """The text of each row; several columns are joined by a line break."""
    names = [columns] if isinstance(columns, str) else list(columns)
    parts = ([cell_text(cell) for cell in frame[name]] for name in names)
    return ["\n".join(filter(None, row)) for row in zip(*parts, strict=True)]


def text_key(text: str) -> str:
    """Texts that differ only in case and white space are the same text."""
    return " ".join(text.split()).casefold()


def _read(name: str, path: Path, data: DataSection) -> _Table:
    frame = read_table(path, data.encoding)
    source = data.labels
    text_columns = [data.text] if isinstance(data.text, str) else data.text
    label_columns = source.columns or [source.column or ""]
    require_columns(frame, [*text_columns, *label_columns, *filter(None, [data.id])], path)
    texts = joined_text(frame, data.text)
    problems = list(_row_problems(frame, texts, path, data))
    if source.columns is not None:
        cells = frame[source.columns].map(cell_text).to_numpy().tolist()
        problems += _flag_problems(cells, source.columns, path)
    else:
        cells = [names_in(cell, source.separator) for cell in frame[label_columns[0]]]
        problems += _separator_problems(cells, source, path)
    if problems:
        raise UserError(*problems)
    return _Table(name, path, texts, cells)


def names_in(cell: object, separator: str) -> list[str]:
    """The label names of a cell: a list, or text with a separator between them."""
    if isinstance(cell, list | tuple | np.ndarray):
        parts: Iterable[str] = (cell_text(item) for item in cell)
    else:
        parts = cell_text(cell).split(separator)
    return [name for part in parts if (name := part.strip())]


def _row_problems(
    frame: pd.DataFrame, texts: Sequence[str], path: Path, data: DataSection
) -> Iterable[Problem]:
    empty = [row for row, text in enumerate(texts, start=1) if not text.strip()]
    if empty:
        found = f"{counted(len(empty), 'row')} without text: {some(empty)}, not counting the header"
        column = data.text if isinstance(data.text, str) else " + ".join(data.text)
        yield Problem(f"{path}: {column}", found, "a text in every row", "delete these rows")
    if data.id:
        counts = Counter(map(cell_text, frame[data.id]))
        repeated = [name for name, count in counts.items() if count > 1]
        if repeated:
            found = f"{counted(len(repeated), 'id')} more than once: {some(repeated)}"
            mend = "make them unique, or leave data.id out"
            yield Problem(f"{path}: {data.id}", found, "each id once", mend)


def _flag_problems(
    cells: Sequence[Sequence[str]], columns: Sequence[str], path: Path
) -> Iterable[Problem]:
    for position, column in enumerate(columns):
        wrong = [
            (row, cell_row[position])
            for row, cell_row in enumerate(cells, start=1)
            if cell_row[position].strip() not in ("0", "1", "")
        ]
        if wrong:
            row, value = wrong[0]
            found = f"{value!r} in row {row}" + (f" and {len(wrong) - 1} more" * (len(wrong) > 1))
            mend = "write 0, 1 or nothing; for names in one column use data.labels.column"
            yield Problem(f"{path}: {column}", found, "0, 1 or empty (unknown)", mend)


def separator_reuse(cells: Iterable[str], separator: str) -> float:
    """How many different cells a label stands in, on average, if this were the separator.

    1 where it never occurs or only cuts cells into pieces that no other cell has.
    """
    pieces = [part.strip() for cell in set(cells) for part in cell.split(separator)]
    return len(pieces) / max(1, len(set(pieces)))


def _separator_problems(
    cells: Sequence[Sequence[str]], source: LabelSource, path: Path
) -> Iterable[Problem]:
    """A separator that never occurs is wrong where another one would make labels recur."""
    if any(len(row) > 1 for row in cells):
        return
    whole = {row[0] for row in cells if row}
    reuse = {mark: separator_reuse(whole, mark) for mark in LIKELY_SEPARATORS}
    best = max(reuse, key=lambda mark: reuse[mark])
    if reuse[best] > 1:
        yield Problem(
            f"{path}: {source.column}",
            f"the separator {source.separator!r} in no cell, but {best!r} in some",
            "the separator that the table uses",
            f"set data.labels.separator to {best!r}",
        )


def _label_names(tables: Sequence[_Table], profile: Profile) -> tuple[str, ...]:
    """0/1 columns in their order; names from a column in alphabetical order."""
    columns = profile.data.labels.columns
    seen = {label for table in tables for row in table.cells for label in row}
    names = tuple(columns) if columns is not None else tuple(sorted(seen))
    problems = list(_strangers(names, profile))
    if not names:
        mend = "set data.labels.column to the column that holds the labels"
        problems.append(Problem(str(tables[0].path), "no labels at all", "label names", mend))
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
        "weights.custom": list(profile.weights.custom),
        "loss.gamma": list(gamma) if isinstance(gamma, dict) else [],
        "thresholds.require": list(profile.thresholds.require),
    }
    for key, mentioned in used.items():
        for name in dict.fromkeys(mentioned):
            if name not in names:
                found = f"the label {name!r}, which no row has"
                yield Problem(key, found, "labels of the data", did_you_mean(name, names))


def _split(table: _Table, names: Sequence[str], source: LabelSource) -> Split:
    if source.columns is not None:
        values = {"1": 1.0, "0": 0.0, "": np.nan}
        flat = [[values[cell.strip()] for cell in row] for row in table.cells]
        targets = np.array(flat, dtype=np.float32).reshape(-1, len(names))
    else:
        index = {name: position for position, name in enumerate(names)}
        targets = np.zeros((len(table.cells), len(names)), dtype=np.float32)
        for row, labels in enumerate(table.cells):
            targets[row, [index[label] for label in labels]] = 1.0
    rows = list(range(1, len(table.texts) + 1))
    return Split(table.name, table.path, table.texts, targets, rows)


def _require_both_kinds(
    splits: Mapping[str, Split], names: Sequence[str], profile: Profile
) -> None:
    targets = splits["train"].targets
    remedies = {
        "positive": "add texts that have it, or remove the label from every file and the profile",
        "negative": "a label that every text has cannot be learned: remove it",
    }
    for value, (kind, mend) in zip((1, 0), remedies.items(), strict=True):
        counts = (targets == value).sum(axis=0)
        missing = [repr(name) for name, count in zip(names, counts, strict=True) if count == 0]
        if missing:
            found = f"no {kind} for {some(missing)}"
            raise fail(profile.data.train, found, f"a {kind} for each label in training", mend)


def _complete(splits: Mapping[str, Split], seed: int) -> dict[str, Split]:
    """Split missing validation and test off from train, each a tenth of its rows."""
    missing = [name for name in SPLITS[1:] if name not in splits]
    result = dict(splits)
    if not missing:
        return result
    train = splits["train"]
    keys = [text_key(text) for text in train.texts]
    shares = [1.0 - SPLIT_SHARE * len(missing), *[SPLIT_SHARE] * len(missing)]
    parts = stratified_split(train.targets, shares, seed, groups=keys)
    for name, rows in zip(["train", *missing], parts, strict=True):
        if len(rows) == 0:
            found = f"{counted(len(train), 'row')}, too few to split off {name}"
            raise fail(train.source, found, "more rows", f"give data.{name}, or more texts")
        result[name] = _subset(train, name, rows)
    return result


def _subset(split: Split, name: str, rows: NDArray[np.int64]) -> Split:
    return Split(
        name,
        split.source,
        [split.texts[row] for row in rows],
        split.targets[rows],
        [split.rows[row] for row in rows],
    )
