"""External predictions: those of any other tool, read for the texts of a split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from imbtool.config.data_sections import DataSection
from imbtool.config.hierarchy import label_set
from imbtool.data.corpus import Split, split_column
from imbtool.data.duplicates import text_key
from imbtool.data.tables import read_table
from imbtool.errors import Problem, UserError, user_error
from imbtool.evaluation.predictions import PREDICTED, PROBABILITY_PREFIX, Predictions
from imbtool.files.text_format import TextFormat
from imbtool.formats.cells import cell_text, joined_text, shown_text
from imbtool.labels.cells import shown_cell
from imbtool.labels.separators import STRONG, WEAK, joined_by
from imbtool.labels.syntax import read_cell
from imbtool.types import Decisions, Floats
from imbtool.wording import counted, did_you_mean, some

AT_HALF = 0.5
"""The threshold of probabilities that come without decisions."""


def read_external_predictions(
    path: Path, data: DataSection, names: Sequence[str], split: Split
) -> Predictions:
    """Read what another tool predicts for a split.

    Decisions are those in a column `predicted` (label names, joined by the separator), or 0/1
    columns named as the labels, or probabilities at 0.5, in columns `p:LABEL` or named as the
    labels. Beside `predicted`, 0/1 columns are left alone: they may be the truth. Rows are matched
    by the id column where both tables have one, else by position; texts must be the same.

    Args:
        path: a csv, tsv, jsonl or parquet file.
        data: the columns of the split's table.
        names: the labels of the split's targets.
        split: the texts that it must have predictions for.

    Returns:
        Predictions [n, its labels]; labels that the split lacks may be among them.

    Raises:
        UserError: no predictions in it, not those of these texts, cells that are no probabilities.
    """
    frame = _matched(read_table(path, TextFormat(data.encoding)), path, data, split)
    table = _Table(path, frame, tuple(names))
    if PREDICTED in frame.columns:
        return table.by_names(data.labels.separator)
    if not table.columns:
        own = f"columns {PROBABILITY_PREFIX}LABEL, columns named as the labels"
        expected = f"{own}, or a column {PREDICTED!r}"
        found = f"no predictions; the columns are {some(frame.columns, 12)}"
        raise user_error(
            path, found, expected, f"rename its columns; the labels are {some(names, 12)}"
        )
    predictions = table.by_numbers()
    if predictions.probabilities is None and data.labels.columns is not None:
        _refuse_the_truth(predictions, path, names, split)
    return predictions


@dataclass(frozen=True)
class _Table:
    """The rows of a split's texts in a file of predictions; the index is their row in it."""

    path: Path
    frame: pd.DataFrame
    known: tuple[str, ...]

    @cached_property
    def columns(self) -> Mapping[str, str]:
        """The column of each label that has one; `p:LABEL` wins over bare names."""
        return self._prefixed or {name: name for name in self.known if name in self.frame.columns}

    @cached_property
    def _prefixed(self) -> Mapping[str, str]:
        columns = [str(name) for name in self.frame.columns]
        return {
            name.removeprefix(PROBABILITY_PREFIX): name
            for name in columns
            if name.startswith(PROBABILITY_PREFIX)
        }

    @cached_property
    def _numbers(self) -> pd.DataFrame:
        """Cells as numbers by label; NaN where a cell is none."""
        cells = {label: self.frame[name].map(cell_text) for label, name in self.columns.items()}
        parsed = {label: pd.to_numeric(of, errors="coerce") for label, of in cells.items()}
        return pd.DataFrame(parsed, index=self.frame.index, dtype=np.float64)

    @property
    def _are_flags(self) -> bool:
        """Whether there is nothing but 0, 1 and no number at all in columns with bare names."""
        blank_or_flag = self._numbers.isin((0, 1)) | self._numbers.isna()
        return not self._prefixed and bool(blank_or_flag.all(axis=None))

    def by_names(self, separator: str) -> Predictions:
        """Decisions of the column `predicted`, with probabilities if they stand beside it."""
        decided = [self._names(row, separator) for row in range(len(self.frame))]
        self._require_separator(decided, separator)
        scores = None if self._are_flags else self._probabilities()
        every = dict.fromkeys([*self.known, *(name for row in decided for name in row)])
        labels = tuple(every if scores is None else self.columns)
        indicators = self._indicators(decided, labels)
        return _predictions(labels, indicators, scores, "their column predicted")

    def _names(self, place: int, separator: str) -> Sequence[str]:
        cell = self.frame[PREDICTED].iloc[place]
        written = read_cell(cell, separator)
        if written.form == "unreadable":
            found = f"{shown_cell(cell_text(cell))} in {self._row(place)}"
            fix = f"write the names with {separator!r} between two of them, or a list of them"
            raise user_error(f"{self.path}: {PREDICTED}", found, "label names", fix)
        return written.names

    def by_numbers(self) -> Predictions:
        """Decisions of 0/1 columns, or of probabilities at 0.5."""
        values, labels = self._probabilities(), tuple(self.columns)
        if self._are_flags:
            return _predictions(labels, values == 1, None, "0/1 columns")
        return _predictions(labels, values >= AT_HALF, values, f"probabilities at {AT_HALF}")

    def _probabilities(self) -> Floats:
        problems = [
            self._no_probabilities(label, rows)
            for label, column in self._numbers.items()
            if (rows := np.flatnonzero(~column.between(0, 1))).size
        ]
        if problems:
            raise UserError(*problems)
        return self._numbers.to_numpy(np.float64)

    def _no_probabilities(self, label: Any, rows: NDArray[np.int64]) -> Problem:
        column = self.columns[label]
        cells = (f"{cell_text(self.frame[column].iloc[row])!r} in {self._row(row)}" for row in rows)
        return Problem(
            f"{self.path}: {column}",
            f"{counted(len(rows), 'cell')} that hold no probability: {some(cells)}",
            "a number from 0 to 1 in every row",
            "fill empty cells; a logit z is the probability 1 / (1 + exp(-z))",
        )

    def _require_separator(self, decided: Sequence[Sequence[str]], separator: str) -> None:
        """Names that are several labels with another mark between them would all be lost."""
        for row, names in enumerate(decided):
            joined = [name for name in names if _is_joined(name, set(self.known))]
            if joined:
                found = f"{joined[0]!r} in {self._row(row)}"
                fix = f"write {separator!r} between two labels"
                raise user_error(f"{self.path}: {PREDICTED}", found, "one label", fix)

    def _indicators(self, decided: Sequence[Sequence[str]], labels: Sequence[str]) -> Decisions:
        index = {name: position for position, name in enumerate(labels)}
        indicators = np.zeros((len(decided), len(labels)), dtype=np.bool_)
        for row, names in enumerate(decided):
            strange = [name for name in names if name not in index]
            if strange:
                found = f"{strange[0]!r} in {self._row(row)}, which has no probabilities"
                expected = f"labels that have a column: {some(self.columns.values())}"
                fix = did_you_mean(strange[0], labels)
                raise user_error(f"{self.path}: {PREDICTED}", found, expected, fix)
            indicators[row, [index[name] for name in names]] = True
        return indicators

    def _row(self, place: int) -> str:
        return f"row {self.frame.index[place] + 1}"


