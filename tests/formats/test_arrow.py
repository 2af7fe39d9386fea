"""The fast reader gives what the careful one gives."""

from collections.abc import Callable
from pathlib import Path
from subprocess import run
from sys import executable

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tablefiles import place, rows, rows_as_text, write

from imbtool.data.tables import read_arrow, read_chunks, read_table
from imbtool.errors import UserError
from imbtool.files.text_format import TextFormat
from imbtool.formats import arrow


def test_a_damaged_parquet_file_is_refused(tmp_path: Path):
    assert place(write(tmp_path, "no parquet", "t.parquet")) == ""


@pytest.mark.parametrize("read", [read_arrow, read_table])
def test_a_parquet_file_with_a_column_twice_is_refused(tmp_path: Path, read: Callable[..., object]):
    twice = pa.Table.from_arrays([pa.array(["x"]), pa.array(["y"])], names=["a", "a"])
    pq.write_table(twice, tmp_path / "t.parquet")
    with pytest.raises(UserError, match="the column 'a' twice"):
        read(tmp_path / "t.parquet")


@pytest.mark.parametrize("column", ["text", "choices"])
def test_text_of_a_parquet_file_that_is_not_utf8_is_refused(column: str, tmp_path: Path):
    cells = pa.array([b"fine", b"caf\xe9"], pa.binary()).cast(pa.string(), safe=False)
    pq.write_table(pa.table({column: cells, "id": ["a", "b"]}), tmp_path / "t.parquet")
    assert place(tmp_path / "t.parquet") == f": {column}"
    with pytest.raises(UserError, match="no UTF-8 in row 2"):
        list(read_chunks(tmp_path / "t.parquet", rows=1))


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
@example(content=['"\r"\n'], header="a\n", name="both.csv", quotes=None, block=arrow.BLOCK)
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
                read_arrow(path, TextFormat(quotes=quotes))
            assert caught.value.problems == error.problems
        else:
            assert rows_as_text(path, quotes=quotes) == expected


@pytest.mark.parametrize("block", [8, 9, 10, 11, 12, 13])
def test_a_csv_is_read_in_blocks_of_whole_rows_whatever_line_ends_their_quotes_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
):
    monkeypatch.setattr(arrow, "BLOCK", block)
    monkeypatch.setattr(arrow, "_careful", lambda *_: pytest.fail("the careful reader"))
    path = write(tmp_path, 'a,b\n"1\n",2\n"""",\n3,"4\r\n"\n5,6')
    assert rows_as_text(path)[1:] == [["1\n", "2"], ['"', ""], ["3", "4\r\n"], ["5", "6"]]


@pytest.mark.parametrize("block", [8, 9, 10, 11, 12, 13])
def test_a_broken_quote_is_found_in_any_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
):
    monkeypatch.setattr(arrow, "BLOCK", block)
    assert place(write(tmp_path, 'a,b\n"1","2"\n"x"y,"z"\n')) == ":3"


def test_a_row_longer_than_a_block_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(arrow, "BLOCK", 8)
    path = write(tmp_path, 'a,b\n1,2\n"a long\ncell, really",3\n4,5\n')
    assert rows_as_text(path)[1:] == [["1", "2"], ["a long\ncell, really", "3"], ["4", "5"]]


def test_a_plain_csv_takes_the_fast_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(arrow, "_careful", lambda *_: pytest.fail("the careful reader"))
    path = write(tmp_path, 'a,b\n001,"x, ""y""\n2"\n,NA\n')
    assert rows_as_text(path) == [["a", "b"], ["001", 'x, "y"\n2'], ["", "NA"]]
    lines = write(tmp_path, '{"a": 1, "b": ["x"]}\n\n{"a": 2, "b": null}\n', "t.jsonl")
    assert read_arrow(lines).data.to_pydict() == {"a": [1, 2], "b": [["x"], None]}


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
