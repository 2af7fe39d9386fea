"""The highest scores of each label are chosen, nothing twice, and as many as were asked for."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from searchproject import words

from imbtool.data.duplicates import near_duplicate_groups
from imbtool.search.choice import choose_by_score, choose_random
from imbtool.search.pool import random_order

NOTHING = np.empty(0, np.int64)


def different(number: int) -> list[str]:
    rng = random.Random(0)
    return [" ".join(words(rng, 8)) for _ in range(number)]


def chosen(texts, scores, quotas, free=None, apart=NOTHING):
    free = np.arange(len(texts)) if free is None else free
    scores = np.asarray(scores, dtype=np.float32)
    return choose_by_score(texts, scores, free, np.asarray(quotas), apart)


def test_the_highest_scores_are_chosen_with_their_ranks():
    scores = np.array([[0.1], [0.9], [0.5], [0.7]])
    found = chosen(different(4), scores, [2])
    assert [(each.row, each.label, each.rank) for each in found] == [(1, 0, 1), (3, 0, 2)]


def test_rows_are_those_of_the_pool():
    scores = np.array([[0.1], [0.9]])
    assert [each.row for each in chosen(different(9), scores, [1], free=np.array([4, 7]))] == [7]


def test_the_label_with_the_smaller_quota_chooses_first():
    scores = np.array([[0.9, 0.9], [0.8, 0.1], [0.7, 0.2], [0.6, 0.3]])
    found = {(each.row, each.label) for each in chosen(different(4), scores, [3, 1])}
    assert found == {(0, 1), (1, 0), (2, 0), (3, 0)}


def test_what_one_label_cannot_fill_others_do():
    scores = np.full((20, 2), -np.inf)
    scores[:, 0] = np.linspace(1, 0, 20)
    scores[5:7, 1] = 1
    found = chosen(different(20), scores, [4, 6])
    assert len(found) == 10
    assert sorted(each.row for each in found if each.label == 1) == [5, 6]


def test_no_text_is_chosen_that_is_nearly_the_same_as_another():
    texts = different(30)
    texts += [f"{text}!" for text in texts[:10]]  # the same but for punctuation
    scores = np.array([[2.0 - row % 30 / 30] for row in range(40)])
    found = chosen(texts, scores, [20])
    rows = [each.row for each in found]
    groups = near_duplicate_groups([texts[row] for row in rows])
    assert len(found) == len(set(groups.tolist())) == 20


def test_no_text_is_chosen_that_is_nearly_the_same_as_one_to_keep_away_from():
    texts = [*different(4), different(4)[1].upper()]
    scores = np.array([[0.1], [0.9], [0.5], [0.7]])
    found = chosen(texts, scores, [3], free=np.arange(4), apart=np.array([4]))
    assert [each.row for each in found] == [3, 2, 0]


def test_it_looks_further_where_the_highest_scores_are_all_the_same_text():
    texts = [different(1)[0]] * 50 + different(60)[1:]
    scores = np.linspace(2, 0, len(texts))[:, None]
    rows = [each.row for each in chosen(texts, scores, [5])]
    assert rows == [0, 50, 51, 52, 53]


def test_all_that_differ_are_chosen_where_there_are_fewer_than_asked_for():
    texts = [*different(3), different(3)[0]]
    assert len(chosen(texts, np.ones((4, 2)), [5, 5])) == 3


@given(st.integers(1, 30), st.lists(st.integers(0, 8), min_size=1, max_size=4), st.integers(0, 9))
def test_the_number_is_exact_while_the_pool_lasts(number, quotas, seed):
    scores = np.random.default_rng(seed).integers(0, 4, (number, len(quotas)))
    found = chosen(different(number), scores, quotas)
    assert len({each.row for each in found}) == len(found) == min(sum(quotas), number)


def test_equal_scores_are_chosen_in_the_order_of_the_pool():
    assert [each.row for each in chosen(different(50), np.zeros((50, 1)), [3])] == [0, 1, 2]


def test_random_texts_are_the_front_of_the_order():
    order = random_order(different(40), 0)
    free = np.arange(5, 40)
    first = choose_random(order, free, 6)
    assert order[first].max() < np.delete(order[free], np.searchsorted(free, first)).min()
    more = choose_random(order, np.setdiff1d(free, first), 6)
    assert choose_random(order, free, 12).tolist() == [*first.tolist(), *more.tolist()]


@pytest.mark.parametrize("number", [35, 36, 1000])
def test_all_are_drawn_where_there_are_no_more(number):
    order = random_order(different(35), 0)
    assert sorted(choose_random(order, np.arange(35), number).tolist()) == list(range(35))
