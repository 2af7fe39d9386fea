"""Files as spreadsheets and other tools save them: delimiters, encodings, suffixes, sizes."""

import codecs
import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from tablefiles import BOTH, place, refusal, rows, write

from imbtool.data.tables import read_arrow, read_chunks
from imbtool.errors import UserError
from imbtool.files.text_format import text_codec
from imbtool.formats import delimited, json_rows, lines, sources

Read = Callable[..., object]


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


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("line", "delimiter"),
    [("sep=;", ";"), ('"sep=;"', ";"), ("sep=,", ","), ("SEP=|", "|"), ("sep=\\t", "\t")],
)
def test_a_first_line_that_names_the_delimiter_is_no_row(
    tmp_path: Path, mark: str, end: str, line: str, delimiter: str
):
    cells = [["text", "labels"], ["x", "a"], ["y y", "b"]]
    content = end.join([line, *map(delimiter.join, cells), ""])
    path = write(tmp_path, mark + content)
    assert rows(path) == cells
    assert "names the delimiter" in read_arrow(path).notes[0]
    ragged = write(tmp_path, f"{mark}{content}1{delimiter}2{delimiter}3{end}", "u.csv")
    assert refusal(ragged).startswith(":5\n")


@pytest.mark.parametrize("content", ["sep=;\n", "\n\n", "sep=;\ntext;labels\n"])
def test_a_delimiter_without_rows_is_no_table(tmp_path: Path, content: str):
    assert "no rows" in refusal(write(tmp_path, content))


@pytest.mark.parametrize(
    ("content", "name", "noted"),
    [
        ("text|labels\nx, y|a\nz|b\n", "t.csv", True),
        ("text,labels\nx,a|b\nz,b|c\n", "t.csv", False),
        ("text\nx|a\ny|b\n", "t.csv", False),
        ("text,labels\nx,a\ny,b\n", "t.tsv", True),
        ("text;labels\nx, z;a\ny;b\n", "t.tsv", True),
        ("text\nx, y\nz; u\n", "t.tsv", False),
    ],
)
def test_the_delimiter_is_the_one_of_the_header(
    tmp_path: Path, content: str, name: str, noted: bool
):
    path = write(tmp_path, content, name)
    width = 2 if "labels" in content else 1
    assert len(rows(path)) == 3
    assert all(len(row) == width for row in rows(path))
    assert bool(read_arrow(path).notes) == noted


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize(
    ("name", "content"),
    [("t.csv", "text\té\nx\tü\n"), ("t.jsonl", '{"text": "x", "é": "ü"}\n')],
)
def test_the_mark_of_a_file_names_its_encoding(
    tmp_path: Path, encoding: str, name: str, content: str
):
    path = write(tmp_path, f"\ufeff{content}".encode(encoding), name)
    assert rows(path) == rows(path, encoding) == [["text", "é"], ["x", "ü"]]
    assert f"set `data.encoding: {encoding[:6]}`" in refusal(path, "cp1252")


def test_utf16_without_a_mark_needs_its_byte_order(tmp_path: Path):
    path = write(tmp_path, "text,labels\nx,a\n".encode("utf-16-le"))
    assert rows(path, "utf-16-le") == [["text", "labels"], ["x", "a"]]
    assert "utf-16-le" in refusal(path, "utf-16")
    assert "NUL" in refusal(path)


def test_a_mark_of_utf8_is_no_text_of_another_encoding(tmp_path: Path):
    path = write(tmp_path, codecs.BOM_UTF8 + b"text\nx\n")
    assert "data.encoding: utf-8" in refusal(path, "latin-1")


def test_what_is_no_text_encoding_is_refused(tmp_path: Path):
    assert "text encoding" in refusal(write(tmp_path, "text\nx\n"), "rot13")


