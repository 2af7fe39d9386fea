"""The table of what each annotator has answered: answers.csv, beside merged tables."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from imbtool.data.tables import read_table
from imbtool.data.writer import TableWriter
from imbtool.errors import user_error
from imbtool.formats.cells import cell_text, require_columns
from imbtool.types import Targets

NOBODY = ""
"""The annotator of answers that name none."""
COLUMNS = ("id", "annotator", "labels", "known")
"""Of the table: the labels that a text was given, and those that the answer is about."""


@dataclass(frozen=True)
class Ratings:
    """What each annotator says of each text that somebody has answered.

    Attributes:
        ids: of the texts [N].
        annotators: their names [A]; `NOBODY` where an answer names none.
        labels: their names [L].
        values: 1, 0, or NaN where nothing is said [A, N, L].
    """

    ids: list[str]
    annotators: list[str]
    labels: list[str]
    values: Targets

    @property
    def has_annotators(self) -> bool:
        """Whether the answers name annotators."""
        return self.annotators != [NOBODY]


@dataclass(frozen=True)
class AnswerRow:
    """An answer of the table."""

    id: str
    annotator: str
    labels: list[str]
    known: list[str]


def write_answers(path: Path, ratings: Ratings, before: Path | None = None) -> None:
    """Write the table, behind the rows of an earlier one.

    Raises:
        UserError: the earlier one cannot be read.
    """
    rows = [*(read_answer_rows(before) if before else ()), *_rows_of(ratings)]
    cells = [
        (row.id, row.annotator, *(json.dumps(each, ensure_ascii=False) for each in names))
        for row in rows
        for names in [(row.labels, row.known)]
    ]
    with TableWriter(path, path.suffix) as writer:
        writer.write(pd.DataFrame(cells, columns=list(COLUMNS), dtype=object))


def _rows_of(ratings: Ratings) -> Iterator[AnswerRow]:
    for place, id in enumerate(ratings.ids):
        for annotator, said in zip(ratings.annotators, ratings.values[:, place], strict=True):
            if not np.isnan(said).all():
                known = np.flatnonzero(~np.isnan(said)).tolist()
                given = [ratings.labels[label] for label in known if said[label] == 1]
                yield AnswerRow(id, annotator, given, [ratings.labels[label] for label in known])


def read_answer_rows(path: Path) -> list[AnswerRow]:
    """The answers of the table.

    Raises:
        UserError: it cannot be read, lacks a column, or a cell is no list of names.
    """
    frame = read_table(path)
    require_columns(frame, COLUMNS, path)
    cells = [[cell_text(cell) for cell in frame[name]] for name in COLUMNS]
    return [
        AnswerRow(id, annotator, _names(path, row, labels), _names(path, row, known))
        for row, (id, annotator, labels, known) in enumerate(zip(*cells, strict=True), start=1)
    ]


def _names(path: Path, row: int, cell: str) -> list[str]:
    try:
        names = json.loads(cell)
    except ValueError:
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        fix = "restore the table, which `imbtool merge` writes"
        raise user_error(f"{path}: row {row}", f"{cell[:60]!r}", "a JSON list of labels", fix)
    return names


def read_ratings(path: Path, labels: Sequence[str]) -> Ratings:
    """The answers of the table side by side.

    Args:
        path: of the table.
        labels: that are wanted; others are left out.

    Raises:
        UserError: as `read_answer_rows`.
    """
    rows = read_answer_rows(path)
    ids = list(dict.fromkeys(row.id for row in rows))
    annotators = sorted({row.annotator for row in rows})
    who, text, column = (
        {name: place for place, name in enumerate(names)} for names in (annotators, ids, labels)
    )
    values = np.full((len(annotators), len(ids), len(labels)), np.nan, dtype=np.float32)
    for row in rows:
        said = values[who[row.annotator], text[row.id]]
        said[[column[name] for name in row.known if name in column]] = 0
        said[[column[name] for name in row.labels if name in column]] = 1
    return Ratings(ids, annotators, list(labels), values)
