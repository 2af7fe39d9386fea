"""Whether the splits are alike: in label frequencies, in lengths, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.stats import fisher_exact, ks_2samp
from sklearn.feature_extraction.text import CountVectorizer

from imbtool.analysis.corpus_texts import corpus_texts, sample_rows
from imbtool.analysis.document import Drift, LabelDrift, LengthDrift, NewWords, WordDrift
from imbtool.analysis.finding import Finding, found, percent
from imbtool.data.corpus import SPLITS, Corpus
from imbtool.data.imbalance import LabelCount, count_labels
from imbtool.evaluation.document import Estimate
from imbtool.evaluation.estimates import estimate
from imbtool.evaluation.intervals import exact_interval
from imbtool.wording import some

FALSE_ALARM = 0.05
"""The probability of a false alarm, of all tests of an analysis together."""
LEAST_RATIO = 1.25
"""Smaller differences of frequency cost nothing, however certain they are."""
LEAST_DISTANCE = 0.1
"""The same for lengths: the largest distance between the two distribution functions."""
SAMPLED_TEXTS = 50_000
"""Of more texts the words, and lengths, are those of a sample of this size."""
RANDOM_SPLITS = 20
UNLIKELY = 4.0
"""Standard deviations above what random splits give: 3 in 100,000 of them, if normal."""

WORDS_FIX = (
    "Do nothing if the texts of your application will bring new words too: the metrics then show "
    "how well the model copes with them."
)

Counts = Mapping[str, Sequence[LabelCount]]
OTHERS = SPLITS[1:]


def measure_drift(corpus: Corpus, counts: Counts) -> Drift:
    """Every comparison of validation and test with training, in texts that no search chose.

    A search chooses texts in which labels are more frequent, so these would differ in any case.
    Where it chose all texts of a split, all texts of all splits are compared.

    `p` of a label or of lengths is that of Fisher's exact test, or of Kolmogorov and Smirnov's,
    times the number of all such tests (Bonferroni), at most 1.
    """
    unchosen = corpus.unchosen()
    if unchosen is not corpus and all(map(len, unchosen.splits.values())):
        corpus = unchosen
        counts = {name: count_labels(split.label_sets) for name, split in corpus.splits.items()}
    tests = len(OTHERS) * (len(corpus.labels) + 1)
    return Drift(
        tests=tests,
        labels={
            name: _label_drift({split: rows[index] for split, rows in counts.items()}, tests)
            for index, name in enumerate(corpus.labels.names)
        },
        lengths=_length_drift(corpus, tests),
        words=_word_drift(corpus),
    )


def drift_findings(drift: Drift) -> Iterator[Finding]:
    """What differs by more than chance, and by enough to matter."""
    moved = [
        (row.p[split], name, split)
        for name, row in drift.labels.items()
        for split in OTHERS
        if row.p[split] < FALSE_ALARM and _matters(row.ratio[split])
    ]
    if moved:
        moved.sort(key=itemgetter(0))
        shown = some(_moved(name, split, drift.labels[name]) for _, name, split in moved)
        rows = [
            {"label": name, "split": split, "ratio": drift.labels[name].ratio[split], "p": p}
            for p, name, split in moved
        ]
        message = f"Some labels are more or less frequent than in training: {shown}."
        yield found("drift", message, {"about": "labels", "moved": rows})
    for split, length in drift.lengths.items():
        if length.p < FALSE_ALARM and length.distance >= LEAST_DISTANCE:
            medians = [f"{each:,.0f}" for each in (length.median, length.training_median)]
            longer = "longer" if length.median > length.training_median else "shorter"
            message = (
                f"The texts of {split} are {longer} than those of training: their median is "
                f"{medians[0]} characters, that of training {medians[1]}."
            )
            if medians[0] == medians[1]:
                message = (
                    f"The lengths of the texts of {split} vary otherwise than in training, though "
                    f"both have a median of {medians[0]} characters."
                )
            yield found("drift", message, {"about": "lengths", "split": split, **dict(length)})
    for split, words in drift.words.splits.items():
        if words.unlike:
            message = (
                f"{percent(words.unseen)} of the words of {split} do not occur in training; in "
                f"random splits it is {_share_text(words.random)}."
            )
            evidence = {"about": "words", "split": split, **dict(words)}
            yield found("drift", message, evidence, severity="info", fix=WORDS_FIX)


def _share_text(share: Estimate) -> str:
    value, low, high = (percent(each or 0.0) for each in (share.value, share.low, share.high))
    return f"{value} ({low} to {high})"


def _matters(ratio: float | None) -> bool:
    return ratio is None or not 1 / LEAST_RATIO < ratio < LEAST_RATIO


def _moved(name: str, split: str, row: LabelDrift) -> str:
    ours, trained = (_share_text(row.frequency[each]) for each in (split, "train"))
    return f"{name} has {ours} in {split} and {trained} in training"


def _label_drift(counts: Mapping[str, LabelCount], tests: int) -> LabelDrift:
    trained = counts["train"]
    return LabelDrift(
        frequency={split: _frequency(count) for split, count in counts.items()},
        ratio={
            split: counts[split].prevalence / trained.prevalence if trained.prevalence else None
            for split in OTHERS
        },
        p={split: min(1.0, _fisher(trained, counts[split]) * tests) for split in OTHERS},
    )


def _frequency(count: LabelCount) -> Estimate:
    value = count.prevalence if count.known else np.nan
    return estimate(value, *exact_interval(count.positives, count.known))


def _fisher(first: LabelCount, second: LabelCount) -> float:
    table = np.array([[each.positives, each.negatives] for each in (first, second)])
    return float(fisher_exact(table).pvalue)


def _length_drift(corpus: Corpus, tests: int) -> dict[str, LengthDrift]:
    rows = sample_rows({name: len(split) for name, split in corpus.splits.items()}, SAMPLED_TEXTS)
    lengths = {name: split.texts.characters()[rows[name]] for name, split in corpus.splits.items()}
    trained = lengths["train"]
    compared = {split: ks_2samp(trained, lengths[split]) for split in OTHERS}
    return {
        split: LengthDrift(
            distance=float(test.statistic),
            p=min(1.0, float(test.pvalue) * tests),
            median=float(np.median(lengths[split])),
            training_median=float(np.median(trained)),
        )
        for split, test in compared.items()
    }


def _word_drift(corpus: Corpus) -> WordDrift:
    """The share of a split's words that training lacks, beside that of random splits."""
    texts = corpus_texts(corpus, SAMPLED_TEXTS)
    counter = CountVectorizer(token_pattern=r"(?u)\w+", dtype=np.int32)
    try:
        words = counter.fit_transform(texts.texts())
    except ValueError:  # no text has a word
        return WordDrift(texts=len(texts), splits={})
    rng = np.random.default_rng(0)
    own = _unseen(words, texts.split)
    drawn = np.array([_unseen(words, rng.permutation(texts.split)) for _ in range(RANDOM_SPLITS)])
    means, spreads = drawn.mean(axis=0), drawn.std(axis=0, ddof=1)
    unlike = (own > means + UNLIKELY * spreads) & (own >= LEAST_RATIO * means)
    return WordDrift(
        texts=len(texts),
        splits={
            split: NewWords(
                unseen=float(own[at]),
                random=estimate(means[at], *_ends(means[at], spreads[at])),
                unlike=bool(unlike[at]),
            )
            for at, split in enumerate(OTHERS)
        },
    )


def _ends(mean: float, spread: float) -> tuple[float, float]:
    return max(0.0, mean - 1.96 * spread), min(1.0, mean + 1.96 * spread)


def _unseen(words: csr_array, part: NDArray[np.int64]) -> NDArray[np.float64]:
    """Of the words of validation and of test the share that training lacks [2]."""
    n = len(part)
    members = csr_array((np.ones(n, np.int32), (part, np.arange(n))), shape=(len(SPLITS), n))
    counts = (members @ words).toarray()
    new = counts[1:] * (counts[0] == 0)
    return np.asarray(new.sum(axis=1) / np.maximum(counts[1:].sum(axis=1), 1), dtype=np.float64)
