"""A first line that is a row is not taken for the names of the columns without a word."""

from pathlib import Path

import pytest
from tablefiles import refusal, write

from imbtool.data.tables import read_arrow

TEXTS = [
    "I love this product very much,praise",
    "It broke on the second day of use,insult",
    "Nobody answers when I write to them,insult",
    "I would buy it again at any time,praise",
]
ROWS = {
    "a label that recurs": TEXTS,
    "labels that recur together": [*TEXTS, "It is good and it is bad,praise|insult"][::-1],
    "short texts": ["good,praise", "bad,insult", "fine,praise", "awful,insult"],
    "an id before a text": [f"{row},{text}" for row, text in enumerate(TEXTS, start=7)],
    "a text without labels": ["A text that says nothing at all,", *TEXTS],
    "columns of 0 and 1": [f"{text.split(',')[0]},{row % 2},1" for row, text in enumerate(TEXTS)],
    "texts alone": [text.split(",")[0] for text in TEXTS],
    "labels first": [",".join(text.split(",")[::-1]) for text in TEXTS],
}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("kind", ROWS)
def test_a_row_as_header_is_refused(tmp_path: Path, kind: str, delimiter: str):
    lines = "\n".join(ROWS[kind]).replace(",", delimiter)
    told = refusal(write(tmp_path, lines))
    assert told.startswith(":1\n")
    assert "names of the columns" in told


HEADERS = {
    "usual": ["text,labels", "a text of a few words,spam", "label,spam"],
    "a name that is also a label": ["comment_text,toxic", "you are so dumb,toxic", "hi you,none"],
    "one word": ["text", "text", "a text"],
    "questions of a form": [
        "How did you like the stay?,What should we change for you?",
        "very much so thank you,nothing that I know of",
        "not so very much,the beds and the food",
    ],
    "columns of 0 and 1": ["text,toxic,insult", "you are so dumb,1,0", "hi you all there,0,0"],
    "the row numbers of pandas": [",text,labels", "0,a text,spam", "1,another,ham"],
    "names of pandas alone": ["0,1", "a text,spam", "another,ham"],
    "numbers and names of pandas": [",0,1", "0,a text,spam", "1,another,ham"],
    "years": ["country,2019,2020", "a,1,2", "b,3,4"],
    "unknown words": ["Kommentartext,Klasse", "ein Text mit Worten,gut", "noch ein Text,schlecht"],
    "long names": ["The text of the comment,Label", "a text,spam", "another text of it,ham"],
}


@pytest.mark.parametrize("kind", HEADERS)
def test_a_header_is_one(tmp_path: Path, kind: str):
    header, *rows = HEADERS[kind]
    data = read_arrow(write(tmp_path, "\n".join([header, *rows]))).data
    assert data.column_names == header.split(",")
    assert [",".join(row.values()) for row in data.to_pylist()] == rows


def test_a_header_that_comes_once_more_is_no_row(tmp_path: Path):
    told = refusal(write(tmp_path, "text,labels\nx,a\ny,b\ntext,labels\nz,a\n"))
    assert told.startswith(":4\n")
    assert "the header once more" in told
