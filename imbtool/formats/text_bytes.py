"""Texts as the bytes that Arrow holds: many are looked at together, without Python's own texts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

BYTES_AT_ONCE = 1 << 21
"""Few enough for a processor's cache, and enough for threads that seldom wait for each other."""
BLANK, VISIBLE = np.uint8(ord(" ")), np.uint8(ord("~") - ord(" "))
"""A blank, and how many more codes stand for a visible character of ASCII."""
WORD = 8
"""Bytes that are hashed at once."""
MOST_BYTES = 1 << 12
"""Of a text that is hashed together with others, word by word."""
SHIFT, SPREAD, SEED = np.uint64(29), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x9E3779B97F4A7C15)
"""Odd factors whose bits look random (of the generator SplitMix64), and a shift between them."""

Places = NDArray[np.int64]
Bytes = NDArray[np.uint8]
Hashes = NDArray[np.uint64]


def bytes_of(texts: pa.Array) -> tuple[Places, Bytes]:
    """The bytes of all texts, without copying them, and where each begins and ends among them.

    Args:
        texts: n of them, of the type string or large string.

    Returns:
        The places [n + 1], from 0; and the bytes. A missing value has no bytes that mean anything.
    """
    _, places, content = texts.buffers()
    if not len(texts):
        return np.zeros(1, np.int64), np.zeros(0, np.uint8)
    kind = np.dtype(np.int64 if pa.types.is_large_string(texts.type) else np.int32)
    found = np.frombuffer(places, kind, len(texts) + 1, texts.offset * kind.itemsize)
    first, last = int(found[0]), int(found[-1])
    whole = np.frombuffer(content or b"", np.uint8)
    return found.astype(np.int64) - first, whole[first:last]


def holds(column: pa.ChunkedArray, character: str) -> bool:
    """Whether any text of a column holds a character of ASCII; perhaps in a missing value.

    Args:
        column: of the type string or large string.
        character: looked for.
    """
    code = ord(character)
    return any(
        bool((content[start : start + BYTES_AT_ONCE] == code).any())
        for _, content in map(bytes_of, column.chunks)
        for start in range(0, len(content), BYTES_AT_ONCE)
    )


def are_plain(texts: Sequence[str]) -> bool:
    """Whether Python's own texts are of visible ASCII with single blanks within it."""
    codes = np.frombuffer(" ".join(["", *texts, ""]).encode("utf-8", "replace"), np.uint8)
    is_blank = codes == BLANK
    are_visible = (codes - BLANK <= VISIBLE).all()  # bytes below a blank wrap around
    return bool(are_visible and not (is_blank[1:] & is_blank[:-1]).any())


def not_plain(texts: pa.Array) -> Places:
    """The rows of texts that hold more than visible ASCII and single blanks between it.

    Args:
        texts: n of them, of the type string or large string.
    """
    places, content = bytes_of(texts)
    is_blank = content == BLANK
    is_other = content - BLANK > VISIBLE  # bytes below a blank wrap around
    is_other[1:] |= is_blank[1:] & is_blank[:-1]
    has_any = np.diff(places) > 0
    starts, ends = places[:-1][has_any], places[1:][has_any]
    for edge in (starts, ends - 1):
        is_other[edge] |= is_blank[edge]
    if not is_other.any():
        return np.zeros(0, np.int64)
    return np.flatnonzero(has_any)[np.logical_or.reduceat(is_other, starts)]


def text_hashes(texts: pa.Array) -> Hashes:
    """Hash each text to 128 bits [2, n]; equal texts have equal hashes, whatever stands beside.

    The first 64 bits take in a word of 8 bytes at a time, and no two words make the same of them.
    The others are the sum of what the first ones were after each word, so two texts share all 128
    by two coincidences of 64 bits, unless somebody has made them to. Long texts are hashed one by
    one, with BLAKE2.

    Args:
        texts: n of them, of the type string or large string.
    """
    places, content = bytes_of(texts)
    lengths = np.diff(places)
    is_long = lengths > MOST_BYTES
    words = np.where(is_long, 0, lengths // WORD)
    # numpy sorts numbers of 16 bits in linear time
    order = np.argsort((-words).astype(np.int16), kind="stable")
    own = _word_hashes(places[:-1][order], lengths[order], words[order], content)
    hashes = np.empty_like(own)
    hashes[:, order] = own
    for row in np.flatnonzero(is_long):
        text = content[places[row] : places[row + 1]]
        digest = hashlib.blake2b(text.data, digest_size=2 * WORD).digest()
        hashes[:, row] = np.frombuffer(digest, "<u8")
    return hashes


def _word_hashes(places: Places, lengths: Places, words: Places, content: Bytes) -> Hashes:
    """Hashes [2, n] of texts in order of their numbers of words, most first."""
    # the last word of a short text begins before it
    padded = np.concatenate([np.zeros(WORD, np.uint8), content])
    starts = places + WORD
    begun = lengths.astype(np.uint64)
    hashes = np.stack([begun * SEED, begun])  # else `b` would be as `a` with a NUL behind it
    still = np.searchsorted(-words, -np.arange(words.max(initial=0)))
    for number, count in enumerate(still):
        _take_in(hashes[:, :count], _words(padded, WORD * number)[starts[:count]])
    if len(content):
        last = _words(padded)[starts + lengths - WORD]
        last >>= (8 * np.clip(WORD - lengths, 0, WORD - 1)).astype(np.uint64)
        _take_in(hashes, np.where(lengths == 0, np.uint64(0), last))
    return hashes


def _words(content: Bytes, start: int = 0) -> Hashes:
    """The words that begin at each byte from some place on, as a view."""
    count = max(0, len(content) - start - WORD + 1)
    return np.ndarray((count,), "<u8", content, start, (1,))


def _take_in(hashes: Hashes, words: Hashes) -> None:
    """Take one more word of each text into the hashes, in place; the words are overwritten."""
    first, second = hashes
    words ^= first
    words ^= words >> SHIFT
    np.multiply(words, SPREAD, out=first)
    second += first
