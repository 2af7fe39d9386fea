"""The most confident mistakes come first, the annotations that are most likely wrong, and which
label a text gets where another one was missed."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
from noisylabels import flips, scene
from scipy.special import expit

from imbtool.config.hierarchy import Labels, label_set
from imbtool.data.corpus import Split
from imbtool.data.imbalance import Tier
from imbtool.evaluation.document import ConfusedPair, LabelMistakes, Mistake, Mistakes
from imbtool.evaluation.label_errors import suspected_label_errors
from imbtool.evaluation.mistakes import confusion_pairs, find_mistakes, mistakes_frame
from imbtool.evaluation.predictions import Predictions
from imbtool.types import Decisions, Targets

LABELS = label_set(["rare", "common"], [])
TIERS: tuple[Tier, ...] = ("severe", "common")
NAN = np.nan
TARGETS = np.array([[1, 0], [1, 1], [1, 0], [0, 0], [0, 1], [0, 0], [NAN, 0]], np.float32)
PROBABILITIES = np.array(
    [[0.2, 0.1], [0.1, 0.9], [0.9, 0.2], [0.7, 0.1], [0.8, 0.3], [0.2, 0.9], [0.9, 0.1]]
)
THRESHOLDS = np.array([0.6, 0.5])
TEXTS = [f"text {letter}" for letter in "abcdefg"]
ROWS = [11, 12, 13, 14, 15, 16, 17]


def found(most: int = 5, tiers: tuple[Tier, ...] = TIERS) -> Mistakes:
    predictions = Predictions.by_thresholds(LABELS, PROBABILITIES, THRESHOLDS, None)
    split = Split.of("test", Path("test.csv"), TEXTS, TARGETS, ROWS)
    return find_mistakes(predictions, split, tiers, most)


def rows(mistakes: Sequence[Mistake]) -> list[int]:
    return [mistake.row for mistake in mistakes]


def test_misses_and_false_alarms_of_rare_labels_stand_most_confident_first():
    labels = found().labels
    assert list(labels) == ["rare"]
    assert rows(labels["rare"].misses) == [12, 11]
    assert rows(labels["rare"].false_alarms) == [15, 14]


def test_no_more_are_listed_than_were_asked_for():
    first = found(most=1).labels["rare"]
    assert rows(first.misses) == [12]
    assert rows(first.false_alarms) == [15]


def test_without_rare_labels_all_are_listed():
    labels = found(tiers=("common", "common")).labels
    assert list(labels) == ["rare", "common"]
    assert rows(labels["common"].misses) == [15]
    assert rows(labels["common"].false_alarms) == [16]


def test_an_item_says_what_was_given_what_was_decided_and_how_sure():
    assert found().labels["rare"].misses[0] == Mistake(
        row=12,
        text="text b",
        probability=0.1,
        threshold=0.6,
        given=["rare", "common"],
        decided=["common"],
    )


def test_a_suspected_error_says_which_label_it_is_about():
    (error,) = found().suspects
    assert (error.label, error.row, error.given_label, error.threshold) == ("rare", 12, True, 0.6)


def test_suspected_errors_are_the_most_likely_ones_given_or_not():
    truth, logits = scene(2_000)
    targets = (truth ^ flips(truth, 0.1)).astype(np.float32)
    labels, thresholds = label_set(["a", "b", "c"], []), np.full(3, 0.5)
    predictions = Predictions.by_thresholds(labels, expit(logits), thresholds, None)
    split = Split.of("test", Path("test.csv"), [""] * 2_000, targets, range(2_000))
    errors = find_mistakes(predictions, split, ("severe", "moderate", "common"), 5).suspects
    chances = suspected_label_errors(expit(logits), targets)
    cells = [(error.row, "abc".index(error.label)) for error in errors]
    scores = [error.score for error in errors]
    assert scores == [chances[cell] for cell in cells]
    assert scores == sorted(chances[~np.isnan(chances)], reverse=True)[:20]
    given = [error.given_label for error in errors]
    assert given == [targets[cell] == 1 for cell in cells]
    assert set(given) == {True, False}


def test_the_frame_has_a_row_an_item():
    mistakes = found()
    frame = mistakes_frame(mistakes)
    assert list(frame.columns) == [
        "label",
        "kind",
        "row",
        "probability",
        "threshold",
        "given",
        "decided",
        "text",
    ]
    kinds = ["miss"] * 2 + ["false alarm"] * 2 + ["likely mistake"] * len(mistakes.suspects)
    assert frame["kind"].tolist() == kinds
    assert frame.iloc[0].tolist() == [
        "rare", "miss", 12, 0.1, 0.6, "rare|common", "common", "text b"
    ]  # fmt: skip


def test_cells_that_a_spreadsheet_would_run_are_made_text():
    mistake = Mistake(
        row=1, text="=cmd()", probability=0.1, threshold=0.5, given=["@a", "b"], decided=[]
    )
    labels = {"-x": LabelMistakes(misses=[mistake], false_alarms=[])}
    frame = mistakes_frame(Mistakes(labels=labels, suspects=[]))
    assert frame.loc[0, ["label", "given", "decided", "text"]].tolist() == [
        "'-x",
        "'@a|b",
        "",
        "'=cmd()",
    ]


def test_no_mistakes_make_an_empty_frame_with_its_columns():
    frame = mistakes_frame(Mistakes(labels={}, suspects=[]))
    assert frame.empty
    assert "text" in frame.columns


FLAT = label_set(["a", "b", "c"], [])


def pairs(labels: Labels, decided: Decisions, given: Targets) -> list[ConfusedPair]:
    return confusion_pairs(Predictions(labels, decided, None), given)


def pair(label: str, taken_for: str, texts: int, of: int) -> ConfusedPair:
    return ConfusedPair(label=label, taken_for=taken_for, texts=texts, of=of)


def test_a_pair_is_a_miss_and_a_false_alarm_on_the_same_text():
    given = np.array([[1, 0, 0]] * 4 + [[0, 1, 0]] * 2 + [[1, 1, 0]], np.float32)
    decided = np.array([[0, 1, 0]] * 2 + [[0, 1, 1]] + [[0, 0, 0]] + [[0, 1, 1]] * 3, bool)
    # a: missed on five texts, on three of them b is decided that was not given, on two c
    assert pairs(FLAT, decided, given) == [
        pair("a", "b", 3, 5),
        pair("a", "c", 2, 5),
    ]


def test_counts_are_those_of_a_loop_over_texts_and_the_highest_share_comes_first():
    rng = np.random.default_rng(0)
    names = tuple("abcdefgh")
    targets = (rng.random((300, 8)) < np.linspace(0.03, 0.5, 8)).astype(np.float32)
    targets[rng.random((300, 8)) < 0.1] = np.nan
    decisions = rng.random((300, 8)) < np.linspace(0.4, 0.1, 8)
    found = pairs(label_set(names, []), decisions, targets)
    counts = {pair: 0 for pair in product(range(8), range(8))}
    for decided, given in zip(decisions, targets, strict=True):
        for a, b in counts:
            counts[a, b] += given[a] == 1 and not decided[a] and given[b] == 0 and decided[b]
    for row in found:
        a, b = names.index(row.label), names.index(row.taken_for)
        assert row.texts == counts[a, b]
        assert row.of == ((targets[:, a] == 1) & ~decisions[:, a]).sum()
    shares = [row.texts / row.of for row in found]
    assert shares == sorted(shares, reverse=True)
    assert len(found) == 30 < sum(count >= 2 for count in counts.values())


def test_one_text_alone_makes_no_pair():
    given = np.array([[1, 0, 0], [1, 0, 0]], np.float32)
    decided = np.array([[0, 1, 0], [0, 0, 1]], bool)
    assert pairs(FLAT, decided, given) == []


def test_an_unknown_label_is_neither_missed_nor_taken_for():
    given = np.array([[1, np.nan, 0]] * 3 + [[np.nan, 0, 0]] * 3, np.float32)
    decided = np.array([[0, 1, 0]] * 6, bool)
    assert pairs(FLAT, decided, given) == []


def test_a_label_is_not_taken_for_its_ancestors_nor_for_what_stands_below_it():
    labels = label_set(["top", "below", "lowest", "other"], [("below", "top"), ("lowest", "below")])
    # data that name only the lowest label, and a model that is right one or two levels above
    given = np.array([[0, 0, 1, 0]] * 3, np.float32)
    decided = np.array([[1, 1, 0, 1]] * 3, bool)
    assert pairs(labels, decided, given) == [pair("lowest", "other", 3, 3)]
    upwards = pairs(labels, given.astype(bool), decided.astype(np.float32))
    assert [row.label for row in upwards] == ["other"]
