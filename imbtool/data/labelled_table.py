"""One table with texts and label cells, and everything that is wrong with it alone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pyarrow.compute as pc

from imbtool.config.data_sections import DataSection
from imbtool.data.provenance import chosen_by_search, provenance, provenance_problems
from imbtool.data.tables import Files, Table, read_arrow, row_in_words
from imbtool.errors import Problem, UserError, user_error
from imbtool.formats.cells import (
    joined_cells,
    require_columns,
    require_readable,
    require_text,
    text_cells,
)
from imbtool.formats.texts import Texts
from imbtool.labels.cells import LabelCells, label_cells
from imbtool.types import Flags
from imbtool.wording import counted, some


@dataclass(frozen=True)
class LabelledTable:
    """A table whose label cells are not yet targets: all tables together have the labels.

    Attributes:
        name: of the split.
        path: of the table.
        texts: n texts.
        cells: their label cells.
        files: of the table, and how many rows each has.
        chosen: whether a search chose each text [n]; [0] where the table does not say.
    """

    name: str
    path: Path
    texts: Texts
    cells: LabelCells
    files: Files
    chosen: Flags

    def told(self, row: int) -> str:
        """A row (from 1) in words."""
        return row_in_words(self.files, row)


def read_labelled(
    name: str,
    path: Path,
    data: DataSection,
    declared: Collection[str],
    is_train: bool,
    may_be_empty: bool = False,
) -> LabelledTable:
    """Read a table and everything in it that does not rest on other tables.

    Args:
        name: of the split.
        path: of the table.
        data: how it is read.
        declared: labels whose columns it may lack, unless it is the training table.
        is_train: whether it is; else it may also lack the columns that say how texts were chosen
            and what is known of them.
        may_be_empty: whether a header without rows is a table.

    Raises:
        UserError: with every problem of the table.
    """
    table = read_arrow(path, data.text_format, may_be_empty=may_be_empty)
    there = table.data.column_names
    text_columns = data.text_columns
    label_columns = data.labels.columns or [data.labels.column or ""]
    if not is_train:
        label_columns = [each for each in label_columns if each in there or each not in declared]
    told = filter(None, [data.labels.known, data.chosen_by])
    sayings = [column for column in told if is_train or column in there]
    wanted = [*text_columns, *label_columns, *filter(None, [data.id]), *sayings]
    require_columns(there, wanted, path)
    _require_apart(path, text_columns, label_columns)
    for column in text_columns:
        require_text(table.data[column], f"{path}: {column}", table.row_text)
    for column in label_columns:
        require_readable(table.data[column], f"{path}: {column}")
    with ThreadPoolExecutor(1) as pool:
        # Arrow copies the texts while Python reads what the label cells say
        begun = pool.submit(_texts, table, path, text_columns)
        cells, words = label_cells(table.data, data.labels), provenance(table, data.chosen_by)
        others = [*_id_problems(table, path, data.id), *cells.problems(path, table.row_text)]
        others += provenance_problems(words, f"{path}: {data.chosen_by}", table)
        texts, problems = begun.result()
    if problems or others:
        raise UserError(*problems, *others)
    return LabelledTable(name, path, texts, cells, table.files, chosen_by_search(words))


def _require_apart(path: Path, text: Sequence[str], labels: Sequence[str]) -> None:
    for column in text:
        if column in labels:
            found, fix = "the same column as text and as labels", "set data.text or data.labels"
            raise user_error(
                f"{path}: {column}", found, "text columns that do not hold the labels", fix
            )


def _texts(table: Table, path: Path, columns: Sequence[str]) -> tuple[Texts, list[Problem]]:
    """The texts of all rows, and what is wrong with them."""
    texts = Texts(joined_cells([table.data[column] for column in columns]))
    where, empty = f"{path}: {' + '.join(columns)}", (texts.empty() + 1).tolist()
    rows = f"{counted(len(empty), 'row')} without text: {some(map(table.row_text, empty))}"
    found = f"{rows}, not counting the header"
    problems = [Problem(where, found, "a text in every row", "delete these rows")]
    return texts, problems if empty else []


def _id_problems(table: Table, path: Path, column: str | None) -> Iterable[Problem]:
    if column is None:
        return
    found = pc.value_counts(pc.fill_null(text_cells(table.data[column]), ""))
    repeated = found.field("values").filter(pc.greater(found.field("counts"), 1)).to_pylist()
    if repeated:
        told = f"{counted(len(repeated), 'id')} more than once: {some(repeated)}"
        fix = "make them unique, or leave data.id out"
        yield Problem(f"{path}: {column}", told, "each id once", fix)
