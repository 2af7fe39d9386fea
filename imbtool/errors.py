"""What the user can mend, said in one place and one shape."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: where it stands, what was found and expected, how to mend it."""

    where: str
    found: str
    expected: str
    mend: str

    def __str__(self) -> str:
        """Four lines, as the command line shows them."""
        rows = (("found", self.found), ("expected", self.expected), ("mend", self.mend))
        lines = [self.where, *(f"  {name:<9} {text}" for name, text in rows)]
        return "\n".join(printable(shortened(line)) for line in lines)


class UserError(Exception):
    """Input that cannot be used. Carries every problem found, not only the first."""

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


class NotFiniteError(UserError):
    """A loss or gradient that is no finite number: other settings may mend it."""


class TextError(UserError):
    """One of several texts cannot be used; who knows the row that it stands in names that.

    Attributes:
        place: of the text among those given.
    """

    def __init__(self, place: int, text: str, found: str, mend: str) -> None:
        self.place = place
        beginning = text if len(text) <= 40 else f"{text[:40]}..."
        where = f"the text {beginning!r}"
        super().__init__(Problem(where, found, "a text that the model can read", mend))


@contextmanager
def rows_named(row_of: Callable[[int], object]) -> Iterator[None]:
    """Name the row of a text that cannot be used.

    Args:
        row_of: what to call the row of the text at a place.

    Raises:
        UserError: one cannot be used.
    """
    try:
        yield
    except TextError as error:
        where = str(row_of(error.place))
        raise UserError(*(replace(each, where=where) for each in error.problems)) from error


def fail(where: object, found: str, expected: str, mend: str) -> UserError:
    """A `UserError` with a single problem, ready to raise."""
    return UserError(Problem(str(where), found, expected, mend))


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
