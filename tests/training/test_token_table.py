"""A table of tokens reads like the list of lists that it was made of."""

import numpy as np
import pytest

from imbtool.training.token_cache import TokenTable, flattened, select_texts, token_lengths

LISTS = [[5, 6, 7], [1], [], [2**30, 3]]
TABLE = TokenTable.of(*flattened(LISTS))


def test_rows_are_lists() -> None:
    assert [TABLE[row] for row in range(4)] == list(TABLE) == LISTS
    assert TABLE[-1] == LISTS[-1]
    assert TABLE[np.int64(1)] == [1]
    assert all(type(token) is int for ids in TABLE for token in ids)


def test_it_ends_where_a_list_ends() -> None:
    assert len(TABLE) == 4
    with pytest.raises(IndexError):
        TABLE[4]


def test_slices_and_rows_are_tables_of_the_same_ids() -> None:
    assert list(TABLE[1:]) == LISTS[1:]
    part = TABLE.take(np.array([3, 0, 3]))
    assert list(part) == [LISTS[3], LISTS[0], LISTS[3]]
    assert list(part[:2]) == [LISTS[3], LISTS[0]]
    assert part.ids is TABLE.ids


@pytest.mark.parametrize("encoded", [LISTS, TABLE], ids=["lists", "table"])
def test_lists_and_tables_are_taken_from_and_counted_alike(
    encoded: list[list[int]] | TokenTable,
) -> None:
    assert list(select_texts(encoded, np.array([1, 0]))) == [[1], [5, 6, 7]]
    assert token_lengths(encoded).tolist() == [3, 1, 0, 2]


def test_no_text_is_an_empty_table() -> None:
    assert list(TokenTable.of(*flattened([]))) == []
