"""Targets are kept as each set of labels once, and which of them a text has."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imbtool.config.data_sections import LabelSource
from imbtool.labels import label_sets as module
from imbtool.labels.cells import label_cells
from imbtool.labels.label_sets import LabelSets, combined

NAN = np.nan
SETS = LabelSets(np.array([[1, 0], [NAN, 1], [0, 0]], np.float32), np.array([2, 0, 0, 1], np.int32))
TARGETS = [[0, 0], [1, 0], [1, 0], [NAN, 1]]


def test_targets_are_written_out_for_all_texts_some_texts_and_one() -> None:
    np.testing.assert_array_equal(SETS.targets(), TARGETS)
    np.testing.assert_array_equal(SETS.targets(np.array([3, 1])), [TARGETS[3], TARGETS[1]])
    np.testing.assert_array_equal(SETS.of(3), TARGETS[3])
    assert SETS.targets().dtype == np.float32


def test_targets_come_some_texts_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK_ROWS", 3)
    assert [len(part) for part in SETS.chunks()] == [3, 1]
    np.testing.assert_array_equal(np.concatenate([*SETS.chunks()]), TARGETS)


def test_a_set_that_no_text_has_any_more_counts_no_text() -> None:
    assert SETS.times.tolist() == [2, 1, 1]
    assert SETS.take(np.array([0, 3])).times.tolist() == [0, 1, 1]


def test_texts_are_found_by_their_target_of_a_label() -> None:
    assert SETS.texts_with(0).tolist() == [1, 2]
    assert SETS.texts_with(0, 0).tolist() == [0]
    np.testing.assert_array_equal(SETS.only([1]).targets(), [row[1:] for row in TARGETS])


def test_texts_of_which_nothing_is_known_come_behind() -> None:
    more = SETS.with_unknown(2)
    np.testing.assert_array_equal(more.targets(), [*TARGETS, [NAN, NAN], [NAN, NAN]])
    assert (more.of_text.dtype, len(SETS.with_unknown(0))) == (np.int32, 4)


@given(st.lists(st.tuples(*[st.integers(-1, 2)] * 3), max_size=30))
def test_combinations_have_the_same_number_exactly_if_they_are_equal(
    rows: list[tuple[int, ...]],
) -> None:
    numbers, first = combined(np.array(rows, np.int64).reshape(-1, 3).T)
    seen: dict[tuple[int, ...], int] = {}
    assert numbers.tolist() == [seen.setdefault(row, len(seen)) for row in rows]
    assert [rows[at] for at in first] == list(seen)


@pytest.mark.parametrize("labels", [1, 31, 32, 70])
def test_flags_of_any_number_of_columns_give_each_set_once(labels: int) -> None:
    rng = np.random.default_rng(labels)
    distinct = rng.integers(0, 3, size=(5, labels))
    rows = distinct[rng.integers(0, 5, 200)]
    names = [f"l{place}" for place in range(labels)]
    cells = np.array(["0", "1", ""])[rows]
    table = pa.table(dict(zip(names, cells.T.tolist(), strict=True)))
    sets = label_cells(table, LabelSource(columns=names)).label_sets(names)
    np.testing.assert_array_equal(sets.targets(), np.array([0, 1, NAN], np.float32)[rows])
    assert len(sets.sets) == len(np.unique(rows, axis=0))
