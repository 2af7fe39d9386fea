"""Numbers of classes become their names, which a file or data set has beside its columns."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from imbtool.errors import user_error

METADATA = b"huggingface"
"""Where a parquet file that `datasets` wrote has the types of its columns."""


@dataclass(frozen=True)
class Classes:
    """The names of a column's classes, and in how many lists in each other they stand."""

    names: Sequence[str]
    depth: int = 0


def classes_of(where: object, schema: pa.Schema) -> dict[str, Classes]:
    """The columns of classes in a file that `datasets` wrote.

    Raises:
        UserError: what the file says of its columns is damaged.
    """
    written = (schema.metadata or {}).get(METADATA)
    if written is None:
        return {}
    try:
        return classes_in(json.loads(written).get("info", {}).get("features", {}))
    except (ValueError, AttributeError, RecursionError):
        fix = "write the file again with to_parquet"
        raise user_error(
            where, "column types that cannot be read", "those that datasets writes", fix
        ) from None


def classes_in(features: Mapping[str, object]) -> dict[str, Classes]:
    """The columns of classes among the features of a data set, as `datasets` writes them."""
    found = {name: _classes_of_feature(feature) for name, feature in features.items()}
    return {name: classes for name, classes in found.items() if classes}


def _classes_of_feature(feature: object, depth: int = 0) -> Classes | None:
    """The classes of a feature: alone, in a list, or in one of several list types."""
    if isinstance(feature, list):
        return _classes_of_feature(feature[0], depth + 1) if feature else None
    if not isinstance(feature, Mapping):
        return None
    if isinstance(feature.get("feature"), list | Mapping):
        return _classes_of_feature(feature["feature"], depth + 1)
    names = feature.get("names") if feature.get("_type") == "ClassLabel" else None
    return Classes(list(map(str, names)), depth) if names and isinstance(names, list) else None


def with_names(
    where: object, data: pa.Table, classes: Mapping[str, Classes], before: int = 0
) -> pa.Table:
    """A table with names for the numbers of classes; -1 is a missing value.

    Args:
        where: the file or data set, for messages.
        data: some rows of it.
        classes: of its columns.
        before: how many rows stand before these.

    Raises:
        UserError: a number that has no name, with its row.
    """
    for name in data.column_names:
        if name in classes:
            place = data.column_names.index(name)
            column = _named(f"{where}: {name}", data[name], classes[name], before)
            data = data.set_column(place, name, column)
    return data


def _named(where: str, column: pa.ChunkedArray, classes: Classes, before: int) -> pa.ChunkedArray:
    whole = column.combine_chunks()
    if classes.depth > 1:
        return _nested(where, whole, classes, before)
    if classes.depth == 1:
        return _lists(where, whole, classes.names, before)
    if not _are_numbers(whole.type):
        return column
    rows = np.arange(len(whole))
    return pa.chunked_array([_looked_up(where, whole, classes.names, rows + before)])


def _are_numbers(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _lists(where: str, column: pa.Array, names: Sequence[str], before: int) -> pa.ChunkedArray:
    kind = getattr(column.type, "value_type", pa.null())
    if not _are_numbers(kind):
        return pa.chunked_array([column])
    if not isinstance(column, pa.ListArray):  # Arrow's own cast of views gives other items
        column = pa.array(column.to_pylist(), pa.list_(kind))
    lists = column
    values, rows = lists.flatten(), pc.list_parent_indices(lists).to_numpy()
    lone = pc.equal(pc.list_value_length(lists), 1).to_numpy(zero_copy_only=False)
    beside = np.flatnonzero(pc.equal(values, -1).to_numpy(zero_copy_only=False))
    wrong = [row for row in rows[beside] if not lone[row]]
    if wrong:
        found = f"-1, which means unknown, beside other classes in row {wrong[0] + before + 1}"
        raise user_error(where, found, "classes, or -1 alone", "delete it, or write null")
    found_names = _looked_up(where, values, names, rows + before)
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy()
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    named = pa.ListArray.from_arrays(pa.array(offsets), found_names)
    is_known = lists.is_valid().to_numpy(zero_copy_only=False)
    is_known[rows[beside]] = False
    return pa.chunked_array([pc.if_else(pa.array(is_known), named, pa.scalar(None, named.type))])


def _nested(where: str, column: pa.Array, classes: Classes, before: int) -> pa.ChunkedArray:
    """Lists of lists, as an annotation tool has them of several people: few, so one by one."""
    kind = column.type
    for _ in range(classes.depth):
        kind = getattr(kind, "value_type", pa.null())
    if not _are_numbers(kind):
        return pa.chunked_array([column])

    def named(value: object, row: int) -> object:
        if isinstance(value, list):
            return [named(item, row) for item in value]
        return _looked_up(where, pa.array([value], kind), classes.names, [row])[0].as_py()

    rows = enumerate(column.to_pylist(), start=before)
    names = [None if cell is None else named(cell, row) for row, cell in rows]
    written = pa.string()
    for _ in range(classes.depth):
        written = pa.list_(written)
    return pa.chunked_array([pa.array(names, written)])


def _looked_up(where: str, numbers: pa.Array, names: Sequence[str], rows: Any) -> pa.Array:
    try:
        places = numbers.cast(pa.int64())
    except pa.ArrowInvalid:
        found, fix = "numbers that are not whole", "write whole numbers"
        raise user_error(where, found, "numbers of classes", fix) from None
    missing = pc.fill_null(pc.equal(places, -1), True)
    known = pc.and_(pc.greater_equal(places, 0), pc.less(places, len(names)))
    wrong = pc.invert(pc.or_(missing, pc.fill_null(known, False)))
    if pc.any(wrong).as_py():
        first = int(np.flatnonzero(wrong.to_numpy(zero_copy_only=False))[0])
        found = f"the class {numbers[first].as_py()} in row {rows[first] + 1}"
        fix = "correct the number, or the names that the file has for its classes"
        raise user_error(where, found, f"0 to {len(names) - 1}, or -1 for unknown", fix)
    return pa.array(names, pa.string()).take(pc.if_else(missing, None, places))
