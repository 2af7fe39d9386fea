"""Counts of a target matrix, with unknown targets kept apart."""

import numpy as np
import pytest

from imbtool.config.schema import WeightsSection
from imbtool.data import imbalance
from imbtool.data.imbalance import (
    LabelCount,
    both_known,
    cardinality,
    co_known,
    co_occurrence,
    count_labels,
    cvir,
    frequency_group,
    irlbl,
    label_set_keys,
    labels_per_text,
    mean_ir,
    measure_imbalance,
    scumble,
    tier_of,
)

NAN = np.nan
TARGETS = np.array([[1, 0, 1], [1, 1, NAN], [0, 0, NAN], [1, 0, 0], [0, 0, NAN]], dtype=np.float32)


def test_positives_negatives_and_unknowns_of_each_label_are_counted():
    assert count_labels(TARGETS) == [LabelCount(3, 2, 0), LabelCount(1, 4, 0), LabelCount(1, 1, 3)]


def test_the_ratio_is_negatives_for_each_positive():
    assert LabelCount(4, 10, 7).ratio == 2.5
    assert LabelCount(0, 10, 0).ratio == float("inf")


def test_prevalence_is_a_share_of_what_is_known():
    assert LabelCount(1, 3, 96).prevalence == 0.25
    assert LabelCount(0, 0, 5).prevalence == 0.0


@pytest.mark.parametrize(
    ("ratio", "tier"),
    [
        (0.5, "common"),
        (np.nextafter(10.0, 0), "common"),
        (10.0, "moderate"),
        (np.nextafter(100.0, 0), "moderate"),
        (100.0, "severe"),
        (float("inf"), "severe"),
    ],
)
def test_a_tier_starts_exactly_at_its_ratio(ratio: float, tier: str):
    assert tier_of(ratio, WeightsSection()) == tier


def test_the_profile_moves_the_tiers():
    rules = WeightsSection.model_validate(
        {"severe": {"ratio": 8, "weight": 2}, "moderate": {"ratio": 4, "weight": 1}}
    )
    assert [tier_of(ratio, rules) for ratio in (3.9, 4, 8)] == ["common", "moderate", "severe"]


def test_co_occurrence_counts_texts_with_both_labels_and_on_the_diagonal_positives():
    assert co_occurrence(TARGETS).tolist() == [[3, 1, 1], [1, 1, 0], [1, 0, 1]]


def test_co_occurrence_counts_exactly_where_float32_would_round():
    many = np.ones((2**12 + 1, 1), dtype=np.float32)
    assert co_occurrence(many).tolist() == [[2**12 + 1]]


def test_labels_are_counted_of_texts_of_which_all_are_known():
    assert labels_per_text(TARGETS) == {1: 1, 2: 1}
    assert labels_per_text(np.full((3, 2), NAN)) == {}


def test_cardinality_takes_unknown_neither_for_a_label_nor_for_none():
    assert cardinality(TARGETS) == pytest.approx(3 / 5 + 1 / 5 + 1 / 2)
    assert cardinality(SMALL) == 1
    assert cardinality(np.full((3, 2), NAN)) == 0


def test_counts_are_the_same_a_few_rows_at_a_time(monkeypatch: pytest.MonkeyPatch):
    counts, known = count_labels(TARGETS), co_known(TARGETS).tolist()
    monkeypatch.setattr(imbalance, "CHUNK_ROWS", 2)
    assert count_labels(TARGETS) == counts
    assert co_occurrence(TARGETS).tolist() == [[3, 1, 1], [1, 1, 0], [1, 0, 1]]
    assert co_known(TARGETS).tolist() == known


def test_known_pairs_leave_unknown_out():
    assert co_known(TARGETS).tolist() == [[3, 3, 2], [1, 1, 0], [1, 1, 1]]
    assert co_known(np.nan_to_num(TARGETS)).tolist() == [[3] * 3, [1] * 3, [1] * 3]


# By hand: three texts have `a`, one of them `b` too, one text has none. So IRLbl is 3/3 and 3/1,
# their mean 2 and standard deviation sqrt(2). In the text with both the arithmetic mean is 2 and
# the geometric one sqrt(3): 1 - sqrt(3) / 2 = 0.134; all other texts are 0.
SMALL = np.array([[1, 0], [1, 0], [1, 1], [0, 0]], dtype=np.float32)
MIXED = 1 - np.sqrt(3) / 2


def test_irlbl_is_the_most_frequent_label_by_each_label():
    assert irlbl([3, 1]).tolist() == [1, 3]
    assert np.isnan(irlbl([3, 0])[1])


def test_mean_ir_and_cvir_are_those_of_labels_with_positives():
    ratios = irlbl([3, 1, 0])
    assert mean_ir(ratios) == 2
    assert cvir(ratios) == pytest.approx(np.sqrt(2) / 2)
    assert np.isnan(cvir(irlbl([3]))) and np.isnan(mean_ir(irlbl([0])))


def test_scumble_is_a_mean_over_texts_and_over_the_texts_of_each_label():
    whole, of_labels = scumble(SMALL, irlbl([3, 1]))
    assert whole == pytest.approx(MIXED / 4)
    assert of_labels.tolist() == pytest.approx([MIXED / 3, MIXED])


def test_scumble_takes_unknown_as_not_positive_and_is_undefined_of_no_texts():
    targets = np.array([[1, NAN], [1, NAN]], dtype=np.float32)
    whole, of_labels = scumble(targets, irlbl([2, 0]))
    assert whole == 0 and of_labels[0] == 0 and np.isnan(of_labels[1])


def test_label_sets_have_equal_keys_exactly_if_they_are_equal():
    for labels in (3, 64, 130):
        targets = np.zeros((4, labels), dtype=np.float32)
        targets[1, labels - 1] = targets[2, 0] = targets[3, labels - 1] = 1
        targets[0, 1] = NAN
        keys = label_set_keys(targets)
        assert keys[1] == keys[3] and len(set(keys.tolist())) == 3


def test_training_positives_are_many_over_a_hundred_and_few_under_twenty():
    groups = [frequency_group(count) for count in (101, 100, 20, 19)]
    assert groups == ["many", "medium", "medium", "few"]


def test_every_measure_is_given():
    measures, of_labels = measure_imbalance(SMALL)
    assert measures.cardinality == 1 and measures.density == 0.5
    assert (measures.label_sets, measures.label_sets_once) == (3, 2)
    assert measures.shots == {"many": 0, "medium": 0, "few": 2}
    second = of_labels[1]
    assert (second.irlbl, second.scumble, second.shots) == (3, pytest.approx(MIXED), "few")


def test_texts_of_which_a_label_is_unknown_have_no_label_set():
    known = np.array([[1, 0], [1, 1], [0, 0]], np.float32)
    more = np.vstack([known, np.array([[1, np.nan], [np.nan, np.nan]], np.float32)])
    (ours, _), (theirs, _) = measure_imbalance(known), measure_imbalance(more)
    assert ours.label_sets == theirs.label_sets == 3
    assert both_known(more).tolist() == [[3 + 1, 3], [3, 3]]
    assert both_known(known).tolist() == [[3, 3], [3, 3]]
