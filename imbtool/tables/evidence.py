"""What the cells of a column look like, and whether a piece of a line looks like one of them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

NUMBER = re.compile(r"\s*[-+]?(\d+[.,]?\d*|[.,]\d+)([eE][-+]?\d+)?\s*%?\s*")
ITEMS = re.compile(r"\s*[|;,/#]\s*")
"""What stands between labels alone."""
PARTS = re.compile(r"[\s|;,/#:+]+")
"""What stands between the labels, or the words, of a cell."""

MOST_WORDS = 4
"""On average, in a column whose parts recur; one with more holds free text."""
MOST_PARTS = 20_000
LEAST_NUMBERS = 5
LEAST_WORDS = 3
"""Of a piece that has more words than any cell of a column, to be none of its cells."""


class Fit(Enum):
    """Whether a piece of a line is a cell of a column."""

    NATIVE = "it looks like the column's other cells"
    FOREIGN = "it does not"
    UNKNOWN = "nothing tells"


@dataclass
class Column:
    """What is known of a column's cells."""

    cells: int = 0
    words: int = 0
    most_words: int = 0
    empty: int = 0
    numbers: int = 0
    indented: int = 0
    parts: set[str] = field(default_factory=set)
    items: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, cells: Iterable[str]) -> Column:
        """The column of these cells."""
        column = cls()
        for cell in cells:
            column.learn(cell)
        return column

    def learn(self, cell: str) -> None:
        """Take in a cell."""
        self.cells += 1
        if not cell.strip():
            self.empty += 1
            return
        words = len(cell.split())
        self.words += words
        self.most_words = max(self.most_words, words)
        self.numbers += is_number(cell)
        self.indented += cell[0].isspace()
        if len(self.parts) < MOST_PARTS:
            self.parts.update(parts_of(cell))
            self.items.update(_items_of(cell))

    @property
    def mean_words(self) -> float:
        """Words of a cell that is not empty."""
        return self.words / max(self.cells - self.empty, 1)

    @property
    def is_free_text(self) -> bool:
        """Whether the parts of its cells need not recur."""
        return self.mean_words > MOST_WORDS or len(self.parts) >= MOST_PARTS

    @property
    def is_numeric(self) -> bool:
        """Whether all of its cells are numbers, and enough to say so."""
        return self.numbers >= LEAST_NUMBERS and self.numbers == self.cells - self.empty

    def fit(self, piece: str) -> Fit:
        """Whether a piece of a line, taken for a cell of this column, looks like one."""
        text = piece.strip('"')
        if not text.strip():
            return Fit.UNKNOWN if self.empty or not self.cells else Fit.FOREIGN
        if self.fit_of_start(piece) is Fit.FOREIGN:
            return Fit.FOREIGN
        if self.is_numeric:
            return Fit.NATIVE if is_number(text) else Fit.FOREIGN
        if self.is_free_text:
            return Fit.UNKNOWN
        words = len(text.split())
        if words > max(self.most_words, LEAST_WORDS - 1) and self.cells:
            return Fit.FOREIGN
        return Fit.NATIVE if self.knows(text) else Fit.UNKNOWN

    def fit_of_start(self, piece: str) -> Fit:
        """Whether a piece begins as no cell does: a blank behind a comma is that of a sentence."""
        known = self.cells - self.empty
        is_foreign = bool(known and not self.indented and piece[:1].isspace())
        return Fit.FOREIGN if is_foreign else Fit.UNKNOWN

    def knows(self, text: str) -> bool:
        """Whether all words of a text are words of its cells."""
        parts = parts_of(text)
        return bool(parts) and parts <= self.parts

    def has(self, text: str) -> bool:
        """Whether a text, or each label in it, is a whole cell, or a whole label of one."""
        items = _items_of(text)
        return bool(items) and items <= self.items


def is_number(cell: str) -> bool:
    """Whether a cell is a number."""
    return NUMBER.fullmatch(cell) is not None


def parts_of(cell: str) -> set[str]:
    """The labels, or the words, of a cell."""
    return set(filter(None, PARTS.split(cell.strip('"'))))


def _items_of(cell: str) -> set[str]:
    return set(filter(None, ITEMS.split(cell.strip())))