def _predictions(
    names: tuple[str, ...], decisions: Decisions, probabilities: Floats | None, decided_by: str
) -> Predictions:
    return Predictions(label_set(names, []), decisions, probabilities, decided_by=decided_by)


def _matched(frame: pd.DataFrame, path: Path, data: DataSection, split: Split) -> pd.DataFrame:
    """The rows of the split's texts, in their order."""
    if data.id and data.id in frame.columns:
        found = _by_id(frame, path, data.id, split_column(split, data.id, data.text_format))
        _require_same_texts(found, path, data, split)
        return found
    if len(frame) != len(split):
        expected = f"{counted(len(split), 'row')}, one for each text of {split.name}"
        fix = "predict these texts in their order, or give both tables an id column (data.id)"
        raise user_error(path, counted(len(frame), "row"), expected, fix)
    _require_same_texts(frame, path, data, split)
    return frame


def _by_id(frame: pd.DataFrame, path: Path, column: str, wanted: Sequence[str]) -> pd.DataFrame:
    ids = [cell_text(cell) for cell in frame[column]]
    where, times = f"{path}: {column}", Counter(ids)
    repeated = [name for name in wanted if times[name] > 1]
    if repeated:
        found = f"{counted(len(repeated), 'id')} more than once: {some(repeated)}"
        raise user_error(where, found, "each id once", "leave one row of each")
    missing = [name for name in wanted if name not in times]
    if missing:
        found = f"no row for {counted(len(missing), 'id')}: {some(missing)}"
        raise user_error(where, found, "a row for each text", "predict these texts too")
    places = {name: place for place, name in enumerate(ids)}
    return frame.iloc[[places[name] for name in wanted]]


def _require_same_texts(frame: pd.DataFrame, path: Path, data: DataSection, split: Split) -> None:
    columns = data.text_columns
    if not set(columns) <= set(frame.columns):
        return
    pairs = zip(joined_text(frame, data.text), split.texts, split.rows, strict=True)
    for row, (theirs, ours, our_row) in zip(frame.index + 1, pairs, strict=True):
        if text_key(theirs) != text_key(ours):
            raise user_error(
                f"{path}: {' + '.join(columns)}",
                f"another text in row {row}: {shown_text(theirs)[:60]!r}",
                f"{shown_text(ours)[:60]!r}, as in row {our_row} of {split.source}",
                "predict these texts: match them by their order, or by an id column of both tables",
            )


def _refuse_the_truth(
    predictions: Predictions, path: Path, names: Sequence[str], split: Split
) -> None:
    """0/1 columns that agree with every target are the split's own labels."""
    truth = split.targets[:, [names.index(name) for name in predictions.labels.names]]
    if np.all((truth == predictions.decisions) | np.isnan(truth)):
        fix = f"put the decisions into columns {PROBABILITY_PREFIX}LABEL or {PREDICTED!r}"
        found = "0/1 columns that are the labels of the texts, every one"
        raise user_error(path, found, "predictions", fix)


def _is_joined(name: str, known: set[str]) -> bool:
    """Whether a name is several labels with another separator between them."""
    return name not in known and joined_by(name, known, (*STRONG, *WEAK)) is not None
