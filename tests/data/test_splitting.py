"""Splits hold every row once, keep their shares and leave rare labels measurable everywhere."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from imbtool.data import splitting
from imbtool.data.splitting import part_sizes, split_unchosen, stratified_split

TENTHS = (0.8, 0.1, 0.1)


def random_targets(rows: int, frequencies: list[float], seed: int = 0) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    return (rng.random((rows, len(frequencies))) < frequencies).astype(np.float32)


@settings(deadline=None, max_examples=60)
@given(
    rows=st.integers(1, 40),
    labels=st.integers(1, 4),
    seed=st.integers(0, 2**32 - 1),
    shares=st.sampled_from([(1.0,), (0.5, 0.5), (0.9, 0.1), TENTHS]),
)
def test_every_row_is_in_exactly_one_part_and_parts_are_sorted(rows, labels, seed, shares):
    rng = np.random.default_rng(seed)
    targets = rng.choice(np.array([0, 1, np.nan], np.float32), (rows, labels))
    parts = stratified_split(targets, shares, seed)
    assert len(parts) == len(shares)
    assert sorted(np.concatenate(parts).tolist()) == list(range(rows))
    assert all((np.diff(part) > 0).all() for part in parts)


@settings(deadline=None, max_examples=60)
@given(
    rows=st.integers(1, 200),
    seed=st.integers(0, 2**32 - 1),
    shares=st.sampled_from([(0.5, 0.5), (0.9, 0.1), TENTHS, (0.34, 0.33, 0.33)]),
)
def test_sizes_are_exact_where_no_rows_must_stay_together(rows, seed, shares):
    targets = random_targets(rows, [0.5, 0.2, 0.05], seed)
    parts = stratified_split(targets, shares, seed)
    assert [len(part) for part in parts] == part_sizes(rows, shares).tolist()


@settings(deadline=None, max_examples=60)
@given(
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=40),
    seed=st.integers(0, 2**32 - 1),
    shares=st.sampled_from([(0.5, 0.5), (0.9, 0.1), TENTHS]),
)
def test_groups_never_straddle_and_shift_a_part_by_less_than_one_of_them(sizes, seed, shares):
    groups = np.repeat(np.arange(len(sizes)), sizes)
    np.random.default_rng(seed).shuffle(groups)
    targets = random_targets(len(groups), [0.5, 0.2, 0.05], seed)
    parts = stratified_split(targets, shares, seed, groups.tolist())
    held = [set(groups[part].tolist()) for part in parts]
    assert sum(map(len, held)) == len(sizes)
    off = np.array([len(part) for part in parts]) - part_sizes(len(groups), shares)
    assert (abs(off) < max(sizes)).all()


def test_groups_that_fit_leave_sizes_exact_whatever_was_put_where_at_first():
    groups = np.repeat(np.arange(20), [2, 3] * 10)
    for seed in range(20):
        parts = stratified_split(random_targets(50, [0.3], seed), (0.5, 0.5), seed, groups.tolist())
        assert [len(part) for part in parts] == [25, 25]


def test_sizes_do_not_wait_for_exchanges(monkeypatch):
    monkeypatch.setattr(splitting, "MOST_EXCHANGES", 0)
    parts = stratified_split(random_targets(500, [0.9, 0.5, 0.5], 0), TENTHS, 0)
    assert [len(part) for part in parts] == [400, 50, 50]


def test_sizes_are_rounded_by_largest_remainder():
    assert part_sizes(97, (0.5, 0.5)).tolist() == [49, 48]
    assert part_sizes(1004, TENTHS).tolist() == [803, 101, 100]
    assert part_sizes(10, (0.7, 0.2, 0.1)).tolist() == [7, 2, 1]


@pytest.mark.parametrize("seed", range(5))
def test_parts_have_their_share_of_each_label(seed):
    targets = random_targets(500, [0.3, 0.1, 0.07], seed)
    for part, share in zip(stratified_split(targets, TENTHS, seed), TENTHS, strict=True):
        assert targets[part].sum(axis=0) == pytest.approx(targets.sum(axis=0) * share, abs=1)


@pytest.mark.parametrize("seed", range(3))
def test_frequent_labels_that_hang_together_have_their_share_too(seed):
    topic = np.random.default_rng(seed).random((1000, 1)) < 0.5
    targets = random_targets(1000, [0.5] * 12, seed) * topic
    for part, share in zip(stratified_split(targets, TENTHS, seed), TENTHS, strict=True):
        assert targets[part].sum(axis=0) == pytest.approx(targets.sum(axis=0) * share, abs=2)


@settings(deadline=None, max_examples=40)
@given(positives=st.integers(9, 40), seed=st.integers(0, 2**32 - 1))
def test_a_label_that_has_three_positives_a_part_gets_three_in_each(positives, seed):
    targets = np.hstack([np.zeros((600, 1), np.float32), random_targets(600, [0.4, 0.2], seed)])
    targets[np.random.default_rng(seed).choice(600, positives, replace=False), 0] = 1
    parts = stratified_split(targets, TENTHS, seed)
    assert min(targets[part, 0].sum() for part in parts) >= 3


def test_a_label_with_too_few_positives_for_that_is_split_by_share():
    targets = random_targets(1000, [0.0, 0.2])
    targets[:8, 0] = 1
    assert [targets[part, 0].sum() for part in stratified_split(targets, TENTHS, 0)] == [6, 1, 1]


def test_positives_that_lie_in_groups_are_spread_where_the_groups_allow_it():
    targets = random_targets(400, [0.0, 0.2])
    targets[:12, 0] = 1
    groups = np.arange(400)
    groups[:12] = np.repeat(np.arange(4), 3)
    parts = stratified_split(targets, TENTHS, 0, groups.tolist())
    assert sorted(int(targets[part, 0].sum()) for part in parts) == [3, 3, 6]


@pytest.mark.parametrize("seed", [2, 7, 8, 9, 12, 16, 17, 18])
def test_positives_that_single_exchanges_cannot_spread_are_spread_all_the_same(seed):
    """Of these tables exchanges that each make things better leave a part without its three."""
    rng = np.random.default_rng(seed)
    targets = (rng.random((100, 4)) < 0.16).astype(np.float32)
    parts = stratified_split(targets, (0.8, 0.1, 0.1), 0, rng.integers(0, 70, 100).tolist())
    assert [len(part) for part in parts] == [80, 10, 10]
    assert min(targets[part].sum(axis=0).min() for part in parts) >= 3


def test_halves_share_the_positives_of_a_rare_label_evenly():
    targets = np.zeros((60, 2), np.float32)
    targets[:4, 0] = 1
    targets[::3, 1] = 1
    first, second = stratified_split(targets, (0.5, 0.5), seed=3)
    assert targets[first, 0].sum() == targets[second, 0].sum() == 2


def test_the_same_seed_gives_the_same_parts_and_another_seed_others():
    targets = random_targets(80, [0.3, 0.1])
    first, again, other = (stratified_split(targets, (0.5, 0.5), seed) for seed in (7, 7, 8))
    assert [part.tolist() for part in first] == [part.tolist() for part in again]
    assert [part.tolist() for part in first] != [part.tolist() for part in other]


def test_unknown_targets_count_as_not_positive():
    targets = random_targets(50, [0.3, 0.1])
    unknown = np.where(targets == 0, np.float32(np.nan), targets)
    parts = zip(
        stratified_split(targets, TENTHS, 0), stratified_split(unknown, TENTHS, 0), strict=True
    )
    assert all(known.tolist() == hidden.tolist() for known, hidden in parts)


@settings(deadline=None, max_examples=60)
@given(rows=st.integers(1, 120), seed=st.integers(0, 2**32 - 1), share=st.floats(0, 1))
def test_chosen_rows_and_what_is_bound_to_them_stay_in_the_first_part(rows, seed, share):
    rng = np.random.default_rng(seed)
    groups, chosen = rng.integers(0, rows, rows).tolist(), rng.random(rows) < share
    parts = split_unchosen(random_targets(rows, [0.2, 0.5], seed), TENTHS, seed, groups, chosen)
    assert sorted(np.concatenate(parts).tolist()) == list(range(rows))
    bound = {group for group, of in zip(groups, chosen, strict=True) if of}
    assert not {groups[row] for part in parts[1:] for row in part} & bound
    in_parts = [{groups[row] for row in part} for part in parts]
    assert sum(map(len, in_parts)) == len(set(groups))


def test_shares_are_those_of_the_rows_that_no_search_chose():
    chosen = np.arange(300) < 200
    targets = random_targets(300, [0.2])
    parts = split_unchosen(targets, TENTHS, 0, list(range(300)), chosen)
    assert list(map(len, parts)) == [280, 10, 10]


def test_where_no_search_chose_a_row_the_parts_are_those_of_all_rows():
    targets, groups = random_targets(90, [0.1, 0.4]), [row // 2 for row in range(90)]
    parts = split_unchosen(targets, TENTHS, 3, groups, np.zeros(90, np.bool_))
    whole = stratified_split(targets, TENTHS, 3, groups)
    assert [part.tolist() for part in parts] == [part.tolist() for part in whole]
