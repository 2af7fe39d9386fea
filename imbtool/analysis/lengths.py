"""How long texts are, and how much of them the encoder does not read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imbtool.analysis.finding import Document, Finding, Place, found
from imbtool.data.corpus import Corpus, Split
from imbtool.evaluation.intervals import exact_interval
from imbtool.evaluation.measures import figure
from imbtool.types import Rows
from imbtool.wording import some

QUANTILES = {"p05": 0.05, "p25": 0.25, "median": 0.5, "p75": 0.75, "p95": 0.95, "p99": 0.99}
SAMPLED_TEXTS = 200_000
"""Of more texts the tokens are counted in a sample of this size."""
CUT_WARNS = 0.1
"""From this share of texts cut off on, of a split's texts or of a label's."""
TEXTS_OF = {"train": "training", "validation": "validation", "test": "test"}
CUT_NOTED = 0.01
CUT_LABEL_POSITIVES = 10
"""Of a label with fewer positives no share is a finding."""


@dataclass(frozen=True)
class Tokens:
    """How many tokens texts have, as the encoder's tokenizer cuts them.

    Attributes:
        limit: tokens of a text that the encoder reads.
        rows: for each split the texts that were counted, by their place in it.
        counts: their tokens, those beyond the limit included.
    """

    limit: int
    rows: Mapping[str, Rows]
    counts: Mapping[str, Rows]


def characters(split: Split) -> Rows:
    """Characters of each text [n]."""
    return np.fromiter(map(len, split.texts), dtype=np.int64, count=len(split))


def lengths_document(corpus: Corpus, tokens: Tokens | None) -> Document:
    """Quantiles of characters and tokens, and the share of texts cut off, by split and by label.

    Labels are those of the training texts. Without a tokenizer `tokens` is null.
    """
    splits = corpus.splits
    return {
        "characters": {name: _quantiles(characters(split)) for name, split in splits.items()},
        "tokens": tokens
        and {
            "limit": tokens.limit,
            "texts": {name: len(rows) for name, rows in tokens.rows.items()},
            "splits": {name: _row(tokens.counts[name], tokens.limit) for name in splits},
            "labels": _by_label(corpus, tokens),
        },
    }


def length_findings(tokens: Tokens | None, document: Document) -> Iterator[Finding]:
    """Whether texts are cut off; `document` is that of `lengths_document`."""
    if tokens is None:
        return
    splits, labels = document["tokens"]["splits"], document["tokens"]["labels"]
    usual = max(splits["train"]["cut"]["value"], CUT_WARNS)
    worse = {
        name: row["cut"]
        for name, row in labels.items()
        if row["texts"] >= CUT_LABEL_POSITIVES and row["cut"]["low"] > usual
    }
    most = max(splits, key=lambda name: splits[name]["cut"]["value"])
    share = splits[most]["cut"]["value"]
    if share >= CUT_NOTED or worse:
        longest = splits[most]["p99"]
        message = f"{share:.1%} of the {TEXTS_OF[most]} texts are longer than {tokens.limit} tokens"
        message += f" (99% have at most {longest:,.0f})" + _worst(worse)
        evidence = {
            "limit": tokens.limit,
            "splits": {name: row["cut"] for name, row in splits.items()},
            "labels": worse,
        }
        severe = share >= CUT_WARNS or bool(worse)
        yield found(
            "truncation", message, evidence, _cut(tokens), severity="warns" if severe else "note"
        )


def _by_label(corpus: Corpus, tokens: Tokens) -> Document:
    targets, counts = corpus.train.targets[tokens.rows["train"]], tokens.counts["train"]
    return {
        name: _row(counts[targets[:, index] == 1], tokens.limit)
        for index, name in enumerate(corpus.labels.names)
    }


def _row(counts: Rows, limit: int) -> Document:
    cut, texts = int((counts > limit).sum()), len(counts)
    share = figure(cut / texts if texts else np.nan, *exact_interval(cut, texts))
    return {"texts": texts, **_quantiles(counts), "cut": share}


def _quantiles(values: NDArray[np.int64]) -> dict[str, float]:
    if not len(values):
        return dict.fromkeys((*QUANTILES, "most"), np.nan)
    ends = np.quantile(values, list(QUANTILES.values()))
    return {**dict(zip(QUANTILES, ends.tolist(), strict=True)), "most": float(values.max())}


def _cut(tokens: Tokens) -> list[Place]:
    return [
        Place(split, int(tokens.rows[split][at]), None, f"{counts[at]} tokens")
        for split, counts in tokens.counts.items()
        for at in np.flatnonzero(counts > tokens.limit)
    ]


def _worst(cuts: Mapping[str, Document]) -> str:
    ordered = sorted(cuts.items(), key=lambda item: -item[1]["value"])
    shown = some((f"{name} {cut['value']:.0%}" for name, cut in ordered), 3)
    return f"; more so texts of {shown}" if cuts else ""
