"""Texts of a column are a sequence of Python's own, each made when it is asked for."""

import sys

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from imbtool.formats import texts as module
from imbtool.formats.texts import Texts

WORDS = ["one", "", "zwölf", "naïve 🙂", "five"]


def test_texts_are_read_one_by_one_in_slices_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 2)
    texts = Texts.of(WORDS)
    assert [*texts] == WORDS and len(texts) == 5
    assert texts[2] == texts[-3] == texts[np.int64(2)] == "zwölf"
    assert texts[1:4] == WORDS[1:4] and isinstance(texts[1:4], list)
    assert texts[3:99] == WORDS[3:]
    with pytest.raises(IndexError):
        texts[5]


def test_several_chunks_of_any_kind_of_text_are_one_sequence() -> None:
    column = pa.chunked_array([WORDS[:2], [], WORDS[2:]], pa.string())
    assert Texts(column) == WORDS
    assert Texts(pa.chunked_array([], pa.string())) == []


def test_texts_of_a_slice_are_one_sequence_to_arrow_as_well() -> None:
    for kind in (pa.string(), pa.large_string()):
        texts = Texts(pa.chunked_array([pa.array(["header", *WORDS], kind)]).slice(1))
        assert texts == WORDS
        (block,) = texts.blocks()
        assert pc.ascii_upper(block).to_pylist() == ["ONE", "", "ZWöLF", "NAïVE 🙂", "FIVE"]


def test_some_of_the_texts_are_taken_in_the_order_of_the_rows() -> None:
    assert Texts.of(WORDS).take(np.array([4, 0, 0])) == ["five", "one", "one"]


def test_characters_are_counted_as_python_counts_them() -> None:
    assert Texts.of(WORDS).characters().tolist() == [len(text) for text in WORDS]


def test_blocks_hold_all_texts_in_order_and_no_more_than_fits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "BLOCK_TEXTS", 3)
    monkeypatch.setattr(module, "BYTES_AT_ONCE", 8)
    texts = ["a", "b", "c", "d", "twelve bytes", "", "1234", "5678", "9", ""]
    assert [block.to_pylist() for block in Texts.of(texts).blocks()] == [
        ["a", "b", "c"],
        ["d"],
        ["twelve bytes"],
        ["", "1234", "5678"],
        ["9", ""],
    ]
    assert [*Texts.of([]).blocks()] == []


def test_a_text_is_empty_if_all_its_characters_are_white_space_to_python(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 100)
    characters = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    texts = ["", *characters, *(f"\u2003{each}\t" for each in characters), "", ""]
    expected = [row for row, text in enumerate(texts) if not text or text.isspace()]
    assert Texts.of(texts).empty().tolist() == expected
    assert Texts.of([]).empty().tolist() == Texts.of(["a"]).empty().tolist() == []


def test_texts_equal_those_of_the_same_words_alone() -> None:
    assert Texts.of(WORDS) == Texts.of(WORDS) == tuple(WORDS)
    assert Texts.of(WORDS) != WORDS[:-1]