def test_any_name_of_utf8_is_utf8(tmp_path: Path):
    assert {text_codec(name) for name in ("UTF8", "utf_8", "U8")} == {"utf-8"}
    assert rows(write(tmp_path, "\ufefftext\né\n"), "utf-8-sig") == [["text"], ["é"]]


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("t.xlsx", "CSV UTF-8"),
        ("t.ods", "CSV UTF-8"),
        ("t.XLS.gz", "CSV UTF-8"),
        ("t.docx", "spreadsheet"),
        ("t.txt", "rename it to .csv"),
        ("t.data", "rename it to .csv"),
        ("t.ndjson", "rename it to .jsonl"),
        ("t.zip", "unpack"),
        ("t.pkl", ".parquet"),
        ("t", ".csv in UTF-8"),
    ],
)
def test_a_file_of_another_kind_is_refused_with_the_way_to_a_table(
    tmp_path: Path, name: str, fix: str
):
    assert fix in refusal(write(tmp_path, "x", name)).partition("fix")[2]


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"PK\x03\x04\x14\0\x06\0", "a spreadsheet"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "a spreadsheet"),
        (b"\n <!DOCTYPE html>\n<html>", "an HTML page"),
        (b"\xef\xbb\xbf<html lang='en'>", "an HTML page"),
        (b"PAR1\x15\x04", "rename it to .parquet"),
        (b"\x1f\x8b\x08\0", "add .gz"),
        (b"%PDF-1.7\n", "a PDF"),
    ],
)
@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.json"])
def test_a_file_of_another_kind_is_known_by_its_first_bytes(
    tmp_path: Path, start: bytes, kind: str, name: str
):
    assert kind in refusal(write(tmp_path, start + b"x,y\n1,2\n", name))


@pytest.mark.parametrize("name", ["t.txt", "t.csv"])
def test_the_lines_of_fasttext_are_refused_with_the_way_to_a_csv(tmp_path: Path, name: str):
    told = refusal(write(tmp_path, "__label__a __label__b a text, of words\n__label__a z\n", name))
    assert "fastText" in told
    assert "`labels,text`" in told


RAGGED = {
    "a title in a cell": (
        "Survey 2024\ntext,labels\nx,a\n",
        "if line 1 is a title above the header",
    ),
    "a title in a row": ("Survey 2024,,\nid,text,labels\n1,x,a\n", "if this line is a title"),
    "names in two lines": ("a,a,b\nx,y,z\n1,2,3\n", "join them into one"),
    "names of rows": ("text,labels\n1,x,a\n2,y,b\n", "row.names = FALSE"),
    "quotes behind backslashes": (
        'text,labels\n"he said \\"hi\\"",a\n',
        "instead of behind a backslash",
    ),
    "such quotes at an end": (
        'text,labels\n"so he \\"",a\n"b, c",d\n',
        "instead of behind a backslash",
    ),
    "such quotes and delimiters": (
        'text,labels\n"a \\", b \\" c",a\n',
        "instead of behind a backslash",
    ),
}


@pytest.mark.parametrize("kind", RAGGED)
def test_what_is_wrong_with_a_table_is_said_with_its_own_fix(tmp_path: Path, kind: str):
    content, told = RAGGED[kind]
    assert told in refusal(write(tmp_path, content))


@pytest.mark.parametrize("columns", [1, 3])
@pytest.mark.parametrize("quoted", ["plain", '"two\nlines"', '"a ""word"" of it"'])
def test_columns_at_the_end_without_name_and_cells_are_left_out(
    tmp_path: Path, columns: int, quoted: str
):
    more = ";" * columns
    path = write(tmp_path, f"text;labels{more}\nx;a{more}\n{quoted};b{more}\ny;c{more}\n")
    text = quoted.strip('"').replace('""', '"')
    assert rows(path) == [["text", "labels"], ["x", "a"], [text, "b"], ["y", "c"]]
    (note,) = read_arrow(path).notes
    assert "without a name and without cells" in note


def test_a_column_at_the_end_with_cells_is_kept_or_refused(tmp_path: Path):
    path = write(tmp_path, "text;labels;\nx;a;\ny;b;z\n")
    assert rows(path) == [["text", "labels", ""], ["x", "a", ""], ["y", "b", "z"]]
    told = refusal(write(tmp_path, "text;labels;;\nx;a;;\ny;b;;z\n", "two.csv"))
    assert "the column '' twice" in told


