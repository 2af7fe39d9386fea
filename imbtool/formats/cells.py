"""Cells: as text, for people to open, and whole columns of them at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from imbtool.errors import user_error
from imbtool.formats.text_bytes import holds
from imbtool.wording import as_list, cut, did_you_mean, some

COLUMN_MARK = " \x1f "
"""Between two columns of one text: the ASCII unit separator, in blanks as it hardly ever stands."""

FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
BLANKS = "".join(filter(str.isspace, map(chr, range(0x3001)))) + "\0\u200b\u200e\u200f\ufeff"
"""Also those without a width."""

ITEM_MARK = "\x1f"
"""After each item of a list that is written as text."""

OBJECT_MARK = "\x1e"
"""Before an object, or a list of objects or lists, that is written as JSON."""


OBJECT = rf"(^|{ITEM_MARK}){OBJECT_MARK}[\[{{]"
"""Where an object or a list of them stands; elsewhere the mark is a character of a text."""


def require_columns(columns: Iterable[object], names: Iterable[str], where: object) -> None:
    """Check that the columns are there.

    Raises:
        UserError: one that is not, with the nearest that is.
    """
    known = [str(name) for name in columns]
    for name in names:
        if name not in known:
            found = f"no column {name!r}; the columns are {some(known, 12)}"
            raise user_error(where, found, f"a column {name!r}", did_you_mean(name, known))


def cell_text(value: object) -> str:
    """A cell as text; true and false as 1 and 0, 1.0 as 1, a missing value as nothing.

    An object or a list is JSON behind `OBJECT_MARK`.
    """
    if isinstance(value, dict | list):
        return OBJECT_MARK + json.dumps(value, ensure_ascii=False, default=str)
    if is_missing(value):
        return ""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def is_missing(value: object) -> bool:
    """Whether a value stands for none."""
    return value is None or value is pd.NA or bool(value != value)


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
    if isinstance(kind, pa.BaseExtensionType):
        return _extension_as_text(column)
    if is_binary(kind) and (texts := _as_utf8(column)) is not None:
        return texts
    if is_list(column):
        return _lists_as_text(column)
    if pa.types.is_nested(kind) or pa.types.is_null(kind):
        return pa.chunked_array([_texts(python_values(column))])
    return _distinct_as_text(column)


def _distinct_as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    try:
        values = column.combine_chunks().dictionary_encode()
    except pa.ArrowNotImplementedError:  # a kind of value that Arrow cannot compare
        return pa.chunked_array([_texts(python_values(column))])
    distinct = _texts(python_values(pa.chunked_array([values.dictionary])))
    return pa.chunked_array([distinct.take(values.indices)])


def _extension_as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """What Arrow holds for another library: periods as pandas writes them, else what is stored."""
    if column.type.extension_name.startswith("pandas."):
        return pa.chunked_array([_texts(column.to_pandas().astype(object))])
    if stands_for_text(column.type):
        return pa.chunked_array([_texts(column.to_pylist())])
    stored = [chunk.storage for chunk in column.chunks]
    return text_cells(pa.chunked_array(stored, column.type.storage_type))


def stands_for_text(kind: pa.DataType) -> bool:
    """Whether what is stored, bytes or mere numbers, says less than the text of it."""
    if isinstance(kind, pa.BaseExtensionType):
        return bool(kind.extension_name.startswith(("pandas.", "arrow.uuid")))
    return is_binary(kind)


def python_values(column: pa.ChunkedArray) -> list[Any]:
    """A column as Python's own values; times that Python has no value for as text."""
    try:
        return _listed(column)
    except (OverflowError, ValueError):
        return _listed(column.cast(_with_texts_for_times(column.type)))


def _listed(column: pa.ChunkedArray) -> list[object]:
    values: list[object] = column.to_pylist(maps_as_pydicts="lossy")
    return values


