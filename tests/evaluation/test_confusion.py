"""Which label a text gets where another one was missed."""

from itertools import product

import numpy as np

from imbtool.config.hierarchy import label_set
from imbtool.evaluation.mistakes import confusion_pairs

FLAT = label_set(["a", "b", "c"], [])


def test_a_pair_is_a_miss_and_a_false_alarm_on_the_same_text():
    given = np.array([[1, 0, 0]] * 4 + [[0, 1, 0]] * 2 + [[1, 1, 0]], np.float32)
    decided = np.array([[0, 1, 0]] * 2 + [[0, 1, 1]] + [[0, 0, 0]] + [[0, 1, 1]] * 3, bool)
    # a: missed on five texts, on three of them b is decided that was not given, on two c
    assert confusion_pairs(FLAT, decided, given) == [
        {"label": "a", "taken_for": "b", "texts": 3, "of": 5},
        {"label": "a", "taken_for": "c", "texts": 2, "of": 5},
    ]


def test_counts_are_those_of_a_loop_over_texts_and_the_highest_share_comes_first():
    rng = np.random.default_rng(0)
    names = tuple("abcdefgh")
    targets = (rng.random((300, 8)) < np.linspace(0.03, 0.5, 8)).astype(np.float32)
    targets[rng.random((300, 8)) < 0.1] = np.nan
    decisions = rng.random((300, 8)) < np.linspace(0.4, 0.1, 8)
    found = confusion_pairs(label_set(names, []), decisions, targets)
    counts = {pair: 0 for pair in product(range(8), range(8))}
    for decided, given in zip(decisions, targets, strict=True):
        for a, b in counts:
            counts[a, b] += given[a] == 1 and not decided[a] and given[b] == 0 and decided[b]
    for row in found:
        a, b = names.index(row["label"]), names.index(row["taken_for"])
        assert row["texts"] == counts[a, b]
        assert row["of"] == ((targets[:, a] == 1) & ~decisions[:, a]).sum()
    shares = [row["texts"] / row["of"] for row in found]
    assert shares == sorted(shares, reverse=True)
    assert len(found) == 30 < sum(count >= 2 for count in counts.values())


def test_one_text_alone_makes_no_pair():
    given = np.array([[1, 0, 0], [1, 0, 0]], np.float32)
    decided = np.array([[0, 1, 0], [0, 0, 1]], bool)
    assert confusion_pairs(FLAT, decided, given) == []


def test_an_unknown_label_is_neither_missed_nor_taken_for():
    given = np.array([[1, np.nan, 0]] * 3 + [[np.nan, 0, 0]] * 3, np.float32)
    decided = np.array([[0, 1, 0]] * 6, bool)
    assert confusion_pairs(FLAT, decided, given) == []


def test_a_label_is_not_taken_for_its_ancestors_nor_for_what_stands_below_it():
    labels = label_set(["top", "below", "lowest", "other"], [("below", "top"), ("lowest", "below")])
    # data that name only the lowest label, and a model that is right one or two levels above
    given = np.array([[0, 0, 1, 0]] * 3, np.float32)
    decided = np.array([[1, 1, 0, 1]] * 3, bool)
    assert confusion_pairs(labels, decided, given) == [
        {"label": "lowest", "taken_for": "other", "texts": 3, "of": 3}
    ]
    upwards = confusion_pairs(labels, given.astype(bool), decided.astype(np.float32))
    assert [row["label"] for row in upwards] == ["other"]
