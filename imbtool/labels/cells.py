"""Label cells become targets: each distinct cell is read once, whatever the number of rows."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from imbtool.config.data_sections import LabelSource
from imbtool.errors import Problem
from imbtool.formats.cells import ITEM_MARK, OBJECT_MARK, is_list, text_cells
from imbtool.labels.label_sets import LabelSets, combined
from imbtool.labels.separators import guess_separator
from imbtool.labels.syntax import Written, flag_of, read_cell, unquoted
from imbtool.wording import cut, did_you_mean, printable

Codes = NDArray[np.int8] | NDArray[np.int32]

RowText = Callable[[int], str]

SCORED = re.compile(r"\w\W*(?:[\s:=(]\s*[01]?\.\d+|[:=]\s*[01])\)?$")
"""A name with a score or a flag: `spam (0.93)`, `spam: 0.93`, `spam=1`."""
FEW = 2**7
"""Distinct cells below which a byte numbers them."""
AT_ONCE = 31
"""Labels whose 1, 0 and unknown make one number, two bits each."""
UNKNOWN_SCORE = -1.0
"""What many tables write for a label that nobody knows."""


def label_cells(data: pa.Table, source: LabelSource) -> LabelCells:
    """The label cells of a table.

    Args:
        data: the table. It has the column of names; of several label columns, and of the column
            that lists known labels, it may lack some.
        source: where the labels stand.
    """
    if source.columns is not None:
        there = [name for name in source.columns if name in data.column_names]
        return _Flags({name: _Coded.of(data[name]) for name in there}, source, len(data))
    has_known = source.known in data.column_names
    known = _Known.of(data[source.known], source) if has_known else None
    return _Names.of(data[source.column], source, known)


@dataclass(frozen=True)
class _Coded:
    """A column's distinct cells, and for each row which it has; -1 none."""

    cells: list[str]
    codes: Codes

    @classmethod
    def of(cls, column: pa.ChunkedArray) -> _Coded:
        encoded = text_cells(column).combine_chunks().dictionary_encode()
        codes = pc.fill_null(encoded.indices, -1).to_numpy()
        cells = encoded.dictionary.to_pylist()
        # of fifty 0/1 columns these numbers would be the largest part of what is kept
        return cls(cells, codes.astype(np.int8) if len(cells) < FEW else codes)

    def first(self, holds: Sequence[bool], told: RowText) -> str:
        """The first row whose distinct cell is one of some, and how many more; or nothing."""
        rows = np.flatnonzero(np.array([*holds, False])[self.codes])
        more = f" and {len(rows) - 1:,} more" * (len(rows) > 1)
        return f"{told(int(rows[0]) + 1)}{more}" if len(rows) else ""

    def problem(
        self, place: str, holds: Sequence[bool], told: RowText, found: str, *expected_and_fix: str
    ) -> Iterable[Problem]:
        """A problem of some distinct cells, with the first row and cell; nothing without a row."""
        if row := self.first(holds, told):
            cell = shown_cell(self.cells[holds.index(True)])
            yield Problem(place, f"{found} in row {row}: {cell}", *expected_and_fix)


@dataclass(frozen=True)
class _Known:
    """The column that lists the labels that are known of a text."""

    coded: _Coded
    read: list[Written]
    """What each distinct cell says; the last one, of a missing value, says nothing."""
    source: LabelSource

    @classmethod
    def of(cls, column: pa.ChunkedArray, source: LabelSource) -> _Known:
        coded = _Coded.of(column)
        read = [*(read_cell(cell, source.separator) for cell in coded.cells), Written()]
        return cls(coded, read, source)

    @property
    def is_list(self) -> NDArray[np.bool_]:
        """Whether each row [n] lists anything; else all labels are known of it."""
        return np.array([bool(said.names) for said in self.read])[self.coded.codes]

    def problems(self, place: str, told: RowText) -> Iterable[Problem]:
        """Cells that cannot be read."""
        return self.coded.problem(
            place,
            [said.form == "unreadable" for said in self.read[:-1]],
            told,
            "a list or an object that holds more than label names",
            "the names of the labels that are known of the text, or nothing if all are",
            "write the names alone, separated as in the label column",
        )

    def strangers(self, names: Collection[str], place: str, told: RowText) -> Iterable[Problem]:
        """Listed labels that are not among some names."""
        listed = dict.fromkeys(name for said in self.read for name in said.names)
        for name in (name for name in listed if name not in names):
            row = self.coded.first([name in said.names for said in self.read[:-1]], told)
            found = f"the label {name!r} in row {row}, which no row has"
            yield Problem(place, found, "labels of the data", stranger_fix(name, names))


