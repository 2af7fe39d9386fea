"""What all readers of exports share: the rows of a file, and the flat table that they become."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from imbtool.errors import UserError, user_error
from imbtool.formats.cells import as_arrow
from imbtool.formats.json_rows import Row
from imbtool.wording import counted, shown, some

LABELS = "labels"
"""The column of labels that a flat table has where all labels of a text are known or none is."""
TEXT_ID = "imbtool_id"
"""The field of a task that holds the id of its text; tools number their tasks themselves."""


@dataclass(frozen=True)
class Export:
    """A flat table, and what is known of it.

    Attributes:
        columns: the cells of each column.
        labels: the columns that hold the labels: one of lists, or one of 0 and 1 a label.
        texts: the columns that hold the texts, if the export tells.
        note: what was understood, in one sentence whose subject, the file, is left out.
        are_merged: whether a row is made of several rows of the file.
    """

    columns: dict[str, list[object]]
    labels: tuple[str, ...]
    texts: tuple[str, ...]
    note: str
    are_merged: bool = False

    @property
    def table(self) -> pa.Table:
        """The columns in Arrow's types; labels are lists of text."""
        return pa.table({name: self._arrow(name) for name in self.columns})

    def _arrow(self, name: str) -> pa.Array:
        cells = self.columns[name]
        are_lists = name in self.labels and any(isinstance(cell, list) for cell in cells)
        if are_lists or (name == LABELS and self.labels == (LABELS,)):
            return pa.array(cells, pa.list_(pa.string()))
        return as_arrow(cells)


class ExportRow(dict[str, Any]):
    """One JSON object of a file that a tool has written; a key that is missing is not in it.

    Attributes:
        path: of the file.
        tool: that has written it.
        number: of the row in the file, from 1.
    """

    def __init__(self, path: Path, tool: str, number: int, cells: Row) -> None:
        super().__init__(cells)
        self.path, self.tool, self.number = path, tool, number

    def user_error(self, found: str, expected: str, fix: str) -> UserError:
        """An error about this row that names the tool."""
        found = f"{found}, in an export of {self.tool}"
        return user_error(f"{self.path}: row {self.number}", found, expected, fix)

    def foreign(self) -> UserError:
        """An error about a row that is of another shape than those that told the tool."""
        found = f"a row with the columns {some(self, 8)}"
        expected = f"rows as {self.tool} writes them, like those before it"
        return self.user_error(
            found, expected, "keep the rows of one export in a file of their own"
        )

    def text(self, value: object, column: str = "text") -> str:
        """A text that must be there.

        Raises:
            UserError: it is missing, or no text.
        """
        if isinstance(value, str):
            return value
        found = f"no text in {column!r}" if value is None else f"{shown(value, 60)} in {column!r}"
        raise self.user_error(found, "a text in every row", "delete the row, or add its text")

    def name(self, value: object, column: str) -> str:
        """The name of a label.

        Raises:
            UserError: it is no text, and no number or truth value either.
        """
        if isinstance(value, str) and value.strip():
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        fix = f"write names of labels into {column!r}"
        raise self.user_error(f"{shown(value, 60)} in {column!r}", "the name of a label", fix)

    def names(self, value: object, column: str) -> list[str]:
        """The names of a list of labels, each once.

        Raises:
            UserError: it is no list, or one of its items is no name.
        """
        if not isinstance(value, list):
            fix = f"write a list of names into {column!r}"
            raise self.user_error(f"{shown(value, 60)} in {column!r}", "a list of labels", fix)
        return list(dict.fromkeys(self.name(item, column) for item in value))


@dataclass(frozen=True)
class Given:
    """What one person has answered about one text.

    Attributes:
        row: of the file, from 1.
        cells: of the row besides its labels.
        annotator: who has answered, if the export tells.
        labels: that the text was given; None where this is no answer: skipped, a draft.
        asked: the labels that the answer is about; None: all.
        confirmed: whether a person has surely given it; otherwise it may be a suggestion.
    """

    row: int
    cells: Row
    annotator: str | None
    labels: tuple[str, ...] | None
    asked: tuple[str, ...] | None = None
    confirmed: bool = True


@dataclass(frozen=True)
class Tool:
    """One shape of one tool's exports.

    Attributes:
        name: of the tool.
        matches: whether a row has the shape and could be of nothing else.
        flatten: what makes a flat table of the rows.
    """

    name: str
    matches: Callable[[Row], bool]
    flatten: Callable[[Sequence[ExportRow]], Export]


@dataclass(frozen=True)
class AnswerTool:
    """One shape of one tool's exports, of which it can be told who has answered what.

    Attributes:
        name: of the tool.
        matches: whether a row has the shape and could be of nothing else.
        answers: what each person has answered.
    """

    name: str
    matches: Callable[[Row], bool]
    answers: Callable[[Sequence[ExportRow]], Iterator[Given]]


def columns_of(cells: Sequence[Row]) -> dict[str, list[Any]]:
    """Rows of flat cells as columns; a cell that is missing is None."""
    names = dict.fromkeys(name for row in cells for name in row)
    return {name: [row.get(name) for row in cells] for name in names}


def kept(row: Row, leave: Iterable[str] = (), taken: Iterable[str] = (), prefix: str = "") -> Row:
    """The cells of a row that say nothing of its labels.

    Args:
        row: of the export.
        leave: keys to leave out.
        taken: names of columns that are taken: a cell of such a name gets the prefix.
        prefix: what stands before such a name.
    """
    others = {key: flat_cell(value) for key, value in row.items() if key not in set(leave)}
    used = set(taken)
    return {f"{prefix}.{key}" if key in used else key: cell for key, cell in others.items()}


def flat_cell(value: object) -> object:
    """A cell as it is, or as JSON where it is nested."""
    nested = isinstance(value, dict | list)
    return json.dumps(value, ensure_ascii=False, default=str) if nested else value


def person(value: object) -> str | None:
    """The name or number of an annotator as text; None where there is none."""
    return None if value is None or value != value or value == "" else str(value)


def known_by_label(
    known: Sequence[Mapping[str, float] | None], names: Sequence[str]
) -> dict[str, list[float | None]]:
    """One column of 0 and 1 a label, None where it is not known of a text."""
    return {name: [(of_row or {}).get(name) for of_row in known] for name in names}


def told(tool: str, source: str, facts: Iterable[str]) -> str:
    """The note of an export: where its labels came from, and what was left unknown or out."""
    return f"is read as an export of {tool}: " + "; ".join([source, *filter(None, facts)]) + "."


def unknown(number: int, why: str) -> str:
    """A fact of a note: how many texts have unknown labels; nothing where none has."""
    verb = "has" if number == 1 else "have"
    return f"{counted(number, 'text')} {why} {verb} unknown labels" if number else ""


def agreed(lists: Sequence[Sequence[list[str]]]) -> list[list[str] | None]:
    """The labels of each text, None where people say none or different ones.

    Args:
        lists: for each text the different sets of labels that people have given.
    """
    return [names[0] if len(names) == 1 else None for names in lists]


def differing(lists: Sequence[Sequence[list[str]]]) -> str:
    """A fact of a note: the texts about which people differ; nothing where they agree."""
    rows = [row for row, names in enumerate(lists, start=1) if len(names) > 1]
    noun = "row" if len(rows) == 1 else "rows"
    return unknown(len(rows), f"about which people differ ({noun} {some(rows)})")


def left_out(names: Iterable[str]) -> str:
    """A fact of a note: the fields that were left out; nothing where there are none."""
    fields = sorted(set(names))
    return f"left out: {some(fields, 8)}" if fields else ""
