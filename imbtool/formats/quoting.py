"""Whether quotes enclose the cells of a delimited file, or are part of its text.

Where they are text, one that begins a cell and one that ends another, some lines below, look like
one cell, and the rows between them would be gone without a word. So each row that goes over several
lines is looked at line by line: lines that could be rows of this table, by what stands in the
columns beside the text, are taken for rows. Where nothing tells, the file is refused.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from typing import IO

from imbtool.errors import UserError, user_error
from imbtool.formats.delimited import QUOTES_KEY, Layout, is_enclosed, reader_of
from imbtool.formats.lines import numbered_lines, open_text
from imbtool.formats.quote_evidence import CellShapes, QuoteFit

QUOTE = '"'
ROWS_LEARNT_FROM = 20_000
"""They say what the cells of each column look like."""
ROWS_TO_ONE = 3
"""So many cells with quotes elsewhere, to one that quotes enclose, have quotes that are text."""


def decided(layout: Layout) -> Layout:
    """The layout with its quotes decided, as the profile says or else as the file shows.

    Raises:
        UserError: a row over several lines may as well be several rows, and nothing tells.
    """
    if layout.quotes is not None:
        return layout
    scan = _scanned(layout)
    if scan.is_broken:
        return _as_text(layout) if _fits_as_text(layout) else replace(layout, quotes=True)
    doubtful = _doubtful(scan) if scan.ranges else None
    if doubtful is None:
        return replace(layout, quotes=True)
    if (scan.has_loose_quotes or layout.delimiter == "\t") and _fits_as_text(layout):
        return _as_text(layout)
    raise _two_readings(layout, doubtful)


@dataclass(frozen=True)
class _Range:
    """A row that goes over several lines: its first line, its cells, and the lines."""

    line: int
    row: list[str]
    lines: list[str]

    @property
    def where(self) -> tuple[int, int]:
        return self.line, self.line + len(self.lines) - 1


@dataclass
class _Scan:
    """What a first look at a file has found.

    Attributes:
        layout: of the file.
        ranges: rows of several lines of which most could be rows.
        is_broken: whether quotes that enclose cells do not give a table.
        has_enclosed_marks: whether some cell has to be enclosed: it holds a delimiter, a quote
            written twice, or a line break that ends no row.
        has_loose_quotes: whether a cell that is not enclosed holds a quote.
    """

    layout: Layout
    ranges: list[_Range] = field(default_factory=list)
    is_broken: bool = False
    has_enclosed_marks: bool = False
    has_loose_quotes: bool = False

    def look_at_row(self, line: int, row: list[str], lines: list[str]) -> None:
        """Take in a row as quotes that enclose cells make it."""
        if row and len(row) != self.layout.width:
            self.is_broken = True
        elif len(lines) > 1:
            cells = [self.layout.cells(each) for each in lines if each.strip()]
            if any(len(each) < self.layout.width for each in cells):
                self.has_enclosed_marks = True
            else:
                self.ranges.append(_Range(line, row, lines))
        elif any('"' in line for line in lines):
            marked = [cell for cell in row if '"' in cell]
            if any(f'"{cell.replace(QUOTE, 2 * QUOTE)}"' not in lines[0] for cell in marked):
                self.has_loose_quotes = True
            elif marked or any(self.layout.delimiter in cell for cell in row):
                self.has_enclosed_marks = True


def _scanned(layout: Layout) -> _Scan:
    scan = _Scan(layout)
    with open_text(layout.path, layout.encoding) as stream:
        try:
            for number, row, lines in _rows_with_lines(layout, stream, all_rows=False):
                scan.look_at_row(number, row, lines)
        except csv.Error:
            scan.is_broken = True
    return scan


def _rows_with_lines(
    layout: Layout, stream: IO[str], all_rows: bool
) -> Iterator[tuple[int, list[str], list[str]]]:
    """Yield rows with the line they begin on, and their lines; all, or those that hold quotes."""
    taken: list[str] = []

    def recorded(lines: Iterator[tuple[int, str]]) -> Iterator[str]:
        for _, line in lines:
            taken.append(line)
            yield line

    lines = numbered_lines(layout.path, stream)
    next(reader_of(layout, (line for _, line in islice(lines, layout.line - 1, None)), True), None)
    for number, line in lines:
        if all_rows or '"' in line:
            taken[:] = [line]
            row = next(reader_of(layout, chain([line], recorded(lines)), True))
            yield number, row, taken.copy()


def _fits_as_text(layout: Layout) -> bool:
    """Whether each line is a row where quotes are text, and the quotes look like it."""
    if layout.width == 1 or any('"' in name for name in layout.header):
        return False
    quotes: set[tuple[int, str]] = set()
    counts: Counter[str] = Counter()
    with open_text(layout.path, layout.encoding) as stream:
        for _, line in islice(numbered_lines(layout.path, stream), layout.line, None):
            if line.strip("\r\n") and line.count(layout.delimiter) != layout.width - 1:
                return False
            if '"' in line:
                found = [*_kinds_of_quotes(layout.cells(line))]
                quotes.update(found)
                counts.update(kind for _, kind in found)
    around = {column for column, kind in quotes if kind == "around"}
    others = {column for column, kind in quotes if kind != "around"}
    if not around <= others:
        return False
    others_count = counts["within"] + counts["at one end"]
    if layout.delimiter == "\t":
        return counts["around"] <= others_count
    return counts["within"] > 0 and ROWS_TO_ONE * counts["around"] <= others_count


def _kinds_of_quotes(cells: list[str]) -> Iterator[tuple[int, str]]:
    """Yield where each cell with quotes has them, with its column."""
    for column, cell in enumerate(cells):
        if is_enclosed(cell):
            yield column, "around"
        elif '"' in cell.strip('"').replace('""', ""):
            yield column, "within"
        elif '"' in cell:
            yield column, "at one end"


def _doubtful(scan: _Scan) -> _Range | None:
    """The first row over several lines that may as well be several rows."""
    layout = scan.layout
    is_tabbed = layout.delimiter == "\t" and layout.width > 1
    columns = _learnt(layout, scan.ranges)
    fits = [(each, _fit(scan, columns, each)) for each in scan.ranges]
    has_cells = scan.has_enclosed_marks or any(fit is QuoteFit.FOREIGN for _, fit in fits)
    for each, fit in fits:
        # hardly any text holds as many tabs as a row does
        unknown_is_cell = has_cells and not scan.has_loose_quotes and not is_tabbed
        if fit is QuoteFit.NATIVE or (fit is QuoteFit.UNKNOWN and not unknown_is_cell):
            return each
    return None


def _learnt(layout: Layout, ranges: list[_Range]) -> list[CellShapes]:
    """What the cells of each column look like in rows that nobody doubts."""
    columns = [CellShapes() for _ in layout.header]
    with open_text(layout.path, layout.encoding) as stream:
        rows = _rows_with_lines(layout, stream, all_rows=True)
        for _, row, lines in islice(rows, ROWS_LEARNT_FROM):
            if len(lines) == 1 and len(row) == layout.width:
                for column, cell in zip(columns, row, strict=True):
                    column.learn(cell)
    for each in ranges:
        for column, cell in zip(columns, each.row, strict=True):
            if not _has_line_break(cell):
                column.learn(cell)
    return columns


def _fit(scan: _Scan, columns: list[CellShapes], doubted: _Range) -> QuoteFit:
    """Whether the lines of a row are rows: more of them look so than do not."""
    broken = [place for place, cell in enumerate(doubted.row) if _has_line_break(cell)]
    first, last = broken[0], broken[-1]
    layout = scan.layout
    lines = [layout.cells(line) for line in doubted.lines]
    beside = (cell for cells in lines for cell in (*cells[:first], *cells[last + 1 :]))
    if any(map(is_enclosed, beside)):
        return QuoteFit.FOREIGN
    found: Counter[QuoteFit] = Counter()
    for number, cells in enumerate(lines):
        is_long = len(cells) > layout.width and (scan.has_enclosed_marks or layout.width == 1)
        if len(cells) < layout.width or is_long:
            found[QuoteFit.FOREIGN] += 1
            continue
        fits = []
        if number < len(lines) - 1:  # what stands behind the text, if the line is a row
            behind = range(first + 1 - layout.width, 0)
            fits += [columns[place].fit(cells[place], is_behind=True) for place in behind]
        if number > 0:  # what stands before it; no sentence begins with a delimiter
            fits += [columns[place].fit(cells[place]) for place in range(last) if cells[place]]
            fits += [columns[last].fit_of_start(cells[last])] * bool(last)
        found[_line_fit(Counter(fits))] += 1
    if found[QuoteFit.NATIVE] and found[QuoteFit.NATIVE] >= found[QuoteFit.FOREIGN]:
        return QuoteFit.NATIVE
    is_escaped = any('""' in cell.strip('"') for cells in lines for cell in cells)
    is_cell = 2 * (found[QuoteFit.FOREIGN] + found[QuoteFit.EMPTY]) >= len(lines)
    return QuoteFit.FOREIGN if is_cell or is_escaped else QuoteFit.UNKNOWN


def _line_fit(fits: Counter[QuoteFit]) -> QuoteFit:
    if fits[QuoteFit.FOREIGN]:
        return QuoteFit.FOREIGN
    if fits[QuoteFit.NATIVE] > fits[QuoteFit.NEW]:
        return QuoteFit.NATIVE
    return QuoteFit.EMPTY if fits[QuoteFit.EMPTY] else QuoteFit.UNKNOWN


def _has_line_break(cell: str) -> bool:
    return "\n" in cell or "\r" in cell


def _as_text(layout: Layout) -> Layout:
    note = (
        f"The quotes of {layout.path.name} were read as part of its text, since each line is a row "
        "only so; `data.quotes: true`, or `--set data.quotes=true`, says that they enclose cells."
    )
    return replace(layout, quotes=False, notes=(*layout.notes, note))


def _two_readings(layout: Layout, doubted: _Range) -> UserError:
    first, last = doubted.where
    found = (
        f"a quote that opens a cell in line {first}, and one that closes it in line {last}, though "
        "each of these lines could be a row"
    )
    expected = "quotes that enclose whole cells, or quotes that are text, not both"
    fix = (
        f"{QUOTES_KEY}; `data.quotes: true`, or `--set data.quotes=true`, that lines {first} to "
        f"{last} are one row; or enclose "
        'each cell that begins with a quote, its own quotes written twice ("")'
    )
    return user_error(f"{layout.path}:{first}", found, expected, fix)
