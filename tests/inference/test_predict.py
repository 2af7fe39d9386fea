"""Texts that come line by line, what predict adds to them, and texts that cannot be read."""

import csv
import hashlib
import io
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from conftest import Imbtool
from safetensors.torch import load_file, save_file

from imbtool.config.hierarchy import label_set
from imbtool.errors import UserError
from imbtool.evaluation.calibration import sigmoid
from imbtool.inference import predict
from imbtool.inference.predict import _lines, predict_frame
from imbtool.labels.syntax import names_in
from imbtool.model import tokenize
from imbtool.trained.checkpoint import read_checkpoint

RUN = Path("runs/first")
COMMANDS = (
    ("predict", RUN, "new.csv", "-o", "out.csv"),
    ("evaluate", RUN, "--data", "new.csv", "-o", "results"),
)
ENDLESS = "x" * 9000


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
    monkeypatch.setattr(predict, "MOST_BYTES", 10)
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
        meta=SimpleNamespace(
            label_set=label_set(names, []),
            separator="|",
            thresholds=np.full(2, 0.5),
            coherence=None,
        ),
        logits=lambda texts: logits,
    )
    frame = predict_frame(checkpoint, pd.DataFrame({"text": list("abc")}), list("abc"), sigmoid)
    assert frame["predicted"].tolist() == written
    decided = [[*np.array(names)[row]] for row in logits > 0]
    assert [names_in(cell, "|") for cell in frame["predicted"]] == decided


def write_texts(path: Path, texts: list[str]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        rows = [[str(number), text, "abuse"] for number, text in enumerate(texts)]
        csv.writer(stream).writerows([["id", "text", "labels"], *rows])


@pytest.fixture
def strained(project: Path) -> str:
    """A word that overflows in the model of the run."""
    word = "stupid"
    checkpoint = read_checkpoint(RUN)
    (place,) = checkpoint.text_model.tokenizer(word, add_special_tokens=False)["input_ids"]
    path = RUN / "checkpoint" / "model.safetensors"
    tensors = load_file(path)
    tensors["bert.embeddings.word_embeddings.weight"][place] = 3e38
    save_file(tensors, path, metadata={"format": "pt"})
    meta = path.with_name("imbtool.json")
    document = json.loads(meta.read_text())
    document["digests"][path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    meta.write_text(json.dumps(document))
    return word


def test_a_number_that_is_not_finite_is_refused_with_its_row(
    strained: str, imbtool: Imbtool
) -> None:
    write_texts(Path("new.csv"), ["the people", f"a {strained} market", "a knife"])
    for command in COMMANDS:
        result = imbtool(*command)
        assert result.exit_code == 2
        assert "new.csv: row 2" in result.stderr
        assert "a logit that is no finite number" in result.stderr
    assert not Path("out.csv").exists()
    result = imbtool("predict", RUN, stdin=f"the people\na knife\n{strained}\n")
    assert result.exit_code == 2
    assert "stdin: line 3" in result.stderr


def test_a_text_that_cannot_be_cut_is_refused_with_its_row(
    project: Path, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokenize, "MOST_CHARACTERS", 5000)
    write_texts(Path("new.csv"), ["the people", "a knife", ENDLESS])
    for command in COMMANDS:
        result = imbtool(*command)
        assert result.exit_code == 2
        assert "new.csv: row 3" in result.stderr
        assert "9,000 characters" in result.stderr


def test_a_column_of_lines_from_stdin_is_refused(project: Path, imbtool: Imbtool) -> None:
    result = imbtool("predict", RUN, "--text", "body", stdin="id,body\n1,a knife\n")
    assert result.exit_code == 2
    assert "lines from stdin" in result.stderr
