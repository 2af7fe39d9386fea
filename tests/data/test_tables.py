"""Tables are read with every cell as it stands, and what is wrong is named with its line."""

import gzip
import io
import json
import os
from collections.abc import Callable
from datetime import time, timedelta
from decimal import Decimal
from pathlib import Path
from subprocess import run
from sys import executable
from uuid import UUID

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imbtool.data.tables import place_of, read_arrow, read_chunks, read_table
from imbtool.data.writer import TableWriter
from imbtool.errors import UserError
from imbtool.formats import arrow
from imbtool.formats.cells import (
    COLUMN_MARK,
    ITEM_MARK,
    OBJECT_MARK,
    as_arrow,
    cell_text,
    joined_cells,
    joined_text,
    neutralised,
    require_columns,
    require_text,
    shown_text,
    text_cells,
)
from imbtool.formats.sources import FORMATS, table_format


def write(folder: Path, content: str | bytes, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def rows(path: Path, encoding: str = "utf-8", quotes: bool | None = None) -> list[list[object]]:
    frame = read_table(path, encoding, quotes)
    return [list(map(str, frame.columns)), *frame.to_numpy().tolist()]


def place(path: Path, encoding: str = "utf-8") -> str:
    """Where the problem is, as `:line` after the path; both readers say the same of it."""
    told = []
    for read in (read_table, read_arrow):
        with pytest.raises(UserError) as caught:
            read(path, encoding)
        told.append(caught.value.problems)
    assert told[0] == told[1]
    (problem,) = told[0]
    return problem.where.removeprefix(str(path))


def arrow_rows(
    path: Path, encoding: str = "utf-8", quotes: bool | None = None
) -> list[list[object]]:
    """What `read_arrow` gives, as `rows`."""
    data = read_arrow(path, encoding, quotes).data
    cells = [text_cells(column).to_pylist() for column in data.columns]
    return [data.column_names, *map(list, zip(*cells, strict=True))]


def test_csv_cells_stay_as_they_are(tmp_path: Path):
    path = write(tmp_path, "a,b,c\n001,NA,null\n1e5, x ,True\n,nan,-0.0\n")
    assert rows(path)[1:] == [["001", "NA", "null"], ["1e5", " x ", "True"], ["", "nan", "-0.0"]]


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path):
    assert rows(write(tmp_path, b"\xef\xbb\xbfid,text\n1,a\n"))[0] == ["id", "text"]


def test_quoted_cells_may_hold_delimiters_quotes_and_line_breaks(tmp_path: Path):
    path = write(tmp_path, 'a,b\n"x, ""y""","1\n2\r\n3"\nz,w\n')
    assert rows(path)[1:] == [['x, "y"', "1\n2\r\n3"], ["z", "w"]]


def test_windows_line_ends_and_blank_lines_change_nothing(tmp_path: Path):
    assert rows(write(tmp_path, "a,b\r\n\r\n1,2\r\n\r\n")) == [["a", "b"], ["1", "2"]]


@pytest.mark.parametrize("mark", [";", "\t"])
def test_a_csv_may_be_delimited_by_semicolons_or_tabs(tmp_path: Path, mark: str):
    path = write(tmp_path, f"a{mark}b\nx, y{mark}2\n")
    assert rows(path) == [["a", "b"], ["x, y", "2"]]


def test_a_tsv_is_delimited_by_tabs_even_with_commas_in_its_header(tmp_path: Path):
    assert rows(write(tmp_path, "a,b\tc\n1\t2\n", "t.tsv")) == [["a,b", "c"], ["1", "2"]]


def test_a_csv_of_one_column_needs_no_delimiter(tmp_path: Path):
    assert rows(write(tmp_path, "text\na b\nc\n")) == [["text"], ["a b"], ["c"]]


def test_another_encoding_is_read_when_named(tmp_path: Path):
    assert rows(write(tmp_path, "a\ncafé\n".encode("cp1252")), "cp1252")[1] == ["café"]


ROWS_OF_TWO = [{"a": "001", "b": "1"}, {"a": "x", "b": None}]


