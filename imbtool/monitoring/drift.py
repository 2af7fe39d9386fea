"""Whether a stream differs from reference texts more than chance explains: tests, all together.

Every test has a p value of its own, and Holm's method holds the chance of any false alarm, over
all of them, to 5 of 100. The kinds of tests share it equally, since there is one test of the texts
and one of frequency for each label.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.stats import fisher_exact, mannwhitneyu, pearson3, rankdata

from imbtool.data.duplicates import text_keys
from imbtool.monitoring.monitor_document import DriftTest, Kind
from imbtool.trained.checkpoint import Checkpoint
from imbtool.types import Floats, Rows

ALARM = 0.05
"""How often anything at all may be called changed in a stream that is as the reference."""
PERMUTATIONS = 499
RIDGE = 0.05
"""Added to the variance of each standardised feature, so that few texts fit no noise."""
MOST_COMPARED = 2_000
"""Texts of either sample that the tests of texts read: more would take minutes to encode."""
WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class TwoSample:
    """A classifier two-sample test.

    Attributes:
        auc: how well the classifier tells a text of the stream from one of the reference; 0.5 is
            not at all.
        p: the chance of so high an AUC if there is no difference.
        unlike: of each text of the stream, how unlike the reference it is [n]; higher is more.
    """

    auc: float
    p: float
    unlike: Floats


def classifier_two_sample(
    reference: NDArray[np.float32], stream: NDArray[np.float32], seed: int
) -> TwoSample:
    """Test whether a classifier can tell the texts of a stream from those of a reference.

    Lopez-Paz and Oquab (ICLR 2017), with a linear discriminant that judges each text without having
    seen it. The p value is exact: it comes from permutations of which text is of which sample, with
    the classifier fitted anew for each, for which a linear one needs a matrix product alone.

    Args:
        reference: features [m, d].
        stream: features [n, d].
        seed: of the permutations.
    """
    features = np.concatenate([reference, stream])
    new = np.arange(len(features)) >= len(reference)
    rng = np.random.default_rng(seed)
    marks = np.stack([new, *(rng.permutation(new) for _ in range(PERMUTATIONS))], axis=1)
    judged = _leave_one_out(features, marks.astype(np.float32))
    ranks = rankdata(judged, axis=0)
    most = len(stream) * (len(stream) + 1) / 2
    aucs = ((ranks * marks).sum(axis=0) - most) / (len(reference) * len(stream))
    # judged without itself, a text of no particular kind seems to be of the other sample
    auc = 0.5 + aucs[0] - np.median(aucs[1:])
    p = (1 + (aucs[1:] >= aucs[0]).sum()) / (1 + PERMUTATIONS)
    return TwoSample(float(np.clip(auc, 0, 1)), float(p), judged[new, 0].astype(np.float64))


def _leave_one_out(
    features: NDArray[np.float32], marks: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Ridge regression of each column of marks [n, P] on features, at each text without it."""
    scaled = (features - features.mean(axis=0)) / (features.std(axis=0) + 1e-6)
    gram = scaled.T @ scaled + RIDGE * len(scaled) * np.eye(scaled.shape[1], dtype=np.float32)
    inverse = cho_solve(cho_factor(gram), scaled.T)
    own = ((scaled * inverse.T).sum(axis=1) + 1 / len(scaled))[:, None]
    centred = marks - marks.mean(axis=0)
    fitted = scaled @ (inverse @ centred)
    return np.asarray((fitted - own * centred) / (1 - own), dtype=np.float32)


def first_of_each(texts: Sequence[str]) -> Rows:
    """The first place of each text, where texts that differ in case and space are the same."""
    seen: dict[str, int] = {}
    for place, key in enumerate(text_keys(texts)):
        seen.setdefault(key, place)
    return np.fromiter(seen.values(), dtype=np.int64)


def words_of(texts: Iterable[str]) -> set[str]:
    """All words of some texts, in lower case."""
    return {word for text in texts for word in WORD.findall(text.lower())}


def unseen_shares(texts: Sequence[str], known: Set[str]) -> Floats:
    """The share of each text's words that are not known [n]; 0 of a text without words."""
    counts = ((WORD.findall(text.lower()), known) for text in texts)
    shares = [
        sum(word not in seen for word in words) / max(len(words), 1) for words, seen in counts
    ]
    return np.array(shares, dtype=np.float64)


def rank_test(reference: Floats, stream: Floats) -> float:
    """The p value of Mann and Whitney's test that neither sample tends to larger values."""
    if np.ptp(np.concatenate([reference, stream])) == 0:
        return 1.0
    return float(mannwhitneyu(reference, stream).pvalue)


def share_test(hits: int, trials: int, stream_hits: int, stream_trials: int) -> float:
    """The p value of Fisher's exact test that two shares are the same."""
    table = np.array([[hits, trials - hits], [stream_hits, stream_trials - stream_hits]])
    return float(fisher_exact(table).pvalue)


