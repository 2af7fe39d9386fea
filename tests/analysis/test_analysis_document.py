"""An analysis finds what will sink a training, and is silent where there is nothing."""

import numpy as np
import pytest
from analyses import BELOW, LONE, TOP, analyze, healthy_corpus, tokens_of

from imbtool.analysis import document as analysis
from imbtool.analysis.finding import found
from imbtool.data.corpus import Corpus
from imbtool.files.json_text import to_json


def sound_corpus() -> Corpus:
    """All of the labels meet at times."""
    corpus = healthy_corpus()
    corpus.train.targets[89] = 1
    return corpus


def test_a_healthy_corpus_has_no_findings():
    corpus = sound_corpus()
    document = analyze(corpus, tokens_of(corpus, limit=20)).document
    assert document["findings"] == []
    assert document["verdict"] == {"blocks": 0, "warns": 0, "note": 0}
    assert document["samples"] == {}


def test_findings_of_every_theme_are_ranked_and_counted():
    corpus = sound_corpus()
    corpus.train.texts[0] = corpus.train.texts[3]
    corpus.train.texts[4] = "word " * 30
    corpus.validation.targets[:, LONE] = 0
    corpus.test.targets[0, TOP] = 0
    found_all = analyze(corpus, tokens_of(corpus, limit=20), required=["lone"])
    assert [(each.severity, each.id) for each in found_all.findings] == [
        ("blocks", "label-absent"),
        ("warns", "orphan-child"),
        ("warns", "drift"),
        ("note", "truncation"),
        ("note", "duplicate"),
    ]
    assert found_all.document["verdict"] == {"blocks": 1, "warns": 2, "note": 2}
    assert [row["id"] for row in found_all.document["findings"]] == [
        each.id for each in found_all.findings
    ]


def test_a_finding_is_in_the_document_with_its_evidence_and_file():
    corpus = sound_corpus()
    corpus.test.targets[0, TOP] = 0
    (row,) = analyze(corpus).document["findings"]
    assert row == {
        "id": "orphan-child",
        "severity": "warns",
        "message": "children without their parents: below without top (1)",
        "rows": 1,
        "fix": row["fix"],
        "evidence": {"pairs": [{"child": "below", "parent": "top", "violations": 1}]},
        "file": "findings/orphan-child.csv",
    }


def test_findings_of_others_take_their_place_among_its_own():
    corpus = sound_corpus()
    corpus.train.texts[0] = corpus.train.texts[3]
    further = [found("label-error", "by a model", {})]
    both = analyze(corpus, further=further)
    assert [each.id for each in both.findings] == ["label-error", "duplicate"]


def test_each_label_has_its_counts_weight_and_reason():
    corpus = healthy_corpus()
    corpus.train.targets[2::3, LONE] = np.nan
    rows = analyze(corpus).document["labels"]
    row = rows["lone"]
    assert (row["positives"], row["negatives"], row["unknown"]) == (30, 30, 30)
    assert (row["ratio"], row["tier"], row["weight"], row["reason"]) == (
        1.0,
        "common",
        1.0,
        "its ratio 1:1",
    )
    assert row["splits"] == {"train": 30, "validation": 15, "test": 15}
    assert (row["parent"], rows["below"]["parent"]) == (None, "top")
    assert (row["irlbl"], row["scumble"], row["shots"]) == (1, 0, "medium")
    assert row["measurability"]["test"]["recall"]["value"] == 0.8


def test_each_split_is_summed_up():
    corpus = healthy_corpus()
    corpus.test.texts[1] = corpus.test.texts[0]
    row = analyze(corpus).document["splits"]["test"]
    assert row["texts"] == 45
    assert row["labels_per_text"] == {0: 15, 1: 15, 2: 15}
    assert row["mean_labels"] == 1.0
    assert row["unlabelled_share"] == pytest.approx(1 / 3)
    assert row["duplicates"] == 1


def test_texts_whose_labels_nobody_knows_are_neither_labelled_nor_unlabelled():
    corpus = healthy_corpus()
    corpus.test.targets[2::6] = np.nan
    row = analyze(corpus).document["splits"]["test"]
    known = 45 - len(range(2, 45, 6))
    assert row["labels_per_text"] == {0: known - 30, 1: 15, 2: 15}
    assert row["mean_labels"] == pytest.approx(45 / known)
    assert row["unlabelled_share"] == pytest.approx((known - 30) / known)
    corpus.test.targets[:] = np.nan
    assert np.isnan(analyze(corpus).document["splits"]["test"]["unlabelled_share"])


def test_co_occurrence_and_broken_edges_are_counted():
    corpus = healthy_corpus()
    corpus.validation.targets[0, TOP] = 0
    document = analyze(corpus).document
    assert document["co_occurrence"]["texts"] == [[30, 30, 0], [30, 30, 0], [0, 0, 30]]
    assert document["hierarchy"]["edges"] == [{"child": "below", "parent": "top", "violations": 1}]


def test_the_document_quotes_no_text_and_is_json():
    corpus = healthy_corpus()
    corpus.train.texts[0] = corpus.test.texts[0] = "secret words"
    corpus.test.targets[0, BELOW] = 0
    written = to_json(analyze(corpus, tokens_of(corpus, limit=3)).document)
    assert written.startswith("{") and "secret" not in written


def test_what_rests_on_a_sample_is_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(analysis.same_and_near, "SAMPLED_TEXTS", 100)
    assert analyze(healthy_corpus()).document["samples"] == {
        "near duplicates": {"texts": 100, "of": 180}
    }
