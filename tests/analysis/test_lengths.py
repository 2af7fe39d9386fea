"""Texts that the encoder does not read to their end, and whose labels suffer."""

from typing import Any

import numpy as np
import pytest
from analyses import healthy_corpus, tokens_of

from imbtool.analysis.finding import Finding
from imbtool.analysis.lengths import length_findings, lengths_document
from imbtool.data.corpus import Corpus
from imbtool.evaluation.intervals import exact_interval


def lengthen(corpus: Corpus, rows: list[int]) -> Corpus:
    for row in rows:
        corpus.train.texts[row] = "word " * 40
    return corpus


def look(corpus: Corpus) -> tuple[dict[str, Any], list[Finding]]:
    tokens = tokens_of(corpus, limit=20)
    document = lengths_document(corpus, tokens)
    return document, list(length_findings(tokens, document))


def test_texts_that_fit_give_no_finding():
    document, findings = look(healthy_corpus())
    assert findings == []
    assert document["tokens"]["splits"]["test"]["cut"]["value"] == 0


def test_a_share_cut_off_has_its_exact_interval():
    document, _ = look(lengthen(healthy_corpus(), [0, 1, 2]))
    cut = document["tokens"]["splits"]["train"]["cut"]
    assert (cut["value"], cut["low"], cut["high"]) == (3 / 90, *exact_interval(3, 90))


@pytest.mark.parametrize(("long", "severity"), [(3, "note"), (9, "warns")])
def test_a_tenth_of_the_texts_cut_off_warns_and_less_is_a_note(long: int, severity: str):
    _, (truncation,) = look(lengthen(healthy_corpus(), list(range(long))))
    assert (truncation.id, truncation.severity, truncation.rows) == ("truncation", severity, long)
    assert truncation.places[0].detail == "40 tokens"


def test_the_split_that_is_cut_off_most_is_named():
    corpus = healthy_corpus()
    corpus.test.texts[:9] = ["word " * 40] * 9
    _, (truncation,) = look(lengthen(corpus, [0]))
    assert truncation.message.startswith("20.0% of the test texts are longer than 20 tokens")
    assert truncation.severity == "warns"


def test_a_label_whose_texts_are_cut_off_warns_and_is_named():
    _, (truncation,) = look(lengthen(healthy_corpus(), list(range(1, 24, 3))))
    assert truncation.severity == "warns"
    assert set(truncation.evidence["labels"]) == {"lone"}
    assert "more so texts of lone 27%" in truncation.message


def test_lengths_are_quantiles_of_characters_and_of_tokens():
    corpus = healthy_corpus()
    corpus.test.texts[:] = ["a" * length for length in range(1, 46)]
    document, _ = look(corpus)
    assert document["characters"]["test"]["median"] == 23
    assert document["characters"]["test"]["most"] == 45
    assert document["tokens"]["splits"]["test"]["median"] == 1


def test_without_a_tokenizer_there_are_characters_alone():
    corpus = healthy_corpus()
    document = lengths_document(corpus, None)
    assert document["tokens"] is None and document["characters"]["train"]["median"] > 0
    assert list(length_findings(None, document)) == []


def test_a_label_without_texts_has_no_lengths():
    corpus = healthy_corpus()
    corpus.train.targets[:, 2] = 0
    row = look(corpus)[0]["tokens"]["labels"]["lone"]
    assert row["texts"] == 0 and np.isnan(row["median"]) and np.isnan(row["cut"]["value"])
