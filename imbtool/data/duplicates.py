"""Texts that are the same, or nearly: what must never stand in two splits."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from imbtool.formats.text_bytes import Hashes, are_plain, not_plain, text_hashes
from imbtool.formats.texts import Texts
from imbtool.labels.label_sets import combined
from imbtool.types import Flags

NEAR = 0.8
"""Jaccard similarity of two texts' word pairs from which they are near duplicates."""
BANDS = 20
HASHES = 5
"""With 20 bands of 5 hashes, two texts at 0.8 are compared with probability 0.9996, two at 0.3
with 0.05 (Leskovec, Rajaraman, Ullman: Mining of Massive Datasets, section 3.4)."""
NEIGHBOURS = 16
"""Within a band, a text is compared with this many others of the same hashes that stand next, and
with as many that stand first: bounded work."""
NEAR_AT_ONCE = 50_000
"""Texts that are compared at once with known ones."""
PAIRS_AT_ONCE = 200_000
KEYS_AT_ONCE = 512
LONE = np.uint64(2**32 - 1)
"""Stands for the second word of a text of one word."""

_URL = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
_USER = re.compile(r"(?<!\w)(?:@\w+|/?u/[\w-]+)")
_EDGES = string.punctuation + "“”‘’«»…–—"

Numbers = NDArray[np.int64]


def text_key(text: str) -> str:
    """Texts that differ only in case and white space are the same text."""
    return " ".join(text.split()).casefold()


def text_keys(texts: Sequence[str]) -> Iterator[str]:
    """The key of each text; where many have no other space than single blanks, quickly."""
    blocks = (texts[start : start + KEYS_AT_ONCE] for start in range(0, len(texts), KEYS_AT_ONCE))
    return chain.from_iterable(
        map(str.casefold if are_plain(block) else text_key, block) for block in blocks
    )


def text_numbers(*parts: Sequence[str]) -> Numbers:
    """A number for each text of all parts [n], equal where the keys are, by first appearance.

    128 bits are kept of each key: a chance of 1 in 10^24 that two of ten million share a number.
    """
    blocks = chain.from_iterable(Texts.of(part).blocks() for part in parts)
    with ThreadPoolExecutor(pa.cpu_count()) as pool:
        hashes = [np.zeros((2, 0), np.uint64), *pool.map(_key_hashes, blocks)]
    return combined(np.concatenate(hashes, axis=1).view(np.int64))[0].astype(np.int64)


def _key_hashes(texts: pa.LargeStringArray) -> Hashes:
    """The hashes of texts' keys [2, n]; that of a plain text is the text in lower case."""
    hashes, rows = text_hashes(pc.ascii_lower(texts)), not_plain(texts)
    keys = map(text_key, texts.take(pa.array(rows)).to_pylist())
    hashes[:, rows] = text_hashes(pa.array(keys, pa.large_string()))
    return hashes


def normalised(text: str) -> str:
    """A text's key with its web addresses and user names made alike."""
    return _USER.sub("<user>", _URL.sub("<url>", text_key(text)))


def near_duplicate_groups(texts: Sequence[str], seed: int = 0) -> Numbers:
    """Number the groups of texts that are the same or nearly, in order of first appearance.

    MinHash over pairs of neighbouring words proposes pairs of texts (Broder 1997), their exact
    Jaccard similarity decides (at least `NEAR`), and groups are closed under "is near". Case, white
    space, punctuation around words, web addresses and user names do not count.

    Returns:
        int64 [n]: equal numbers are one group. Texts of the same `normalised` form always are.
    """
    forms, links = near_forms(texts, seed)
    return connected_components(links, directed=False)[1].astype(np.int64)[forms]


def near_forms(texts: Sequence[str], seed: int = 0) -> tuple[Numbers, csr_array]:
    """The `normalised` form of each text, and which forms are nearly the same.

    Returns:
        int64 [n]: the number of each text's form, in order of first appearance; and bool
        [forms, forms]: each form is near itself, and is not near all that its likes are near.
    """
    distinct: dict[str, int] = {}
    form_of = [distinct.setdefault(normalised(text), len(distinct)) for text in texts]
    shingles = _shingles(list(distinct))
    first, second = _near(shingles, _candidates(shingles, seed)).T
    own = np.arange(len(distinct))
    rows, columns = np.concatenate([first, second, own]), np.concatenate([second, first, own])
    links = csr_array((np.ones(len(rows), dtype=bool), (rows, columns)), shape=(len(own),) * 2)
    return np.array(form_of, dtype=np.int64), links


