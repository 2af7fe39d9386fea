"""What the user can fix, said in one place and one shape."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from imbtool.wording import cut, printable, shortened


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: where it stands, what was found and expected, how to fix it."""

    where: str
    found: str
    expected: str
    fix: str

    def __str__(self) -> str:
        """Four lines, as the command line shows them."""
        rows = (("found", self.found), ("expected", self.expected), ("fix", self.fix))
        lines = [self.where, *(f"  {name:<9} {text}" for name, text in rows)]
        return "\n".join(printable(shortened(line)) for line in lines)


class UserError(Exception):
    """Input that cannot be used. Carries every problem found, not only the first."""

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))

    def __reduce__(self) -> tuple[type[UserError], tuple[Problem, ...]]:
        """How it is sent to another process: as the problems that it tells."""
        return UserError, self.problems


class NotFiniteError(UserError):
    """A loss or gradient that is no finite number: other settings may fix it."""


class ModelError(UserError):
    """The model cannot be computed, which is no fault of a text."""


class TextError(UserError):
    """One of several texts cannot be used; who knows the row that it stands in names that.

    Attributes:
        place: of the text among those given.
    """

    def __init__(self, place: int, text: str, found: str, fix: str) -> None:
        self.place = place
        where = f"the text {cut(text, 40)!r}"
        super().__init__(Problem(where, found, "a text that the model can read", fix))


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


def user_error(where: object, found: str, expected: str, fix: str) -> UserError:
    """A `UserError` with a single problem, ready to raise."""
    return UserError(Problem(str(where), found, expected, fix))