@pytest.mark.parametrize(
    ("table", "left_out"),
    [
        ({"data": ROWS_OF_TWO}, ""),
        ({"my texts": ROWS_OF_TWO}, ""),
        ({"version": 1, "examples": ROWS_OF_TWO}, "version"),
        ({"labels": ["a", "b", "c"], "data": ROWS_OF_TWO}, "labels"),
        ({"schema": {"fields": [{"name": "a"}, {"name": "b"}]}, "data": ROWS_OF_TWO}, "schema"),
    ],
)
def test_the_only_list_of_objects_in_an_object_has_the_rows(
    tmp_path: Path, table: object, left_out: str, caplog: pytest.LogCaptureFixture
):
    path = write(tmp_path, json.dumps(table), "t.json")
    assert arrow_rows(path) == [["a", "b"], ["001", "1"], ["x", None]]
    assert "The rows of t.json are those under" in caplog.text
    assert left_out in caplog.text


def test_a_column_of_objects_is_one(tmp_path: Path):
    path = write(tmp_path, json.dumps({"text": ["x", "y"], "data": ROWS_OF_TWO}), "t.json")
    assert read_arrow(path).data["text"].to_pylist() == ["x", "y"]


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"columns": ["a", "b"], "index": [0, 1], "data": [["x", "y"], ["z", "w"]]}, "'split'"),
        ({"columns": ["a", "b"], "data": [["x", "y"], ["z", "w"]]}, "'split'"),
        ({"0": {"a": "x"}, "1": {"a": "y"}}, "'index'"),
        ({"0": {"0": "x"}, "1": {"0": "y"}}, "'index'"),
        ({"n1": {"a": "x"}, "n2": {"a": "y"}}, "'index'"),
        ([["x", "y"], ["z", "w"]], "'values'"),
        ({"train": ROWS_OF_TWO, "test": ROWS_OF_TWO}, "several lists of objects"),
        ({"text": "x", "spans": [{"start": 0}]}, "one JSON object with the keys"),
        ({"id": 1, "data": {"text": "x"}, "annotations": [{"result": []}]}, "one JSON object"),
        ({"text": "x", "label": "a"}, "one JSON object with the keys text, label"),
    ],
)
def test_a_table_in_another_form_of_json_is_refused(tmp_path: Path, table: object, told: str):
    path = write(tmp_path, json.dumps(table), "t.json")
    for read in (read_arrow, read_table):
        with pytest.raises(UserError) as caught:
            read(path)
        assert told in str(caught.value)
        assert 'orient="records"' in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("t.jsonl", '{"a": 1},\n{"a": 2}\n', "a comma at the end of the line"),
        ("t.jsonl", '{\n  "a": 1\n}\n', "write each object into one line"),
        ("t.jsonl", '[\n{"a": 1},\n{"a": 2}]\n', "rename it to .json"),
        ("t.jsonl", '[{"a": 1}, {"a": 2}]\n', "rename it to .json"),
        ("t.json", '[{"a": 1},\n]', "a comma before ']'"),
        ("t.json", '[{"a": 1,}]', "a comma before '}'"),
        ("t.jsonl", '{"a": 1,}\n', "a comma before '}'"),
        ("t.jsonl", "{}\n1\n", "a JSON number"),
        ("t.json", "[null]", "a JSON null as element 1"),
        ("t.json", '"x"', "a JSON string"),
    ],
)
def test_json_that_is_no_table_is_refused_with_what_to_write(
    tmp_path: Path, name: str, content: str, told: str
):
    path = write(tmp_path, content, name)
    for read in (read_arrow, read_table):
        with pytest.raises(UserError) as caught:
            read(path)
        assert told in str(caught.value)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("a,b\n1\n", 2),
        ("a,b\n1,2,3\n", 2),
        ("a,b\n1,2\n3,4\n5\n", 4),
        ('a,b\n"1\n1",2\n3,4,5\n', 4),
        ("a,b\n1,2\n\n3\n", 4),
    ],
)
def test_a_ragged_row_is_refused_with_the_line_it_begins_on(
    tmp_path: Path, content: str, line: int
):
    assert place(write(tmp_path, content)) == f":{line}"


