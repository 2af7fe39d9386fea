"""A label that cannot be learned or measured is named, with how much is lacking."""

from dataclasses import replace

import numpy as np
import pytest
from analyses import LONE, NAMES, healthy_corpus

from imbtool.analysis.finding import Finding
from imbtool.analysis.label_counts import (
    assumed_recall,
    label_findings,
    measurability,
    more_to_halve,
    spelling_findings,
)
from imbtool.data.corpus import Corpus
from imbtool.data.imbalance import count_labels
from imbtool.evaluation.intervals import exact_interval


def findings(corpus: Corpus, *required: str) -> list[Finding]:
    counts = {name: count_labels(split.targets) for name, split in corpus.splits.items()}
    return [*spelling_findings(corpus), *label_findings(corpus, counts, required)]


def keep(corpus: Corpus, split: str, positives: int) -> None:
    """Leave the label `lone` so many positives."""
    targets = corpus.splits[split].targets
    targets[np.flatnonzero(targets[:, LONE] == 1)[positives:], LONE] = 0


def test_labels_with_enough_positives_give_no_finding():
    assert findings(healthy_corpus()) == []


@pytest.mark.parametrize(("kind", "value"), [("positive", 0), ("negative", 1)])
def test_a_label_that_no_training_text_has_or_that_all_have_is_an_error(kind: str, value: int):
    corpus = healthy_corpus()
    corpus.train.targets[:, LONE] = value
    (constant,) = findings(corpus)
    assert (constant.id, constant.severity) == ("label-constant", "error")
    assert constant.message == f"1 label has no {kind}s in training: lone."
    assert constant.evidence == {"missing": kind, "labels": ["lone"]}


@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_label_without_positives_where_it_is_measured_is_absent(split: str):
    corpus = healthy_corpus()
    keep(corpus, split, 0)
    (absent,) = findings(corpus)
    assert (absent.id, absent.severity) == ("label-absent", "warning")
    assert f"no positives in {split}" in absent.message
    assert absent.evidence == {"split": split, "labels": ["lone"]}


def test_it_is_an_error_where_a_threshold_must_reach_something_on_validation():
    corpus = healthy_corpus()
    keep(corpus, "validation", 0)
    assert [each.severity for each in findings(corpus, "lone")] == ["error"]
    assert [each.severity for each in findings(corpus, "top")] == ["warning"]


def test_it_is_no_error_where_only_test_lacks_it():
    corpus = healthy_corpus()
    keep(corpus, "test", 0)
    assert [each.severity for each in findings(corpus, "lone")] == ["warning"]


def test_under_twenty_training_positives_are_few():
    corpus = healthy_corpus()
    keep(corpus, "train", 20)
    assert findings(corpus) == []
    keep(corpus, "train", 19)
    (few,) = findings(corpus)
    assert (few.id, few.severity, few.rows) == ("few-positives", "warning", 19)
    assert "lone (19)" in few.message
    assert {row.index for row in few.found_rows} == set(range(1, 57, 3))


def test_few_labels_share_one_finding():
    corpus = healthy_corpus()
    corpus.train.targets[30:] = 0
    (few,) = findings(corpus)
    assert few.evidence["positives"] == {"top": 10, "below": 10, "lone": 10}


def test_a_recall_that_could_be_anything_cannot_be_measured():
    corpus = healthy_corpus()
    keep(corpus, "test", 12)
    assert findings(corpus) == []
    keep(corpus, "test", 11)
    (wide,) = findings(corpus)
    assert (wide.id, wide.severity, wide.rows) == ("measurability", "info", 11)
    assert "0.46 to 0.97" in wide.message


def test_the_interval_of_a_recall_is_exact():
    recall = assumed_recall(20)
    assert (recall.value, recall.low, recall.high) == pytest.approx((0.8, 0.5634, 0.9427), abs=1e-4)
    nothing = assumed_recall(0)
    assert (nothing.value, nothing.low, nothing.high) == (None, None, None)


@pytest.mark.parametrize("positives", [0, 1, 7, 46, 500, 3398])
def test_so_many_more_halve_the_interval_and_one_less_does_not(positives: int):
    def width(number: int) -> float:
        low, high = exact_interval(0.8 * number, number)
        return high - low

    enough = positives + more_to_halve(positives)
    assert width(enough) <= width(positives) / 2 < width(enough - 1)


def test_every_label_and_split_is_measured():
    corpus = healthy_corpus()
    counts = {name: count_labels(split.targets) for name, split in corpus.splits.items()}
    measured = measurability(counts, NAMES)
    assert set(measured) == set(NAMES)
    row = measured["lone"]["test"]
    assert row.width == pytest.approx(row.recall.high - row.recall.low)
    assert measured["top"]["train"].more_to_halve == more_to_halve(30)


def test_a_label_that_is_unknown_in_training_is_said_once():
    corpus = healthy_corpus()
    corpus.train.targets[:, LONE] = np.nan
    (constant,) = [each for each in findings(corpus) if each.id == "label-constant"]
    assert constant.message == "1 label has no known values in training: lone."


def test_labels_that_differ_by_case_or_blanks_alone_are_told_with_their_rows():
    corpus = healthy_corpus()
    alike = ("Top ", *corpus.labels.names[1:-1], " tOP")
    corpus = replace(corpus, labels=replace(corpus.labels, names=alike))
    (spelling,) = findings(corpus)
    assert (spelling.id, spelling.severity) == ("label-spelling", "warning")
    differ = "differ only in case, spaces or the encoding of their characters"
    assert spelling.message == f"2 labels {differ}: 'Top ', ' tOP'."
    assert spelling.rows == (corpus.train.targets[:, [0, -1]] == 1).sum()