def near_to(known: Sequence[Sequence[str]], texts: Sequence[str]) -> Flags:
    """Which texts are the same as a known one of each kind, or nearly: [kinds, n]."""
    every = [*chain.from_iterable(known)]
    kinds = np.repeat(np.arange(len(known)), [*map(len, known)])
    near = np.zeros((len(known), len(texts)), dtype=bool)
    for start in range(0, len(texts) if every else 0, NEAR_AT_ONCE):
        block = texts[start : start + NEAR_AT_ONCE]
        forms, links = near_forms([*every, *block])
        is_known = np.zeros((links.shape[0], len(known)), dtype=np.int32)
        is_known[forms[: len(every)], kinds] = 1
        near[:, start : start + len(block)] = (links @ is_known > 0)[forms[len(every) :]].T
    return near


def _shingles(texts: Sequence[str]) -> csr_array:
    """For each text the set of its pairs of words, as a bool matrix [texts, pairs]."""
    vocabulary: dict[str, int] = {}
    words: list[int] = []
    lengths = np.empty(len(texts), dtype=np.int64)
    for row, text in enumerate(texts):
        found = [vocabulary.setdefault(word, len(vocabulary)) for word in _words(text)]
        lengths[row] = len(found)
        words += found
    left = np.array(words, dtype=np.uint64)
    row_of_word = np.repeat(np.arange(len(texts)), lengths)
    right = np.append(left[1:], LONE)
    last = np.append(row_of_word[1:] != row_of_word[:-1], True)[: len(left)]
    right[last] = LONE
    kept = ~last | (lengths[row_of_word] == 1)
    pair, column = np.unique(left[kept] << np.uint64(32) | right[kept], return_inverse=True)
    shape = (len(texts), len(pair))
    matrix = csr_array((np.ones(len(column), dtype=bool), (row_of_word[kept], column)), shape=shape)
    matrix.sum_duplicates()
    return matrix


def _words(text: str) -> list[str]:
    """Words without the punctuation around them, unless nothing but punctuation is left."""
    return [word.strip(_EDGES) or word for word in text.split()] or [""]


def _candidates(shingles: csr_array, seed: int) -> Numbers:
    """Pairs of texts with the same hashes in some band, [pairs, 2], each once."""
    n = shingles.shape[0]
    tokens = _random_hashes(shingles.shape[1], seed)[shingles.indices]
    starts = shingles.indptr.astype(np.int64)
    codes = np.empty(0, dtype=np.int64)
    for band in range(BANDS if n > 1 else 0):
        hashes = _min_hashes(tokens, starts, seed + band)
        codes = _distinct(np.append(codes, _alike(hashes) @ np.array([n, 1])))
    return np.column_stack(np.divmod(codes, max(1, n)))


def _distinct(values: Numbers) -> Numbers:
    """The different values, sorted; `np.unique` hashes them, which takes many times as long."""
    ordered = np.sort(values)
    is_first = np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)]
    return np.asarray(ordered[is_first], dtype=np.int64)


def _random_hashes(size: int, seed: int) -> Hashes:
    return np.random.default_rng(seed).integers(2**64, size=size, dtype=np.uint64)


def _min_hashes(tokens: Hashes, starts: Numbers, seed: int) -> Hashes:
    """The smallest of each text's tokens under each of a band's hash functions, [n, HASHES]."""
    factors = _random_hashes(HASHES, seed) | np.uint64(1)
    least = [np.minimum.reduceat(tokens * factor, starts[:-1]) for factor in factors]
    return np.column_stack(least) >> np.uint64(32)


def _alike(hashes: Hashes) -> Numbers:
    """Pairs of rows with the same hashes, the smaller number first; the first rows may be known."""
    mixed = hashes @ (_random_hashes(HASHES, 0) | np.uint64(1))
    order = np.argsort(mixed, kind="stable")
    ordered, found = mixed[order], []
    first = np.searchsorted(ordered, ordered)
    late = np.flatnonzero(np.arange(len(order)) - first > NEIGHBOURS)
    for step in range(1, min(NEIGHBOURS, len(order) - 1) + 1):
        at = np.flatnonzero(ordered[step:] == ordered[:-step])
        found.append(np.column_stack([order[at], order[at + step]]))
        found.append(np.column_stack([order[first[late] + step - 1], order[late]]))
    return np.concatenate(found)


def _near(shingles: csr_array, pairs: Numbers) -> Numbers:
    """The pairs whose Jaccard similarity is at least `NEAR`."""
    sizes = np.diff(shingles.indptr)
    larger, smaller = sizes[pairs].max(axis=1), sizes[pairs].min(axis=1)
    pairs = pairs[smaller >= NEAR * larger]
    kept = [pairs[:0]]
    for block in np.array_split(pairs, len(pairs) // PAIRS_AT_ONCE + 1):
        first, second = block.T
        shared = shingles[first].multiply(shingles[second]).sum(axis=1)
        kept.append(block[shared >= NEAR * (sizes[first] + sizes[second] - shared)])
    return np.concatenate(kept)