@pytest.mark.parametrize(("content", "line"), [('a\n"x"y\n', 2), ('a\nb\n"never closed\nc\n', 3)])
def test_broken_quoting_is_refused_with_the_line_it_begins_on(
    tmp_path: Path, content: str, line: int
):
    assert place(write(tmp_path, content)) == f":{line}"


def test_a_column_that_stands_twice_is_refused(tmp_path: Path):
    path = write(tmp_path, "a,b,a\n1,2,3\n")
    assert place(path) == ":1"


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl"])
def test_broken_encoding_is_refused_with_its_line(tmp_path: Path, name: str):
    lines = b'"a"\n"b"\n"caf\xe9"\n' if name == "t.csv" else b'{"a": 1}\n\n{"a": "caf\xe9"}\n'
    assert place(write(tmp_path, lines, name)) == ":3"


def test_broken_encoding_far_down_is_refused_with_its_line(tmp_path: Path):
    content = b"a\n" + b"x\n" * 20_000 + b"\xff\n"
    assert place(write(tmp_path, content)) == ":20002"


@pytest.mark.parametrize("content", ["", "a,b\n"])
def test_a_table_without_rows_is_refused(tmp_path: Path, content: str):
    assert place(write(tmp_path, content)) == ""


def test_a_missing_file_a_folder_and_an_unknown_suffix_are_refused(tmp_path: Path):
    assert place(tmp_path / "missing.csv") == ""
    assert place(tmp_path) == ""
    assert place(write(tmp_path, "a\n1\n", "t.xlsx")) == ""


def test_the_suffix_decides_the_format_whatever_its_case():
    assert [table_format(Path(f"t{suffix.upper()}")) for suffix in FORMATS] == list(FORMATS)


def test_jsonl_keeps_the_types_of_its_values(tmp_path: Path):
    row = {"id": "001", "n": 1, "x": 0.5, "flag": True, "labels": ["a", "b"], "none": None}
    path = write(tmp_path, json.dumps(row) + "\n\n" + json.dumps(row) + "\n", "t.jsonl")
    assert read_table(path).to_dict(orient="records") == [row, row]


def test_a_key_that_a_json_line_lacks_is_a_missing_value(tmp_path: Path):
    frame = read_table(write(tmp_path, '{"a": "x"}\n{"b": "y"}\n', "t.jsonl"))
    assert [cell_text(cell) for cell in frame["b"]] == ["", "y"]


@pytest.mark.parametrize("line", ["{", "[1]", '"text"', "3"])
def test_a_line_that_is_no_json_object_is_refused_with_its_number(tmp_path: Path, line: str):
    assert place(write(tmp_path, f'{{"a": 1}}\n\n{line}\n', "t.jsonl")) == ":3"


def test_a_damaged_parquet_file_is_refused(tmp_path: Path):
    assert place(write(tmp_path, "no parquet", "t.parquet")) == ""


@pytest.mark.parametrize("read", [read_arrow, read_table])
def test_a_parquet_file_with_a_column_twice_is_refused(tmp_path: Path, read: Callable[..., object]):
    twice = pa.Table.from_arrays([pa.array(["x"]), pa.array(["y"])], names=["a", "a"])
    pq.write_table(twice, tmp_path / "t.parquet")
    with pytest.raises(UserError, match="the column 'a' twice"):
        read(tmp_path / "t.parquet")


@pytest.mark.parametrize(("name", "around"), [("t.jsonl", "{}"), ("t.json", "[{}]")])
def test_json_nested_too_deep_or_with_too_many_digits_is_refused(
    tmp_path: Path, name: str, around: str
):
    deep = f'{{"a": {"[" * 100_000}{"]" * 100_000}}}'
    with pytest.raises(UserError, match="nested too deep"):
        read_table(write(tmp_path, around.replace("{}", deep), name))
    digits = f'{{"a": {"1" * 5000}}}'
    assert place(write(tmp_path, around.replace("{}", digits), name)) == ":1"


