"""How long texts are, and how much of them the encoder does not read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imbtool.analysis.document import Lengths, Quantiles, TokenLengths, TokenQuantiles
from imbtool.analysis.finding import Finding, FoundRow, Severity, found
from imbtool.data.corpus import Corpus
from imbtool.evaluation.document import Estimate
from imbtool.evaluation.estimates import estimate
from imbtool.evaluation.intervals import exact_interval
from imbtool.types import Rows
from imbtool.wording import some

QUANTILES = {"p05": 0.05, "p25": 0.25, "median": 0.5, "p75": 0.75, "p95": 0.95, "p99": 0.99}
SAMPLED_TEXTS = 200_000
"""Of more texts the tokens are counted in a sample of this size."""
WARNING_SHARE = 0.1
"""From this share of truncated texts on, of a split or of a label, truncation is a warning."""
INFO_SHARE = 0.01
LEAST_TEXTS = 10
"""For a label with fewer texts no share is a finding."""
TEXTS_OF = {"train": "training", "validation": "validation", "test": "test"}


@dataclass(frozen=True)
class Tokens:
    """How many tokens texts have, by the encoder's tokenizer.

    Attributes:
        limit: tokens of a text that the encoder reads.
        rows: for each split the texts that were counted, by their index in it.
        counts: their tokens, those beyond the limit included.
    """

    limit: int
    rows: Mapping[str, Rows]
    counts: Mapping[str, Rows]


def measure_lengths(corpus: Corpus, tokens: Tokens | None) -> Lengths:
    """Quantiles of characters and tokens, and the truncated share, by split and by label."""
    return Lengths(
        characters={
            name: Quantiles(**_quantiles(split.texts.characters()))
            for name, split in corpus.splits.items()
        },
        tokens=None
        if tokens is None
        else TokenLengths(
            limit=tokens.limit,
            texts={name: len(rows) for name, rows in tokens.rows.items()},
            splits={name: _row(tokens.counts[name], tokens.limit) for name in corpus.splits},
            labels=_by_label(corpus, tokens),
        ),
    )


def length_findings(tokens: Tokens | None, measured: TokenLengths | None) -> Iterator[Finding]:
    """Whether texts are truncated.

    Args:
        tokens: of each text.
        measured: the same by split and by label, of `measure_lengths`.
    """
    if tokens is None or measured is None:
        return
    shares = {name: row.cut.value or 0.0 for name, row in measured.splits.items()}
    usual = max(shares["train"], WARNING_SHARE)
    worse = {
        name: row.cut
        for name, row in measured.labels.items()
        if row.texts >= LEAST_TEXTS and (row.cut.low or 0.0) > usual
    }
    most = max(shares, key=lambda name: shares[name])
    if shares[most] >= INFO_SHARE or worse:
        message = (
            f"{shares[most]:.1%} of the {TEXTS_OF[most]} texts are longer than {tokens.limit} "
            f"tokens; 99% have at most {measured.splits[most].p99:,.0f}.{_worst(worse)}"
        )
        evidence = {
            "limit": tokens.limit,
            "splits": {name: row.cut for name, row in measured.splits.items()},
            "labels": worse,
        }
        severe = shares[most] >= WARNING_SHARE or worse
        severity: Severity = "warning" if severe else "info"
        yield found("truncation", message, evidence, _truncated(tokens), severity)


def _by_label(corpus: Corpus, tokens: Tokens) -> dict[str, TokenQuantiles]:
    targets = corpus.train.label_sets.targets(tokens.rows["train"])
    counts = tokens.counts["train"]
    return {
        name: _row(counts[targets[:, index] == 1], tokens.limit)
        for index, name in enumerate(corpus.labels.names)
    }


def _row(counts: Rows, limit: int) -> TokenQuantiles:
    cut, texts = int((counts > limit).sum()), len(counts)
    share = estimate(cut / texts if texts else np.nan, *exact_interval(cut, texts))
    return TokenQuantiles(texts=texts, **_quantiles(counts), cut=share)


def _quantiles(values: NDArray[np.int64]) -> dict[str, float]:
    if not len(values):
        return dict.fromkeys((*QUANTILES, "most"), np.nan)
    ends = np.quantile(values, list(QUANTILES.values()))
    return {**dict(zip(QUANTILES, ends.tolist(), strict=True)), "most": float(values.max())}


def _truncated(tokens: Tokens) -> list[FoundRow]:
    return [
        FoundRow(split, int(tokens.rows[split][at]), None, f"{counts[at]} tokens")
        for split, counts in tokens.counts.items()
        for at in np.flatnonzero(counts > tokens.limit)
    ]


def _worst(cuts: Mapping[str, Estimate]) -> str:
    ordered = sorted(cuts.items(), key=lambda item: -(item[1].value or 0.0))
    shown = some((f"{name} {cut.value:.0%}" for name, cut in ordered), 3)
    return f" The share is higher for texts with these labels: {shown}." if cuts else ""
