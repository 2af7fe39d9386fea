"""An analysis finds what will sink a training, and is silent where there is nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imbtool.analysis import analyze_corpus
from imbtool.corpus import Corpus, Split
from imbtool.files import to_json
from imbtool.imbalance import count_labels
from imbtool.labels import label_set
from imbtool.profile import WeightsSection
from imbtool.weighting import assign_weights

LABELS = label_set(["top", "below", "lone"], [("below", "top")])
TOP, BELOW, LONE = range(3)


def healthy(name: str, rows: int) -> Split:
    """Different texts; a third of them top and below, a third lone, a third nothing."""
    targets = np.zeros((rows, 3), np.float32)
    targets[::3, [TOP, BELOW]] = 1
    targets[1::3, LONE] = 1
    texts = [f"{name} text {row}" for row in range(rows)]
    return Split(name, Path(f"{name}.csv"), texts, targets, list(range(1, rows + 1)))


def healthy_corpus() -> Corpus:
    return Corpus(LABELS, healthy("train", 90), healthy("validation", 33), healthy("test", 33))


def analyze(corpus: Corpus) -> dict[str, Any]:
    counts = count_labels(corpus.train.targets)
    return analyze_corpus(corpus, assign_weights(LABELS.names, counts, WeightsSection()))


def findings(spoil: Callable[[Corpus], None]) -> list[dict[str, Any]]:
    corpus = healthy_corpus()
    spoil(corpus)
    return analyze(corpus)["findings"]


def spoil_leak(corpus: Corpus) -> None:
    corpus.test.texts[0] = corpus.train.texts[0].upper() + "  "


def spoil_duplicate(corpus: Corpus) -> None:
    corpus.train.texts[3] = corpus.train.texts[0]


def spoil_contradiction(corpus: Corpus) -> None:
    corpus.train.texts[1] = corpus.train.texts[0]


def spoil_orphan(corpus: Corpus) -> None:
    corpus.validation.targets[0, TOP] = 0


def spoil_absent(corpus: Corpus) -> None:
    corpus.test.targets[:, LONE] = 0


def spoil_few_measured(corpus: Corpus) -> None:
    corpus.test.targets[5:, LONE] = 0


def spoil_few_trained(corpus: Corpus) -> None:
    corpus.train.targets[57:, LONE] = 0


def test_a_healthy_corpus_has_no_findings():
    assert findings(lambda corpus: None) == []


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (spoil_leak, [("leak-exact", "warns", 1)]),
        (spoil_duplicate, [("duplicate", "note", 1)]),
        (spoil_contradiction, [("contradiction", "warns", 1), ("duplicate", "note", 1)]),
        (spoil_orphan, [("orphan-child", "warns", 1)]),
        (spoil_absent, [("label-absent", "warns", 0)]),
        (spoil_few_measured, [("few-positives", "note", 2)]),
        (spoil_few_trained, [("few-positives", "warns", 19)]),
    ],
)
def test_each_fault_gives_its_finding_and_no_other(spoil, found):
    assert [(item["id"], item["severity"], item["rows"]) for item in findings(spoil)] == found


def test_a_finding_says_what_it_is_about_and_how_to_mend_it():
    (leak,) = findings(spoil_leak)
    assert leak["message"] == "1 text of test also in train"
    assert "train" in leak["mend"]
    (orphan,) = findings(spoil_orphan)
    assert "below without top (1)" in orphan["message"]
    (absent,) = findings(spoil_absent)
    assert "'lone'" in absent["message"]


def test_leaks_are_found_between_every_two_splits():
    def spoil(corpus: Corpus) -> None:
        corpus.train.texts[0] = corpus.validation.texts[0] = corpus.test.texts[0] = "the same"

    messages = [item["message"] for item in findings(spoil) if item["id"] == "leak-exact"]
    assert [message.split()[3] + message.split()[-1] for message in messages] == [
        "validationtrain",
        "testtrain",
        "testvalidation",
    ]


def test_an_unknown_parent_makes_no_orphan():
    def spoil(corpus: Corpus) -> None:
        corpus.train.targets[0, TOP] = np.nan

    assert findings(spoil) == []


def test_warnings_come_before_notes():
    def spoil(corpus: Corpus) -> None:
        spoil_few_measured(corpus)
        spoil_orphan(corpus)

    assert [item["severity"] for item in findings(spoil)] == ["warns", "note"]


def test_each_label_has_its_counts_weight_and_reason():
    corpus = healthy_corpus()
    corpus.train.targets[2::3, LONE] = np.nan
    row = analyze(corpus)["labels"]["lone"]
    assert (row["positives"], row["negatives"], row["unknown"]) == (30, 30, 30)
    assert (row["ratio"], row["tier"], row["weight"], row["reason"]) == (
        1.0,
        "head",
        1.0,
        "its ratio 1:1",
    )
    assert row["splits"] == {"train": 30, "validation": 11, "test": 11}
    assert row["parent"] is None
    assert analyze(corpus)["labels"]["below"]["parent"] == "top"


def test_each_split_is_summed_up():
    corpus = healthy_corpus()
    corpus.test.texts[1] = corpus.test.texts[0]
    row = analyze(corpus)["splits"]["test"]
    assert row["texts"] == 33
    assert row["labels_per_text"] == {0: 11, 1: 11, 2: 11}
    assert row["mean_labels"] == 1.0
    assert row["unlabelled_share"] == pytest.approx(1 / 3)
    assert row["duplicates"] == 1


def test_co_occurrence_and_broken_edges_are_counted():
    corpus = healthy_corpus()
    spoil_orphan(corpus)
    document = analyze(corpus)
    assert document["co_occurrence"]["texts"] == [[30, 30, 0], [30, 30, 0], [0, 0, 30]]
    assert document["hierarchy"]["edges"] == [{"child": "below", "parent": "top", "violations": 1}]


def test_the_document_is_json():
    assert to_json(analyze(healthy_corpus())).startswith("{")