@pytest.mark.parametrize("column", ["text", "choices"])
def test_text_of_a_parquet_file_that_is_not_utf8_is_refused(column: str, tmp_path: Path):
    cells = pa.array([b"fine", b"caf\xe9"], pa.binary()).cast(pa.string(), safe=False)
    pq.write_table(pa.table({column: cells, "id": ["a", "b"]}), tmp_path / "t.parquet")
    assert place(tmp_path / "t.parquet") == f": {column}"
    with pytest.raises(UserError, match="no UTF-8 in row 2"):
        list(read_chunks(tmp_path / "t.parquet", rows=1))


def test_a_value_that_parquet_cannot_hold_is_refused(tmp_path: Path):
    frame = pd.DataFrame({"a": [2**70]}, dtype=object)
    with (
        TableWriter(tmp_path / "t.parquet", ".parquet") as writer,
        pytest.raises(UserError, match=r"write \.jsonl"),
    ):
        writer.write(frame)


@pytest.mark.parametrize("suffix", FORMATS)
def test_chunks_hold_so_many_rows_and_together_the_whole_table(tmp_path: Path, suffix: str):
    path = tmp_path / f"t{suffix}"
    frame = pd.DataFrame({"a": [f"r{n}" for n in range(10)], "b": ["x"] * 10})
    with TableWriter(path, suffix) as writer:
        writer.write(frame)
    chunks = list(read_chunks(path, rows=4))
    assert [len(chunk) for chunk in chunks] == [4, 4, 2]
    assert pd.concat(chunks)["a"].tolist() == frame["a"].tolist()


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
    assert [tuple(row) for row in read_table(path, quotes=True).to_numpy()] == cells
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


PIECES = [*',;|"\t\n\r ax', '""', '"a"', ",b\n", '"x,y\n', 'z",y\n', "\n\n", "\0", "é"]
CONTENTS = st.lists(st.sampled_from(PIECES), max_size=25)


@settings(deadline=None, max_examples=300)
@given(
    content=CONTENTS,
    header=st.sampled_from(
        ["a\n", "a,b\n", '\ufeff"a","b"\r\n', "a;b\r", "sep=;\na;b\n", "\n\na|b\n", "text,b\n"]
    ),
    name=st.sampled_from(["both.csv", "both.tsv"]),
    quotes=st.sampled_from([None, True, False]),
    block=st.sampled_from([8, 12, arrow.BLOCK]),
)
def test_the_fast_reader_gives_what_the_careful_one_gives_or_its_message(
    tmp_path_factory: pytest.TempPathFactory,
    content: list[str],
    header: str,
    block: int,
    name: str,
    quotes: bool | None,
):
    path = tmp_path_factory.getbasetemp() / name
    path.write_text(header + "".join(content), encoding="utf-8", newline="")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arrow, "BLOCK", block)
        try:
            expected = rows(path, quotes=quotes)
        except UserError as error:
            with pytest.raises(UserError) as caught:
                read_arrow(path, quotes=quotes)
            assert caught.value.problems == error.problems
        else:
            assert arrow_rows(path, quotes=quotes) == expected


@pytest.mark.parametrize("block", [8, 9, 10, 11, 12, 13])
def test_a_csv_is_read_in_blocks_of_whole_rows_whatever_line_ends_their_quotes_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
):
    monkeypatch.setattr(arrow, "BLOCK", block)
    monkeypatch.setattr(arrow, "_careful", lambda *_: pytest.fail("the careful reader"))
    path = write(tmp_path, 'a,b\n"1\n",2\n"""",\n3,"4\r\n"\n5,6')
    assert arrow_rows(path)[1:] == [["1\n", "2"], ['"', ""], ["3", "4\r\n"], ["5", "6"]]


@pytest.mark.parametrize("block", [8, 9, 10, 11, 12, 13])
def test_a_broken_quote_is_found_in_any_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
):
    monkeypatch.setattr(arrow, "BLOCK", block)
    assert place(write(tmp_path, 'a,b\n"1","2"\n"x"y,"z"\n')) == ":3"


def test_a_row_longer_than_a_block_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(arrow, "BLOCK", 8)
    path = write(tmp_path, 'a,b\n1,2\n"a long\ncell, really",3\n4,5\n')
    assert arrow_rows(path)[1:] == [["1", "2"], ["a long\ncell, really", "3"], ["4", "5"]]


