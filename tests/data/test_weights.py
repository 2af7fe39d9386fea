"""Each label's weight follows the rules of the profile, and says which one."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imbtool.config.hierarchy import label_set
from imbtool.config.schema import Profile, WeightsSection
from imbtool.data.corpus import Corpus, Split
from imbtool.data.imbalance import LabelCount, count_labels
from imbtool.data.weights import (
    LabelWeight,
    assign_weights,
    effective_number_weights,
    weigh_labels,
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


def split(name: str, targets: list[float], chosen: list[bool] | None = None) -> Split:
    """Texts of one label."""
    texts, column = [f"{name} {row}" for row in range(len(targets))], np.array(targets, np.float32)
    marks = np.array(chosen or [False] * len(targets))
    return Split.of(name, Path(name), texts, column[:, None], range(1, len(targets) + 1), marks)


def weigh_chosen(chosen: list[float], unchosen: list[float], held: list[float]) -> LabelWeight:
    marks = [True] * len(chosen) + [False] * len(unchosen)
    train, other = split("train", [*chosen, *unchosen], marks), split("validation", held)
    corpus = Corpus(label_set(["a"], []), train, other, other)
    (weight,) = weigh_labels(corpus, WeightsSection())
    return weight


def test_the_tier_is_by_the_texts_that_no_search_chose():
    weight = weigh_chosen([1] * 40 + [0] * 60, [1] * 3 + [0] * 800, [1] + [0] * 300)
    assert (weight.tier, weight.weight) == ("severe", 10)
    assert (weight.count.positives, weight.count.negatives) == (43, 860)
    assert weight.reason == (
        "about 245:1 in texts that no search chose, which is 100:1 or more: severe; 40 of its 43 "
        "positives in training were chosen"
    )
    assert weight.prevalence == pytest.approx(4.5 / 1105)


def test_without_positives_among_few_random_texts_the_ratio_is_finite():
    weight = weigh_chosen([1] * 20 + [0] * 20, [0] * 20, [0] * 10)
    assert weight.tier == "moderate"
    assert weight.stream is not None and weight.stream.ratio == 61


def test_a_common_label_weighs_its_ratio_in_training():
    weight = weigh_chosen([1] * 10 + [0] * 10, [1] * 10 + [0] * 30, [1] * 10 + [0] * 40)
    assert (weight.tier, weight.weight) == ("common", 2)
    assert weight.reason == (
        "its ratio 2:1; about 3.44:1 in texts that no search chose; 10 of its 20 positives in "
        "training were chosen"
    )


def test_a_label_that_is_known_of_chosen_texts_alone_has_the_tier_of_training():
    weight = weigh_chosen([1] * 10 + [0] * 200, [np.nan] * 30, [np.nan] * 10)
    assert (weight.stream, weight.tier) == (None, "moderate")
    assert weight.reason == "20:1 is 10:1 or more: moderate"


@pytest.mark.parametrize("chosen_in_validation", [False, True])
def test_where_no_search_chose_a_training_text_all_is_as_ever(chosen_in_validation: bool):
    targets = [1.0] * 3 + [0.0] * 40
    train, held = split("train", targets), split("held", targets, [chosen_in_validation] * 43)
    (weight,) = weigh_labels(Corpus(label_set(["a"], []), train, held, held), WeightsSection())
    assert weight == assign_weights(["a"], count_labels(train.targets), WeightsSection())[0]
    assert weight.stream is None


def test_custom_weights_of_labels_that_training_leaves_out_are_kept():
    custom = {"weights": {"custom": {"a": 2, "later": 7}}}
    profile = Profile.model_validate({"data": {"train": "t.csv"}, **custom})
    weight = LabelWeight("a", LabelCount(1, 1, 0), "common", 3.0, "")
    assert with_custom_weights(profile, [weight]).weights.custom == {"a": 3.0, "later": 7}
