"""An analysis finds the problems of a corpus, and none where there are none."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from analyses import BELOW, LONE, TOP, analyze, healthy_corpus, spoiled_corpus, tokens_of

from imbtool.analysis import repeated_texts
from imbtool.analysis.document import Analysis, Edge, Sample, Verdict
from imbtool.analysis.finding import FoundRow, found
from imbtool.data.corpus import Corpus, Split
from imbtool.files.json_text import to_json


def sound_corpus() -> Corpus:
    """All of the labels occur together at times."""
    corpus = healthy_corpus()
    corpus.train.targets[89] = 1
    return corpus


def test_a_healthy_corpus_has_no_findings():
    corpus = sound_corpus()
    analysis = analyze(corpus, tokens_of(corpus, limit=20))
    assert analysis.findings == []
    assert analysis.verdict == Verdict(error=0, warning=0, info=0)
    assert analysis.samples == {}


def test_findings_of_every_theme_are_ranked_and_counted():
    corpus = sound_corpus()
    corpus.train.texts[0] = corpus.train.texts[3]
    corpus.train.texts[4] = "word " * 30
    corpus.validation.targets[:, LONE] = 0
    corpus.test.targets[0, TOP] = 0
    analysis = analyze(corpus, tokens_of(corpus, limit=20), required=["lone"])
    assert [(each.severity, each.id) for each in analysis.findings] == [
        ("error", "label-absent"),
        ("warning", "orphan-child"),
        ("warning", "drift"),
        ("info", "truncation"),
        ("info", "duplicate"),
    ]
    assert analysis.verdict == Verdict(error=1, warning=2, info=2)


def test_a_finding_is_in_the_document_with_its_evidence_and_file():
    corpus = sound_corpus()
    corpus.test.targets[0, TOP] = 0
    (row,) = written(analyze(corpus))["findings"]
    assert row == {
        "id": "orphan-child",
        "severity": "warning",
        "message": "Child labels are given without their parent: below without top (1).",
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
    rows = analyze(corpus).labels
    row = rows["lone"]
    assert (row.positives, row.negatives, row.unknown) == (30, 30, 30)
    assert (row.ratio, row.tier, row.weight, row.reason) == (1.0, "common", 1.0, "its ratio 1:1")
    assert row.splits == {"train": 30, "validation": 15, "test": 15}
    assert (row.parent, rows["below"].parent) == (None, "top")
    assert (row.irlbl, row.scumble, row.shots) == (1, 0, "medium")
    assert row.measurability["test"].recall.value == 0.8


def test_a_label_without_positives_has_no_ratio():
    corpus = healthy_corpus()
    corpus.train.targets[:, LONE] = 0
    row = analyze(corpus).labels["lone"]
    assert (row.ratio, row.irlbl, row.scumble) == (None, None, None)


def test_each_split_is_summed_up():
    corpus = healthy_corpus()
    corpus.test.texts[1] = corpus.test.texts[0]
    row = analyze(corpus).splits["test"]
    assert row.texts == 45
    assert row.labels_per_text == {0: 15, 1: 15, 2: 15}
    assert row.mean_labels == 1.0
    assert row.unlabelled_share == pytest.approx(1 / 3)
    assert row.duplicates == 1


def test_texts_whose_labels_nobody_knows_are_neither_labelled_nor_unlabelled():
    corpus = healthy_corpus()
    corpus.test.targets[2::6] = np.nan
    row = analyze(corpus).splits["test"]
    known = 45 - len(range(2, 45, 6))
    assert row.labels_per_text == {0: known - 30, 1: 15, 2: 15}
    assert row.mean_labels == pytest.approx(45 / known)
    assert row.unlabelled_share == pytest.approx((known - 30) / known)
    corpus.test.targets[:] = np.nan
    assert analyze(corpus).splits["test"].unlabelled_share is None


def test_co_occurrence_and_broken_edges_are_counted():
    corpus = healthy_corpus()
    corpus.validation.targets[0, TOP] = 0
    analysis = analyze(corpus)
    assert analysis.co_occurrence.texts == [[30, 30, 0], [30, 30, 0], [0, 0, 30]]
    assert analysis.hierarchy.edges == [Edge(child="below", parent="top", violations=1)]


def test_the_document_quotes_no_text_and_is_json():
    corpus = healthy_corpus()
    corpus.train.texts[0] = corpus.test.texts[0] = "secret words"
    corpus.test.targets[0, BELOW] = 0
    text = to_json(analyze(corpus, tokens_of(corpus, limit=3)))
    assert text.startswith("{") and "secret" not in text


def test_the_targets_of_all_texts_are_never_written_out(monkeypatch: pytest.MonkeyPatch):
    spoiled = spoiled_corpus()
    splits = {
        name: Split.of(name, each.source, each.texts, each.targets, each.rows)
        for name, each in spoiled.splits.items()
    }
    before = written(analyze(spoiled))

    def refused(_: Split) -> None:
        raise AssertionError("of ten million texts with 50 labels these are 2 GB")

    monkeypatch.setattr(Split, "targets", property(refused))
    assert written(analyze(Corpus(spoiled.labels, **splits))) == before


def test_what_rests_on_a_sample_is_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(repeated_texts, "SAMPLED_TEXTS", 100)
    samples = analyze(healthy_corpus()).samples
    assert samples == {"near duplicates": Sample(texts=100, of=180)}


def test_a_path_that_is_not_utf8_is_written_and_read():
    corpus = healthy_corpus()
    odd = replace(corpus.train, source=Path("train\udcff.csv"))
    document = written(analyze(replace(corpus, train=odd)))
    assert document["splits"]["train"]["source"] == "train\udcff.csv"


def test_the_numbers_are_those_of_version_0_1_0():
    corpus = spoiled_corpus()
    missing = found(
        "label-error", "", {"error_rate": 0.05}, [FoundRow("train", 3, "rare", "missing")]
    )
    now = analyze(corpus, tokens_of(corpus, limit=14), ["absent"], [missing])
    stored = Path(__file__).with_name("analysis-0.1.0.json").read_text()
    assert comparable(to_json(now)) == comparable(today(stored))


WORDS = {"blocks": "error", "warns": "warning", "note": "info"}
GROUPS = {"head": "many", "medium": "medium", "tail": "few"}


def today(stored: str) -> str:
    """An analysis of version 0.1.0 with the words that have changed since."""
    document = json.loads(stored)
    document["verdict"] = {WORDS[name]: count for name, count in document["verdict"].items()}
    for row in document["findings"]:
        row["severity"] = WORDS[row["severity"]]
    shots = document["imbalance"]["shots"]
    document["imbalance"]["shots"] = {GROUPS[name]: count for name, count in shots.items()}
    for row in document["labels"].values():
        row["tier"] = {"head": "common"}.get(row["tier"], row["tier"])
        row["shots"] = GROUPS[row["shots"]]
    return json.dumps(document)


def comparable(text: str) -> str:
    """An analysis without its sentences, numbers to nine digits, its keys in their order."""
    document = json.loads(text, parse_float=lambda number: f"{float(number):.9g}")
    for row in document["findings"]:
        row["message"] = row["fix"] = ""
    return json.dumps(document, indent=1)


def written(analysis: Analysis) -> Any:
    """An analysis as its file holds it."""
    return json.loads(to_json(analysis))
