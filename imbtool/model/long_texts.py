"""Long texts: what is read of a text with more tokens than an encoder reads at once.

Either its head and its tail (Sun et al. 2019, arXiv 1905.05583, keep 128 and 382 of 510 tokens), or
overlapping windows, each read like a text of its own. The windows of a text follow each other in
one list of ids. All but the last have `max_length` tokens, so that the length of the list gives
their number.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from imbtool.config.schema import LongTexts
from imbtool.types import Rows

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

HEAD_PARTS = 4
"""One part in so many of the tokens that are read comes from the head, the rest from the tail."""
OVERLAP_PARTS = 4
"""One part in so many of a window overlaps with the window before it."""
MOST_WINDOWS = 16
"""Most windows of a text, since all are in memory at once; longer texts lose their middle."""

TokenIds = list[int]


@dataclass(frozen=True)
class SpecialTokens:
    """The special tokens that a tokenizer adds before and after a text."""

    start: TokenIds
    end: TokenIds

    def __len__(self) -> int:
        return len(self.start) + len(self.end)

    def around(self, text: TokenIds) -> TokenIds:
        """The tokens of a text with the special tokens around them."""
        return [*self.start, *text, *self.end]

    def inside(self, ids: TokenIds) -> TokenIds:
        """The tokens of a text without the special tokens around them."""
        return ids[len(self.start) : len(ids) - len(self.end)]


def special_tokens_of(tokenizer: PreTrainedTokenizerBase) -> SpecialTokens:
    """The special tokens that a tokenizer adds, as it marks them around a short text."""
    shown = tokenizer("a", return_special_tokens_mask=True)
    ids, mask = shown["input_ids"], shown["special_tokens_mask"]
    own = [index for index, is_special in enumerate(mask) if not is_special]
    return SpecialTokens(ids[: own[0]], ids[own[-1] + 1 :])


def most_windows(long_texts: LongTexts) -> int:
    """Most windows of a text."""
    return MOST_WINDOWS if long_texts == "windows" else 1


def most_read(long_texts: LongTexts, max_length: int, special: SpecialTokens) -> int:
    """Most tokens of a text that is read whole, special tokens included."""
    return max_length + (most_windows(long_texts) - 1) * _step(max_length - len(special))


def head_tail(ids: TokenIds, most: int, special: SpecialTokens) -> TokenIds:
    """Cut a text, given with its special tokens, to `most` tokens: a quarter from its head."""
    if len(ids) <= most:
        return ids
    text, room = special.inside(ids), most - len(special)
    head = head_part(room)
    return special.around(text[:head] + text[len(text) - (room - head) :])


def head_part(room: int) -> int:
    """How many of `room` tokens come from the head of a text; the others come from its tail."""
    return room // HEAD_PARTS


def in_windows(ids: TokenIds, max_length: int, special: SpecialTokens) -> TokenIds:
    """The windows of a text, one after the other, all with special tokens.

    Each begins with the last quarter of the one before; the last one may be shorter.
    """
    if len(ids) <= max_length:
        return ids
    text, room = special.inside(ids), max_length - len(special)
    step = _step(room)
    starts = range(0, len(text) - (room - step), step)
    return [token for at in starts for token in special.around(text[at : at + room])]


def windows_of(ids: TokenIds, max_length: int) -> list[TokenIds]:
    """The windows of an encoded text; a text that fits is its only window."""
    return [ids[at : at + max_length] for at in range(0, max(1, len(ids)), max_length)]


def count_windows(lengths: Iterable[int], max_length: int) -> list[int]:
    """Number of windows of encoded texts of these lengths."""
    return [max(1, -(-length // max_length)) for length in lengths]


def text_of_each(windows: Sequence[int]) -> NDArray[np.int64]:
    """Index of the text that each window belongs to [sum of windows]."""
    return np.repeat(np.arange(len(windows)), windows)


def padded_tokens(lengths: Sequence[int], max_length: int) -> int:
    """Number of tokens of a batch of encoded texts of these lengths, padding included."""
    return sum(count_windows(lengths, max_length)) * min(max(lengths), max_length)


def grouped(windows: Sequence[int], most: int) -> list[slice]:
    """Group consecutive texts so that each group has at most `most` windows.

    Args:
        windows: number of windows of each text.
        most: windows of a group; a text with more is a group of its own.

    Returns:
        The indices of each group's texts. Without texts there is one empty group.
    """
    ends, held = [], 0
    for index, count in enumerate(windows):
        if held and held + count > most:
            ends.append(index)
            held = 0
        held += count
    edges = [0, *ends, len(windows)]
    return [slice(start, end) for start, end in pairwise(edges)]


def cheapest_groups(tokens: Rows, most: int, cost: int) -> list[slice]:
    """Group texts for forward passes that together cost least.

    Args:
        tokens: of each text [n], longest first; in a group all are padded to its first.
        most: tokens of a group, padding included; a text with more is a group of its own.
        cost: of a pass beside its tokens, in tokens.
    """
    least = np.append(0.0, np.full(len(tokens), np.inf))
    begin = np.zeros(len(tokens) + 1, np.int64)
    for start, width in enumerate(np.maximum(tokens, 1).tolist()):
        sizes = np.arange(1, 1 + min(max(1, most // width), len(tokens) - start))
        ends, costs = start + sizes, least[start] + cost + width * sizes
        better = costs < least[ends]
        least[ends[better]], begin[ends[better]] = costs[better], start
    groups, end = [], len(tokens)
    while end:
        groups.append(slice(int(begin[end]), end))
        end = int(begin[end])
    return groups[::-1]


def _step(room: int) -> int:
    """Number of tokens from the beginning of a window to that of the next one."""
    return room - room // OVERLAP_PARTS
