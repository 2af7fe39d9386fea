"""Cells and whole columns of them as text."""

from collections.abc import Callable
from datetime import time, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tablefiles import write

from imbtool.data.tables import read_arrow, read_chunks
from imbtool.data.writer import TableWriter
from imbtool.errors import UserError
from imbtool.formats.cells import (
    COLUMN_MARK,
    ITEM_MARK,
    OBJECT_MARK,
    cell_text,
    joined_cells,
    joined_text,
    neutralised,
    require_columns,
    require_text,
    shown_text,
    text_cells,
)
from imbtool.formats.sources import FORMATS


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("001", "001"),
        (None, ""),
        (float("nan"), ""),
        (pd.NA, ""),
        (True, "1"),
        (False, "0"),
        (1.0, "1"),
        (np.float64(2.0), "2"),
        (1.5, "1.5"),
        (7, "7"),
    ],
)
def test_a_typed_cell_reads_as_a_user_would_write_it(cell: object, text: str):
    assert cell_text(cell) == text


def test_a_column_that_is_missing_is_refused_with_the_nearest_one():
    frame = pd.DataFrame(columns=["text", "labels"])
    require_columns(frame, ["labels", "text"], "t.csv")
    with pytest.raises(UserError) as caught:
        require_columns(frame, ["lables"], "t.csv")
    assert caught.value.problems[0].fix == "did you mean 'labels'?"


@pytest.mark.parametrize(
    "cell",
    [
        *("=1+1", "+1", "-1", "@a", "\t=1", "\r=1", "\n=1", "\nx", "＝1", "＋1", "－1", "＠a"),
        *(" =1", "\u00a0@a", "\u3000＝1", "\ufeff=1", "\u200b+1"),
    ],
)
def test_a_cell_that_a_spreadsheet_would_run_becomes_text(cell):
    assert neutralised(cell) == "'" + cell
    assert neutralised(f"a{cell}") == f"a{cell}"


@pytest.mark.parametrize("cell", ["", " ", " a", "a = b", "'=1"])
def test_a_cell_that_begins_with_no_formula_stays_as_it_is(cell: str):
    assert neutralised(cell) == cell


@pytest.mark.parametrize(
    ("column", "texts"),
    [
        (pa.array([timedelta(seconds=90), None]), ["0:01:30", None]),
        (pa.array([2**62, 1], pa.duration("s")), [str(2**62), "1"]),
        (
            pa.array(pd.Series(pd.period_range("2020-01", periods=2, freq="M"))),
            ["2020-01", "2020-02"],
        ),
        (pa.array(pd.Series(pd.arrays.IntervalArray.from_breaks([0, 1, 2]))), ["(0, 1]", "(1, 2]"]),
        (pa.array([Decimal("1.50"), None], pa.decimal32(5, 2)), ["1.50", None]),
        (pa.array([time(1, 2), None]), ["01:02:00", None]),
        (pa.array([2**64 - 1, None], pa.uint64()), [str(2**64 - 1), None]),
        (pa.array([b"ab", None], pa.binary(2)), ["ab", None]),
        (pa.array([b"\0" * 16, None], pa.uuid()), [f"{UUID(int=0)}", None]),
        (pa.array([[2**62], []], pa.list_(pa.duration("s"))), [f"{2**62}{ITEM_MARK}", ""]),
        (
            pa.array([[{"n": "x", "d": None}] * 2, None]),
            [f'{OBJECT_MARK}{{"n": "x", "d": null}}{ITEM_MARK}' * 2, None],
        ),
        (
            pa.array([{"t": 2**62}, None], pa.struct([("t", pa.duration("s"))])),
            [f'{OBJECT_MARK}{{"t": "{2**62}"}}', None],
        ),
        (
            pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int32())),
            [f'{OBJECT_MARK}{{"a": 1}}', None],
        ),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_every_type_of_a_column_is_read_as_text(
    tmp_path: Path, column: pa.Array, texts: list[str | None]
):
    pq.write_table(pa.table({"a": column}), tmp_path / "t.parquet")
    assert text_cells(read_arrow(tmp_path / "t.parquet").data["a"]).to_pylist() == texts
    (frame,) = read_chunks(tmp_path / "t.parquet")
    joined = [(text or "").removesuffix(ITEM_MARK).replace(ITEM_MARK, " ") for text in texts]
    assert joined_text(frame, "a") == joined
    for suffix in FORMATS:
        with TableWriter(tmp_path / f"out{suffix}", suffix) as writer:
            writer.write(frame)
    assert (tmp_path / "out.csv").stat().st_size > 0


