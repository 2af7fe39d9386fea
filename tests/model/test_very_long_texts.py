"""What is read of a text far longer than that is what all of its tokens would give."""

import random
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from encoders import KINDS, make_encoder
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from imbtool.errors import TextError, UserError
from imbtool.model import tokenize, very_long_texts
from imbtool.model.tokenize import TextTokenizer
from imbtool.model.very_long_texts import by_characters, ends, is_far_longer, pieces

WORDS = [
    "the",
    "people",
    "walk",
    "knife",
    "Camera,",
    "naïve",
    "漢字",
    "😀",
    "x" * 120,
    "don't",
    "[SEP]",
]
WORDS += ["</s>", "a-b", "2.5", "mañana", "e\u0301", "ΣΑΣ", "(see"]
SPACES = [" ", " ", " ", "  ", "\n", "\t", " \n", "\u3000"]
WAYS = ("truncate", "head-tail", "windows")


@cache
def reader(kind: str, way: str, width: int = 8) -> TextTokenizer:
    with TemporaryDirectory() as scratch:
        words = ["the people walk", "knife"]
        folder = make_encoder(kind, Path(scratch) / "encoder", corpus=words)
        tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.model_max_length = width
    return TextTokenizer(tokenizer, width, way)  # type: ignore[arg-type]


def plainly(of: TextTokenizer, text: str) -> list[int]:
    """What is read where all of the text is tokenised."""
    return next(of._encode([text]))


@st.composite
def long_texts(draw: st.DrawFn) -> str:
    """Words and white space of every kind, some thousand characters."""
    rng = random.Random(draw(st.integers(0, 2**32)))
    words = draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=8))
    many = draw(st.integers(600, 2500))
    return "".join(rng.choice(words) + rng.choice(SPACES) for _ in range(many))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=8, deadline=None)
@given(text=long_texts())
def test_ends_are_read_as_all_of_the_text_is(kind: str, way: str, text: str) -> None:
    of = reader(kind, way)
    assert of.encode([text, "knife", text]) == [plainly(of, each) for each in (text, "knife", text)]


@pytest.mark.parametrize("kind", KINDS)
def test_the_end_counts_where_a_tokenizer_cuts_the_beginning_off(kind: str) -> None:
    of = reader(kind, "truncate", 9)
    of.tokenizer.truncation_side = "left"
    text = "the people walk " * 500 + "knife camera"
    assert is_far_longer(text, of.most)
    assert of.encode([text]) == [plainly(of, text)]
    assert of.encode([text]) != of.encode([text[::-1]])


def test_only_the_ends_are_tokenised() -> None:
    asked: list[int] = []

    def words(text: str) -> list[int]:
        asked.append(len(text))
        return [int(word) for word in text.split()]

    text = " ".join(map(str, range(1_000_000)))
    assert ends(text, 3, 2, words) == [0, 1, 2, 999_998, 999_999]
    assert sum(asked) < 2000


def test_a_text_of_long_words_takes_more_of_it() -> None:
    text = " ".join(str(number).zfill(300) for number in range(2000))
    assert ends(text, 2, 1, lambda part: [int(word) for word in part.split()]) == [0, 1, 1999]


@pytest.mark.parametrize("text", ["a" * 100_000, " " * 100_000, "a " + "b" * 100_000])
def test_without_blanks_or_words_all_of_it_is_tokenised(text: str) -> None:
    assert ends(text, 3, 0, lambda part: [0] * len(part.split())) is None
    of = reader("bert", "truncate")
    assert of.encode([text]) == [plainly(of, text)]


def test_a_text_that_cannot_be_cut_and_is_too_long_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tokenize, "MOST_CHARACTERS", 50_000)
    with pytest.raises(TextError, match="60,000 characters") as refused:
        reader("bert", "windows").encode(["knife", "x" * 60_000])
    assert refused.value.place == 1


def test_texts_are_tokenised_in_calls_of_so_many_characters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(very_long_texts, "AT_ONCE", 10)
    texts = ["aaaa", "bbbb", "cc", "d" * 30, "", "e"]
    assert [texts[part] for part in by_characters(texts)] == [
        ["aaaa", "bbbb", "cc"],
        ["d" * 30],
        ["", "e"],
    ]
    assert list(by_characters([])) == []


def test_pieces_are_the_text_cut_at_blanks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(very_long_texts, "AT_ONCE", 10)
    for text in ("", "one two three four five", "o" * 25, "one\ntwo\nthree four"):
        parts = list(pieces(text))
        assert "".join(parts) == text
        assert max(map(len, parts)) <= 10
    assert list(pieces("one two three four")) == ["one two", " three", " four"]


@pytest.mark.parametrize("step", ["column_joiner", "special_tokens_of"])
def test_a_tokenizer_that_fails_at_any_step_is_said(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(tokenizer: object) -> None:
        raise IndexError("list index out of range")

    monkeypatch.setattr(tokenize, step, fails)
    with pytest.raises(UserError, match=r"^the tokenizer in .*\n.*IndexError"):
        replace(reader("bert", "windows")).encode(["knife"])
