"""Splits of a multi-label table that keep rare labels measurable in every part."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.sparse import csc_array, csr_array, hstack

from imbtool.labels.label_sets import LabelSets, as_label_sets
from imbtool.types import Flags, Floats, Rows, Targets

LEAST_POSITIVES = 3
"""A label gets this many positives in each part, if it has them."""
SIZE_WEIGHT = 1e4
"""Cost of one row too many in a part; a label's misfit costs the square of its share."""
WIDE = 128
"""Labels from which on most counts are 0."""
SAMPLE = 128
"""Groups of a part that are tried for an exchange at a time."""
MOST_EXCHANGES = 2000
PATIENCE = 4
"""Tries in vain with each pair of parts until the exchanges end."""
LOOSE_SIZE_WEIGHT = 1e-2
"""Cost of one row too many while positives are looked for that a part lacks."""
INSISTENCE, INSISTED = 4.0, 10
"""Where a part lacks positives of a label, that label's misfit there is made to cost so many times
as much and the exchanges go on, so often."""


Groups = Sequence[Hashable] | Rows
"""A key for each row; rows with the same one stay together."""


def stratified_split(
    targets: Targets | LabelSets,
    shares: Sequence[float],
    seed: int,
    groups: Groups | None = None,
) -> list[Rows]:
    """Split rows by iterative stratification, rarest label first (Sechidis et al. 2011).

    Exchanges of rows between parts then fix what is left: first the sizes, which are exact unless
    groups do not fit and then miss by less than the largest group, then the labels' shares.

    Args:
        targets: of n rows, NaN where unknown (taken as not positive).
        shares: share of the rows each part gets; they sum to 1.
        seed: the same seed and data give the same parts.
        groups: one key a row; rows with the same key (the same text) stay together.

    Returns:
        For each share the sorted row indices of its part. A label gets its share of positives in
        each, at least `LEAST_POSITIVES` where it has enough of them, in enough groups.
    """
    rng = np.random.default_rng(seed)
    group_of_row = _numbered(groups) if groups is not None else np.arange(len(targets))
    order = rng.permutation(int(group_of_row.max(initial=-1)) + 1)
    group_of_row = np.argsort(order)[group_of_row]
    counts = _counts(as_label_sets(targets), group_of_row, len(order))
    wanted = _wanted(counts, np.asarray(shares, dtype=float))
    part_of_group = _improved(counts, wanted, _assigned(counts, wanted), rng)
    part_of_row = part_of_group[group_of_row]
    return [np.flatnonzero(part_of_row == part) for part in range(len(shares))]


def split_unchosen(
    targets: Targets | LabelSets,
    shares: Sequence[float],
    seed: int,
    groups: Groups,
    chosen: Flags,
) -> list[Rows]:
    """Split as `stratified_split`, but groups with a chosen row go to the first part as they are.

    Args:
        targets: of n rows, NaN where unknown.
        shares: of the rows of all other groups that each part gets.
        seed: the same seed and data give the same parts.
        groups: one key a row.
        chosen: whether a search chose each row [n].

    Returns:
        For each share the sorted row indices of its part.
    """
    if not chosen.any():
        return stratified_split(targets, shares, seed, groups)
    numbers = _numbered(groups)
    free = np.flatnonzero(~bound_rows(numbers, chosen))
    if len(free) == 0:
        return [np.arange(len(targets)), *[free] * (len(shares) - 1)]
    of_free = as_label_sets(targets).take(free)
    parts = [free[rows] for rows in stratified_split(of_free, shares, seed, numbers[free])]
    parts[0] = np.setdiff1d(np.arange(len(targets)), np.concatenate(parts[1:]))
    return parts


def bound_rows(groups: Groups, chosen: Flags) -> Flags:
    """Whether a row is chosen, or in a group with one that is [n]."""
    numbers = _numbered(groups)
    is_held = np.zeros(int(numbers.max(initial=-1)) + 1, np.bool_)
    is_held[numbers[chosen]] = True
    return np.asarray(is_held[numbers])