@dataclass(frozen=True)
class _Names:
    """Names in one column."""

    coded: _Coded
    """Cells are empty where they mean unknown."""
    read: list[Written]
    """What each distinct cell says; the last one, which means unknown, says nothing."""
    source: LabelSource
    are_lists: bool
    known: _Known | None = None

    @classmethod
    def of(
        cls, column: pa.ChunkedArray, source: LabelSource, known: _Known | None = None
    ) -> _Names:
        coded = _Coded.of(column)
        marked = [cell.strip() == source.unknown for cell in coded.cells]
        codes = np.where(np.append(marked, True)[coded.codes], np.int32(-1), coded.codes)
        cells = ["" if is_mark else cell for cell, is_mark in zip(coded.cells, marked, strict=True)]
        read = [*(read_cell(cell, source.separator) for cell in cells), Written()]
        return cls(_Coded(cells, codes), read, source, is_list(column), known)

    @property
    def names(self) -> set[str]:
        return {name for written in self.read for name in written.names}

    @property
    def usual_names(self) -> set[str]:
        """Labels of texts of which no cell lists what is known: those that annotators looked for.

        Where such a text does not have one of them, somebody has decided so.
        """
        if self.known is None:
            return self.names
        codes = np.unique(self.coded.codes[~self.known.is_list])
        return {name for code in codes for name in self.read[code].names}

    def label_sets(self, names: Sequence[str], unasked: Collection[str] = ()) -> LabelSets:
        """The targets of all texts for some of the labels.

        Args:
            names: of the labels [L]; what cells say of others is left out.
            unasked: labels that are unknown of a text unless its cell of known labels lists them,
                since nobody was asked for them otherwise.
        """
        index = {name: position for position, name in enumerate(names)}
        sets = np.zeros((len(self.read), len(names)), dtype=np.float32)
        for row, written in zip(sets, self.read, strict=True):
            row[[index[name] for name in written.names if name in index]] = 1.0
        sets[-1] = np.nan
        of_text = np.where(self.coded.codes < 0, np.int32(len(sets) - 1), self.coded.codes)
        usual = set(names) - set(unasked)
        if self.known is not None:
            return self._partly_known(LabelSets(sets, of_text), self.known, names, usual)
        sets[:, [name not in usual for name in names]] = np.nan
        return LabelSets(sets, of_text)

    def _partly_known(
        self, given: LabelSets, known: _Known, names: Sequence[str], usual: Collection[str]
    ) -> LabelSets:
        """Label sets in which what is not known is unknown."""
        listed = [set(said.names) or usual for said in known.read]
        unknown = np.array([[name not in each for name in names] for each in listed], np.bool_)
        of_text, first = combined([given.of_text, known.coded.codes])
        sets = given.targets(first)
        sets[unknown[known.coded.codes[first]]] = np.nan
        return LabelSets(sets, of_text)

    def problems(self, where: Path, told: RowText) -> Iterable[Problem]:
        """What is wrong with them; `told` says which row (from 1) is meant."""
        place = f"{where}: {self.source.column}"
        yield from self._unreadable(place, told)
        yield from self._flag_lists(place, told)
        yield from self._scored_names(place, told)
        yield from self._sparse_maps(place, told)
        yield from self._marks_beside_labels(place, told)
        if self.known is not None:
            known = f"{where}: {self.source.known}"
            yield from self.known.problems(known, told)
            yield from self._unlisted(known, self.known, told)
        if "separator" not in self.source.model_fields_set:
            yield from self.separator_problems(where, told)

    def known_strangers(
        self, names: Collection[str], where: Path, told: RowText
    ) -> Iterable[Problem]:
        """Labels among the known ones that are no labels of the data."""
        if self.known is None:
            return ()
        return self.known.strangers(names, f"{where}: {self.source.known}", told)

    def separator_problems(self, where: Path, told: RowText) -> Iterable[Problem]:
        """A separator that never occurs is wrong where another makes labels recur."""
        separator = self.source.separator
        plain = [unquoted(cell) for cell, said in self._distinct() if said.form == "names"]
        if self.are_lists or any(separator in cell for cell in plain):
            return
        guess = guess_separator(plain)
        likely = (guess.separator, "") if guess.separator else guess.unclear
        if likely and likely[0] != separator:
            mark = likely[0]
            holds = [mark in cell and said.form == "names" for cell, said in self._distinct()]
            yield Problem(
                f"{where}: {self.source.column}",
                f"the separator {separator!r} in no cell, but {mark!r} in row "
                f"{self.coded.first(holds, told)}",
                "the separator that the table uses",
                f"set data.labels.separator to {mark!r}, or to {separator!r} if {mark!r} is part "
                "of names",
            )

    def _distinct(self) -> Iterable[tuple[str, Written]]:
        return zip(self.coded.cells, self.read, strict=False)

    def _unreadable(self, place: str, told: RowText) -> Iterable[Problem]:
        return self.coded.problem(
            place,
            [said.form == "unreadable" for _, said in self._distinct()],
            told,
            "a list or an object that holds more than label names",
            "label names, a list of them, or a map from names to 0 and 1",
            "write the names alone, joined by a separator, or a 0/1 column for each label",
        )

    def _flag_lists(self, place: str, told: RowText) -> Iterable[Problem]:
        """Lists of 0 and 1 instead of names, all of one length."""
        said = [written for written in self.read if written.names]
        lengths = {written.flags for written in said}
        repeats = any(len(written.names) > len(set(written.names)) for written in said)
        if not lengths or min(lengths) < 1 + (not repeats) or (len(lengths) > 1 and not repeats):
            return ()
        return self.coded.problem(
            place,
            [written.flags > 1 for _, written in self._distinct()],
            told,
            "lists of 0 and 1",
            "the names of the labels",
            "the file does not say which label each place stands for: write a list of names, "
            "or one 0/1 column for each label (data.labels.columns)",
        )

    def _scored_names(self, place: str, told: RowText) -> Iterable[Problem]:
        """Names with a score behind each would be as many labels as there are scores."""
        names = [written.names for _, written in self._distinct()]
        scored = [any(SCORED.search(name[-40:]) for name in each) for each in names]
        if 2 * sum(scored) <= sum(map(bool, names)):
            return ()
        return self.coded.problem(
            place,
            scored,
            told,
            "names with a number behind them",
            "label names alone",
            "write the names of the labels that a text has, or a column of scores for each "
            "label and data.labels.threshold",
        )

    def _sparse_maps(self, place: str, told: RowText) -> Iterable[Problem]:
        """Maps that name some labels only: the others may be unknown, or 0."""
        keys = {said.keys for said in self.read if said.keys is not None}
        whole = max(keys, key=len, default=frozenset())
        return self.coded.problem(
            place,
            [said.keys is not None and said.keys != whole for _, said in self._distinct()],
            told,
            "a map that names other labels than the largest one",
            "a 0 or 1 for each label in every row",
            "add what is missing, or write a 0/1 column for each label, empty where unknown",
        )

    def _unlisted(self, place: str, known: _Known, told: RowText) -> Iterable[Problem]:
        """A text has a label that its list of known ones lacks."""
        pairs = np.stack([self.coded.codes, known.coded.codes], axis=1)
        distinct, rows = np.unique(pairs, axis=0, return_index=True)
        for (code, listing), row in sorted(
            zip(distinct.tolist(), rows.tolist(), strict=True), key=lambda pair: pair[1]
        ):
            listed = known.read[listing].names
            missing = [name for name in self.read[code].names if listed and name not in listed]
            if missing:
                yield Problem(
                    place,
                    f"row {told(row + 1)} without {missing[0]!r}, which the text has",
                    "each label of a text among those that are known of it",
                    f"list it there, or take it out of {self.source.column!r}",
                )
                return

    def _marks_beside_labels(self, place: str, told: RowText) -> Iterable[Problem]:
        return self.coded.problem(
            place,
            [self.source.unknown in said.names for said in self.read[:-1]],
            told,
            f"{self.source.unknown!r}, which means unknown, beside labels",
            "the mark alone, or labels alone: either all labels of a text are known or none",
            "delete the mark or the labels; 0/1 columns know each label for itself",
        )


