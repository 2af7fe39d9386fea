"""What is read of a text that has more tokens than an encoder reads at once: pure functions of ids.

Its head and its tail (Sun et al. 2019, arXiv 1905.05583, keep 128 and 382 of 510), or windows that
overlap, each read as if it were a text. The windows of a text stand one after the other in one list
of ids; all but the last have `max_length` tokens: the list's length tells how many there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imbtool.config.schema import LongTexts

HEAD_PARTS = 4
"""Of a text that is too long one part in so many is kept from its head, the rest from its tail."""
OVERLAP_PARTS = 4
"""One part in so many of a window stands in the window before it as well."""
MOST_WINDOWS = 16
"""Of a text, since all of them are in memory at once; of a longer one head and tail are kept."""

TokenIds = list[int]


@dataclass(frozen=True)
class SpecialTokens:
    """The special tokens that a tokenizer puts before and after a text."""

    start: TokenIds
    end: TokenIds

    def __len__(self) -> int:
        return len(self.start) + len(self.end)

    def around(self, text: TokenIds) -> TokenIds:
        """A text's own tokens, framed."""
        return [*self.start, *text, *self.end]

    def inside(self, ids: TokenIds) -> TokenIds:
        """A framed text's own tokens."""
        return ids[len(self.start) : len(ids) - len(self.end)]


def special_tokens_of(tokenizer: Any) -> SpecialTokens:
    """The special tokens that a tokenizer puts around a text, as it marks them around one."""
    shown = tokenizer("a", return_special_tokens_mask=True)
    ids, special = shown["input_ids"], shown["special_tokens_mask"]
    own = [place for place, is_special in enumerate(special) if not is_special]
    return SpecialTokens(ids[: own[0]], ids[own[-1] + 1 :])


def most_windows(long_texts: LongTexts) -> int:
    """Windows that a text has at most."""
    return MOST_WINDOWS if long_texts == "windows" else 1


def most_read(long_texts: LongTexts, max_length: int, frame: SpecialTokens) -> int:
    """Tokens that a text may have, its frame among them, to be read whole."""
    return max_length + (most_windows(long_texts) - 1) * _step(max_length - len(frame))


def head_tail(ids: TokenIds, most: int, frame: SpecialTokens) -> TokenIds:
    """A framed text of at most so many tokens: its first quarter of them, and its last three."""
    if len(ids) <= most:
        return ids
    text, room = frame.inside(ids), most - len(frame)
    head = head_part(room)
    return frame.around(text[:head] + text[len(text) - (room - head) :])


def head_part(room: int) -> int:
    """How many of so many tokens are a text's first, where the others are its last."""
    return room // HEAD_PARTS


def in_windows(ids: TokenIds, max_length: int, frame: SpecialTokens) -> TokenIds:
    """The framed windows of a framed text, one after the other.

    Each begins with the last quarter of the one before; the last one may be shorter.
    """
    if len(ids) <= max_length:
        return ids
    text, room = frame.inside(ids), max_length - len(frame)
    step = _step(room)
    starts = range(0, len(text) - (room - step), step)
    return [token for at in starts for token in frame.around(text[at : at + room])]


def windows_of(ids: TokenIds, max_length: int) -> list[TokenIds]:
    """The windows of an encoded text, each to be read by itself; one that fits is its own."""
    return [ids[at : at + max_length] for at in range(0, max(1, len(ids)), max_length)]


def count_windows(lengths: Iterable[int], max_length: int) -> list[int]:
    """How many windows encoded texts of these lengths have."""
    return [max(1, -(-length // max_length)) for length in lengths]


def text_of_each(windows: Sequence[int]) -> NDArray[np.int64]:
    """The place of the text that each window is of [sum of windows]."""
    return np.repeat(np.arange(len(windows)), windows)


def padded_tokens(lengths: Sequence[int], max_length: int) -> int:
    """Tokens of a batch of encoded texts of these lengths, padding among them."""
    return sum(count_windows(lengths, max_length)) * min(max(lengths), max_length)


def grouped(windows: Sequence[int], most: int) -> list[slice]:
    """Texts in a row, in groups of at most so many windows; one with more is a group of its own.

    Args:
        windows: of each text.
        most: windows of a group.

    Returns:
        The places of each group's texts. No text is one empty group.
    """
    ends, held = [], 0
    for place, count in enumerate(windows):
        if held and held + count > most:
            ends.append(place)
            held = 0
        held += count
    edges = [0, *ends, len(windows)]
    return [slice(start, end) for start, end in pairwise(edges)]


def _step(room: int) -> int:
    """Tokens from the beginning of a window to that of the next."""
    return room - room // OVERLAP_PARTS
