"""The ends of a text that is far longer than what is read of it.

Tokenising all of a text takes 250 bytes a character, so of a very long one only the ends that are
read are tokenised. They end at blanks: tokenizers cut texts into words there, and the tokens of a
word do not depend on the words around it. Those nearest to the cut are left out all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from imbtool.model.long_texts import TokenIds

CHARACTERS_A_TOKEN = 8
"""Tried first; a text of longer words takes another try."""
FAR_LONGER = 64
"""A text with more characters a token that is read is cut before it is tokenised."""
MARGIN = 32
"""Tokens next to a cut that are not believed."""
MOST_CHARACTERS = 2**22
"""Of one text that are tokenised at once."""
AT_ONCE = 2**20
"""Characters of all texts that are tokenised in one call."""

Tokenise = Callable[[str], TokenIds]
"""A text becomes its own tokens, without special ones."""


def is_far_longer(text: str, tokens: int) -> bool:
    """Whether a text is to be cut before it is tokenised, where so many tokens of it are read."""
    return len(text) > FAR_LONGER * (tokens + MARGIN)


def ends(text: str, head: int, tail: int, tokenise: Tokenise) -> TokenIds | None:
    """The first and the last tokens of a text, as they are among all of its tokens.

    Args:
        text: of any length.
        head: how many of the first.
        tail: how many of the last; the text has more than both.
        tokenise: what gives tokens.

    Returns:
        None where half of the text has too few tokens, or no blanks to cut it at.
    """
    first, last = _head(text, head, tokenise), _tail(text, tail, tokenise)
    return None if first is None or last is None else [*first, *last]


def pieces(text: str) -> Iterator[str]:
    """A text in pieces that can be tokenised at once, cut at blanks where there are some."""
    start = 0
    while len(text) - start > AT_ONCE:
        cut = _blank_before(text, start + AT_ONCE // 2, start + AT_ONCE) or start + AT_ONCE
        yield text[start:cut]
        start = cut
    yield text[start:]


def by_characters(texts: Sequence[str]) -> Iterator[slice]:
    """The places of texts in a row with no more characters than are tokenised in one call."""
    start, held = 0, 0
    for place, text in enumerate(texts):
        if place > start and held + len(text) > AT_ONCE:
            yield slice(start, place)
            start, held = place, 0
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
    """Characters to try, up to half of the text."""
    size = CHARACTERS_A_TOKEN * (tokens + MARGIN)
    while size <= min(len(text) // 2, MOST_CHARACTERS):
        yield size
        size *= 2


def _blank_before(text: str, start: int, end: int) -> int | None:
    """The place of the last blank in a part of a text, or of another white space."""
    found = text.rfind(" ", start, end)
    if found < 0:
        found = max(text.rfind(space, start, end) for space in "\n\t\r")
    return found if found > 0 else None
