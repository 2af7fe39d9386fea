"""Each label's weight follows the rules of the profile, and says which one."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imbtool.config.schema import Profile, WeightsSection
from imbtool.data.imbalance import LabelCount
from imbtool.data.weights import (
    LabelWeight,
    assign_weights,
    effective_number_weights,
    with_custom_weights,
)


def weigh(positives: int, negatives: int, **rules: Any) -> LabelWeight:
    section = WeightsSection.model_validate(rules)
    (weight,) = assign_weights(["a"], [LabelCount(positives, negatives, 0)], section)
    return weight


@pytest.mark.parametrize(
    ("positives", "negatives", "tier", "weight"),
    [
        (10, 1000, "severe", 10.0),
        (10, 999, "moderate", 5.0),
        (10, 100, "moderate", 5.0),
        (10, 99, "common", 3.0),
        (0, 50, "severe", 10.0),
    ],
)
def test_a_tier_gives_its_weight_from_exactly_its_ratio_on(positives, negatives, tier, weight):
    given_weight = weigh(positives, negatives)
    assert (given_weight.tier, given_weight.weight) == (tier, weight)


@pytest.mark.parametrize(
    ("positives", "negatives", "weight", "reason"),
    [
        (10, 31, 3.0, "its ratio 3.1:1, capped at 3"),
        (10, 30, 3.0, "its ratio 3:1"),
        (10, 25, 2.5, "its ratio 2.5:1"),
        (10, 10, 1.0, "its ratio 1:1"),
        (20, 10, 1.0, "more positives than negatives (0.5:1): at least 1"),
    ],
)
def test_all_other_labels_weigh_their_ratio_between_one_and_the_cap(
    positives, negatives, weight, reason
):
    given_weight = weigh(positives, negatives)
    assert (given_weight.weight, given_weight.reason) == (weight, reason)


def test_the_reason_names_the_tier_that_gave_the_weight():
    assert weigh(1, 250).reason == "250:1 is 100:1 or more: severe"
    assert weigh(2, 25).reason == "12.5:1 is 10:1 or more: moderate"


def test_a_custom_weight_wins_over_the_tier_and_the_cap_and_keeps_the_tier():
    severe = weigh(1, 250, custom={"a": 0.5})
    assert (severe.weight, severe.tier, severe.reason) == (
        0.5,
        "severe",
        "custom, from the profile",
    )
    assert weigh(10, 20, custom={"a": 40}).weight == 40


def test_a_custom_weight_of_another_label_changes_nothing():
    assert weigh(10, 20, custom={"b": 40}).weight == 2.0


def test_the_profile_sets_tiers_and_cap():
    rules = {"severe": {"ratio": 50, "weight": 7}, "moderate": {"ratio": 6, "weight": 4}, "cap": 2}
    assert [weigh(1, n, **rules).weight for n in (50, 49, 6, 5)] == [7, 4, 4, 2]


def test_weights_written_out_are_custom_weights():
    profile = Profile.model_validate({"data": {"train": "t.csv"}})
    written = with_custom_weights(profile, [weigh(1, 250), weigh(10, 20)][:1])
    assert written.weights.custom == {"a": 10.0}
    assert profile.weights.custom == {}
    assert written.weights.cap == profile.weights.cap


def counts_of(*positives: int) -> list[LabelCount]:
    return [LabelCount(n, 10, 0) for n in positives]


def test_effective_number_weights_follow_the_paper():
    # beta 0.9: E(1) = 1, E(2) = 1.9, E(3) = 2.71; 1/E = 1, 0.526316, 0.369004, sum 1.895320
    weights = effective_number_weights(counts_of(1, 2, 3), beta=0.9)
    assert weights == pytest.approx([1.582846, 0.833077, 0.584077], abs=1e-6)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=20))
def test_effective_number_weights_sum_to_the_number_of_labels_and_favour_the_rare(positives):
    weights = effective_number_weights(counts_of(*positives))
    assert weights.sum() == pytest.approx(len(positives))
    assert (np.diff(weights[np.argsort(positives)]) <= 1e-12).all()
