"""Texts that a search chose are known as such, and never measured on without a word."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from imbtool.config.reader import make_profile
from imbtool.config.schema import Profile
from imbtool.data.corpus import read_corpus, read_own_split, read_split
from imbtool.errors import UserError

WORDS = ["score", "similar", "pattern", "random", ""]


def profile_of(folder: Path, **chosen: list[str]) -> Profile:
    """A profile with the tables of some splits, and how their texts were chosen."""
    for name, words in chosen.items():
        labels = ["a" if number % 2 else "b" for number in range(len(words))]
        texts = [f"{name} text number {number}" for number in range(len(words))]
        table = pd.DataFrame({"text": texts, "labels": labels, "chosen_by": words})
        table.to_csv(folder / f"{name}.csv", index=False)
    tables = {name: str(folder / f"{name}.csv") for name in chosen}
    return make_profile({"data": {**tables, "chosen_by": "chosen_by"}})


def test_score_similar_and_pattern_are_chosen_and_random_and_nothing_are_not(tmp_path: Path):
    corpus = read_corpus(profile_of(tmp_path, train=WORDS, validation=["", ""], test=["", ""]))
    assert corpus.train.chosen.tolist() == [True, True, True, False, False]
    part = corpus.train.part("some", np.array([4, 2]))
    assert part.chosen.tolist() == [False, True]
    assert [*corpus.train.unchosen().rows] == [4, 5]


def test_without_the_column_no_text_is_chosen(tmp_path: Path):
    profile = profile_of(tmp_path, train=WORDS, validation=WORDS, test=WORDS)
    plain = profile.data.model_copy(update={"chosen_by": None})
    corpus = read_corpus(profile.model_copy(update={"data": plain}))
    assert not any(split.chosen.any() for split in corpus.splits.values())
    assert corpus.unchosen() is corpus


def test_another_word_is_refused_with_its_row_and_the_nearest(tmp_path: Path):
    with pytest.raises(UserError) as caught:
        read_corpus(profile_of(tmp_path, train=["", "scores", "scores"]))
    (problem,) = caught.value.problems
    assert (problem.found, problem.fix) == ("'scores' in row 2", "did you mean 'score'?")


def test_only_the_training_table_must_have_the_column(tmp_path: Path):
    profile = profile_of(tmp_path, train=WORDS, validation=WORDS, test=WORDS)
    for name in ("validation", "test", "train"):
        path = tmp_path / f"{name}.csv"
        pd.read_csv(path).drop(columns="chosen_by").to_csv(path, index=False)
        if name != "train":
            assert not read_corpus(profile).splits[name].chosen.any()
    with pytest.raises(UserError, match="no column 'chosen_by'"):
        read_corpus(profile)


def test_what_is_split_off_holds_no_chosen_text_and_is_the_same_alone(tmp_path: Path):
    words = ["score", "", "random"] * 40
    profile = profile_of(tmp_path, train=words)
    corpus = read_corpus(profile)
    assert not corpus.validation.chosen.any() and not corpus.test.chosen.any()
    assert (corpus.train.chosen.sum(), len(corpus.test)) == (40, 8)
    alone = read_own_split("test", profile, corpus.labels)
    assert alone.fingerprint == corpus.test.fingerprint


def test_near_duplicates_of_chosen_texts_are_not_split_off(tmp_path: Path):
    profile = profile_of(tmp_path, train=["score", ""] * 40)
    table = pd.read_csv(tmp_path / "train.csv", keep_default_na=False)
    table.loc[1, "text"] = table.loc[0, "text"].upper()
    table.to_csv(tmp_path / "train.csv", index=False)
    for seed in range(5):
        training = profile.training.model_copy(update={"seed": seed})
        assert 2 in read_corpus(profile.model_copy(update={"training": training})).train.rows


def test_texts_of_validation_that_a_search_chose_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    profile = profile_of(tmp_path, train=WORDS, validation=WORDS, test=["", "score"])
    with caplog.at_level(logging.WARNING, "imbtool"):
        read_corpus(profile, learnable=False)
        assert not caplog.messages
        read_corpus(profile)
    assert caplog.messages == [
        "3 of the 5 texts of validation were chosen by a search, so figures on them do not hold "
        "for texts as they come.",
        "1 of the 2 texts of test was chosen by a search, so figures on them do not hold for texts "
        "as they come.",
    ]


def test_where_a_search_chose_nearly_all_nothing_can_be_split_off(tmp_path: Path):
    with pytest.raises(UserError, match="of which a search chose 20, too few to split off"):
        read_corpus(profile_of(tmp_path, train=["score"] * 20 + [""] * 2))


def test_a_table_to_measure_on_says_which_of_its_texts_were_chosen(tmp_path: Path):
    profile = profile_of(tmp_path, train=WORDS, validation=WORDS, test=WORDS)
    labels = read_corpus(profile).labels
    split = read_split("test", tmp_path / "test.csv", profile.data, labels)
    assert split.chosen.sum() == 3
