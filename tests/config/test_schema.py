"""The schema has a default for everything but the data and refuses what contradicts itself."""

from typing import Any

import pytest
from pydantic import ValidationError

from imbtool.config.schema import LossSection, Profile


def profile(**sections: Any) -> Profile:
    return Profile.model_validate({"data": {"train": "train.csv"}, **sections})


def complaint(**sections: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        profile(**sections)
    (error,) = caught.value.errors()
    return error["msg"]


def test_only_the_training_table_must_be_given():
    read = profile()
    assert read.data.labels.column == "labels"
    assert read.data.labels.separator == "|"
    assert (read.weights.severe.ratio, read.weights.severe.weight) == (100, 10)
    assert (read.weights.moderate.ratio, read.weights.moderate.weight) == (10, 5)
    assert (read.weights.cap, read.loss.gamma, read.loss.constraint) == (3.0, 2.0, 0.5)
    assert read.thresholds.method == "auto"


def test_without_a_training_table_there_is_no_profile():
    with pytest.raises(ValidationError):
        Profile.model_validate({"data": {}})


@pytest.mark.parametrize(
    "sections", [{"loss": {"gama": 2}}, {"los": {}}, {"weights": {"severe": {"ratios": 1}}}]
)
def test_unknown_keys_are_refused(sections: dict[str, Any]):
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        profile(**sections)


def test_a_profile_does_not_change_once_read():
    with pytest.raises(ValidationError, match="frozen"):
        profile().loss.gamma = 1.0


def test_labels_stand_in_one_column_or_in_one_column_each_not_both():
    both = {"train": "t.csv", "labels": {"column": "a", "columns": ["b"]}}
    assert "both" in complaint(data=both)


def test_a_separator_has_no_place_beside_flag_columns():
    data = {"train": "t.csv", "labels": {"columns": ["a", "b"], "separator": ";"}}
    assert "no effect" in complaint(data=data)


def test_a_mark_for_unknown_labels_has_no_place_beside_flag_columns():
    data = {"train": "t.csv", "labels": {"columns": ["a", "b"], "unknown": "?"}}
    assert "has no effect with 'columns'" in complaint(data=data)


def test_an_empty_separator_is_refused():
    data = {"train": "t.csv", "labels": {"column": "a", "separator": ""}}
    assert "at least 1 character" in complaint(data=data)


def test_a_tier_keeps_its_ratio_where_only_its_weight_is_written():
    read = profile(weights={"severe": {"weight": 8}, "moderate": {"ratio": 20}}).weights
    assert (read.severe.ratio, read.severe.weight) == (100, 8)
    assert (read.moderate.ratio, read.moderate.weight) == (20, 5)


def test_the_severe_tier_starts_above_the_moderate_one():
    weights = {"severe": {"ratio": 10, "weight": 10}, "moderate": {"ratio": 10, "weight": 5}}
    assert complaint(weights=weights) == "moderate.ratio 10 and severe.ratio 10"


@pytest.mark.parametrize(
    "sections",
    [
        {"weights": {"cap": 0.9}},
        {"weights": {"cap": "inf"}},
        {"weights": {"custom": {"a": 0}}},
        {"weights": {"custom": {"a": "nan"}}},
        {"weights": {"custom": {"a": 10_001}}},
        {"weights": {"severe": {"weight": 10_001}}},
        {"loss": {"constraint": -0.1}},
        {"loss": {"constraint": 10_001}},
        {"loss": {"gamma": 21}},
        {"loss": {"gamma": -1}},
        {"loss": {"gamma": {"a": -1}}},
        {"training": {"epochs": 0}},
        {"training": {"warmup": 1}},
        {"training": {"learning_rate": 0}},
        {"training": {"seed": 2**32}},
        {"model": {"max_length": 7}},
        {"thresholds": {"require": {"a": {"recall": 0}}}},
        {"thresholds": {"require": {"a": {"recall": 80}}}},
        {"thresholds": {"require": {"a": {"precision": "nan"}}}},
        {"thresholds": {"require": {"a": {"flags_per_1000": 0}}}},
        {"thresholds": {"require": {"a": {"flags_per_1000": 1001}}}},
    ],
)
def test_numbers_out_of_range_are_refused(sections: dict[str, Any]):
    with pytest.raises(ValidationError):
        profile(**sections)


def test_an_unknown_encoding_is_refused():
    assert complaint(data={"train": "t.csv", "encoding": "utf-9"}) == "'utf-9'"


def test_a_hierarchy_must_be_a_forest():
    assert "stands under" in complaint(labels={"hierarchy": {"a": ["c"], "b": ["c"]}})
    assert "a cycle" in complaint(labels={"hierarchy": {"a": ["b"], "b": ["a"]}})


def test_a_constraint_needs_a_hierarchy():
    said = complaint(loss={"constraint": 3})
    assert said == "constraint 3, which has no effect without labels.hierarchy"
    tree = {"hierarchy": {"a": ["b"]}}
    assert profile(labels=tree, loss={"constraint": 3}).loss.constraint == 3


@pytest.mark.parametrize("constraint", [0, 0.5])
def test_none_and_the_usual_one_may_stand_without_a_hierarchy(constraint: float):
    assert profile(loss={"constraint": constraint}).loss.constraint == constraint


def test_the_hierarchy_gives_its_edges():
    tree = {"a": ["b", {"c": ["d"]}]}
    assert profile(labels={"hierarchy": tree}).labels.edges == [("b", "a"), ("c", "a"), ("d", "c")]


def test_a_gamma_for_some_labels_leaves_the_others_at_two():
    section = LossSection(gamma={"rare": 0.5})
    assert (section.gamma_of("rare"), section.gamma_of("other")) == (0.5, 2.0)


@pytest.mark.parametrize(
    ("require", "measure", "bar", "asked"),
    [
        ({"recall": "0.8"}, "recall", 0.8, "recall >= 0.8"),
        ({"precision": 1}, "precision", 1, "precision >= 1"),
        ({"flags_per_1000": 20}, "flags_per_1000", 20, "flags_per_1000 <= 20"),
    ],
)
def test_a_label_may_be_required_to_reach_one_thing(
    require: dict[str, Any], measure: str, bar: float, asked: str
):
    requirement = profile(thresholds={"require": {"a": require}}).thresholds.require["a"]
    assert (requirement.measure, requirement.bar, requirement.asked) == (measure, bar, asked)


@pytest.mark.parametrize(
    ("require", "found"),
    [
        ({}, "nothing"),
        ({"recall": None}, "nothing"),
        ({"recall": 0.8, "flags_per_1000": 20}, "recall and flags_per_1000"),
    ],
)
def test_a_label_cannot_be_required_to_reach_several_things(require: dict[str, Any], found: str):
    assert complaint(thresholds={"require": {"a": require}}) == found


def test_bce_has_gamma_zero_and_refuses_another():
    assert LossSection(name="bce").gamma_of("any") == 0.0
    assert LossSection(name="bce", gamma=0).gamma_of("any") == 0.0
    assert "no effect" in complaint(loss={"name": "bce", "gamma": 2})


def test_a_text_column_is_read_once():
    told = complaint(data={"train": "t.csv", "text": ["title", "title"]})
    assert told == "the text column 'title' twice"
    assert profile(data={"train": "t.csv", "text": "title"}).data.text == "title"


@pytest.mark.parametrize("names", [["new", "new"], ["new", " new "]])
def test_a_label_is_declared_once(names: list[str]):
    assert complaint(labels={"names": names}) == "the label 'new' twice"


def test_a_declared_label_has_a_name():
    assert "at least 1 character" in complaint(labels={"names": ["new", " "]})
