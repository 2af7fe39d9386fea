"""Whether the splits are alike: in label frequencies, in lengths, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.stats import fisher_exact, ks_2samp
from sklearn.feature_extraction.text import CountVectorizer

from imbtool.analysis.all_texts import pool_of, sampled
from imbtool.analysis.finding import Document, Finding, found, percent
from imbtool.analysis.lengths import characters
from imbtool.data.corpus import SPLITS, Corpus
from imbtool.data.imbalance import LabelCount
from imbtool.evaluation.intervals import exact_interval
from imbtool.evaluation.measures import Figure, figure
from imbtool.wording import some

ERROR = 0.05
"""How likely any false alarm is, of all tests of an analysis together."""
RATIO = 1.25
"""Smaller differences of frequency, however sure, cost nothing."""
DISTANCE = 0.1
"""The same of lengths: the largest distance between the two distribution functions."""
SAMPLED_TEXTS = 50_000
"""Of more texts the words, and lengths, are those of a sample of this size."""
RANDOM_SPLITS = 20
UNLIKELY = 4.0
"""Standard deviations above what random splits give: 3 in 100,000 of them, if normal."""

WORDS_MEND = "nothing, if new texts will bring new words too: figures then show how that goes"

Counts = Mapping[str, Sequence[LabelCount]]
OTHERS = SPLITS[1:]


def drift_document(corpus: Corpus, counts: Counts) -> Document:
    """Every comparison of validation and test with training.

    `p` of a label or of lengths is that of Fisher's exact test, or Kolmogorov and Smirnov's, times
    the number of all such tests (Bonferroni), at most 1.
    """
    tests = len(OTHERS) * (len(corpus.labels) + 1)
    return {
        "tests": tests,
        "labels": {
            name: _label_row({split: rows[index] for split, rows in counts.items()}, tests)
            for index, name in enumerate(corpus.labels.names)
        },
        "lengths": _lengths(corpus, tests),
        "words": _words(corpus),
    }


def drift_findings(document: Document) -> Iterator[Finding]:
    """What differs by more than chance, and by enough to matter; `document` as above."""
    moved = [
        {"label": name, "split": split, "ratio": row["ratio"][split], "p": row["p"][split]}
        for name, row in document["labels"].items()
        for split in OTHERS
        if row["p"][split] < ERROR and _matters(row["ratio"][split])
    ]
    if moved:
        moved.sort(key=lambda each: each["p"])
        shown = some(_moved(each, document["labels"][each["label"]]) for each in moved)
        yield found(
            "drift",
            f"labels of another frequency than in training: {shown}",
            {"about": "labels", "moved": moved},
        )
    for split, row in document["lengths"].items():
        if row["p"] < ERROR and row["distance"] >= DISTANCE:
            longer = "longer" if row["median"] > row["training_median"] else "shorter"
            message = (
                f"texts of {split} are {longer} than in training: a median of "
                f"{row['median']:,.0f} characters to {row['training_median']:,.0f}"
            )
            yield found("drift", message, {"about": "lengths", "split": split, **row})
    for split, row in document["words"]["splits"].items():
        if row["unlike"]:
            message = (
                f"{percent(row['unseen'])} of the words of {split} never stand in training; of a "
                f"random split {_share_text(row['random'])}"
            )
            evidence = {"about": "words", "split": split, **row}
            yield found("drift", message, evidence, severity="note", fix=WORDS_MEND)


def _share_text(share: Figure) -> str:
    return f"{percent(share['value'])} ({percent(share['low'])} to {percent(share['high'])})"


def _matters(ratio: float) -> bool:
    return not 1 / RATIO < ratio < RATIO


def _moved(each: Document, row: Document) -> str:
    split = each["split"]
    ours, theirs = (_share_text(row["frequency"][name]) for name in (split, "train"))
    return f"{each['label']} {ours} in {split}, {theirs} in training"


def _label_row(counts: Mapping[str, LabelCount], tests: int) -> Document:
    trained = counts["train"]
    return {
        "frequency": {split: _frequency(count) for split, count in counts.items()},
        "ratio": {
            split: counts[split].prevalence / trained.prevalence if trained.prevalence else np.nan
            for split in OTHERS
        },
        "p": {split: min(1.0, _fisher(trained, counts[split]) * tests) for split in OTHERS},
    }


def _frequency(count: LabelCount) -> Figure:
    value = count.prevalence if count.known else np.nan
    return figure(value, *exact_interval(count.positives, count.known))


def _fisher(first: LabelCount, second: LabelCount) -> float:
    table = np.array([[each.positives, each.negatives] for each in (first, second)])
    return float(fisher_exact(table).pvalue)


def _lengths(corpus: Corpus, tests: int) -> Document:
    rows = sampled({name: len(split) for name, split in corpus.splits.items()}, SAMPLED_TEXTS)
    lengths = {name: characters(split)[rows[name]] for name, split in corpus.splits.items()}
    trained = lengths["train"]
    compared = {split: ks_2samp(trained, lengths[split]) for split in OTHERS}
    return {
        split: {
            "distance": float(test.statistic),
            "p": min(1.0, float(test.pvalue) * tests),
            "median": float(np.median(lengths[split])),
            "training_median": float(np.median(trained)),
        }
        for split, test in compared.items()
    }


def _words(corpus: Corpus) -> Document:
    """The share of a split's words that training lacks, beside that of random splits."""
    pool = pool_of(corpus, SAMPLED_TEXTS)
    counter = CountVectorizer(token_pattern=r"(?u)\w+", dtype=np.int32)
    try:
        words = counter.fit_transform(pool.texts())
    except ValueError:  # no text has a word
        return {"texts": len(pool), "splits": {}}
    rng = np.random.default_rng(0)
    own = _unseen(words, pool.split)
    drawn = np.array([_unseen(words, rng.permutation(pool.split)) for _ in range(RANDOM_SPLITS)])
    means, spreads = drawn.mean(axis=0), drawn.std(axis=0, ddof=1)
    return {
        "texts": len(pool),
        "splits": {
            split: {
                "unseen": float(own[at]),
                "random": figure(means[at], *_ends(means[at], spreads[at])),
                "unlike": bool(
                    own[at] > means[at] + UNLIKELY * spreads[at] and own[at] >= RATIO * means[at]
                ),
            }
            for at, split in enumerate(OTHERS)
        },
    }


def _ends(mean: float, spread: float) -> tuple[float, float]:
    return max(0.0, mean - 1.96 * spread), min(1.0, mean + 1.96 * spread)


def _unseen(words: csr_array, part: NDArray[np.int64]) -> NDArray[np.float64]:
    """Of the words of validation and of test the share that training lacks [2]."""
    n = len(part)
    members = csr_array((np.ones(n, np.int32), (part, np.arange(n))), shape=(len(SPLITS), n))
    counts = (members @ words).toarray()
    new = counts[1:] * (counts[0] == 0)
    return np.asarray(new.sum(axis=1) / np.maximum(counts[1:].sum(axis=1), 1), dtype=np.float64)
