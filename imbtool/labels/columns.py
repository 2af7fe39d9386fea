"""A column of a table by what its cells could say: names, lists, yes and no, scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc

from imbtool.labels.separators import guess_separator
from imbtool.labels.syntax import Written, flag_of, read_cell

MOST_DIFFERENT = 0.5
"""Share of the rows with different cells above which a column holds no labels."""
ZERO_AND_ONE = {"0", "1", "0.0", "1.0", "true", "false", "-1", "-1.0"}
MOST_READ = 5000
"""Different cells that are read to tell whether a column may hold labels."""
SAMPLED = 200
"""Cells that are looked at to tell texts from objects and links."""
MOST_NUMBERS = 20
"""Different numbers above which a column counts or measures something."""


@dataclass(frozen=True)
class Column:
    """A column that may hold labels.

    Attributes:
        name: of it.
        cells: as text, nothing missing.
        is_list: whether its cells are lists in the table already.
    """

    name: str
    cells: pa.ChunkedArray
    is_list: bool

    @cached_property
    def distinct(self) -> list[str]:
        """Its different cells, in the order of their first rows."""
        values: list[str] = self.cells.unique().to_pylist()
        return values

    @cached_property
    def values(self) -> list[str]:
        """Its different cells without the empty one."""
        return [cell for cell in self.distinct if cell.strip()]

    @cached_property
    def read(self) -> list[Written]:
        """What its values say if nothing separates them."""
        return [read_cell(cell, "\0") for cell in self.values]

    @cached_property
    def holds_lists(self) -> bool:
        """Whether each cell is a list or an object, in the table or written as text."""
        forms = {written.form for written in self.read}
        return self.is_list or bool(forms and forms <= {"list", "object"})

    @cached_property
    def has_lists(self) -> bool:
        """Whether some cells are lists or objects of names, and none holds more than names."""
        forms = {read_cell(cell, "\0").form for cell in self.values[:MOST_READ]}
        return self.is_list or (bool(forms & {"list", "object"}) and "unreadable" not in forms)

    @cached_property
    def flags(self) -> set[float]:
        """The meanings of its values as flags, NaN as 0.5; empty if one of them has none."""
        meanings = [flag_of(cell) for cell in self.values]
        if None in meanings:
            return set()
        return {0.5 if math.isnan(each) else each for each in meanings if each is not None}

    @property
    def is_flag(self) -> bool:
        """Whether it says of each text whether it has a label; of one at least that it has."""
        return 1.0 in self.flags and len(self.distinct) > 1 and self._has_one_yes

    @property
    def is_absent(self) -> bool:
        """Whether it says of texts that they lack a label, and of none that it has it."""
        return self.flags in ({0.0}, {0.0, 0.5})

    @cached_property
    def odd_flag(self) -> str | None:
        """A cell that means neither yes nor no, where most others do; None where none is odd."""
        if self.has_lists or not self.values or self.is_flag or self.is_absent:
            return None
        clear = [cell for cell in self.values if flag_of(cell) is not None]
        filled = len(self.cells) - self.rows_with([c for c in self.distinct if not c.strip()])
        if 2 * self.rows_with(clear) < filled or len(self.values) < 2:
            return None
        return next((cell for cell in self.values if cell not in clear), self.values[-1])

    @property
    def may_be_label(self) -> bool:
        """Whether it says yes and no of texts, or each of its few values of some of them."""
        return self.is_flag or (self.may_hold_names and len(self.values) == 2)

    def tells_the_same(self, other: Column) -> bool:
        """Whether each value goes with one value of another column: numbers and their names."""
        pairs = len({*zip(self.cells.to_pylist(), other.cells.to_pylist(), strict=True)})
        return pairs == len(self.distinct) == len(other.distinct)

    @property
    def _has_one_yes(self) -> bool:
        """Whether one word means yes, and one at most means no: two are names, x and y say."""
        for meaning in (0.0, 1.0):
            words = {cell.strip().lower() for cell in self.values if flag_of(cell) == meaning}
            if len(words - ZERO_AND_ONE) > 1 - bool(words & ZERO_AND_ONE):
                return False
        return True

    @cached_property
    def numbers(self) -> list[float]:
        """Its values as numbers; none where one is no number."""
        try:
            return [float(cell) for cell in self.values]
        except ValueError:
            return []

    @property
    def is_score(self) -> bool:
        """Whether it holds shares from 0 to 1, not only these two."""
        return any(0 < each < 1 for each in self.numbers) and all(
            0 <= each <= 1 or each == -1 for each in self.numbers
        )

    @property
    def may_hold_texts(self) -> bool:
        """Whether its cells differ as texts do, and are no addresses, numbers or objects."""
        if self.is_list or self.is_flag or self.is_absent or self.numbers:
            return False
        if len(self.distinct) == 1 and len(self.cells) > 1:
            return False
        some = self.values[:SAMPLED]
        nested = sum(read_cell(cell, "\0").form != "names" for cell in some)
        links = sum(cell.lstrip().startswith(("http://", "https://")) for cell in some)
        return 2 * max(nested, links) < len(some)

    @property
    def may_hold_names(self) -> bool:
        """Whether its cells, or the parts of them, recur as label names do."""
        if len(self.distinct) < 2 or (self.numbers and len(self.values) > MOST_NUMBERS):
            return False
        few = len(self.distinct) <= max(2, MOST_DIFFERENT * len(self.cells))
        return few or guess_separator(self.values[:MOST_READ]).separator is not None

    def row_of(self, cell: str) -> int:
        """The first row (from 1) with a cell."""
        place: int = pc.index(self.cells, cell).as_py()
        return place + 1

    def rows_with(self, cells: Sequence[str]) -> int:
        """How many rows have one of some cells."""
        return int(pc.sum(pc.is_in(self.cells, pa.array(cells, self.cells.type))).as_py() or 0)
