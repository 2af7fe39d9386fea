"""A text that the model cannot read is named by its row."""

import csv
from pathlib import Path

import pytest
from conftest import Imbtool
from safetensors.torch import load_file, save_file

from imbtool import reading
from imbtool.checkpoint import read_checkpoint

RUN = Path("runs/first")
COMMANDS = (
    ("predict", RUN, "new.csv", "-o", "out.csv"),
    ("evaluate", RUN, "--data", "new.csv", "-o", "results"),
)
ENDLESS = "x" * 9000


def write(path: Path, texts: list[str]) -> None:
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
    return word


def test_a_number_that_is_not_finite_is_refused_with_its_row(
    strained: str, imbtool: Imbtool
) -> None:
    write(Path("new.csv"), ["the people", f"a {strained} market", "a knife"])
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
    monkeypatch.setattr(reading, "MOST_CHARACTERS", 5000)
    write(Path("new.csv"), ["the people", "a knife", ENDLESS])
    for command in COMMANDS:
        result = imbtool(*command)
        assert result.exit_code == 2
        assert "new.csv: row 3" in result.stderr
        assert "9,000 characters" in result.stderr
