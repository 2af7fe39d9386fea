"""Splits that differ by more than chance, and by enough to matter, are found; others are not."""

from itertools import cycle
from pathlib import Path

import numpy as np
import pytest
from analyses import LONE, WORDS, healthy_corpus

from imbtool.analysis.document import Drift
from imbtool.analysis.drift import drift_findings, measure_drift
from imbtool.analysis.finding import Finding
from imbtool.config.hierarchy import label_set
from imbtool.data.corpus import Corpus, Split
from imbtool.data.imbalance import count_labels


def look(corpus: Corpus) -> tuple[Drift, list[Finding]]:
    counts = {name: count_labels(split.targets) for name, split in corpus.splits.items()}
    drift = measure_drift(corpus, counts)
    return drift, list(drift_findings(drift))


def random_corpus(seed: int, labels: int) -> Corpus:
    """Splits drawn alike, with labels of every frequency."""
    rng = np.random.default_rng(seed)
    chances = np.geomspace(0.003, 0.3, labels)

    def draw(name: str, rows: int) -> Split:
        targets = (rng.random((rows, labels)) < chances).astype(np.float32)
        texts = [" ".join(rng.choice(WORDS, rng.integers(3, 9))) for _ in range(rows)]
        return Split.of(name, Path(f"{name}.csv"), texts, targets, range(1, rows + 1))

    sizes = {"train": 800, "validation": 150, "test": 150}
    names = [f"label {number}" for number in range(labels)]
    return Corpus(label_set(names, []), **{name: draw(name, rows) for name, rows in sizes.items()})


def test_splits_that_are_alike_give_no_finding():
    assert look(healthy_corpus())[1] == []


def test_fifty_labels_that_do_not_drift_raise_no_alarm():
    drift, findings = look(random_corpus(seed=1, labels=50))
    assert findings == []
    assert drift.tests == 102
    single = [p / 102 for row in drift.labels.values() for p in row.p.values()]
    assert sum(p < 0.05 for p in single) > 0, "a threshold for each label alone would raise some"


def test_a_label_of_another_frequency_is_found_with_its_intervals():
    corpus = healthy_corpus()
    corpus.test.targets[:, LONE] = 1
    drift, (finding,) = look(corpus)
    assert (finding.id, finding.severity) == ("drift", "warning")
    (moved,) = finding.evidence["moved"]
    assert (moved["label"], moved["split"], moved["ratio"]) == ("lone", "test", pytest.approx(3))
    frequency = drift.labels["lone"].frequency["train"]
    assert frequency.low < 1 / 3 < frequency.high
    assert "lone has 100.0% (92.1% to 100.0%) in test and 33.3%" in finding.message


def test_a_label_that_training_lacks_has_no_ratio_and_is_found():
    corpus = healthy_corpus()
    corpus.train.targets[:, LONE] = 0
    drift, (finding,) = look(corpus)
    assert drift.labels["lone"].ratio == {"validation": None, "test": None}
    assert "lone has 33.3%" in finding.message


def test_an_unknown_label_counts_neither_way():
    corpus = healthy_corpus()
    corpus.test.targets[::3, LONE] = np.nan
    assert look(corpus)[0].labels["lone"].frequency["test"].value == pytest.approx(0.5)


def test_texts_of_another_length_are_found():
    corpus = healthy_corpus()
    corpus.validation.texts[:] = [f"{text} {text}" for text in corpus.validation.texts]
    _, (finding,) = look(corpus)
    assert finding.message.startswith("The texts of validation are longer than those of training")


def test_lengths_that_vary_otherwise_around_one_median_are_not_called_longer():
    corpus = healthy_corpus()
    texts = corpus.validation.texts
    middle = int(np.median([len(text) for text in corpus.train.texts]))
    texts[:] = ["x" * length for length, _ in zip(cycle([5, middle, 900]), texts, strict=False)]
    findings = [each for each in look(corpus)[1] if each.evidence["about"] == "lengths"]
    assert "vary otherwise than in training, though both have a median" in findings[0].message


def test_words_that_training_lacks_are_compared_with_random_splits():
    corpus = healthy_corpus()
    corpus.test.texts[:] = [text.replace("omega", "omego") for text in corpus.test.texts]
    drift, (finding,) = look(corpus)
    assert (finding.severity, finding.evidence["about"]) == ("info", "words")
    words = drift.words.splits
    assert words["test"].unseen > 0.1 and words["test"].random.high < 0.01
    assert (words["test"].unlike, words["validation"].unlike) == (True, False)


def test_texts_without_words_can_be_compared():
    corpus = healthy_corpus()
    for split in corpus.splits.values():
        split.texts[:] = ["!!!"] * len(split)
    assert look(corpus)[0].words.splits == {}


def test_texts_that_a_search_chose_are_left_out_of_the_comparison():
    corpus = healthy_corpus()
    before, _ = look(corpus)
    rich = corpus.train.part("train", np.repeat(np.flatnonzero(corpus.train.targets[:, LONE]), 9))
    train = Split.of(
        "train",
        Path("train.csv"),
        [*corpus.train.texts, *rich.texts],
        np.vstack([corpus.train.targets, rich.targets]),
        range(1, 1 + len(corpus.train) + len(rich)),
    )
    richer = Corpus(corpus.labels, train, corpus.validation, corpus.test)
    _, found = look(richer)
    assert "lone" in found[0].message
    train.chosen[len(corpus.train) :] = True
    after, found = look(richer)
    assert not found
    assert after == before


def test_where_a_search_chose_all_texts_of_a_split_all_are_compared():
    corpus = healthy_corpus()
    before, _ = look(corpus)
    corpus.train.chosen[:] = True
    assert look(corpus)[0] == before
