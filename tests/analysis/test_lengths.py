"""Texts that the encoder does not read to their end, and whose labels suffer."""

import pytest
from analyses import healthy_corpus, tokens_of

from imbtool.analysis.document import Lengths
from imbtool.analysis.finding import Finding
from imbtool.analysis.lengths import length_findings, measure_lengths
from imbtool.data.corpus import Corpus
from imbtool.evaluation.intervals import exact_interval


def lengthen(corpus: Corpus, rows: list[int]) -> Corpus:
    for row in rows:
        corpus.train.texts[row] = "word " * 40
    return corpus


def look(corpus: Corpus) -> tuple[Lengths, list[Finding]]:
    tokens = tokens_of(corpus, limit=20)
    lengths = measure_lengths(corpus, tokens)
    return lengths, list(length_findings(tokens, lengths.tokens))


def test_texts_that_fit_give_no_finding():
    lengths, findings = look(healthy_corpus())
    assert findings == []
    assert lengths.tokens.splits["test"].cut.value == 0


def test_a_truncated_share_has_its_exact_interval():
    lengths, _ = look(lengthen(healthy_corpus(), [0, 1, 2]))
    cut = lengths.tokens.splits["train"].cut
    assert (cut.value, cut.low, cut.high) == (3 / 90, *exact_interval(3, 90))


@pytest.mark.parametrize(("long", "severity"), [(3, "info"), (9, "warning")])
def test_a_tenth_of_truncated_texts_is_a_warning_and_less_is_an_info(long: int, severity: str):
    _, (truncation,) = look(lengthen(healthy_corpus(), list(range(long))))
    assert (truncation.id, truncation.severity, truncation.rows) == ("truncation", severity, long)
    assert truncation.found_rows[0].detail == "40 tokens"


def test_the_split_with_most_truncated_texts_is_named():
    corpus = healthy_corpus()
    corpus.test.texts[:9] = ["word " * 40] * 9
    _, (truncation,) = look(lengthen(corpus, [0]))
    assert truncation.message.startswith("20.0% of the test texts are longer than 20 tokens")
    assert truncation.severity == "warning"


def test_a_label_whose_texts_are_truncated_is_a_warning_and_named():
    _, (truncation,) = look(lengthen(healthy_corpus(), list(range(1, 24, 3))))
    assert truncation.severity == "warning"
    assert set(truncation.evidence["labels"]) == {"lone"}
    assert "higher for texts with these labels: lone 27%." in truncation.message


def test_lengths_are_quantiles_of_characters_and_of_tokens():
    corpus = healthy_corpus()
    corpus.test.texts[:] = ["a" * length for length in range(1, 46)]
    lengths, _ = look(corpus)
    assert lengths.characters["test"].median == 23
    assert lengths.characters["test"].most == 45
    assert lengths.tokens.splits["test"].median == 1


def test_without_a_tokenizer_there_are_characters_alone():
    corpus = healthy_corpus()
    lengths = measure_lengths(corpus, None)
    assert lengths.tokens is None and lengths.characters["train"].median > 0
    assert list(length_findings(None, None)) == []


def test_a_label_without_texts_has_no_lengths():
    corpus = healthy_corpus()
    corpus.train.targets[:, 2] = 0
    row = look(corpus)[0].tokens.labels["lone"]
    assert (row.texts, row.median, row.cut.value) == (0, None, None)
