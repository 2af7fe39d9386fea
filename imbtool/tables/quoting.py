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
from itertools import islice

from imbtool.errors import UserError, fail
from imbtool.tables.delimited import QUOTES_KEY, Layout, is_enclosed, reader_of
from imbtool.tables.evidence import Column, Fit
from imbtool.tables.lines import numbered_lines, open_text

ROWS_LEARNT_FROM = 20_000
"""They say what the cells of each column look like."""


def decided(layout: Layout) -> Layout:
    """The layout with its quotes decided, as the profile says or else as the file shows.

    Raises:
        UserError: a row over several lines may as well be several rows, and nothing tells.
    """
    if layout.quotes is not None:
        return layout
    scan = _scanned(layout)
    if scan.is_broken:
        return _as_text(layout) if scan.fits_as_text else replace(layout, quotes=True)
    doubtful = _doubtful(layout, scan) if scan.ranges else None
    if doubtful is None:
        return replace(layout, quotes=True)
    if scan.fits_as_text and (scan.has_loose_quotes or layout.delimiter == "\t"):
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
        ragged: how many lines have another number of cells than the header, quotes taken for text.
        enclosed: how many cells have a quote at both ends, by column.
        loose: how many have quotes elsewhere, by column.
    """

    layout: Layout
    ranges: list[_Range] = field(default_factory=list)
    is_broken: bool = False
    has_enclosed_marks: bool = False
    has_loose_quotes: bool = False
    ragged: int = 0
    enclosed: dict[int, int] = field(default_factory=dict)
    loose: dict[int, int] = field(default_factory=dict)

    @property
    def fits_as_text(self) -> bool:
        """Whether every line is a row, and quotes around whole cells are the exception."""
        enclosed, loose = sum(self.enclosed.values()), sum(self.loose.values())
        is_wide = self.layout.width > 1 and not any('"' in name for name in self.layout.header)
        return (
            is_wide
            and not self.ragged
            and enclosed <= loose
            and set(self.enclosed) <= {*self.loose}
        )

    def look_at_line(self, line: str) -> None:
        """Take in a line by itself."""
        if not line.strip("\r\n"):
            return
        if line.count(self.layout.delimiter) != self.layout.width - 1:
            self.ragged += 1
        if '"' in line:
            for column, cell in enumerate(self.layout.cells(line)):
                if '"' in cell:
                    counts = self.enclosed if is_enclosed(cell) else self.loose
                    counts[column] = counts.get(column, 0) + 1

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
            if any(_enclosed(cell) not in lines[0] for cell in marked):
                self.has_loose_quotes = True
            elif marked or any(self.layout.delimiter in cell for cell in row):
                self.has_enclosed_marks = True


def _scanned(layout: Layout) -> _Scan:
    scan = _Scan(layout)
    with open_text(layout.path, layout.encoding) as stream:
        lines = (line for _, line in numbered_lines(layout.path, stream))
        rows = _rows_with_lines(layout, lines, scan)
        try:
            for number, row, of_row in rows:
                if number > layout.line:
                    scan.look_at_row(number, row, of_row)
        except csv.Error:
            scan.is_broken = True
        for line in lines:
            scan.look_at_line(line)
    return scan


def _rows_with_lines(
    layout: Layout, lines: Iterator[str], scan: _Scan
) -> Iterator[tuple[int, list[str], list[str]]]:
    """Yield each row with the line it begins on, and its lines."""
    taken: list[str] = []

    def recorded() -> Iterator[str]:
        for line in lines:
            taken.append(line)
            scan.look_at_line(line)
            yield line

    for _ in layout.above:
        next(lines)
    number = layout.line
    for row in reader_of(layout, recorded(), True):
        yield number, row, taken.copy()
        number += len(taken)
        taken.clear()


def _doubtful(layout: Layout, scan: _Scan) -> _Range | None:
    """The first row over several lines that may as well be several rows."""
    is_tabbed = layout.delimiter == "\t" and layout.width > 1
    columns = _learnt(layout, scan.ranges)
    fits = [(each, _fit(scan, columns, each)) for each in scan.ranges]
    has_cells = scan.has_enclosed_marks or any(fit is Fit.FOREIGN for _, fit in fits)
    for each, fit in fits:
        # hardly any text holds as many tabs as a row does
        unknown_is_cell = has_cells and not scan.has_loose_quotes and not is_tabbed
        if fit is Fit.NATIVE or (fit is Fit.UNKNOWN and not unknown_is_cell):
            return each
    return None


def _learnt(layout: Layout, ranges: list[_Range]) -> list[Column]:
    """What the cells of each column look like in rows that nobody doubts."""
    columns = [Column() for _ in layout.header]
    with open_text(layout.path, layout.encoding) as stream:
        lines = (line for _, line in numbered_lines(layout.path, stream))
        rows = _rows_with_lines(layout, lines, _Scan(layout))
        for line, row, of_row in islice(rows, ROWS_LEARNT_FROM):
            if line > layout.line and row and len(of_row) == 1:
                for column, cell in zip(columns, row, strict=True):
                    column.learn(cell)
    for each in ranges:
        for column, cell in zip(columns, each.row, strict=True):
            if not _has_line_break(cell):
                column.learn(cell)
    return columns


def _fit(scan: _Scan, columns: list[Column], doubted: _Range) -> Fit:
    """Whether the lines of a row are rows: more of them look so than do not."""
    broken = [place for place, cell in enumerate(doubted.row) if _has_line_break(cell)]
    first, last = broken[0], broken[-1]
    layout = scan.layout
    lines = [layout.cells(line) for line in doubted.lines]
    if any(_shows_quotes(cells, first, last) for cells in lines):
        return Fit.FOREIGN
    found: Counter[Fit] = Counter()
    for number, cells in enumerate(lines):
        is_long = len(cells) > layout.width and (scan.has_enclosed_marks or layout.width == 1)
        if len(cells) < layout.width or is_long:
            found[Fit.FOREIGN] += 1
            continue
        fits = []
        if number < len(lines) - 1:  # what stands behind the text, if the line is a row
            behind = range(first + 1 - layout.width, 0)
            fits += [columns[place].fit(cells[place]) for place in behind]
        if number > 0:  # what stands before it; no sentence begins with a delimiter
            fits += [columns[place].fit(cells[place]) for place in range(last) if cells[place]]
            fits += [columns[last].fit_of_start(cells[last])] * bool(last)
        found[_line_fit(Counter(fits))] += 1
    if found[Fit.NATIVE] and found[Fit.NATIVE] >= found[Fit.FOREIGN]:
        return Fit.NATIVE
    is_escaped = any('""' in cell.strip('"') for cells in lines for cell in cells)
    is_cell = 2 * (found[Fit.FOREIGN] + found[Fit.EMPTY]) >= len(lines)
    return Fit.FOREIGN if is_cell or is_escaped else Fit.UNKNOWN


def _line_fit(fits: Counter[Fit]) -> Fit:
    if fits[Fit.FOREIGN]:
        return Fit.FOREIGN
    if fits[Fit.NATIVE] > fits[Fit.NEW]:
        return Fit.NATIVE
    return Fit.EMPTY if fits[Fit.EMPTY] else Fit.UNKNOWN


def _shows_quotes(cells: list[str], first: int, last: int) -> bool:
    """Whether a line has cells that quotes enclose beside the text, or quotes and nothing else."""
    beside = [cell for place, cell in enumerate(cells) if place < first or place > last]
    return any(map(is_enclosed, beside)) or any(cell.strip() in ('"', '""') for cell in cells)


def _enclosed(cell: str) -> str:
    escaped = cell.replace('"', '""')
    return f'"{escaped}"'


def _has_line_break(cell: str) -> bool:
    return "\n" in cell or "\r" in cell


def _as_text(layout: Layout) -> Layout:
    note = (
        f"The quotes of {layout.path.name} were read as part of its text, since each line is a row "
        "only so; `data.quotes: true` says that they enclose cells."
    )
    return replace(layout, quotes=False, notes=(*layout.notes, note))


def _two_readings(layout: Layout, doubted: _Range) -> UserError:
    first, last = doubted.where
    found = (
        f"a quote that opens a cell in line {first}, and one that closes it in line {last}, though "
        "each of these lines could be a row"
    )
    expected = "quotes that enclose whole cells, or quotes that are text, not both"
    mend = (
        f"{QUOTES_KEY}, `data.quotes: true` that lines {first} to {last} are one row; or enclose "
        'each cell that begins with a quote, its own quotes written twice ("")'
    )
    return fail(f"{layout.path}:{first}", found, expected, mend)
