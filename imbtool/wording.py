"""Words and numbers as people read them: counts, lists, values, shortened texts, Markdown."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Sequence

TABLE_MARKUP = re.compile(r"[\\`*_{}\[\]|~$]")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`did you mean 'x'?` for the nearest known name, else the list of the known ones."""
    choices = list(known)
    near = difflib.get_close_matches(name, choices, n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}?" if near else f"use one of: {some(choices, 12)}"


def shortened(text: str, most: int = 1500) -> str:
    """A long text with its middle left out, and how much that was.

    >>> shortened("abcdefgh" * 10, most=40)
    'abcdefghabcdefghabcd ... 40 characters left out ... efghabcdefghabcdefgh'
    """
    if len(text) <= most:
        return text
    half = most // 2
    left_out = counted(len(text) - 2 * half, "character")
    return f"{text[:half]} ... {left_out} left out ... {text[-half:]}"


def cut(text: str, most: int = 160) -> str:
    """The beginning of a text that may be long, with dots where something is missing."""
    return text if len(text) <= most else f"{text[:most]}..."


def shown(value: object, most: int = 120) -> str:
    """A value from a file as JSON in one line, short enough for a message."""
    return cut(json.dumps(value, default=str), most)


def printable(text: str) -> str:
    """Text from others, safe for a terminal: control characters become escapes.

    The unit separator, which stands between two columns of a text, becomes a broken bar.
    """
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text.replace("\x1f", "¦")
    )


def counted(number: int, noun: str) -> str:
    """`1 row`, `2 rows`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def three_digits(value: float) -> str:
    """A number with three digits, `0.0123`; all those of a large one, `6,992`."""
    return f"{value:,.0f}" if abs(value) >= 999.5 else f"{value:.3g}"


def some(items: Iterable[object], most: int = 5) -> str:
    """The first few items in words, with how many more there are."""
    shown = [str(item) for item in items]
    more = len(shown) - most
    return ", ".join(shown[:most]) + (f" and {more} more" if more > 0 else "")


def as_list(names: str | Sequence[str]) -> list[str]:
    """One name, or several, as a list."""
    return [names] if isinstance(names, str) else list(names)


def markdown_text(text: str) -> str:
    """A name or a text of others within a line of Markdown: no new line or cell, no markup."""
    escaped = TABLE_MARKUP.sub(r"\\\g<0>", printable(" ".join(text.split())))
    for letter, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        escaped = escaped.replace(letter, entity)
    # neither a mention of somebody nor a link
    return escaped.replace("@", "@\u200b").replace("://", r"\://")


def markdown_table(titles: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> str:
    """A table of GitHub flavour; its first `left` columns stand left, the others right."""
    marks = ["---" if place < left else "---:" for place in range(len(titles))]
    return "\n".join("| " + " | ".join(row) + " |" for row in (titles, marks, *rows))
