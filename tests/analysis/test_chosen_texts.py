"""Texts of validation and test that a search chose are found; those of training are no problem."""

import numpy as np
import pytest
from analyses import SIZES, analyze, healthy_corpus

from imbtool.data.corpus import SPLITS, Corpus


def corpus_with(split: str, chosen: int) -> Corpus:
    corpus = healthy_corpus()
    corpus.splits[split].chosen[:chosen] = True
    return corpus


@pytest.mark.parametrize("split", SPLITS[1:])
def test_a_split_to_measure_on_holds_texts_that_a_search_chose(split: str):
    analysis = analyze(corpus_with(split, 5))
    (finding,) = (each for each in analysis.findings if each.id == "chosen-texts")
    assert finding.severity == "warning"
    assert finding.message == (f"5 of the {SIZES[split]} texts of {split} were chosen by a search.")
    assert [(row.split, row.index) for row in finding.found_rows] == [
        (split, index) for index in range(5)
    ]
    assert analysis.splits[split].chosen == 5


def test_chosen_texts_of_training_are_counted_and_no_finding():
    analysis = analyze(corpus_with("train", 30))
    assert "chosen-texts" not in {each.id for each in analysis.findings}
    assert analysis.splits["train"].chosen == 30


def test_labels_are_exclusive_only_in_texts_that_no_search_chose():
    corpus = healthy_corpus()
    assert "mutual-exclusion" in {each.id for each in analyze(corpus).findings}
    # a search for each of the two labels finds texts that have one of them
    corpus.train.chosen[:] = (corpus.train.targets == 1).any(axis=1)
    corpus.train.chosen[:6] = False
    found = {each.id for each in analyze(corpus).findings}
    assert "mutual-exclusion" not in found
    assert np.isfinite(corpus.train.targets).all()
