"""An epoch's plan is a pure function of lengths, seed and epoch, with little padding."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from imbtool.training.batches import plan_epoch, split_batch

LENGTHS = np.random.default_rng(0).integers(5, 257, 5000).tolist()
Plan = list[NDArray[np.int64]]


def as_lists(plan: Plan) -> list[list[int]]:
    return [batch.tolist() for batch in plan]


def padding_share(plan: Plan) -> float:
    lengths = np.asarray(LENGTHS)
    padded = sum(int(lengths[batch].max()) * len(batch) for batch in plan)
    return 1 - lengths.sum() / padded


@settings(deadline=None, max_examples=60)
@given(
    lengths=st.lists(st.integers(1, 512), max_size=300),
    size=st.integers(1, 40),
    seed=st.integers(0, 2**32 - 1),
)
def test_each_row_is_in_exactly_one_batch_and_only_one_batch_is_not_full(lengths, size, seed):
    plan = as_lists(plan_epoch(lengths, size, seed, epoch=1))
    assert sorted(row for batch in plan for row in batch) == list(range(len(lengths)))
    assert len(plan) == -(-len(lengths) // size)
    assert sum(len(batch) < size for batch in plan) <= 1


def test_the_same_seed_and_epoch_give_the_same_plan():
    assert as_lists(plan_epoch(LENGTHS, 32, 3, 2)) == as_lists(plan_epoch(LENGTHS, 32, 3, 2))


@pytest.mark.parametrize(("seed", "epoch"), [(3, 1), (4, 2), (2, 3)])
def test_another_epoch_or_another_seed_is_another_order(seed: int, epoch: int):
    plan, other = (as_lists(plan_epoch(LENGTHS, 32, *key)) for key in ((3, 2), (seed, epoch)))
    assert plan != other
    assert {frozenset(batch) for batch in plan} != {frozenset(batch) for batch in other}


def test_padding_is_far_below_that_of_random_batches():
    rows = np.random.default_rng(1).permutation(len(LENGTHS))
    at_random = [rows[at : at + 32] for at in range(0, len(rows), 32)]
    assert padding_share(at_random) > 0.4
    assert padding_share(plan_epoch(LENGTHS, 32, seed=0, epoch=1)) < 0.05


def test_batches_do_not_come_sorted_by_length():
    means = [np.mean(np.asarray(LENGTHS)[batch]) for batch in plan_epoch(LENGTHS, 32, 0, 1)]
    assert abs(np.corrcoef(means, np.arange(len(means)))[0, 1]) < 0.3


@settings(deadline=None, max_examples=60)
@given(
    rows=st.lists(st.integers(0, 10_000), min_size=1, max_size=70, unique=True),
    processes=st.integers(1, 9),
    micro_batch=st.none() | st.integers(1, 40),
)
def test_processes_take_each_row_of_a_batch_once_in_equally_many_pieces(
    rows, processes, micro_batch
):
    batch = np.array(rows)
    parts = [split_batch(batch, rank, processes, micro_batch) for rank in range(processes)]
    taken = [row for pieces in parts for piece in pieces for row in piece.tolist()]
    assert sorted(taken) == sorted(rows)
    assert len({len(pieces) for pieces in parts}) == 1
    sizes = [sum(map(len, pieces)) for pieces in parts]
    assert max(sizes) - min(sizes) <= 1
    if micro_batch is not None:
        assert max(len(piece) for pieces in parts for piece in pieces) <= micro_batch


def test_processes_get_texts_of_the_same_lengths():
    lengths = np.asarray(LENGTHS)
    for batch in plan_epoch(LENGTHS, 32, 0, 1)[:20]:
        tokens = [lengths[split_batch(batch, rank, 4, None)[0]].sum() for rank in range(4)]
        assert max(tokens) < 1.25 * min(tokens)
