"""Quotes enclose cells, or are part of the text: no row vanishes between two of them."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tablefiles import refusal, rows, write

from imbtool.data.tables import read_arrow, read_table
from imbtool.errors import UserError
from imbtool.formats import arrow

LABELS = ("praise", "insult", "threat", "praise|threat", "spam")


def cells(path: Path, quotes: bool | None = None) -> list[tuple[object, ...]]:
    return list(map(tuple, rows(path, quotes=quotes)[1:]))


def plain_table(delimiter: str, first: int, last: int, rows: int = 12) -> str:
    """A table whose texts are not quoted, but that one begins with a quote and one ends with it."""
    texts = [f"text number {row} of them" for row in range(rows)]
    texts[first] = f'"{texts[first]}'
    texts[last] += '"'
    lines = [
        f"{row}{delimiter}{text}{delimiter}{LABELS[row % len(LABELS)]}"
        for row, text in enumerate(texts)
    ]
    return "\n".join([delimiter.join(["id", "text", "labels"]), *lines]) + "\n"


@pytest.mark.parametrize("delimiter", [",", ";", "|"])
@pytest.mark.parametrize(("first", "last"), [(0, 1), (2, 7), (0, 11)])
def test_rows_between_quotes_that_are_text_are_not_lost(
    tmp_path: Path, delimiter: str, first: int, last: int
):
    told = refusal(write(tmp_path, plain_table(delimiter, first, last)))
    assert f":{first + 2}\n" in told
    assert f"in line {first + 2}, and one that closes it in line {last + 2}" in told
    assert "data.quotes: false" in told
    assert "data.quotes: true" in told


def test_the_profile_says_what_quotes_are(tmp_path: Path):
    path = write(tmp_path, plain_table(",", 2, 7))
    assert len(cells(path, quotes=True)) == 12 - 5
    assert cells(path, quotes=False)[2] == ("2", '"text number 2 of them', "threat")


@pytest.mark.parametrize(("first", "last"), [(0, 1), (2, 7), (0, 11)])
def test_quotes_in_tsv_that_enclose_nothing_are_text(tmp_path: Path, first: int, last: int):
    path = write(tmp_path, plain_table("\t", first, last), "t.tsv")
    assert len(cells(path)) == 12
    (note,) = read_arrow(path).notes
    assert "data.quotes: true" in note


@pytest.mark.parametrize(
    "texts",
    [
        ['"yes" he said', "no", "maybe", 'a 5" disk'],
        ['say "yes" or "no"', '"twice" or "thrice"', '"open', 'close"'],
    ],
)
@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_quotes_that_enclose_no_cell_are_text_where_only_so_each_line_is_a_row(
    tmp_path: Path, texts: list[str], delimiter: str
):
    lines = [f"{text}{delimiter}a" for text in texts]
    path = write(tmp_path, "\n".join([f"text{delimiter}labels", *lines]))
    assert cells(path) == [(text, "a") for text in texts]
    assert len(read_arrow(path).notes) == 1


def test_a_quote_that_is_never_closed_is_text_in_tsv_and_refused_in_csv(tmp_path: Path):
    lines = ["text,labels", '"never closed,a', "no,b", ""]
    path = write(tmp_path, "\n".join(lines).replace(",", "\t"), "t.tsv")
    assert cells(path) == [('"never closed', "a"), ("no", "b")]
    told = refusal(write(tmp_path, "\n".join(lines)))
    assert "data.quotes: false" in told


def test_a_text_that_swallows_lines_with_other_delimiters_is_refused(tmp_path: Path):
    rows = ['"Great start,praise', "well, hello,insult", "plain,spam", 'he said so",praise']
    others = ["one,praise", "two,insult", "three,spam"]
    told = refusal(write(tmp_path, "\n".join(["text,labels", *others, *rows])))
    assert "line 5" in told
    assert "line 8" in told


MULTI = [
    ("Hello,\nplease refund me", "billing"),
    ("First, this\nthen, that\n\nbye, all", "billing|refund"),
    ('He said "yes, do"\r\nand left', "refund"),
    ("Totals:\n1,000\n2,000", "billing"),
    ("Dear Sir,\n\nI wait, and wait.", "refund"),
    ("a\nb", "refund"),
]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("row", range(len(MULTI)))
def test_a_cell_of_several_lines_is_one_cell(
    tmp_path: Path, order: tuple[int, int], delimiter: str, row: int
):
    rows = [MULTI[row], *[("plain", "refund"), ("another one", "billing")] * 3]
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, delimiter=delimiter)
    writer.writerow([("text", "labels")[place] for place in order])
    writer.writerows([[each[place] for place in order] for each in rows])
    path = write(tmp_path, stream.getvalue())
    assert cells(path) == [tuple(each[place] for place in order) for each in rows]


def test_cells_of_several_lines_take_the_fast_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(arrow, "_careful", lambda *_: pytest.fail("the careful reader"))
    path = write(tmp_path, 'text,labels\n"Hello,\nyou",a\nplain,b\n')
    assert read_arrow(path).data["text"].to_pylist() == ["Hello,\nyou", "plain"]


def test_a_header_in_quotes_says_that_quotes_enclose_cells(tmp_path: Path):
    path = write(tmp_path, '"text","labels"\n"one,a\ntwo","a"\nb,a\n')
    assert cells(path) == [("one,a\ntwo", "a"), ("b", "a")]


def test_lines_of_one_column_in_quotes_may_be_rows(tmp_path: Path):
    told = refusal(write(tmp_path, 'text\n"one\ntwo\nthree"\nfour\n'))
    assert "in line 2, and one that closes it in line 4" in told
    path = write(tmp_path, 'text\n"one\ntwo"\n"a, b"\nfour\n')
    assert cells(path) == [("one\ntwo",), ("a, b",), ("four",)]


TEXTS = st.lists(st.sampled_from(["w", " ", ",", ";", '"', ". ", "\n", "x y"]), max_size=9)


@settings(deadline=None, max_examples=100)
@given(
    rows=st.lists(st.tuples(TEXTS.map("".join), st.sampled_from(LABELS)), min_size=2, max_size=12),
    quote=st.booleans(),
    delimiter=st.sampled_from(",;\t"),
)
def test_no_row_is_lost_whether_texts_are_quoted_or_not(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, str]],
    quote: bool,
    delimiter: str,
):
    path = tmp_path_factory.getbasetemp() / "rows.csv"
    if not quote:
        rows = [(text.replace(delimiter, "").replace("\n", ""), label) for text, label in rows]
    with path.open("w", newline="") as stream:
        if quote:
            csv.writer(stream, delimiter=delimiter).writerows([("text", "labels"), *rows])
        else:
            stream.writelines(f"{delimiter.join(row)}\n" for row in [("text", "labels"), *rows])
    outcomes = []
    for read in (read_table, lambda path: read_arrow(path).data.to_pandas()):
        try:
            outcomes.append(list(map(tuple, read(path).to_numpy().tolist())))
        except UserError as error:
            outcomes.append(str(error))
    assert outcomes[0] == outcomes[1]
    assert isinstance(outcomes[0], str) or len(outcomes[0]) == len(rows)