def mean_test(reference: Floats, stream: Floats) -> float:
    """The p value of a permutation test that the means of two samples are the same.

    Which value is of which sample is drawn without replacement. The means that this gives are taken
    for a Pearson type III distribution with their own mean, variance and skewness (Mielke and
    Berry, Permutation Methods, 2007): the few texts that have a label make them skewed.

    Args:
        reference: values [m].
        stream: values [n].
    """
    values = np.concatenate([reference, stream])
    count, drawn = len(values), len(stream)
    if (spread := np.ptp(values)) == 0 or count < 3:
        return 1.0
    apart = (values - values.mean()) / spread
    variance = float(np.square(apart).mean())
    odds = drawn * (count - drawn)
    skewness = float((apart**3).mean()) / variance**1.5
    skewness *= (count - 2 * drawn) / (count - 2) * np.sqrt((count - 1) / odds)
    z = apart[len(reference) :].sum() / np.sqrt(variance * odds / (count - 1))
    tails = pearson3.sf(z, skewness), pearson3.cdf(z, skewness)
    return float(min(1.0, 2 * min(tails)))


@dataclass(frozen=True)
class SingleTest:
    """A test on its own, before it is judged with all others; see `DriftTest`."""

    kind: Kind
    p: float
    label: str | None = None
    reference: float | None = None
    stream: float | None = None


def judge(tests: Sequence[SingleTest]) -> list[DriftTest]:
    """All tests of a stream, with p values adjusted by Holm's weighted method.

    The tests of a kind share the weight of their kind (Holm, Scandinavian Journal of Statistics 6,
    1979, section 4).
    """
    kinds = [test.kind for test in tests]
    values = np.array([test.p for test in tests])
    weights = np.array([1 / kinds.count(kind) for kind in kinds])
    order = np.argsort(values / weights, kind="stable")
    left = np.cumsum(weights[order][::-1])[::-1]
    steps = np.maximum.accumulate(values[order] / weights[order] * left)
    adjusted = np.empty(len(values))
    adjusted[order] = np.minimum(steps, 1)
    return [
        DriftTest(**vars(test), adjusted=float(value), alarm=bool(value <= ALARM))
        for test, value in zip(tests, adjusted, strict=True)
    ]


@dataclass
class TextSample:
    """A simple random sample of the texts that pass by.

    Attributes:
        seed: of the sample.
        texts: those kept so far.
        rows: where each of them stands, from 0.
    """

    seed: int
    texts: list[str] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.seed)
        self._keys = np.zeros(0)
        self._seen = 0

    def __call__(self, texts: Sequence[str]) -> None:
        """Let texts pass by; of all so far those with the lowest random numbers are kept."""
        keys = np.append(self._keys, self._rng.random(len(texts)))
        every = [*self.texts, *texts]
        rows = [*self.rows, *range(self._seen, self._seen + len(texts))]
        kept = np.sort(np.argsort(keys, kind="stable")[:MOST_COMPARED])
        self._keys, self._seen = keys[kept], self._seen + len(texts)
        self.texts = [every[place] for place in kept]
        self.rows = [rows[place] for place in kept]

    def distinct(self) -> TextSample:
        """Each text once: texts that are repeated are not independent."""
        places = first_of_each(self.texts).tolist()
        texts, rows = ([of[place] for place in places] for of in (self.texts, self.rows))
        return TextSample(self.seed, texts, rows)


def compare_texts(
    checkpoint: Checkpoint, reference: TextSample, stream: TextSample, known: Set[str]
) -> tuple[list[SingleTest], list[int]]:
    """Test whether the texts of two samples differ, as the encoder of a checkpoint reads them.

    Args:
        checkpoint: the trained model.
        reference: of distinct texts.
        stream: of distinct texts.
        known: the words of the training texts.

    Returns:
        The tests, and the places of the stream's texts, those least like the reference first.
    """
    pair = (reference.texts, stream.texts)
    before, now = (_features(checkpoint, texts) for texts in pair)
    apart = classifier_two_sample(before, now, stream.seed)
    unseen = [unseen_shares(texts, known) for texts in pair]
    tokenizer = checkpoint.text_model.text_tokenizer
    lengths = [np.array(tokenizer.count(texts), dtype=np.float64) for texts in pair]
    cut, cut_now = (int((each > tokenizer.most).sum()) for each in lengths)
    sizes = (len(reference.texts), len(stream.texts))
    tests = [
        SingleTest("texts", apart.p, None, 0.5, apart.auc),
        SingleTest("new words", rank_test(*unseen), None, *(float(each.mean()) for each in unseen)),
        SingleTest(
            "lengths", rank_test(*lengths), None, *(float(np.median(each)) for each in lengths)
        ),
        SingleTest(
            "cut texts",
            share_test(cut, sizes[0], cut_now, sizes[1]),
            None,
            cut / sizes[0],
            cut_now / sizes[1],
        ),
    ]
    return tests, np.argsort(-apart.unlike, kind="stable").tolist()


def _features(checkpoint: Checkpoint, texts: list[str]) -> NDArray[np.float32]:
    """What the checkpoint's encoder makes of texts [n, d]; of an exported one its logits."""
    if checkpoint.meta.export is not None:
        return checkpoint.logits(texts).astype(np.float32)
    return checkpoint.text_model.embeddings(checkpoint.text_model.encode(texts))
