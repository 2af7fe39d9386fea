"""Types of Arrow: whether values of one type keep all that they hold in another."""

from __future__ import annotations

import pyarrow as pa
from pyarrow import types


def in_schema(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """A table with the types of a schema that has its columns.

    Raises:
        ArrowInvalid: a value would change or get lost.
    """
    columns = [_of_type(table[field.name], field) for field in schema]
    return pa.table(columns, schema=schema)


def _of_type(column: pa.ChunkedArray, field: pa.Field) -> pa.ChunkedArray | pa.Array:
    if column.null_count == len(column):
        return pa.nulls(len(column), field.type)
    if not keeps(column.type, field.type):
        raise pa.ArrowInvalid(
            f"{field.name!r} holds {column.type} where it held {field.type} before"
        )
    return column.cast(field.type)


def keeps(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether a safe cast, which fails for a number with digits too many, loses nothing else."""
    if types.is_null(found) or found == wanted:
        return True
    if types.is_struct(found):
        return types.is_struct(wanted) and all(
            wanted.get_field_index(field.name) >= 0
            and keeps(field.type, wanted.field(field.name).type)
            for field in found
        )
    kinds = (_is_list, _is_number, _is_text, types.is_timestamp, types.is_decimal, types.is_binary)
    if not any(of(found) and of(wanted) for of in kinds):
        return False
    return not _is_list(found) or keeps(found.value_type, wanted.value_type)


def _is_list(of: pa.DataType) -> bool:
    return bool(types.is_list(of) or types.is_large_list(of))


def _is_number(of: pa.DataType) -> bool:
    return bool(types.is_integer(of) or types.is_floating(of))


def _is_text(of: pa.DataType) -> bool:
    return bool(types.is_string(of) or types.is_large_string(of))
