"""Weights of words: a regression on tokens, and the head that adds its scores."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from scipy.sparse import csr_array

from imbtool.errors import UserError
from imbtool.model.word_head import (
    FILE,
    RIDGE,
    WordHead,
    Words,
    read_word_head,
    ridge,
)

START, END = 101, 102
TEXTS = [[START, 7, 9, END], [START, 9, 9, 4, END], [START, 4, 7, 9, END], [START, 30, END]]


def packed(texts: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    ids = np.array([token for text in texts for token in text], dtype=np.int32)
    return ids, np.array(list(map(len, texts)), dtype=np.int32)


def padded(texts: list[list[int]], width: int, left: bool = False) -> torch.Tensor:
    rows = [
        [0] * (width - len(text)) + text if left else text + [0] * (width - len(text))
        for text in texts
    ]
    return torch.tensor(rows)


def words_of(texts: list[list[int]]) -> Words:
    return Words.of(*packed(texts), [0, START, END])


def test_tokens_of_two_texts_are_words_and_those_of_one_or_around_a_text_are_not() -> None:
    words = words_of(TEXTS)
    assert words.tokens.tolist() == [4, 7, 9]
    # 2, 2 and 3 of 4 texts have them
    assert words.idf == pytest.approx(
        [1 + math.log(5 / 3), 1 + math.log(5 / 3), 1 + math.log(5 / 4)]
    )


def test_a_row_counts_each_occurrence_and_has_a_length_by_all_of_them() -> None:
    words = words_of(TEXTS)
    rows = words.rows(*packed(TEXTS)).toarray()
    four, _, nine = words.idf
    length = math.sqrt(four**2 + 2 * nine**2)
    assert rows[1] == pytest.approx([four / length, 0, 2 * nine / length])
    assert rows[3] == pytest.approx([0, 0, 0])


def test_the_head_adds_what_the_rows_of_words_say_whatever_is_padded() -> None:
    words, rng = words_of(TEXTS), np.random.default_rng(0)
    weights, bias = rng.normal(size=(3, 2)), rng.normal(size=2)
    head = WordHead.of(words, weights, bias)
    texts = [*TEXTS, [START, 9, 250_000, END], [START, END]]
    expected = words.rows(*packed(texts)) @ weights + bias
    for width, left in ((6, False), (6, True), (40, False)):
        found = head(padded(texts, width, left))
        assert found.dtype == torch.float32
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_padding_does_not_change_the_last_digit() -> None:
    rng = np.random.default_rng(0)
    texts = [[START, *rng.integers(1, 60, 20).tolist(), END] for _ in range(40)]
    words = words_of(texts)
    head = WordHead.of(words, rng.normal(size=(len(words.tokens), 5)), rng.normal(size=5))
    assert torch.equal(head(padded(texts, 22)), head(padded(texts, 300)))


def test_a_folder_gives_the_head_back(tmp_path: Path) -> None:
    head = WordHead.of(words_of(TEXTS), np.arange(6.0).reshape(3, 2), np.array([0.5, -1]))
    head.save(tmp_path)
    after = read_word_head(tmp_path, 3, 2)
    for name, tensor in head.named_buffers():
        assert torch.equal(after.get_buffer(name), tensor)


@pytest.mark.parametrize("content", [None, b"half"], ids=["missing", "damaged"])
def test_a_file_that_cannot_be_read_is_named(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / FILE).write_bytes(content)
    with pytest.raises(UserError, match=FILE):
        read_word_head(tmp_path, 1, 1)


WHOLE = {
    "tokens": torch.tensor([4, 7, 9]),
    "weight": torch.ones(3, 2),
    "squares": torch.ones(3),
    "bias": torch.zeros(2),
}
DAMAGED = {
    "no tensors": ({}, "the tensors of none"),
    "a label more": ({**WHOLE, "weight": torch.ones(3, 3)}, "weight of shape"),
    "a token less": ({**WHOLE, "tokens": torch.tensor([4, 7])}, "tokens of shape"),
    "tokens as floats": ({**WHOLE, "tokens": torch.ones(3)}, "torch.float32"),
    "NaN": ({**WHOLE, "bias": torch.tensor([0, math.nan])}, "bias with a number"),
    "a token twice": ({**WHOLE, "tokens": torch.tensor([4, 4, 9])}, "no ascending ids"),
    "a token below 0": ({**WHOLE, "tokens": torch.tensor([-1, 4, 9])}, "no ascending ids"),
    "a token that no tokenizer has": ({**WHOLE, "tokens": torch.tensor([4, 9, 2**40])}, "no asc"),
}


@pytest.mark.parametrize(("tensors", "found"), DAMAGED.values(), ids=DAMAGED)
def test_tensors_that_are_no_head_are_refused(
    tensors: dict[str, torch.Tensor], found: str, tmp_path: Path
) -> None:
    save_file(tensors, tmp_path / FILE)
    with pytest.raises(UserError, match=found):
        read_word_head(tmp_path, 3, 2)


def rows_and_targets(texts: int = 60, columns: int = 30) -> tuple[csr_array, np.ndarray]:
    rng = np.random.default_rng(1)
    rows = csr_array(rng.random((texts, columns)) * (rng.random((texts, columns)) < 0.2))
    return rows, (rng.random((texts, 3)) < [0.1, 0.5, 0.9]).astype(np.float32)


def test_a_regression_on_words_solves_its_equations() -> None:
    rows, targets = rows_and_targets()
    gram = (rows.T @ rows).toarray() + RIDGE * np.eye(30)
    expected = np.linalg.solve(gram, rows.T @ (targets - targets.mean(axis=0)))
    np.testing.assert_allclose(ridge(rows, targets), expected, atol=1e-6)


def test_unknown_targets_have_no_part_in_a_regression() -> None:
    rows, targets = rows_and_targets()
    some = targets.copy()
    some[20:, 0] = np.nan
    some[:, 1] = np.nan
    found = ridge(rows, some)
    np.testing.assert_allclose(found[:, :1], ridge(rows[:20], targets[:20, :1]), atol=1e-6)
    assert not found[:, 1].any()
    np.testing.assert_allclose(found[:, 2], ridge(rows, targets)[:, 2], atol=1e-6)


def test_labels_that_do_not_fit_at_once_are_solved_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows, targets = rows_and_targets()
    whole = ridge(rows, targets)
    monkeypatch.setattr("imbtool.model.word_head.MOST_NUMBERS", 1)
    np.testing.assert_allclose(ridge(rows, targets), whole, atol=1e-6)
