"""doccano: lists of labels are read as they stand; spans and numbers of labels are refused."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from imbtool.exports.shape import (
    TEXT_ID,
    AnswerTool,
    Export,
    ExportRow,
    Given,
    Tool,
    columns_of,
    flat_cell,
    left_out,
    told,
)
from imbtool.formats.json_rows import Row
from imbtool.wording import counted

NAME = "doccano"
MARKS = ("Comments", "annotation_approver")
"""Columns that no other tool writes."""
COLUMNS = ("label", "labels", "cats")
TEXTS = ("text", "data")
NOBODY = ("all", "unknown")
"""Names of exported files that are no person's."""


def _matches(row: Row) -> bool:
    return any(isinstance(row.get(name), str) for name in TEXTS) and (
        _has_spans(row)
        or _has_numbers(row)
        or _is_slot_filling(row)
        or any(mark in row for mark in MARKS)
    )


def _has_spans(row: Row) -> bool:
    entities = "relations" in row and _are_entities(row.get("entities"))
    return entities or any(_are_spans(row.get(name)) for name in COLUMNS)


def _are_spans(cell: object) -> bool:
    """`[[0, 4, "NAME"]]`."""
    return isinstance(cell, list) and any(
        isinstance(item, list)
        and len(item) == 3
        and all(isinstance(end, int) for end in item[:2])
        and isinstance(item[2], str)
        for item in cell
    )


def _are_entities(cell: object) -> bool:
    return isinstance(cell, list) and any(
        isinstance(item, Mapping) and {"start_offset", "end_offset"} <= set(item) for item in cell
    )


def _has_numbers(row: Row) -> bool:
    """`[{"label": 3, "user": 1}]`."""
    cell = row.get("annotations")
    return isinstance(cell, list) and any(
        isinstance(item, Mapping) and "user" in item and "label" in item for item in cell
    )


def _is_slot_filling(row: Row) -> bool:
    cats = row.get("cats")
    return "entities" in row and isinstance(cats, list) and all(isinstance(x, str) for x in cats)


def _flatten(rows: Sequence[ExportRow]) -> Export:
    for row in rows:
        _refuse(row)
    column = _label_column(rows)
    lists = [_labels(row, column) for row in rows]
    others = [
        {key: flat_cell(value) for key, value in row.items() if key not in (column, "entities")}
        for row in rows
    ]
    columns = {**columns_of(others), column: lists}
    empty = sum(
        names == [] and not row.get(MARKS[1]) for names, row in zip(lists, rows, strict=True)
    )
    spans = [key for row in rows for key in row if key == "entities"]
    doubt = (
        f"{counted(empty, 'text')} of an empty list read as having no label, though doccano writes "
        "the same for texts that nobody has annotated: export approved texts alone if there are any"
    )
    facts = [doubt if empty else "", left_out(spans)]
    texts = tuple(name for name in TEXTS if name in columns)
    return Export(columns, (column,), texts, told(NAME, f"the labels are in {column!r}", facts))


def _refuse(row: ExportRow) -> None:
    fix = "export a project of text classification"
    if _has_spans(row) and not _is_slot_filling(row):
        raise row.user_error("spans of a text with their labels", "labels of whole texts", fix)
    if _has_numbers(row):
        fix = "export it as JSONL (text label), which has the names of labels"
        raise row.user_error("numbers of labels in 'annotations'", "names of labels", fix)


def _label_column(rows: Sequence[ExportRow]) -> str:
    found = [name for name in COLUMNS if any(name in row for row in rows)]
    if len(found) == 1:
        return found[0]
    named = " and ".join(map(repr, found)) or "none of 'label', 'labels' and 'cats'"
    raise rows[0].user_error(f"the columns {named}", "one column of labels", "keep one of them")


def _labels(row: ExportRow, column: str) -> Sequence[str] | None:
    value = row.get(column)
    if value is None:
        return None
    return row.names(value if isinstance(value, list) else [value], column)


def _is_task(row: Row) -> bool:
    """Whether a row may be a task of imbtool, which doccano has exported."""
    has_list = any(isinstance(row.get(name), list) for name in COLUMNS)
    return _matches(row) or (TEXT_ID in row and has_list)


def _answers(rows: Sequence[ExportRow]) -> Iterator[Given]:
    """The labels of each text; no label is no answer, unless somebody has approved the text.

    doccano exports a file for each person, named like them, and in a project where people share
    their annotations one file `all`. It has either all texts, with labels that were suggested and
    those that a person gave side by side, or only those that a person has marked as done.
    """
    for row in rows:
        _refuse(row)
    column = _label_column(rows)
    all_labels = [_labels(row, column) for row in rows]
    only_done = all(all_labels)
    for row, names in zip(rows, all_labels, strict=True):
        unseen = not names and not row.get(MARKS[1])
        labels = None if unseen or names is None else tuple(names)
        meta = row.get("meta")
        cells = {**(meta if isinstance(meta, Mapping) else {}), **row}
        confirmed = only_done or bool(row.get(MARKS[1]))
        yield Given(row.number, cells, _person(row), labels, confirmed=confirmed)


def _person(row: ExportRow) -> str | None:
    name = re.sub(r"\.jsonl?(\.\w+)?$", "", row.path.name)
    return None if name in NOBODY else name


TOOL = Tool(NAME, _matches, _flatten)
ANSWERS = AnswerTool(NAME, _is_task, _answers)
