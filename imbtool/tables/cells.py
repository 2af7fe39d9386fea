"""Cells: as text, for people to open, and whole columns of them at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from imbtool.errors import did_you_mean, fail, some

COLUMN_MARK = " \x1f "
"""Between two columns of one text: the ASCII unit separator, in blanks as it hardly ever stands."""

FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
BLANKS = "".join(filter(str.isspace, map(chr, range(0x3001)))) + "\0\u200b\u200e\u200f\ufeff"
"""Also those without a width."""

ITEM_MARK = "\x1f"
"""After each item of a list that is written as text."""

OBJECT_MARK = "\x1e"
"""Before an object, or a list of objects or lists, that is written as JSON."""


def require_columns(columns: Iterable[object], names: Iterable[str], where: object) -> None:
    """Check that the columns are there.

    Raises:
        UserError: one that is not, with the nearest that is.
    """
    known = [str(name) for name in columns]
    for name in names:
        if name not in known:
            found = f"no column {name!r}; the columns are {some(known, 12)}"
            raise fail(where, found, f"a column {name!r}", did_you_mean(name, known))


def cell_text(value: Any) -> str:
    """A cell as text; true and false as 1 and 0, 1.0 as 1, a missing value as nothing.

    An object or a list is JSON behind `OBJECT_MARK`.
    """
    if isinstance(value, dict | list):
        return OBJECT_MARK + json.dumps(value, ensure_ascii=False, default=str)
    if value is None or value is pd.NA or value != value:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def neutralised(cell: str) -> str:
    """A cell for people to open: a spreadsheet would run one that starts like a formula.

    An apostrophe makes it text (OWASP, CSV Injection) where it begins with a tab or a line end, or,
    behind any blanks, which some programs cut off, with `=`, `+`, `-` or `@`, also of full width.
    Between two columns of a text stands a line break.
    """
    cell = shown_text(cell)
    is_formula = cell.lstrip(BLANKS).startswith(FORMULA) or cell.startswith(("\t", "\r", "\n"))
    return f"'{cell}" if is_formula else cell


def shown_text(text: str) -> str:
    """A text for people to read: its columns stand under each other."""
    return text.replace(COLUMN_MARK, "\n")


def text_cells(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column as `cell_text` gives it, each distinct value once; a missing value stays missing.

    The items of a list stand one after the other, each with `ITEM_MARK` behind it.
    """
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return column
    if pa.types.is_string_view(kind):
        return column.cast(pa.large_string())
    if pa.types.is_dictionary(kind):
        return text_cells(column.cast(kind.value_type))
    if is_binary(kind) and _is_utf8(column):
        return column.cast(pa.large_string())
    if is_list(column):
        return _lists_as_text(column)
    if pa.types.is_map(kind):
        maps = (None if pairs is None else dict(pairs) for pairs in column.to_pylist())
        return pa.chunked_array([_texts(maps)])
    if pa.types.is_nested(kind) or pa.types.is_null(kind):
        return pa.chunked_array([_texts(column.to_pylist())])
    values = column.combine_chunks().dictionary_encode()
    return pa.chunked_array([_texts(values.dictionary.to_pylist()).take(values.indices)])


def is_list(column: pa.ChunkedArray) -> bool:
    """Whether the cells of a column are lists."""
    kind = column.type
    return bool(
        pa.types.is_list(kind)
        or pa.types.is_large_list(kind)
        or pa.types.is_fixed_size_list(kind)
        or _is_view(kind)
    )


def _is_view(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind))


def is_binary(kind: pa.DataType) -> bool:
    """Whether cells are bytes."""
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def require_readable(column: pa.ChunkedArray, where: object) -> None:
    """Check that cells are no bytes that are not text.

    Raises:
        UserError: they are.
    """
    kind = column.type.value_type if is_list(column) else column.type
    if is_binary(kind) and (is_list(column) or not _is_utf8(column)):
        raise fail(where, "cells of bytes", "text in UTF-8", "write the column as text")