def part_sizes(rows: int, shares: Sequence[float]) -> Rows:
    """Whole numbers of rows that sum to `rows`, by largest remainder."""
    exact = np.asarray(shares, dtype=float) * rows
    sizes = np.floor(exact + 1e-9).astype(np.int64)
    most_cut = np.argsort(sizes - exact, kind="stable")
    sizes[most_cut[: rows - int(sizes.sum())]] += 1
    return sizes


def _numbered(groups: Groups) -> Rows:
    """The number of each row's group [n], in order of first appearance."""
    if isinstance(groups, np.ndarray):
        return np.asarray(pd.factorize(groups)[0], dtype=np.int64)
    found: dict[Hashable, int] = {}
    return np.array([found.setdefault(key, len(found)) for key in groups], dtype=np.int64)


def _counts(targets: LabelSets, group_of_row: Rows, groups: int) -> csr_array:
    """For each group its rows and its positives by label, [groups, 1 + L]."""
    n = len(targets)
    member = csr_array((np.ones(n), (group_of_row, np.arange(n))), shape=(groups, n))
    positives = csr_array((targets.sets == 1).astype(float))[targets.of_text]
    columns = [csr_array(np.ones((n, 1))), positives]
    counts = csr_array(member @ hstack(columns, format="csr"))
    counts.sort_indices()
    return counts


def _wanted(counts: csr_array, shares: Floats) -> Floats:
    """Rows and positives by label that each part should get, [parts, 1 + L]."""
    total = counts.sum(axis=0)
    wanted = shares[:, None] * total
    above = np.maximum(wanted - LEAST_POSITIVES, 0)
    spare = np.maximum(total - LEAST_POSITIVES * len(shares), 0)
    raised = LEAST_POSITIVES + above * spare / np.maximum(above.sum(axis=0), 1e-9)
    wanted = np.where(total >= LEAST_POSITIVES * len(shares), raised, wanted)
    wanted[:, 0] = part_sizes(int(total[0]), shares.tolist())
    return wanted


def _assigned(counts: csr_array, wanted: Floats) -> Rows:
    """The part of each group: the one with room that lacks most of the rarest label left."""
    parts, lacking, by_label = range(len(wanted)), wanted.T.tolist(), counts.tocsc()
    left = [float(positives) for positives in counts.sum(axis=0)]
    # views rather than lists: of ten million groups those would take gigabytes
    starts, columns, values = (each.data for each in (counts.indptr, counts.indices, counts.data))
    part, room = [-1] * counts.shape[0], lacking[0]
    while unseen := [label for label in range(1, len(left)) if left[label] > 0]:
        label = min(unseen, key=left.__getitem__)
        lack = lacking[label]
        for group in _most_positives_first(by_label, label).data:
            if part[group] < 0:
                size = values[starts[group]]  # of its rows, which are its first column
                best = max(parts, key=lambda p: (room[p] >= size, lack[p], room[p]))
                part[group] = best
                for at in range(starts[group], starts[group + 1]):
                    column, count = columns[at], values[at]
                    lacking[column][best] -= count
                    left[column] -= count
        left[label] = 0
    assigned = np.array(part, dtype=np.int64)
    sizes, unlabelled = counts.data[counts.indptr[:-1]], np.flatnonzero(assigned < 0)
    for group in unlabelled[np.argsort(-sizes[unlabelled], kind="stable")].data:
        assigned[group] = best = max(parts, key=room.__getitem__)
        room[best] -= values[starts[group]]
    return assigned


def _most_positives_first(by_label: csc_array, label: int) -> Rows:
    column = slice(by_label.indptr[label], by_label.indptr[label + 1])
    groups, positives = by_label.indices[column], by_label.data[column]
    return np.asarray(groups[np.argsort(-positives, kind="stable")], dtype=np.int64)