def test_a_plain_csv_takes_the_fast_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(arrow, "_careful", lambda *_: pytest.fail("the careful reader"))
    path = write(tmp_path, 'a,b\n001,"x, ""y""\n2"\n,NA\n')
    assert arrow_rows(path) == [["a", "b"], ["001", 'x, "y"\n2'], ["", "NA"]]
    lines = write(tmp_path, '{"a": 1, "b": ["x"]}\n\n{"a": 2, "b": null}\n', "t.jsonl")
    assert read_arrow(lines).data.to_pydict() == {"a": [1, 2], "b": [["x"], None]}


JSON_LINES = {
    "a day that is text": ['{"a": "2020-01-01"}'],
    "a number too large for a float": ['{"a": 36893488147419103233}', '{"a": 0.5}'],
    "two objects in a line": ['{"a": 1}{"a": 2}'],
    "text and numbers": ['{"a": "x"}', '{"a": 1}', '{"a": true}'],
    "lists and text": ['{"a": ["x", "y|z"]}', '{"a": "x"}', '{"a": []}', '{"a": null}'],
    "half a surrogate pair": ['{"a": "\\ud800b"}'],
    "a number beyond 64 bits alone": ['{"a": 36893488147419103233}'],
    "objects in a list": ['{"a": "x", "b": [{"c": 1}]}', '{"a": "y", "b": [{"c": 2}]}'],
    "lists in a list": ['{"a": "x", "b": [["c"], []]}'],
}


@pytest.mark.parametrize(
    ("kind", "cells"),
    [
        ("a day that is text", ["2020-01-01"]),
        ("a number too large for a float", ["36893488147419103233", "0.5"]),
        ("two objects in a line", None),
        ("text and numbers", ["x", "1", "1"]),
        ("lists and text", [f"x{ITEM_MARK}y|z{ITEM_MARK}", "x", "", None]),
        ("half a surrogate pair", ["?b"]),
        ("a number beyond 64 bits alone", ["36893488147419103233"]),
        ("objects in a list", ["x", "y"]),
        ("lists in a list", ["x"]),
    ],
)
def test_json_that_arrow_would_change_is_read_with_care(
    tmp_path: Path, kind: str, cells: list[str | None] | None
):
    path = write(tmp_path, "\n".join(JSON_LINES[kind]), "t.jsonl")
    if cells is None:
        assert place(path) == ":1"
    else:
        assert text_cells(read_arrow(path).data["a"]).to_pylist() == cells
        careful = pa.chunked_array([as_arrow(read_table(path)["a"].tolist())])
        assert text_cells(careful).to_pylist() == cells


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ('{"a": "x", "a": "y"}', "the key 'a' twice"),
        ('{"a": {"b": 1, "b": 1}}', "the key 'b' twice"),
        ('{"a": Infinity}', "Infinity"),
        ('{"a": -Infinity}', "-Infinity"),
        ('{"a": "x\0"}', "a NUL"),
        ('{"a": ' + "[" * 800 + "]" * 800 + "}", "nested too deep"),
        ('{"a": ' * 800 + "1" + "}" * 800, "nested too deep"),
        ('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", "nested too deep"),
    ],
)
def test_json_that_other_readers_would_guess_at_is_refused(
    tmp_path: Path, content: str, found: str
):
    path = write(tmp_path, f'{{"a": 1}}\n{content}\n', "t.jsonl")
    assert place(path) == ":2"
    with pytest.raises(UserError, match=found):
        read_arrow(path)
    if "NUL" not in found:
        assert place(write(tmp_path, f"[{content}]", "t.json")) == ":1"


@pytest.mark.parametrize(
    "line", [b'{"a": "\xed\xa0\x80"}', b'{"\xed\xa0\x80": "x"}', b'{"\xff": 1}']
)
def test_json_of_bytes_that_are_no_text_is_refused(tmp_path: Path, line: bytes):
    assert place(write(tmp_path, b'{"a": "x"}\n' + line, "t.jsonl")) == ":2"


def test_what_python_writes_for_a_missing_number_is_a_missing_value(tmp_path: Path):
    path = write(tmp_path, '{"a": NaN}\n{"a": 1.5}\n', "t.jsonl")
    assert text_cells(read_arrow(path).data["a"]).to_pylist() == [None, "1.5"]
    assert [cell_text(cell) for cell in read_table(path)["a"]] == ["", "1.5"]