def require_text(column: pa.ChunkedArray, where: object, told: Callable[[int], str]) -> None:
    """Check that cells are text, numbers, or lists of these: what is read as texts.

    Args:
        column: of a table.
        where: it stands.
        told: says which row (from 1) is meant.

    Raises:
        UserError: a cell is an object, or a list of lists or objects, or bytes that are no UTF-8.
    """
    require_readable(column, where)
    mend = "make a column of each part that is needed"
    kind = column.type.value_type if is_list(column) else column.type
    if pa.types.is_nested(kind):
        raise fail(where, f"cells of the type {column.type}", "text, or lists of it", mend)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        row = pc.index(pc.fill_null(pc.match_substring(column, OBJECT_MARK), False), True).as_py()
        if row >= 0:
            cell = column[row].as_py().replace(OBJECT_MARK, "").replace(ITEM_MARK, "")
            found = f"an object or a list of them in row {told(row + 1)}: {cell[:60]!r}"
            raise fail(where, found, "text, or lists of it", mend)


def require_utf8(where: object, data: pa.Table | pa.RecordBatch, before: int = 0) -> None:
    """Check the texts of a file that says they are UTF-8: its writer may not have looked.

    Args:
        where: they stand.
        data: a file, or some rows of it.
        before: how many rows of the file stand before them.

    Raises:
        UserError: a column has others.
    """
    for name, column in zip(data.schema.names, data.columns, strict=True):
        try:
            column.validate(full=True)
        except pa.ArrowInvalid as error:
            row = next(filter(partial(_is_broken, column), range(len(column))), None)
            found = str(error) if row is None else f"no UTF-8 in row {before + row + 1}"
            mend = "write the file again from text in UTF-8"
            raise fail(f"{where}: {name}", found, "text in UTF-8", mend) from None


def _is_broken(column: pa.Array | pa.ChunkedArray, row: int) -> bool:
    try:
        column[row].as_py()
    except UnicodeDecodeError:
        return True
    return False


def _is_utf8(column: pa.ChunkedArray) -> bool:
    try:
        column.cast(pa.large_string())
    except pa.ArrowInvalid:
        return False
    return True


def joined_cells(columns: Sequence[pa.ChunkedArray]) -> pa.ChunkedArray:
    """Text columns as one, `COLUMN_MARK` between the cells that are not empty, nothing missing.

    Between the items of a list stands a blank.
    """
    first, *others = (
        _items_apart(pc.fill_null(text_cells(column).cast(pa.large_string()), ""))
        for column in columns
    )
    mark = pa.scalar(COLUMN_MARK, pa.large_string())
    for text in others:
        # its own way to skip missing values drops a row that has none but these
        both = pc.binary_join_element_wise(first, text, mark)
        first = pc.if_else(pc.equal(first, ""), text, pc.if_else(pc.equal(text, ""), first, both))
    return first


def joined_text(frame: pd.DataFrame, columns: str | Sequence[str]) -> list[str]:
    """The text of each row; between several columns stands `COLUMN_MARK`.

    An encoder puts its own separator there (`TextModel.encode`), people see a line break.
    """
    names = [columns] if isinstance(columns, str) else list(columns)
    cells = [pa.chunked_array([as_arrow(frame[name].tolist())]) for name in names]
    texts: list[str] = joined_cells(cells).to_pylist()
    return texts


def _items_apart(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Encoders drop control characters: the last word of an item would grow into the next."""
    behind = pc.replace_substring_regex(texts, f"{ITEM_MARK}$", "")
    return pc.replace_substring(behind, ITEM_MARK, " ")


def as_arrow(values: Sequence[Any]) -> pa.Array:
    """Python values as one column: of their common type, or, if they have none, as text."""
    try:
        return pa.array(values, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return _texts([_item_text(value) if isinstance(value, list) else value for value in values])


def _item_text(items: Sequence[Any]) -> str:
    return "".join(cell_text(item) + ITEM_MARK for item in items)


def _texts(values: Iterable[Any]) -> pa.Array:
    known = (None if value is None or value != value else cell_text(value) for value in values)
    return pa.array(list(known), pa.string())


def _lists_as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = pa.list_(column.type.value_type)
    if _is_view(column.type):  # Arrow's own cast gives other items
        column = pa.chunked_array([pa.array(column.to_pylist(), kind)])
    lists = column.cast(kind).combine_chunks()
    values = text_cells(pa.chunked_array([lists.values])).combine_chunks()
    items = values.cast(pa.string()).fill_null("")
    joined = pc.binary_join(pa.ListArray.from_arrays(lists.offsets, items), ITEM_MARK)
    behind = pc.if_else(pc.greater(pc.list_value_length(lists), 0), ITEM_MARK, "")
    texts = pc.binary_join_element_wise(joined, behind, "")
    return pa.chunked_array([pc.if_else(lists.is_valid(), texts, pa.scalar(None, texts.type))])