@pytest.mark.parametrize("quoted", ["plain", '"two\nlines"', '"a ""word"" of it"'])
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_rows_of_delimiters_alone_are_left_out_at_the_end(
    tmp_path: Path, quoted: str, encoding: str, caplog: pytest.LogCaptureFixture
):
    path = write(tmp_path, f"id,text,labels\n,,\n1,{quoted},a\n,,\n2,y,b\n,,\n\n,,\n")
    text = quoted.strip('"').replace('""', '"')
    empty = ["", "", ""]
    assert rows(path, encoding)[1:] == [empty, ["1", text, "a"], empty, ["2", "y", "b"]]
    assert set(caplog.messages) == {"Left out: 2 rows of empty cells at the end of t.csv."}
    assert "no rows" in refusal(write(tmp_path, "text,labels\n,\n,\n", "empty.csv"), encoding)


def test_keys_are_named_with_the_option_that_sets_them(tmp_path: Path):
    assert "`--set data.encoding=cp1252`" in refusal(write(tmp_path, b"text\ncaf\xe9\n"))
    assert "`--set data.quotes=false`" in refusal(write(tmp_path, 'a\n"x"y\n'))


def test_a_blank_line_of_one_column_is_a_row_but_for_those_at_the_end(tmp_path: Path):
    path = write(tmp_path, "text\n\nx\r\n\r\n\ny\n\n\n")
    assert rows(path) == [["text"], [""], ["x"], [""], [""], ["y"]]
    path = write(tmp_path, 'text\nx\n""\n')
    assert rows(path) == [["text"], ["x"], [""]]
    assert rows(write(tmp_path, "\n\na;b\n\n1;2\n\n")) == [["a", "b"], ["1", "2"]]


def test_a_nul_is_refused_with_its_line(tmp_path: Path):
    assert refusal(write(tmp_path, "text,labels\nx,a\ny\0,b\n")).startswith(":3\n")


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl"])
def test_a_line_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str):
    monkeypatch.setattr(lines, "MOST_CHARACTERS", 1 << 20)
    head = '{"a": "' if name == "t.jsonl" else "text\n"
    content = gzip.compress((head + "x" * (5 << 20)).encode())
    told = refusal(write(tmp_path, content, f"{name}.gz"))
    assert told.startswith(":1\n" if name == "t.jsonl" else ":2\n")
    assert "a line of over" in told


def test_a_cell_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(delimited, "MOST_CHARACTERS", 1000)
    told = refusal(write(tmp_path, 'text,labels\nx,a\n"' + "line, of, it\n" * 200))
    assert told.startswith(":3\n")
    assert "a cell of over" in told


def test_an_array_that_is_too_long_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(json_rows, "MOST_ARRAY", 100)
    content = "[" + ", ".join(['{"a": 1}'] * 20) + "]"
    assert "one object a line" in refusal(write(tmp_path, content, "t.json"))


@BOTH
@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.json", "t.parquet"])
def test_a_file_that_unpacks_to_far_more_than_texts_do_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, read: Read
):
    monkeypatch.setattr(sources, "MOST_UNPACKED", 1 << 20)
    line = '{"text": "a text"}\n' if "json" in name else "a text\n"
    path = write(tmp_path, gzip.compress(b"text\n" + line.encode() * 500_000), f"{name}.gz")
    if name == "t.jsonl":
        path.write_bytes(gzip.compress(line.encode() * 300_000))
    with pytest.raises(UserError, match="unpacks to more than 50 times its size"):
        read(path)


@BOTH
@pytest.mark.parametrize("content", [b"text,labels\nx,a\n", b"text,labels\nx\n"])
def test_the_name_of_a_file_may_be_no_text(tmp_path: Path, read: Read, content: bytes):
    path = write(tmp_path, content, "t\udcff.csv")
    for source in (path, tmp_path, tmp_path / "t*.csv", tmp_path / "t\udcff*"):
        try:
            assert len(read(source).data if read is read_arrow else read(source)) == 1
        except UserError as error:
            assert r"t\udcff.csv:2" in str(error)
            str(error).encode()


def test_rows_stream_from_a_compressed_file(tmp_path: Path):
    path = write(tmp_path, gzip.compress(b"text\n" + b"a text\n" * 9), "t.csv.gz")
    assert [len(frame) for frame in read_chunks(path, rows=4)] == [4, 4, 1]