def test_an_object_is_told_from_a_text_that_holds_its_mark(tmp_path: Path):
    content = f"text\na {OBJECT_MARK}{{x}} b\n{OBJECT_MARK}c\nd{ITEM_MARK}{OBJECT_MARK}\n"
    column = read_arrow(write(tmp_path, content)).data["text"]
    require_text(column, "t.csv: text", str)
    items = pa.chunked_array([[f"a{ITEM_MARK}{OBJECT_MARK}[1]{ITEM_MARK}"]])
    with pytest.raises(UserError, match="an object or a list of them in row 1"):
        require_text(items, "t.csv: text", str)


@pytest.mark.parametrize("build", [pa.list_, pa.large_list, lambda kind: pa.list_(kind, 2)])
def test_a_list_as_text_has_a_mark_behind_each_item(build: Callable[[pa.DataType], pa.DataType]):
    column = pa.chunked_array([pa.array([["a", "b"], None], build(pa.string()))] * 2)
    assert text_cells(column.slice(1)).to_pylist() == [None, f"a{ITEM_MARK}b{ITEM_MARK}", None]


def test_numbers_in_a_list_are_text_and_missing_ones_nothing():
    column = pa.chunked_array([pa.array([[1.0, None], []])])
    assert text_cells(column).to_pylist() == [f"1{ITEM_MARK}{ITEM_MARK}", ""]


def test_columns_are_joined_but_for_the_empty_ones():
    first = pa.chunked_array([pa.array(["a", "", None, None])])
    second = pa.chunked_array([pa.array([1, 2, 3, None])])
    joined = joined_cells([first, second]).to_pylist()
    assert joined == [f"a{COLUMN_MARK}1", "2", "3", ""]
    assert shown_text(joined[0]) == "a\n1"
    assert neutralised(joined[0]) == "a\n1"


LIST_KINDS = [
    pa.large_list(pa.large_string()),
    pa.list_(pa.large_string()),
    pa.large_list(pa.string_view()),
    pa.list_view(pa.string()),
]


@pytest.mark.parametrize("kind", LIST_KINDS, ids=str)
def test_lists_are_read_whatever_way_arrow_holds_them(kind: pa.DataType):
    column = pa.chunked_array([pa.array([["a", "b|c"], None, [], ["d"]], kind)])
    joined = [f"a{ITEM_MARK}b|c{ITEM_MARK}", None, "", f"d{ITEM_MARK}"]
    assert text_cells(column).to_pylist() == joined


def test_bytes_are_text_if_they_are_utf8():
    column = pa.chunked_array([pa.array(["grün".encode(), None])])
    assert text_cells(column).to_pylist() == ["grün", None]
    require_text(column, "t.parquet: text", str)


@pytest.mark.parametrize(
    "cells",
    [[{"a": 1}], [[{"a": 1}]], [[["a"]]], [b"\xff"], [[b"a"]]],
    ids=["objects", "lists of objects", "lists of lists", "no UTF-8", "lists of bytes"],
)
def test_cells_that_are_no_text_are_refused(cells: list[object]):
    with pytest.raises(UserError, match=r"(?s)t.parquet: text.*cells of"):
        require_text(pa.chunked_array([pa.array(cells)]), "t.parquet: text", str)
