"""Label Studio: JSON-MIN and CSV, which have an annotation a row."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from imbtool.exports.label_studio import KINDS, NAME, Project
from imbtool.exports.shape import LABELS, AnswerTool, ExportRow, Given, person
from imbtool.formats.json_rows import Row

OWN = ("annotation_id", "annotator", "lead_time")
"""Columns that both formats always have."""


def _matches(row: Row) -> bool:
    return set(OWN) <= set(row)


def _answers(rows: Sequence[ExportRow]) -> Iterator[Given]:
    """The labels of each annotation, and none where an annotation has no cell for them.

    Raises:
        UserError: no column holds labels, or a cell holds something else.
    """
    project, column = Project(), _column(rows)
    for row in rows:
        if not _matches(row):
            raise row.foreign()
        if person(row["annotation_id"]) is None:
            yield Given(row.number, row, None, None)
            continue
        names = dict.fromkeys(_names(project, row, row.get(column), column))
        yield Given(row.number, row, person(row["annotator"]), tuple(names))


def _column(rows: Sequence[ExportRow]) -> str:
    """The column of labels: that of our tasks, or the only one whose cells are choices."""
    names = dict.fromkeys(name for row in rows for name in row)
    if LABELS in names:
        return LABELS
    found = [name for name in names if any(_is_answer(row.get(name)) for row in rows)]
    if len(found) == 1:
        return found[0]
    raise rows[0].user_error(
        f"{len(found)} columns of choices, none of them {LABELS!r}",
        f"the answers in a column {LABELS!r}, as in the configuration that imbtool writes",
        "export the project as JSON, which names the question of each answer",
    )


def _is_answer(cell: object) -> bool:
    """Whether a cell holds several choices, or paths of a taxonomy."""
    items = cell if isinstance(cell, list) else [cell]
    return bool(items) and all(
        isinstance(item, Mapping) and len({*KINDS} & set(item)) == 1 for item in map(_value, items)
    )


def _value(cell: object) -> object:
    """What a cell of a csv says, which has objects and lists as JSON; a lone name is itself."""
    if not isinstance(cell, str) or not cell.startswith(("{", "[")):
        return cell
    try:
        value: object = json.loads(cell)
    except ValueError:
        return cell
    items = value if isinstance(value, list) else [value]
    return value if all(isinstance(item, dict) for item in items) else cell


def _names(project: Project, row: ExportRow, cell: object, column: str) -> Iterator[str]:
    value = _value(cell)
    if value is None or value == "" or value != value:
        return
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, dict) and (kind := next(filter(item.__contains__, KINDS), None)):
            yield from project.named(row, kind, item)
        else:
            yield row.name(item, column)


ANSWERS = AnswerTool(NAME, _matches, _answers)
