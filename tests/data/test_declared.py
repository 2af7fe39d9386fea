"""Labels that the profile declares: known where somebody was asked, left out until learnable."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from imbtool.config.hierarchy import label_set
from imbtool.config.reader import make_profile
from imbtool.config.schema import Profile
from imbtool.data.corpus import read_corpus, read_own_split, read_split, read_train
from imbtool.data.declared import Declared
from imbtool.errors import UserError

SPLITS = ("train", "validation", "test")
NAN = np.nan
Rows = list[tuple[str, str]]
"""The cells of labels and of known labels."""

ASKED: Rows = [("a", ""), ("b", ""), ("a|new", "a|b|new"), ("", "a|b|new"), ("", "new")]
"""Of `new` two texts more have been asked, and one has it."""


def profile_of(folder: Path, train: Rows, labels: Any = None, **sections: Any) -> Profile:
    """A profile with a column of names; validation and test have two texts, of a and of b."""
    tables = {"train": train, "validation": [("a", ""), ("b", "")], "test": [("a", ""), ("b", "")]}
    for name, rows in tables.items():
        table = pd.DataFrame(rows, columns=["labels", "known"])
        table["text"] = [f"{name} {number}" for number in range(len(table))]
        table.to_csv(folder / f"{name}.csv", index=False)
    data = {name: str(folder / f"{name}.csv") for name in SPLITS}
    source = {"labels": {"column": "labels", "known": "known", "separator": "|"}}
    return make_profile({"data": {**data, **source}, "labels": labels or {}, **sections})


def test_a_declared_label_is_of_the_label_set_and_unknown_of_texts_that_nobody_was_asked_for(
    tmp_path: Path,
):
    corpus = read_corpus(profile_of(tmp_path, ASKED, {"names": ["new"]}))
    assert corpus.labels.names == ("a", "b", "new")
    assert corpus.declared == Declared((), ("new",))
    np.testing.assert_array_equal(corpus.train.targets[:, 2], [NAN, NAN, 1, 0, 0])
    np.testing.assert_array_equal(corpus.train.targets[4], [NAN, NAN, 0])
    assert np.isnan(corpus.validation.targets[:, 2]).all()


def test_once_a_text_that_lists_nothing_has_it_a_declared_label_is_as_all_others(tmp_path: Path):
    profile = profile_of(tmp_path, [*ASKED, ("new", "")], {"names": ["new"]})
    corpus = read_corpus(profile)
    assert corpus.declared == Declared()
    np.testing.assert_array_equal(corpus.train.targets[:, 2], [0, 0, 1, 0, 0, 1])
    assert (corpus.validation.targets[:, 2] == 0).all()


def test_a_label_that_is_not_declared_is_0_where_it_is_absent(tmp_path: Path):
    corpus = read_corpus(profile_of(tmp_path, ASKED))
    np.testing.assert_array_equal(corpus.train.targets[:, 2], [0, 0, 1, 0, 0])


def test_to_analyze_a_label_without_any_text_is_kept_and_unknown(tmp_path: Path):
    profile = profile_of(tmp_path, ASKED, {"names": ["new", "0 never"]})
    corpus = read_corpus(profile, learnable=False)
    assert corpus.labels.names == ("0 never", "a", "b", "new")
    assert np.isnan(corpus.train.targets[:, 0]).all()
    assert read_train(profile)[0] == corpus.labels


def test_beside_columns_a_declared_label_that_is_none_is_appended_and_unknown(tmp_path: Path):
    table = pd.DataFrame({"text": ["one", "two"], "z": [1, 0], "a": [0, 1]})
    for name in SPLITS:
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    data = {name: str(tmp_path / f"{name}.csv") for name in SPLITS}
    data |= {"labels": {"columns": ["z", "a"]}}
    corpus = read_corpus(make_profile({"data": data, "labels": {"names": ["new", "z"]}}), False)
    assert corpus.labels.names == ("z", "a", "new")
    np.testing.assert_array_equal(corpus.train.targets, [[1, 0, NAN], [0, 1, NAN]])


def test_a_table_besides_training_may_lack_the_column_of_a_declared_label(tmp_path: Path):
    table = pd.DataFrame({"text": ["one", "two"], "a": [1, 0], "new": [0, 1]})
    table.to_csv(tmp_path / "train.csv", index=False)
    table.drop(columns="new").to_csv(tmp_path / "held.csv", index=False)
    held = str(tmp_path / "held.csv")
    data = {"train": str(tmp_path / "train.csv"), "validation": held, "test": held}
    data |= {"labels": {"columns": ["a", "new"]}}
    corpus = read_corpus(make_profile({"data": data, "labels": {"names": ["new"]}}))
    np.testing.assert_array_equal(corpus.test.targets, [[1, NAN], [0, NAN]])
    with pytest.raises(UserError, match="no column 'new'"):
        read_corpus(make_profile({"data": data}))


def test_training_leaves_out_what_it_cannot_learn_yet_and_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    tree = {"a": [{"never": [{"nor this": ["b"]}]}]}
    labels = {"names": ["new", "never", "nor this"], "hierarchy": tree}
    named = {"weights": {"custom": {"never": 4}}, "loss": {"gamma": {"nor this": 3}}}
    named |= {"thresholds": {"require": {"never": {"recall": 0.5}}}}
    with caplog.at_level(logging.WARNING, "imbtool"):
        corpus = read_corpus(profile_of(tmp_path, ASKED, labels, **named))
    assert corpus.labels == label_set(["a", "b", "new"], [("b", "a")])
    assert corpus.train.targets.shape == (5, 3)
    assert corpus.declared.left_out == ("never", "nor this")
    assert caplog.messages == [
        "2 labels of labels.names are left out until they have positives: 'never', 'nor this'."
    ]


def test_a_declared_label_without_a_negative_is_left_out_too(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    rows = [*ASKED[:2], ("new", "new")]
    with caplog.at_level(logging.WARNING, "imbtool"):
        corpus = read_corpus(profile_of(tmp_path, rows, {"names": ["new"]}))
    assert corpus.labels.names == ("a", "b")
    (told,) = caplog.messages
    assert told == (
        "1 label of labels.names is left out until it has positives and negatives: 'new'."
    )


def test_a_label_that_is_not_declared_must_still_have_positives(tmp_path: Path):
    profile = profile_of(tmp_path, ASKED)
    table = pd.DataFrame({"text": ["x", "y"], "labels": ["a|other", "b"], "known": ["", ""]})
    table.to_csv(tmp_path / "test.csv", index=False)
    with pytest.raises(UserError, match="no positive for 'other'"):
        read_corpus(profile)


def test_with_nothing_but_declared_labels_there_is_nothing_to_train(tmp_path: Path):
    table = pd.DataFrame({"text": ["x", "y"], "labels": ["", ""]})
    for name in SPLITS:
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    data = {name: str(tmp_path / f"{name}.csv") for name in SPLITS}
    profile = make_profile({"data": data, "labels": {"names": ["new"]}})
    assert read_corpus(profile, learnable=False).labels.names == ("new",)
    with pytest.raises(UserError, match="imbtool find"):
        read_corpus(profile)


@pytest.mark.parametrize(
    "sections",
    [
        {"labels": {"hierarchy": {"a": ["nwe"]}, "names": ["new"]}},
        {"labels": {"descriptions": {"nwe": "what it means"}, "names": ["new"]}},
        {"labels": {"names": ["new"]}, "weights": {"custom": {"nwe": 3}}},
        {"labels": {"names": ["new"]}, "loss": {"gamma": {"nwe": 3}}},
        {"labels": {"names": ["new"]}, "thresholds": {"require": {"nwe": {"recall": 0.5}}}},
    ],
)
def test_a_name_that_is_neither_in_the_data_nor_declared_is_refused(
    tmp_path: Path, sections: dict[str, Any]
):
    with pytest.raises(UserError) as caught:
        read_corpus(profile_of(tmp_path, ASKED[:2], **sections))
    (problem,) = caught.value.problems
    assert problem.found == "the label 'nwe', which no row has"
    assert problem.fix == ("did you mean 'new'?; labels.names declares labels that no text has yet")


def test_a_stranger_among_known_labels_is_refused_and_a_declared_one_is_not(tmp_path: Path):
    rows = [("a", ""), ("b", "a|b|new")]
    read_corpus(profile_of(tmp_path, rows, {"names": ["new"]}))
    with pytest.raises(UserError, match="the label 'new' in row 2"):
        read_corpus(profile_of(tmp_path, rows))


def test_a_table_for_a_model_may_have_labels_that_its_training_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    profile, labels = profile_of(tmp_path, ASKED), label_set(["a", "b"], [])
    with caplog.at_level(logging.WARNING, "imbtool"):
        path = tmp_path / "train.csv"
        split = read_split("t", path, profile.data, labels, Declared(left_out=("new",)))
    assert split.targets.shape == (5, 2)
    (told,) = caplog.messages
    assert told.endswith("which the model was trained without, is left out: 'new'.")
    with pytest.raises(UserError, match="labels that the model does not know: new"):
        read_split("t", path, profile.data, labels)


@pytest.mark.parametrize("name", SPLITS)
def test_one_split_is_read_as_with_the_others(tmp_path: Path, name: str):
    profile = profile_of(tmp_path, ASKED, {"names": ["new", "never"]})
    corpus = read_corpus(profile)
    alone = read_own_split(name, profile, corpus.labels, corpus.declared)
    assert alone.fingerprint == corpus.splits[name].fingerprint
    without = read_own_split(name, profile, label_set(["a", "b"], []))
    assert without.targets.shape[1] == 2


def test_a_corpus_without_some_labels_has_the_same_texts_and_other_targets(tmp_path: Path):
    corpus = read_corpus(profile_of(tmp_path, ASKED, {"names": ["new", "never"]}), False)
    fewer = corpus.without(["never", "new"])
    assert fewer.labels.names == ("a", "b")
    assert fewer.train.texts == corpus.train.texts
    np.testing.assert_array_equal(fewer.train.targets, corpus.train.targets[:, [0, 1]])
    assert corpus.without([]) is corpus
