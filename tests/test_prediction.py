"""Texts that come line by line, and what predict adds to them: it can be read back."""

import io
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from imbtool import prediction
from imbtool.errors import UserError
from imbtool.evaluation.calibration import sigmoid
from imbtool.labelsyntax import names_in
from imbtool.prediction import _lines, predict_frame


def stream(content: bytes, encoding: str = "utf-8") -> io.TextIOWrapper:
    """As stdin is, which Python lets have bytes that are no text."""
    return io.TextIOWrapper(io.BytesIO(content), encoding, errors="surrogateescape")


def test_a_line_ends_with_a_line_feed_alone():
    content = "a\rb\r\n\n\u2028c\x0bd\x85\r\r\ne"
    assert list(_lines(stream(content.encode()))) == ["a\rb", "", "\u2028c\x0bd\x85\r", "e"]


def test_the_mark_of_a_file_is_no_text():
    assert list(_lines(stream(b"\xef\xbb\xbfa\n\xef\xbb\xbfb"))) == ["a", "\ufeffb"]


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_bytes_that_are_no_text_are_refused_with_their_line(encoding: str):
    lines = _lines(stream(b"a\n\xc3\xa9\r\n\xff\n", encoding))
    assert [next(lines), next(lines)] == ["a", "é"]
    with pytest.raises(UserError, match=r"stdin:3\n.*not utf-8 \(b'.xff"):
        next(lines)


def test_stdin_may_have_another_encoding():
    assert list(_lines(stream(b"\xe9\n", "cp1252"))) == ["é"]


def test_a_line_without_end_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(prediction, "MOST_BYTES", 10)
    with pytest.raises(UserError, match=r"stdin:2\n.*a line of over"):
        list(_lines(stream(b"a\n" + b"x" * 11)))


@pytest.mark.parametrize(
    ("names", "written"),
    [
        (("money", "refund"), ["money|refund", "", "refund"]),
        (("money|refund", "[x]"), ['["money|refund", "[x]"]', "[]", '["[x]"]']),
    ],
)
def test_decided_labels_are_read_back_by_the_separator_or_as_a_list(names, written):
    logits = np.array([[1.0, 1], [-1, -1], [-1, 1]])
    checkpoint = SimpleNamespace(
        labels=SimpleNamespace(names=names),
        meta=SimpleNamespace(separator="|"),
        logits=lambda texts: logits,
        decide=lambda probabilities: probabilities >= 0.5,
    )
    frame = predict_frame(checkpoint, pd.DataFrame({"text": list("abc")}), list("abc"), sigmoid)
    assert frame["predicted"].tolist() == written
    decided = [[*np.array(names)[row]] for row in logits > 0]
    assert [names_in(cell, "|") for cell in frame["predicted"]] == decided
