"""What init asks where a table does not tell: each question with the options that answer it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

from imbtool.columns import Column
from imbtool.errors import UserError, counted, fail, some
from imbtool.labelcells import shown_cell
from imbtool.labelsyntax import flag_of


def set_option(key: str, value: str | Sequence[str]) -> str:
    """The option that sets a profile key, as it is typed into a shell."""
    is_plain = isinstance(value, str) and value == value.strip() and value[:1] not in ("", *"[{\"'")
    text = value if is_plain and str(value).isprintable() else json.dumps(value, ensure_ascii=False)
    return f"--set {shlex.quote(f'{key}={text}')}"


def which_column(among: Sequence[Column], where: Path) -> UserError:
    """Several columns could hold the labels."""
    among = [each for each in among if each.name]
    names = [repr(each.name) for each in among]
    return fail(
        f"{where}: line 1",
        f"{counted(len(names), 'column')} that could hold the labels: {some(names, 8)}",
        "a column whose name says so (labels, tags, ...), or to be told",
        f"{set_option('data.labels.column', among[0].name)}, or for one 0/1 column a label "
        f"{set_option('data.labels.columns', [each.name for each in among[:2]])}",
    )


def which_values(columns: Sequence[Column], where: Path) -> UserError:
    """Columns with the same few values, of which it cannot be told which mean yes."""
    first = columns[0]
    odd = next(cell for cell in first.values if flag_of(cell) is None)
    values = some(map(repr, sorted(first.values)))
    return fail(
        f"{where}: {some([each.name for each in columns], 8)}",
        f"columns with the same few values, {values}, {shown_cell(odd)} in row "
        f"{first.row_of(odd)}: they look like one label each, and it cannot be told which "
        "values mean yes",
        "two values that mean yes and no, such as 1 and 0, in each label column",
        "write 1 and 0; if the values are labels, join those of a text into one column; or "
        "name the one column that holds the labels: --set data.labels.column=NAME",
    )


def which_separator(column: Column, where: Path, mark: str, example: str, other: str) -> UserError:
    """A mark may stand between two labels or be part of a name."""
    cell = next(cell for cell in column.values if example in cell)
    return fail(
        f"{where}: {column.name}",
        f"{shown_cell(cell)} in row {column.row_of(cell)}: {mark!r} may stand between two labels "
        "or be part of a name",
        "to be told which",
        f"{set_option('data.labels.separator', mark)} if it separates labels, "
        f"{set_option('data.labels.separator', other)} if it is part of names",
    )


def which_threshold(scores: Sequence[Column], where: Path) -> UserError:
    """Scores, and nobody has said which of them mean yes."""
    first = scores[0]
    cell = next(cell for cell in first.values if 0 < float(cell) < 1)
    return fail(
        f"{where}: {some([each.name for each in scores], 8)}",
        f"scores between 0 and 1, {cell} in row {first.row_of(cell)} of {first.name!r}",
        "0 and 1, or the score from which on a text has the label",
        "--set data.labels.threshold=0.5 gives a text the labels whose score is 0.5 or more",
    )
