"""Which mark stands between two labels of a cell: what the cells themselves give evidence for."""

from __future__ import annotations

import re
import string
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

Verdict = Literal["separator", "within names", "unclear"]

DOUBLE = "||"
"""Where it separates, a single one is part of a name."""
STRONG = ("|", ";", "\n", "\t", "<br>", "<br/>", "<br />")
"""Hardly ever within a name: some parts that recur are enough."""
WEAK = (",", "#", "::", "/", "&", "+", ":", ">", "~", " - ")
"""Often within names (`hate/threatening`, `Billing, refunds`): parts must recur freely."""
BETWEEN = (*STRONG, ",", " / ", " & ", " + ", " and ")
"""Marks of which a second one is looked for beside the first: with blanks around, if weak."""
PATHS = ("/", "::", ":", ">")
"""Between the levels of one label's path, where the lower ones may recur under different ones."""
BLANK = " "
"""Within names more often than between them: every part must recur freely."""
MARKS = (*STRONG, *WEAK, BLANK)

WITHIN_NAMES = "()[]{}\"'?!.@%$-_"
"""Punctuation of names, of which alone no mark is made."""
GLUE = re.compile(r"\s+(?:and|or|und|oder|et|ou|y|o|e|plus|with|mit)\s+|\s*\\[nt]\s*")
"""Words between labels, and line breaks and tabs that were written as escapes."""
MARK_RUN = re.compile(r"[^\w\s]+(?:\s+[^\w\s]+)*")
RECURRING = 0.5
"""Share of the parts that recur from which a strong mark separates them."""
TIED = 0.9
"""Share of the cells with a part that recurs that is enough too: labels with all those above them,
of which the lowest are in one cell each."""
FREE = 0.6
"""Share of the parts that stand freely from which a weak mark separates them."""
MOST_GLUED = 200
"""Different cells of which one is looked for in another."""
LEAST_BLANK_CELLS = 3
"""Different cells with blanks, fewer of which prove nothing."""


@dataclass(frozen=True)
class Guess:
    """What cells say of their separator.

    Attributes:
        separator: the mark; None where no cell seems to hold more than one label.
        unclear: a mark that may separate labels or be part of names, with a cell that holds it.
        within: a mark that is taken for a part of names, with a cell that holds it.
    """

    separator: str | None = None
    unclear: tuple[str, str] | None = None
    within: tuple[str, str] | None = None


def guess_separator(cells: Iterable[str]) -> Guess:
    """Find the mark between labels.

    Args:
        cells: the different cells of a column, those that are lists left out.
    """
    whole = sorted({cell.strip() for cell in cells if cell.strip()})
    marks = dict.fromkeys([DOUBLE, *_runs(whole), *MARKS, *_glues(whole)])
    found = [each for mark in marks if (each := _Evidence.of(whole, mark)).cells]
    by_verdict = {
        verdict: [each for each in found if each.verdict == verdict]
        for verdict in get_args(Verdict)
    }
    if separating := by_verdict["separator"]:
        doubled = next((each for each in separating if each.mark == DOUBLE), None)
        best = doubled or max(separating, key=lambda each: (each.reuse(whole), each.mark in MARKS))
        return Guess(best.mark, _second_mark(whole, best.mark))
    unclear, within = (
        [(each.mark, each.example) for each in by_verdict[verdict]]
        for verdict in ("unclear", "within names")
    )
    named = [each for each in within if each[0] != BLANK]
    return Guess(None, next(iter(unclear), None), next(iter(named), None))


def _runs(whole: Sequence[str]) -> list[str]:
    """Marks of their own that stand in most cells in which any mark stands: `||`, `^`, `|;|`."""
    runs = [{each.strip() for each in MARK_RUN.findall(cell)} for cell in whole]
    counts = Counter(run for each in runs for run in each)
    cells = sum(map(bool, runs))
    common = [
        run
        for run, count in counts.items()
        if run not in MARKS and 2 * count > cells and not set(run) <= set(WITHIN_NAMES)
    ]
    together = "\0".join(whole)
    return [run for run in common if all(_is_within(mark, run, together) for mark in MARKS)]


def _is_within(mark: str, run: str, cells: str) -> bool:
    """Whether a mark that stands in a run of marks stands nowhere else."""
    free = mark not in run or run == DOUBLE
    return free or cells.count(mark) == cells.count(run) * run.count(mark)


def _glues(whole: Sequence[str]) -> list[str]:
    """What stands between two cells in others, more than once: ` and `."""
    single = sorted(whole, key=len)[:MOST_GLUED]
    found: Counter[str] = Counter()
    for cell in whole[:MOST_GLUED]:
        heads = {each for each in single if len(each) < len(cell) and cell.startswith(each)}
        tails = {each for each in single if len(each) < len(cell) and cell.endswith(each)}
        middles = {cell[len(head) : len(cell) - len(tail)] for head in heads for tail in tails}
        found.update(middle for middle in middles if GLUE.fullmatch(middle))
    return [glue for glue, count in found.items() if count > 1]


