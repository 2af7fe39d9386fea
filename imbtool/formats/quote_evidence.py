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
MOST_SHAPES = 2
"""With more, its cells are not made alike."""
LEAST_CODE = 6
"""Characters of letters and digits, to be a code: those of one column have one length."""
WORD = "a"
"""The shape of a word, which says nothing of another one."""
LEAST_CELLS = 5
"""To say of a text that it is none of a column's cells."""


class QuoteFit(Enum):
    """Whether a piece of a line is a cell of a column."""

    NATIVE = "it looks like the column's other cells"
    FOREIGN = "it does not"
    NEW = "none of the column's other cells is like it, though they recur"
    EMPTY = "it is empty, which none of the cells is"
    UNKNOWN = "nothing tells"


@dataclass
class CellShapes:
    """What is known of a column's cells."""

    cells: int = 0
    words: int = 0
    most_words: int = 0
    empty: int = 0
    numbers: int = 0
    indented: int = 0
    parts: set[str] = field(default_factory=set)
    items: set[str] = field(default_factory=set)
    shapes: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, cells: Iterable[str]) -> CellShapes:
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
        if len(self.shapes) < MOST_SHAPES:
            self.shapes.add(shape_of(cell))
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
    def is_known(self) -> bool:
        """Whether it has cells enough to say what is none of them."""
        return self.cells - self.empty >= LEAST_CELLS

    @property
    def are_distinct(self) -> bool:
        """Whether its cells hardly recur, as ids do: only their shape says something."""
        return 2 * len(self.items) > self.cells - self.empty

    def fit(self, piece: str, is_behind: bool = False) -> QuoteFit:
        """Whether a piece of a line, taken for a cell of this column, looks like one.

        Args:
            piece: of the line.
            is_behind: whether it stands behind a text: in a sentence it would begin with a blank.
        """
        text = piece.strip('"')
        if not text.strip():
            return QuoteFit.UNKNOWN if self.empty or not self.cells else QuoteFit.EMPTY
        if self.fit_of_start(piece) is QuoteFit.FOREIGN:
            return QuoteFit.FOREIGN
        if self.is_free_text:
            return QuoteFit.UNKNOWN
        is_cell_alone = self.are_distinct or (is_behind and not is_number(text))
        if self.knows(text) or (is_cell_alone and shape_of(text) in self.shapes):
            return QuoteFit.NATIVE
        return QuoteFit.FOREIGN if self.is_known and self._is_strange(text) else QuoteFit.NEW

    def _is_strange(self, text: str) -> bool:
        """Whether no cell is like a text: they are alike, or no numbers, or shorter."""
        if len(self.shapes) == 1 and self.shapes != {WORD}:
            return shape_of(text) not in self.shapes
        if is_number(text) and not self.numbers:
            return True
        return len(text.split()) > 2 * self.most_words + 1

    def fit_of_start(self, piece: str) -> QuoteFit:
        """Whether a piece begins as no cell does: a blank behind a comma is that of a sentence."""
        known = self.cells - self.empty
        is_foreign = bool(known and not self.indented and piece[:1].isspace())
        return QuoteFit.FOREIGN if is_foreign else QuoteFit.UNKNOWN

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


def shape_of(cell: str) -> str:
    """What cells made alike have in common: `id-12` is `aa-0`, and any number is one."""
    if is_number(cell):
        return "number"
    if cell.isascii() and cell.isalnum() and not cell.isalpha() and len(cell) >= LEAST_CODE:
        return f"code of {len(cell)}"
    return re.sub(r"[^\W\d_]+", WORD, re.sub(r"\d+", "0", cell.strip()))


def parts_of(cell: str) -> set[str]:
    """The labels, or the words, of a cell."""
    return set(filter(None, PARTS.split(cell.strip('"'))))


def _items_of(cell: str) -> set[str]:
    return set(filter(None, ITEMS.split(cell.strip())))
