"""Counts of a target matrix, with unknown targets kept apart."""

import numpy as np
import pytest

from imbtool.imbalance import LabelCount, co_occurrence, count_labels, labels_per_text, tier_of
from imbtool.profile import WeightsSection

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
        (0.5, "head"),
        (np.nextafter(10.0, 0), "head"),
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
    assert [tier_of(ratio, rules) for ratio in (3.9, 4, 8)] == ["head", "moderate", "severe"]


def test_co_occurrence_counts_texts_with_both_labels_and_on_the_diagonal_positives():
    assert co_occurrence(TARGETS).tolist() == [[3, 1, 1], [1, 1, 0], [1, 0, 1]]


def test_co_occurrence_counts_exactly_where_float32_would_round():
    many = np.ones((2**12 + 1, 1), dtype=np.float32)
    assert co_occurrence(many).tolist() == [[2**12 + 1]]


def test_labels_per_text_takes_unknown_as_not_positive():
    assert labels_per_text(TARGETS) == {0: 2, 1: 1, 2: 2}