def test_brackets_in_a_text_are_not_nested(tmp_path: Path):
    path = write(tmp_path, json.dumps({"a": "[" * 900}) + "\n", "t.jsonl")
    assert arrow_rows(path) == rows(path) == [["a"], ["[" * 900]]


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


def test_periods_are_known_to_a_process_that_has_made_none(tmp_path: Path):
    periods = pa.array(pd.Series(pd.period_range("2020-01", periods=1, freq="M")))
    pq.write_table(pa.table({"a": periods}), tmp_path / "t.parquet")
    code = (
        "from pathlib import Path; from imbtool.data.tables import read_arrow; "
        "from imbtool.formats.cells import text_cells; "
        "print(text_cells(read_arrow(Path('t.parquet')).data['a']).to_pylist())"
    )
    told = run([executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert told.stdout == "['2020-01']\n"


def test_an_object_is_told_from_a_text_that_holds_its_mark(tmp_path: Path):
    content = f"text\na {OBJECT_MARK}{{x}} b\n{OBJECT_MARK}c\nd{ITEM_MARK}{OBJECT_MARK}\n"
    column = read_arrow(write(tmp_path, content)).data["text"]
    require_text(column, "t.csv: text", str)
    items = pa.chunked_array([[f"a{ITEM_MARK}{OBJECT_MARK}[1]{ITEM_MARK}"]])
    with pytest.raises(UserError, match="an object or a list of them in row 1"):
        require_text(items, "t.csv: text", str)


def test_json_is_an_array_of_objects(tmp_path: Path):
    path = write(tmp_path, '[{"a": "001", "b": 1},\n {"b": null}]', "t.json")
    assert arrow_rows(path) == [["a", "b"], ["001", "1"], [None, None]]
    assert [cell_text(cell) for cell in read_table(path)["a"]] == ["001", ""]


@pytest.mark.parametrize(
    "content",
    [
        '{"a": "001", "b": "1"}\n{"a": "x", "b": null}\n',
        '{"a": {"0": "001", "7": "x"}, "b": {"7": null, "0": "1"}}',
        '{"a": ["001", "x"], "b": ["1", null]}',
    ],
    ids=["lines", "pandas' columns", "lists of columns"],
)
def test_other_ways_to_write_a_table_as_json_are_read(tmp_path: Path, content: str):
    path = write(tmp_path, content, "t.json")
    assert arrow_rows(path) == [["a", "b"], ["001", "1"], ["x", None]]


@pytest.mark.parametrize(
    ("content", "where"),
    [
        ('[{"a": 1},\n{"a" 2}]', ":2"),
        ('{"a": 1}', ":1"),
        ('[{"a": 1}, 3]', ""),
        ('{"x": {"a": 1}, "y": {"a": 2}}', ":1"),
        ('{"a": [1], "b": [1, 2]}', ":1"),
        ('{"a": 1}\n{"a" 2}\n', ":2"),
    ],
)
def test_other_json_is_refused_by_its_line(tmp_path: Path, content: str, where: str):
    assert place(write(tmp_path, content, "t.json")) == where


def compress(path: Path, codec: str) -> Path:
    target = path.with_name(path.name + {"gzip": ".gz", "zstd": ".zst"}[codec])
    with pa.CompressedOutputStream(str(target), codec) as stream:
        stream.write(path.read_bytes())
    return target


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
@pytest.mark.parametrize("suffix", [*FORMATS, ".json"])
def test_a_compressed_table_is_read_as_the_plain_one(tmp_path: Path, suffix: str, codec: str):
    path = tmp_path / f"t{suffix}"
    if suffix == ".json":
        path.write_text('[{"a": "é", "b": "1"}, {"a": "", "b": "x"}]')
    else:
        with TableWriter(path, suffix) as writer:
            writer.write(pd.DataFrame({"a": ["é", ""], "b": ["1", "x"]}))
    packed = compress(path, codec)
    assert arrow_rows(packed) == arrow_rows(path) == [["a", "b"], ["é", "1"], ["", "x"]]
    assert [len(chunk) for chunk in read_chunks(packed, rows=1)] == [1, 1]


def test_errors_of_a_compressed_table_name_its_lines(tmp_path: Path):
    assert place(compress(write(tmp_path, "a,b\n1,2\n3\n"), "gzip")) == ":3"
    assert place(compress(write(tmp_path, b"a\nb\n\xff\n"), "zstd")) == ":3"


def test_a_compressed_table_that_was_cut_off_is_refused(tmp_path: Path):
    content = gzip.compress(os.urandom(3000).hex().encode())
    assert place(write(tmp_path, content[:-900], "t.csv.gz")) == ""
    assert place(write(tmp_path, b"no gzip", "u.csv.gz")) == ""


def shards(folder: Path, second: str = "b,a\n4,3\n5,6\n") -> Path:
    folder.mkdir()
    write(folder, "a,b\n1,2\n", "part-1.csv")
    write(folder, second, "part-2.csv")
    write(folder, "not a table", "README.md")
    return folder


@pytest.mark.parametrize("name", ["parts", "parts/*.csv", "parts/part-?.csv", "**/part-*.csv"])
def test_a_folder_or_a_glob_is_the_rows_of_its_files_by_name(tmp_path: Path, name: str):
    shards(tmp_path / "parts")
    expected = [["a", "b"], ["1", "2"], ["3", "4"], ["6", "5"]]
    assert rows(tmp_path / name) == arrow_rows(tmp_path / name) == expected


def test_what_split_writes_beside_its_tables_is_no_table(tmp_path: Path):
    write(tmp_path, "a\n1\n", "part.csv")
    write(tmp_path, '{"command": []}', "split.json")
    assert arrow_rows(tmp_path) == [["a"], ["1"]]


def test_a_row_of_a_folder_has_its_place_in_one_of_the_files(tmp_path: Path):
    files = read_arrow(shards(tmp_path / "parts")).files
    places = [place_of(files, row) for row in (1, 2, 3)]
    assert [(path.name, row) for path, row in places] == [
        ("part-1.csv", 1),
        ("part-2.csv", 1),
        ("part-2.csv", 2),
    ]


def test_errors_in_a_folder_name_the_file_and_the_line(tmp_path: Path):
    assert place(shards(tmp_path / "ragged", "a,b\n1,2\n3\n")) == "/part-2.csv:3"
    assert place(shards(tmp_path / "other", "a,c\n1,2\n")) == "/part-2.csv"


def test_files_of_different_kinds_of_cells_are_refused(tmp_path: Path):
    write(tmp_path, '{"a": ["x"]}\n', "1.jsonl")
    write(tmp_path, '{"a": "x"}\n', "2.jsonl")
    with pytest.raises(UserError, match="of one kind"):
        read_arrow(tmp_path)


@pytest.mark.parametrize("other", ["test.csv", "my-validation.csv", "dev-0001.parquet"])
def test_a_folder_of_several_splits_is_refused(tmp_path: Path, other: str):
    write(tmp_path, "a\n1\n", "train.csv")
    write(tmp_path, "a\n1\n", "latest-trainees.csv")
    assert rows(tmp_path)
    write(tmp_path, "a\n1\n", other)
    with pytest.raises(UserError, match=r"several splits(.|\n)*train\*"):
        read_arrow(tmp_path)


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


def test_rows_of_json_in_another_order_keep_to_their_columns():
    stream = io.StringIO()
    with TableWriter(stream, ".csv") as writer:
        writer.write(pd.DataFrame({"a": ["1"], "b": ["2"]}))
        writer.write(pd.DataFrame({"b": ["4"], "a": ["3"]}))
        writer.write(pd.DataFrame({"b": ["6"]}))
        with pytest.raises(UserError, match="the columns c from row 4 on only"):
            writer.write(pd.DataFrame({"c": ["7"]}))
    assert stream.getvalue() == "a,b\n1,2\n3,4\n,6\n"


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


def test_a_pattern_that_is_none_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match=r"\*\* is a whole part of a path"):
        read_arrow(tmp_path / "x**.csv")


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
