"""Tables are written so that they read back."""

import io
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imbtool.data.tables import read_arrow, read_chunks, read_table
from imbtool.data.writer import TableWriter
from imbtool.errors import UserError
from imbtool.files.text_format import TextFormat
from imbtool.formats.cells import (
    text_cells,
)
from imbtool.formats.sources import FORMATS


def test_a_value_that_parquet_cannot_hold_is_refused(tmp_path: Path):
    frame = pd.DataFrame({"a": [2**70]}, dtype=object)
    with (
        TableWriter(tmp_path / "t.parquet", ".parquet") as writer,
        pytest.raises(UserError, match=r"write \.jsonl"),
    ):
        writer.write(frame)


@pytest.mark.parametrize(
    ("first", "later"),
    [
        (1, 0.9),
        (1, "2"),
        ("1", 2),
        ({"a": 1}, {"a": 1, "b": "new"}),
        ([1], [0.5]),
        ([{"a": 1}], [{"b": 1}]),
        (True, 2),
        ({}, {}),
    ],
)
def test_parquet_refuses_later_rows_that_would_be_changed(tmp_path: Path, first, later):
    with (
        pytest.raises(UserError, match=r"write \.jsonl"),
        TableWriter(tmp_path / "t.parquet", ".parquet") as writer,
    ):
        for value in (first, later):
            writer.write(pd.DataFrame({"a": [value]}, dtype=object))


def test_parquet_takes_later_rows_that_keep_what_they_hold(tmp_path: Path):
    rows = [
        {"a": {"x": 1.5, "y": "1"}, "b": 0.5, "c": [1], "d": "x"},
        {"a": {"x": 2.0}, "b": 3, "c": [], "d": None},
        {"a": None, "b": None, "c": None, "d": "y"},
    ]
    with TableWriter(tmp_path / "t.parquet", ".parquet") as writer:
        for row in rows:
            writer.write(pd.DataFrame([row], dtype=object))
    again = pq.read_table(tmp_path / "t.parquet").to_pylist()
    assert again == [rows[0], {**rows[1], "a": {"x": 2.0, "y": None}}, rows[2]]


@pytest.mark.parametrize("value", [float("inf"), [1.0, float("nan")]])
def test_lines_of_json_hold_no_number_that_json_lacks(value: object):
    writer = TableWriter(io.StringIO(), ".jsonl")
    with pytest.raises(UserError, match=r"write \.parquet"):
        writer.write(pd.DataFrame({"a": [value]}, dtype=object))


def test_parquet_types_survive_reading_and_writing(tmp_path: Path):
    table = pa.table(
        {
            "i": pa.array([1, None, 3], pa.int8()),
            "u": pa.array([2**63, 1, None], pa.uint64()),
            "x": pa.array([0.1, None, 2.0], pa.float32()),
            "s": pa.array(["001", None, "NA"], pa.string()),
            "b": pa.array([True, None, False]),
            "l": pa.array([["a"], [], None], pa.list_(pa.string())),
            "d": pa.array([0, 1, None], pa.date32()),
        }
    )
    pq.write_table(table, tmp_path / "in.parquet")
    with TableWriter(tmp_path / "out.parquet", ".parquet") as writer:
        for chunk in read_chunks(tmp_path / "in.parquet", rows=2):
            writer.write(chunk)
    again = pq.read_table(tmp_path / "out.parquet")
    assert again.schema.types == table.schema.types
    assert again.to_pylist() == table.to_pylist()
    assert writer.rows == 3


CELLS = st.one_of(
    st.text(st.sampled_from("a\r\n\t,;\"' \u2028é"), max_size=5),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=5),
)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl"])
@settings(deadline=None, max_examples=40)
@given(cells=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5))
def test_any_text_survives_writing_and_reading(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, cells: list[tuple[str, str]]
):
    cells = [*cells, ("end", "")]  # rows of empty cells alone are left out at the end of a csv
    path = tmp_path_factory.getbasetemp() / f"any{suffix}"
    with TableWriter(path, suffix) as writer:
        writer.write(pd.DataFrame(cells, columns=["text", "note"], dtype=object))
    assert [tuple(row) for row in read_table(path, TextFormat(quotes=True)).to_numpy()] == cells
    try:
        assert [tuple(row) for row in read_table(path).to_numpy()] == cells
    except UserError as error:  # what is left of some texts of tabs and line breaks could be rows
        assert "quotes that enclose whole cells" in str(error)


