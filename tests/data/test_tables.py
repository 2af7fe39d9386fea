"""A table is a file, a compressed one, or a folder or glob of files."""

import gzip
import os
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from tablefiles import place, rows, rows_as_text, write

from imbtool.data.tables import place_of, read_arrow, read_chunks
from imbtool.data.writer import TableWriter
from imbtool.errors import UserError
from imbtool.formats.sources import FORMATS, table_format


def test_a_missing_file_a_folder_and_an_unknown_suffix_are_refused(tmp_path: Path):
    assert place(tmp_path / "missing.csv") == ""
    assert place(tmp_path) == ""
    assert place(write(tmp_path, "a\n1\n", "t.xlsx")) == ""


def test_the_suffix_decides_the_format_whatever_its_case():
    assert [table_format(Path(f"t{suffix.upper()}")) for suffix in FORMATS] == list(FORMATS)


@pytest.mark.parametrize("suffix", FORMATS)
def test_chunks_hold_so_many_rows_and_together_the_whole_table(tmp_path: Path, suffix: str):
    path = tmp_path / f"t{suffix}"
    frame = pd.DataFrame({"a": [f"r{n}" for n in range(10)], "b": ["x"] * 10})
    with TableWriter(path, suffix) as writer:
        writer.write(frame)
    chunks = list(read_chunks(path, rows=4))
    assert [len(chunk) for chunk in chunks] == [4, 4, 2]
    assert pd.concat(chunks)["a"].tolist() == frame["a"].tolist()


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
    assert rows_as_text(packed) == rows_as_text(path) == [["a", "b"], ["é", "1"], ["", "x"]]
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
    assert rows(tmp_path / name) == rows_as_text(tmp_path / name) == expected


def test_what_split_writes_beside_its_tables_is_no_table(tmp_path: Path):
    write(tmp_path, "a\n1\n", "part.csv")
    write(tmp_path, '{"command": []}', "split.json")
    assert rows_as_text(tmp_path) == [["a"], ["1"]]


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


def test_a_pattern_that_is_none_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match=r"write \*\* as a whole part of a path"):
        read_arrow(tmp_path / "x**.csv")
