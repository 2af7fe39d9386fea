"""A corpus becomes the analysis document: how imbalanced it is, and what in it will sink you."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from imbtool.analysis import drift, lengths
from imbtool.analysis import texts as same_and_near
from imbtool.analysis.drift import drift_document, drift_findings
from imbtool.analysis.finding import SEVERITIES, Finding, ranked
from imbtool.analysis.hierarchy import forest_document, forest_findings
from imbtool.analysis.label_counts import Counts, label_findings, measurability
from imbtool.analysis.lengths import Tokens, length_findings, lengths_document
from imbtool.analysis.texts import same_texts, text_findings
from imbtool.data.corpus import Corpus, Split
from imbtool.data.imbalance import (
    cardinality,
    co_occurrence,
    count_labels,
    imbalance_document,
    labels_per_text,
)
from imbtool.data.weights import LabelWeight, effective_number_weights

Document = dict[str, Any]


@dataclass(frozen=True)
class Analysis:
    """What is known of a corpus before training.

    Attributes:
        document: all numbers, as in analysis.json; it quotes no text.
        findings: as in the document, in the same order, with their rows.
    """

    document: Document
    findings: list[Finding]


def analyze_corpus(
    corpus: Corpus,
    weights: Sequence[LabelWeight],
    tokens: Tokens | None = None,
    required: Collection[str] = (),
    further: Iterable[Finding] = (),
) -> Analysis:
    """Everything `imbtool analyze` shows.

    Args:
        corpus: the data.
        weights: of its labels.
        tokens: of its texts; without them only characters are counted.
        required: labels of which a threshold must reach something (`thresholds.require`).
        further: findings that others made, such as likely errors of annotation.
    """
    counts = {name: count_labels(split.targets) for name, split in corpus.splits.items()}
    same = same_texts(corpus)
    document = _numbers(corpus, weights, tokens, counts, same.repeat_counts())
    findings = ranked(
        [
            *label_findings(corpus, counts, required),
            *text_findings(same),
            *forest_findings(corpus),
            *length_findings(tokens, document["lengths"]),
            *drift_findings(document["drift"]),
            *further,
        ]
    )
    document["verdict"] = {
        severity: sum(each.severity == severity for each in findings) for severity in SEVERITIES
    }
    document["findings"] = [each.document() for each in findings]
    return Analysis(document, findings)


def label_rows(corpus: Corpus, weights: Sequence[LabelWeight]) -> Document:
    """Counts, tier, weight and reason of each label, by name."""
    counts = {name: count_labels(split.targets) for name, split in corpus.splits.items()}
    effective = effective_number_weights([weight.count for weight in weights])
    parents = corpus.labels.parents
    return {
        weight.label: {
            "parent": corpus.labels.names[parents[index]] if parents[index] >= 0 else None,
            "positives": weight.count.positives,
            "negatives": weight.count.negatives,
            "unknown": weight.count.unknown,
            "ratio": weight.count.ratio,
            "tier": weight.tier,
            "weight": weight.weight,
            "reason": weight.reason,
            "effective_number_weight": float(effective[index]),
            "splits": {name: rows[index].positives for name, rows in counts.items()},
        }
        for index, weight in enumerate(weights)
    }


def _numbers(
    corpus: Corpus,
    weights: Sequence[LabelWeight],
    tokens: Tokens | None,
    counts: Counts,
    repeated: Mapping[str, int],
) -> Document:
    names = corpus.labels.names
    imbalance = imbalance_document(corpus.train.targets)
    measured, own = measurability(counts, names), imbalance.pop("labels")
    rows = label_rows(corpus, weights)
    return {
        "labels": {
            name: {**rows[name], **own[at], "measurability": measured[name]}
            for at, name in enumerate(names)
        },
        "splits": {
            name: _split_row(split, repeated[name]) for name, split in corpus.splits.items()
        },
        "imbalance": imbalance,
        "co_occurrence": {
            "labels": list(names),
            "texts": co_occurrence(corpus.train.targets).tolist(),
        },
        "hierarchy": forest_document(corpus),
        "lengths": lengths_document(corpus, tokens),
        "drift": drift_document(corpus, counts),
        "samples": _samples(corpus, tokens),
    }


def _samples(corpus: Corpus, tokens: Tokens | None) -> Document:
    """What rests on a sample of the texts: how many of how many; empty where nothing does."""
    texts = sum(map(len, corpus.splits.values()))
    most = {
        "near duplicates": same_and_near.SAMPLED_TEXTS,
        "words and lengths compared": drift.SAMPLED_TEXTS,
        **({"tokens": lengths.SAMPLED_TEXTS} if tokens else {}),
    }
    return {name: {"texts": size, "of": texts} for name, size in most.items() if size < texts}


def _split_row(split: Split, duplicates: int) -> Document:
    numbers = labels_per_text(split.targets)
    known = sum(numbers.values())
    return {
        "source": str(split.source),
        "texts": len(split),
        "labels_per_text": numbers,
        "mean_labels": cardinality(split.targets),
        "unlabelled": numbers.get(0, 0),
        "unlabelled_share": numbers.get(0, 0) / known if known else np.nan,
        "duplicates": duplicates,
        "fingerprint": split.fingerprint,
    }
