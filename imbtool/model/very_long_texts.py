"""Very long texts: only the ends that are read are tokenised.

Tokenising a text takes 250 bytes of memory for each character. Texts are cut at blanks, where
tokenizers cut them into words, since the tokens of a word do not depend on the words around it. The
tokens nearest to the cut are discarded all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from imbtool.model.long_texts import TokenIds

CHARACTERS_A_TOKEN = 8
"""Tried first; texts of longer words need another attempt."""
FAR_LONGER = 64
"""A text with more characters for each token that is read is cut before it is tokenised."""
MARGIN = 32
"""Tokens next to a cut that are discarded."""
MOST_CHARACTERS = 2**22
"""Most characters of one text that are tokenised at once."""
AT_ONCE = 2**20
"""Most characters of several texts that are tokenised in one call."""

Tokenise = Callable[[str], TokenIds]
"""Of a text; returns its token ids without special tokens."""


def is_far_longer(text: str, tokens: int) -> bool:
    """Whether to cut a text before it is tokenised, if `tokens` tokens of it are read."""
    return len(text) > FAR_LONGER * (tokens + MARGIN)


def ends(text: str, head: int, tail: int, tokenise: Tokenise) -> TokenIds | None:
    """The first and the last tokens of a text, as they are among all of its tokens.

    Args:
        text: of any length.
        head: number of first tokens.
        tail: number of last tokens; the text has more than both.
        tokenise: the tokenizer.

    Returns:
        None if half of the text has too few tokens, or no blanks to cut it at.
    """
    first, last = _head(text, head, tokenise), _tail(text, tail, tokenise)
    return None if first is None or last is None else [*first, *last]


def pieces(text: str) -> Iterator[str]:
    """Divide a text into pieces that can be tokenised at once, at blanks if it has any."""
    start = 0
    while len(text) - start > AT_ONCE:
        cut = _blank_before(text, start + AT_ONCE // 2, start + AT_ONCE) or start + AT_ONCE
        yield text[start:cut]
        start = cut
    yield text[start:]


def by_characters(texts: Sequence[str]) -> Iterator[slice]:
    """Slices of consecutive texts with at most as many characters as are tokenised in one call."""
    start, held = 0, 0
    for index, text in enumerate(texts):
        if index > start and held + len(text) > AT_ONCE:
            yield slice(start, index)
            start, held = index, 0
        held += len(text)
    if start < len(texts):
        yield slice(start, len(texts))


def _head(text: str, tokens: int, tokenise: Tokenise) -> TokenIds | None:
    if not tokens:
        return []
    for size in _sizes(text, tokens):
        cut = _blank_before(text, size // 2, size)
        if cut and len(found := tokenise(text[:cut])) >= tokens + MARGIN:
            return found[:tokens]
    return None


def _tail(text: str, tokens: int, tokenise: Tokenise) -> TokenIds | None:
    if not tokens:
        return []
    for size in _sizes(text, tokens):
        cut = _blank_before(text, len(text) - size, len(text) - size // 2)
        if cut and len(found := tokenise(text[cut:])) >= tokens + MARGIN:
            return found[-tokens:]
    return None


def _sizes(text: str, tokens: int) -> Iterator[int]:
    """Numbers of characters to try, up to half of the text."""
    size = CHARACTERS_A_TOKEN * (tokens + MARGIN)
    while size <= min(len(text) // 2, MOST_CHARACTERS):
        yield size
        size *= 2


def _blank_before(text: str, start: int, end: int) -> int | None:
    """Position of the last blank in a part of a text, or of other white space."""
    found = text.rfind(" ", start, end)
    if found < 0:
        found = max(text.rfind(space, start, end) for space in "\n\t\r")
    return found if found > 0 else None