def _stripped(cell: str, mark: str) -> str:
    """A cell without marks and blanks at its ends."""
    before = None
    while cell != before:
        before, cell = cell, cell.removeprefix(mark).removesuffix(mark).strip()
    return cell


def _is_punctuation(piece: str) -> bool:
    return all(character in string.punctuation for character in piece)


def _pieces(cell: str, mark: str) -> list[str]:
    return [piece for part in cell.split(mark) if (piece := part.strip())]


def joined_by(name: str, known: Collection[str], marks: Sequence[str]) -> str | None:
    """The mark, of some, by which a name is several known labels."""
    for mark in marks:
        parts = {part.strip() for part in name.split(mark)}
        if len(parts) > 1 and parts <= set(known):
            return mark
    return None


def _second_mark(whole: Sequence[str], separator: str) -> tuple[str, str] | None:
    """Another mark between parts each of which is a label, in a table that has one already."""
    cells = [cell.split(separator) for cell in whole]
    labels = {part.strip() for parts in cells for part in parts if part.strip()}
    for label in sorted(labels):
        mark = joined_by(label, labels - {label}, BETWEEN)
        if mark is not None:
            return mark, label
    return None


@dataclass(frozen=True)
class _Evidence:
    """How the parts behave into which a mark cuts cells.

    Attributes:
        mark: that cuts them.
        example: a cell that it cuts.
        cells: the pieces of each different cell that it cuts.
        parts: each piece with how many different cells it is in.
        places: each piece with whether it stands first, later, and alone somewhere.
    """

    mark: str
    example: str
    cells: Sequence[Sequence[str]]
    parts: Mapping[str, int]
    places: Mapping[str, set[str]]

    @classmethod
    def of(cls, whole: Sequence[str], mark: str) -> _Evidence:
        bare = [_stripped(cell, mark) for cell in whole]
        alone = {cell for cell in bare if mark not in cell}
        example = next((cell for cell in bare if mark in cell), "")
        cells = [_pieces(cell, mark) for cell in bare if mark in cell]
        parts = Counter(piece for pieces in cells for piece in set(pieces))
        places: dict[str, set[str]] = defaultdict(set)
        for first, *later in cells:
            places[first].add("first")
            for piece in later:
                places[piece].add("later")
        for piece in alone & set(parts):
            parts[piece] += 1
            places[piece].add("alone")
        return cls(mark, example, cells, parts, places)

    def reuse(self, whole: Iterable[str]) -> float:
        """How many different cells a label stands in, on average, if the mark separates them."""
        pieces = [piece for cell in whole for piece in _pieces(cell, self.mark)]
        return len(pieces) / max(1, len(set(pieces)))

    @property
    def verdict(self) -> Verdict:
        if not self.cells or any(map(_is_punctuation, self.parts)):
            return "within names"
        if self.mark == BLANK:
            return self._of_blanks()
        if self.mark in (DOUBLE, *STRONG):
            return self._of_strong()
        return self._of_weak()

    def _of_strong(self) -> Verdict:
        recurring = self._share(count > 1 for count in self.parts.values())
        tied = self._share(any(self.parts[part] > 1 for part in cell) for cell in self.cells)
        if recurring >= RECURRING or tied >= TIED:
            return "separator"
        return "unclear" if recurring > 0 else "within names"

    def _of_weak(self) -> Verdict:
        """A label stands at any place; the levels of a path and the halves of a name at one."""
        if not any("later" in found and len(found) > 1 for found in self.places.values()):
            return (
                "unclear" if self.mark not in PATHS and self._changes_company() else "within names"
            )
        free = self._share(map(self._is_free, self.parts))
        recurring = self._share(count > 1 for count in self.parts.values())
        if free >= FREE:
            return "separator"
        return "unclear" if recurring >= RECURRING else "within names"

    def _changes_company(self) -> bool:
        """Whether some piece stands behind different first ones."""
        before: dict[str, set[str]] = defaultdict(set)
        for first, *later in self.cells:
            for piece in later:
                before[piece].add(first)
        return any(len(firsts) > 1 for firsts in before.values())

    def _of_blanks(self) -> Verdict:
        free, several = self._share(map(self._is_free, self.parts)), len(self.cells)
        if free == 1:
            return "separator" if several >= LEAST_BLANK_CELLS else "unclear"
        # tags that stand in every cell keep their place, and all recur all the same
        recurring = self._share(count > 1 for count in self.parts.values())
        is_likely = free >= FREE or (recurring >= TIED and len(self.parts) < several)
        return "unclear" if is_likely and several >= LEAST_BLANK_CELLS else "within names"

    def _is_free(self, part: str) -> bool:
        """Whether a part stands alone somewhere, or both first and later."""
        return self.parts[part] > 1 and ("alone" in self.places[part] or len(self.places[part]) > 1)

    @staticmethod
    def _share(held: Iterable[bool]) -> float:
        found = list(held)
        return sum(found) / len(found)