def _improved(counts: csr_array, wanted: Floats, part: Rows, rng: np.random.Generator) -> Rows:
    """Exchange groups until every part has what it should, or insisting on it is in vain.

    What costs more where it is lacking, and sizes that are left loose for a while, lead out of
    exchanges each of which makes something worse (Morris, The breakout method for escaping from
    local minima, AAAI 1993). Of all tries the one that misses sizes least is taken, then the one
    that lacks positives least often.
    """
    weight = 1 / np.maximum(wanted, 1) ** 2
    weight[:, 0] = SIZE_WEIGHT
    tries = []
    for _ in range(1 + INSISTED):
        part = _exchanged(counts, wanted, weight, part, rng)
        excess = _excess(counts, wanted, part)
        lacking = (wanted >= LEAST_POSITIVES) & (wanted + excess < LEAST_POSITIVES)
        lacking[:, 0] = False
        tries.append((np.abs(excess[:, 0]).sum(), int(lacking.sum()), part))
        if not lacking.any():
            break
        weight = np.where(lacking, INSISTENCE * weight, weight)
        loose = weight.copy()
        loose[:, 0] = LOOSE_SIZE_WEIGHT
        part = _exchanged(counts, wanted, loose, part, rng)
    return min(tries, key=lambda each: each[:2])[2]


def _excess(counts: csr_array, wanted: Floats, part: Rows) -> Floats:
    got = np.stack([counts[part == number].sum(axis=0) for number in range(len(wanted))])
    return np.asarray(got - wanted, dtype=np.float64)


def _exchanged(
    counts: csr_array, wanted: Floats, weight: Floats, part: Rows, rng: np.random.Generator
) -> Rows:
    """Move or swap groups between two parts for as long as it brings them nearer to `wanted`."""
    part, excess = part.copy(), _excess(counts, wanted, part)
    pairs, in_vain = list(combinations(range(len(wanted)), 2)), 0
    members: dict[int, Rows] = {}
    for turn in range(MOST_EXCHANGES):
        if in_vain > PATIENCE * len(pairs) or (np.abs(excess) < 1).all():
            break
        pair = list(pairs[turn % len(pairs)])
        for number in pair:
            if number not in members:
                members[number] = np.flatnonzero(part == number)
        tried = [_sample(members[number], rng) for number in pair]
        (first, second), held = _dense([counts[groups] for groups in tried])
        here = np.ix_(np.array(pair), held)
        cost = _exchange_costs(first, second, excess[here], weight[here])
        give, take = np.unravel_index(int(np.argmin(cost)), cost.shape)
        if cost[give, take] > -1e-9:
            in_vain += 1
            continue
        in_vain = 0
        members.clear()
        part[tried[0][give : give + 1]], part[tried[1][take : take + 1]] = pair[1], pair[0]
        moved = second[take] - first[give]
        excess[here] += np.stack([moved, -moved])
    return part


def _sample(groups: Rows, rng: np.random.Generator) -> Rows:
    return groups if len(groups) <= SAMPLE else rng.choice(groups, SAMPLE, replace=False)


def _dense(sides: Sequence[csr_array]) -> tuple[list[Floats], Rows]:
    """The columns that some group holds, and the counts of groups in them.

    Each side gets a last row of nothing, so that one group alone can move.
    """
    held = np.unique(np.concatenate([side.indices for side in sides]))
    rows = [np.vstack([side[:, held].toarray(), np.zeros(len(held))]) for side in sides]
    return rows, held


def _exchange_costs(first: Floats, second: Floats, excess: Floats, weight: Floats) -> Floats:
    """By how much the weighted squares of the excesses grow when two groups change places.

    From counts [a, C] and [b, C] of groups in one part and in the other, and the excess and the
    weight [2, C] of the two parts: [a, b], the sum over columns of
    2 u (w1 e1 - w2 e2) + u² (w1 + w2), where u = second - first.
    """
    pull, both = np.array([2, -2]) @ (weight * excess), weight.sum(axis=0)
    leaving = first**2 @ both - first @ pull
    coming = second**2 @ both + second @ pull
    if first.shape[1] > WIDE:  # of many labels a group has few
        crossed = (csr_array(first * both) @ csr_array(second).T).toarray()
    else:  # not `@`: for a product so small BLAS waits for its threads longer than it works
        crossed = np.einsum("ac,bc->ab", first * both, second)
    result: Floats = leaving[:, None] + coming - 2 * crossed
    return result