@dataclass(frozen=True)
class _Flags:
    """One column of 0 and 1 a label, or of scores with a threshold."""

    columns: dict[str, _Coded]
    source: LabelSource
    rows: int

    @property
    def names(self) -> set[str]:
        return set(self.columns)

    @property
    def usual_names(self) -> set[str]:
        """Labels that have a column, whose cells say for themselves what is unknown."""
        return self.names

    def label_sets(
        self,
        names: Sequence[str],
        unasked: Collection[str] = (),  # noqa: ARG002
    ) -> LabelSets:
        """The targets of all texts for some of the labels; one without a column is unknown."""
        there = [name for name in names if name in self.columns]
        if not there or not self.rows:
            return LabelSets.unknown(self.rows, len(names))
        parts = (there[start : start + AT_ONCE] for start in range(0, len(there), AT_ONCE))
        of_text, first = combined(map(self._packed, parts))
        sets = np.full((len(first), len(names)), np.nan, np.float32)
        for place, name in enumerate(names):
            if name in self.columns:
                sets[:, place] = self._values(name)[self.columns[name].codes[first]]
        return LabelSets(sets, of_text)

    def _packed(self, names: Sequence[str]) -> NDArray[np.int64]:
        """One number for each text [n], equal where its targets of some labels are."""
        result = np.zeros(self.rows, np.int64)
        for name in names:
            kinds = np.nan_to_num(self._values(name), nan=2.0).astype(np.int64)
            result <<= 2
            result |= kinds[self.columns[name].codes]
        return result

    def _values(self, name: str) -> NDArray[np.float32]:
        """The target that each distinct cell of a column stands for; the last is a missing one's.

        A cell that says nothing of the kind is unknown.
        """
        values = [*map(self._value, self.columns[name].cells), self._empty]
        return np.array(values, dtype=np.float32)

    def problems(self, where: Path, told: RowText) -> Iterable[Problem]:
        for column, coded in self.columns.items():
            wrong = [self._value(cell) is None for cell in coded.cells]
            if row := coded.first(wrong, told):
                cell = coded.cells[wrong.index(True)]
                found = f"{shown_cell(cell)} in row {row}"
                yield Problem(f"{where}: {column}", found, *self._wanted(cell))
        if self.source.threshold is None:
            yield from self._signs(where, told)

    def _wanted(self, cell: str) -> tuple[str, str]:
        """What should stand in the place of a cell, and how to get there."""
        if self.source.threshold is not None:
            fix = "write a number or nothing: data.labels.threshold decides by it"
            return "a number or nothing", fix
        if _number(cell) is not None:
            fix = "write 0, 1 or nothing; of scores say from which on a text has the label: "
            return "0, 1 or empty (unknown)", f"{fix}data.labels.threshold, for example 0.5"
        fix = "write 0, 1 or nothing; for names in one column use data.labels.column"
        return "0, 1 or empty (unknown)", fix

    def separator_problems(self, where: Path, told: RowText) -> Iterable[Problem]:  # noqa: ARG002
        """Nothing separates 0 and 1."""
        return ()

    def known_strangers(
        self,
        names: Collection[str],  # noqa: ARG002
        where: Path,  # noqa: ARG002
        told: RowText,  # noqa: ARG002
    ) -> Iterable[Problem]:
        """Nothing lists which of them are known: each cell says it."""
        return ()

    @property
    def _empty(self) -> float:
        return 0.0 if self.source.empty == "negative" else np.nan

    def _value(self, cell: str) -> float | None:
        """1, 0, or NaN for unknown; None: the cell says nothing of the kind."""
        if not cell.strip():
            return self._empty
        threshold = self.source.threshold
        if threshold is None:
            return flag_of(cell)
        score = _number(cell)
        if score is None or (score == UNKNOWN_SCORE and threshold > 0):
            flag = flag_of(cell)
            return flag if flag is not None and np.isnan(flag) else None
        return float(score >= threshold)

    def _signs(self, where: Path, told: RowText) -> Iterable[Problem]:
        """-1 is unknown beside 0; where there is no 0 at all it may as well mean no."""
        cells = {cell for coded in self.columns.values() for cell in coded.cells}
        if any(flag_of(cell) == 0 for cell in cells):
            return
        for column, coded in self.columns.items():
            if row := coded.first([_number(cell) == UNKNOWN_SCORE for cell in coded.cells], told):
                yield Problem(
                    f"{where}: {column}",
                    f"-1 in row {row}, and no 0 in any label column",
                    "0 for a text without the label, -1 or nothing where nobody knows",
                    "write 0 in place of -1 if it means no",
                )
                return


LabelCells = _Names | _Flags
"""The label cells of a table: names in one column, or a column for each label."""


def _number(cell: str) -> float | None:
    """A finite number; None for anything else."""
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def stranger_fix(name: str, names: Iterable[str]) -> str:
    """What to do about a name that no text has as a label: it may be misspelled, or new."""
    return f"{did_you_mean(name, names)}; labels.names declares labels that no text has yet"


def shown_cell(cell: str) -> str:
    """A cell for a message: its beginning, a list as one."""
    if ITEM_MARK in cell:
        cell = f"[{', '.join(cell.split(ITEM_MARK)[:-1])}]"
    return repr(printable(cut(cell.replace(OBJECT_MARK, ""), 60)))