def test_frames_are_appended_under_one_header():
    stream = io.StringIO()
    with TableWriter(stream, ".csv") as writer:
        writer.write(pd.DataFrame({"a": ["001"], "b": [0.5]}))
        writer.write(pd.DataFrame({"a": ["x, y"], "b": [1.0]}))
    assert stream.getvalue() == 'a,b\n001,0.5\n"x, y",1.0\n'
    assert not stream.closed


@pytest.mark.parametrize(
    ("suffix", "expected"),
    [
        (".csv", "a,b\nx,\ny,\nz,\n"),
        (".jsonl", '{"a": "x", "b": null}\n{"a": "y", "b": null}\n{"a": "z", "b": null}\n'),
    ],
)
def test_a_missing_value_is_written_as_nothing(suffix: str, expected: str):
    stream = io.StringIO()
    missing = pd.Series([None, float("nan"), pd.NA], dtype=object)
    with TableWriter(stream, suffix) as writer:
        writer.write(pd.DataFrame({"a": ["x", "y", "z"], "b": missing}))
    assert stream.getvalue() == expected


def test_times_that_python_has_no_value_for_are_text(tmp_path: Path):
    source = pa.table(
        {
            "text": ["a", "b"],
            "time": pa.array([10**18, None], pa.timestamp("us")),
            "day": pa.array([10**8, 1], pa.date32()),
        }
    )
    pq.write_table(source, tmp_path / "in.parquet")
    assert "out of range" in text_cells(read_arrow(tmp_path / "in.parquet").data["time"])[0].as_py()
    for suffix in FORMATS:
        with TableWriter(tmp_path / f"out{suffix}", suffix) as writer:
            for frame in read_chunks(tmp_path / "in.parquet"):
                writer.write(frame)
    assert pq.read_table(tmp_path / "out.parquet").equals(source)
    assert read_table(tmp_path / "out.csv")["day"].tolist()[1] == "1970-01-02"


def test_rows_of_json_in_another_order_keep_to_their_columns():
    stream = io.StringIO()
    with TableWriter(stream, ".csv") as writer:
        writer.write(pd.DataFrame({"a": ["1"], "b": ["2"]}))
        writer.write(pd.DataFrame({"b": ["4"], "a": ["3"]}))
        writer.write(pd.DataFrame({"b": ["6"]}))
        with pytest.raises(UserError, match="the columns c from row 4 on only"):
            writer.write(pd.DataFrame({"c": ["7"]}))
    assert stream.getvalue() == "a,b\n1,2\n3,4\n,6\n"


@pytest.mark.parametrize(
    ("suffix", "written"),
    [
        (".jsonl", '{"labels": ["a", "b"], "score": 1.5}\n{"labels": [], "score": null}\n'),
        (".csv", 'labels,score\n"[""a"", ""b""]",1.5\n[],\n'),
    ],
)
def test_lists_and_missing_numbers_are_written_as_they_are(
    tmp_path: Path, suffix: str, written: str
):
    source = pa.table({"labels": [["a", "b"], []], "score": [1.5, float("nan")]})
    pq.write_table(source, tmp_path / "in.parquet")
    with TableWriter(tmp_path / f"out{suffix}", suffix) as writer:
        for frame in read_chunks(tmp_path / "in.parquet"):
            writer.write(frame)
    assert (tmp_path / f"out{suffix}").read_text() == written


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_a_frame_without_rows_is_a_header_that_stands_once(tmp_path, suffix):
    path = tmp_path / f"table{suffix}"
    with TableWriter(path, suffix) as writer:
        writer.write(pd.DataFrame({"a": [], "b": []}, dtype="string[pyarrow]"))
        writer.write(pd.DataFrame({"b": ["1"]}))
    assert read_table(path).to_dict("list")["b"] == ["1"]
    with TableWriter(tmp_path / f"none{suffix}", suffix) as writer:
        writer.write(pd.DataFrame({"a": [], "b": []}, dtype="string[pyarrow]"))
    none = read_arrow(tmp_path / f"none{suffix}", may_be_empty=True)
    assert (none.data.column_names, len(none.data)) == (["a", "b"], 0)