def _with_texts_for_times(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_temporal(kind):
        return pa.string()
    if pa.types.is_struct(kind):
        fields = [kind.field(place) for place in range(kind.num_fields)]
        return pa.struct(
            [(field.name, _with_texts_for_times(field.type)) for field in fields],
        )
    if pa.types.is_map(kind):
        return pa.map_(*map(_with_texts_for_times, (kind.key_type, kind.item_type)))
    if pa.types.is_nested(kind):
        return pa.list_(_with_texts_for_times(kind.value_type))
    return kind


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
    return bool(
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
        or pa.types.is_binary_view(kind)
    )


def require_readable(column: pa.ChunkedArray, where: object) -> None:
    """Check that cells are no bytes that are not text.

    Raises:
        UserError: they are.
    """
    kind = column.type.value_type if is_list(column) else column.type
    if is_binary(kind) and (is_list(column) or _as_utf8(column) is None):
        raise user_error(where, "cells of bytes", "text in UTF-8", "write the column as text")


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
    fix = "make a column of each part that is needed"
    kind = column.type.value_type if is_list(column) else column.type
    if pa.types.is_nested(kind):
        raise user_error(where, f"cells of the type {column.type}", "text, or lists of it", fix)
    is_string = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    if is_string and holds(column, OBJECT_MARK):
        has_object = pc.match_substring_regex(column, OBJECT)
        row = pc.index(pc.fill_null(has_object, False), True).as_py()
        if row >= 0:
            cell = column[row].as_py().replace(OBJECT_MARK, "").replace(ITEM_MARK, "")
            found = f"an object or a list of them in row {told(row + 1)}: {cut(cell, 60)!r}"
            raise user_error(where, found, "text, or lists of it", fix)


def require_text_bytes(where: object, data: pa.Table | pa.RecordBatch, before: int = 0) -> None:
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
            fix = "write the file again from text in UTF-8"
            raise user_error(f"{where}: {name}", found, "text in UTF-8", fix) from None


def _is_broken(column: pa.Array | pa.ChunkedArray, row: int) -> bool:
    try:
        column[row].as_py()
    except UnicodeDecodeError:
        return True
    return False


def _as_utf8(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Bytes as text, if they are UTF-8."""
    try:
        return column.cast(pa.large_binary()).cast(pa.large_string())
    except pa.ArrowInvalid:
        return None


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
    texts = joined_cells([_column(frame[name]) for name in as_list(columns)])
    return list(texts.to_pylist())


def _column(series: pd.Series[Any]) -> pa.ChunkedArray:
    if isinstance(series.dtype, pd.ArrowDtype):
        return series.array.__arrow_array__()
    return pa.chunked_array([as_arrow(series.tolist())])


def _items_apart(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Encoders drop control characters: the last word of an item would grow into the next."""
    if not holds(texts, ITEM_MARK):
        return texts
    behind = pc.replace_substring_regex(texts, f"{ITEM_MARK}$", "")
    return pc.replace_substring(behind, ITEM_MARK, " ")


def as_arrow(values: Sequence[object]) -> pa.Array:
    """Python values as one column: of their common type, or, if they have none, as text."""
    try:
        return pa.array(values, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return _texts([_item_text(value) if isinstance(value, list) else value for value in values])


def _item_text(items: Sequence[object]) -> str:
    return "".join(cell_text(item) + ITEM_MARK for item in items)


def _texts(values: Iterable[object]) -> pa.Array:
    return pa.array(
        [None if is_missing(value) else cell_text(value) for value in values], pa.string()
    )


def _lists_as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = pa.list_(column.type.value_type)
    if pa.types.is_nested(kind.value_type):  # Arrow's own cast fails where a field is always null
        lists = python_values(column)
        texts = [None if each is None else _item_text(each) for each in lists]
        return pa.chunked_array([pa.array(texts, pa.string())])
    if _is_view(column.type):  # Arrow's own cast gives other items
        column = pa.chunked_array([pa.array(column.to_pylist(), kind)])
    lists = column.cast(kind).combine_chunks()
    values = text_cells(pa.chunked_array([lists.values])).combine_chunks()
    items = values.cast(pa.string()).fill_null("")
    joined = pc.binary_join(pa.ListArray.from_arrays(lists.offsets, items), ITEM_MARK)
    behind = pc.if_else(pc.greater(pc.list_value_length(lists), 0), ITEM_MARK, "")
    texts = pc.binary_join_element_wise(joined, behind, "")
    return pa.chunked_array([pc.if_else(lists.is_valid(), texts, pa.scalar(None, texts.type))])
