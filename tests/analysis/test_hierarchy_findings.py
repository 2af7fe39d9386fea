"""Labels that contradict the hierarchy, and labels that suggest one."""

from dataclasses import replace

import numpy as np
import pytest
from analyses import BELOW, LONE, TOP, healthy_corpus

from imbtool.analysis.document import Edge
from imbtool.analysis.finding import Finding
from imbtool.analysis.hierarchy import count_violations, hierarchy_findings
from imbtool.config.hierarchy import label_set
from imbtool.data.corpus import Corpus
from imbtool.evaluation.intervals import exact_interval
from imbtool.labels.label_sets import LabelSets


def findings(corpus: Corpus) -> list[Finding]:
    return list(hierarchy_findings(corpus))


def kinds(corpus: Corpus) -> list[str]:
    return [each.id for each in findings(corpus)]


def flat(corpus: Corpus) -> Corpus:
    return Corpus(label_set(corpus.labels.names, []), **corpus.splits)


def joined(corpus: Corpus) -> Corpus:
    """All of the labels occur together at times."""
    corpus.train.targets[89] = 1
    return corpus


def test_a_coherent_corpus_gives_no_finding():
    assert findings(joined(healthy_corpus())) == []


def test_a_child_without_its_parent_is_counted_by_pair_over_all_splits():
    corpus = joined(healthy_corpus())
    corpus.train.targets[0, TOP] = corpus.test.targets[3, TOP] = 0
    (orphan,) = findings(corpus)
    assert (orphan.id, orphan.severity, orphan.rows) == ("orphan-child", "warning", 2)
    assert orphan.message.endswith("below without top (2).")
    assert [(row.split, row.index, row.label) for row in orphan.found_rows] == [
        ("train", 0, "below"),
        ("test", 3, "below"),
    ]
    edges = [Edge(child="below", parent="top", violations=2)]
    assert count_violations(corpus).edges == edges and orphan.evidence == {"pairs": edges}


def test_an_unknown_parent_makes_no_orphan():
    corpus = joined(healthy_corpus())
    corpus.train.targets[0, TOP] = np.nan
    assert findings(corpus) == []


def test_a_label_all_but_implied_is_proposed_with_its_exact_interval():
    corpus = flat(joined(healthy_corpus()))
    corpus.train.targets[[2, 5], TOP] = 1  # more frequent than below
    corpus.train.targets[0, TOP] = 0
    (implied,) = findings(corpus)
    assert (implied.id, implied.severity) == ("implied-parent", "info")
    (pair,) = implied.evidence["pairs"]
    assert (pair["child"], pair["parent"], pair["texts"], pair["without"]) == (
        "below",
        "top",
        31,
        1,
    )
    assert (pair["share"].low, pair["share"].high) == exact_interval(30, 31)
    assert [(row.index, row.label) for row in implied.found_rows] == [(0, "below")]


def test_too_few_texts_imply_nothing():
    corpus = flat(joined(healthy_corpus()))
    corpus.train.targets[[2, 5], TOP] = 1
    corpus.train.targets[45:89, BELOW] = 0
    assert findings(corpus) == []


def test_a_label_of_most_texts_is_nobodys_parent():
    corpus = flat(joined(healthy_corpus()))
    corpus.train.targets[:, TOP] = 1
    assert "implied-parent" not in kinds(corpus)


def test_frequent_labels_that_never_occur_together_exclude_each_other():
    corpus = healthy_corpus()
    (apart,) = findings(corpus)
    assert (apart.id, apart.severity) == ("mutual-exclusion", "info")
    # below never occurs with lone either, as top does not
    assert apart.evidence["pairs"] == [{"labels": ["top", "lone"], "expected": pytest.approx(10)}]


def test_rare_labels_may_never_occur_together_by_chance():
    corpus = healthy_corpus()
    corpus.train.targets[12:, LONE] = 0
    assert findings(corpus) == []


def test_texts_with_unknown_labels_do_not_count_for_exclusions():
    corpus = healthy_corpus()
    (apart,) = findings(corpus)
    targets = corpus.train.targets
    more = np.vstack([targets, np.full((900, 3), np.nan, "f4")])
    train = replace(corpus.train, label_sets=LabelSets.each(more))
    (still,) = findings(replace(corpus, train=train))
    assert still.evidence == apart.evidence


def test_a_label_of_most_texts_that_are_known_is_nobodys_parent():
    corpus = flat(joined(healthy_corpus()))
    corpus.train.targets[:, TOP] = np.where(np.arange(len(corpus.train)) < 60, 1, np.nan)
    assert "implied-parent" not in kinds(corpus)
