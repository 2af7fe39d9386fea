"""Splits hold every row once, keep their shares and leave rare labels measurable everywhere."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from imbtool.splitting import stratified_split

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


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.9, 0.1), TENTHS, (0.34, 0.33, 0.33)])
@pytest.mark.parametrize("seed", range(5))
def test_parts_have_their_share_of_the_rows_within_one_row(shares, seed):
    parts = stratified_split(random_targets(97, [0.2, 0.05], seed), shares, seed)
    assert [len(part) for part in parts] == pytest.approx([97 * s for s in shares], abs=1)


@pytest.mark.parametrize("seed", range(5))
def test_parts_have_their_share_of_each_label(seed):
    targets = random_targets(500, [0.3, 0.1, 0.04], seed)
    for part, share in zip(stratified_split(targets, TENTHS, seed), TENTHS, strict=True):
        assert targets[part].sum(axis=0) == pytest.approx(targets.sum(axis=0) * share, abs=2)


@pytest.mark.parametrize("seed", range(10))
def test_a_label_with_few_positives_is_in_every_part_of_a_large_table(seed):
    targets = random_targets(1000, [0.4, 0.2], seed)
    rare = np.zeros((1000, 1), np.float32)
    rare[np.random.default_rng(seed).choice(1000, 10, replace=False)] = 1
    targets = np.hstack([targets, rare])
    counts = [int(targets[part, 2].sum()) for part in stratified_split(targets, TENTHS, seed)]
    assert counts == [8, 1, 1]


def test_halves_share_the_positives_of_a_rare_label_evenly():
    targets = np.zeros((60, 2), np.float32)
    targets[:4, 0] = 1
    targets[::3, 1] = 1
    first, second = stratified_split(targets, (0.5, 0.5), seed=3)
    assert targets[first, 0].sum() == targets[second, 0].sum() == 2


def test_rows_of_a_group_stay_together():
    targets = random_targets(60, [0.3, 0.1])
    groups = [f"text {row % 17}" for row in range(60)]
    parts = stratified_split(targets, (0.6, 0.4), seed=0, groups=groups)
    keys = [{groups[row] for row in part} for part in parts]
    assert sorted(np.concatenate(parts).tolist()) == list(range(60))
    assert all(keys)
    assert not keys[0] & keys[1]


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
