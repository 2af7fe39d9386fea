"""Delimited text, csv and tsv: what stands before the rows, and the rows with their lines."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

from imbtool.errors import UserError, user_error
from imbtool.files.text_format import TextFormat
from imbtool.formats.lines import MOST_CHARACTERS, numbered_lines, open_text, too_long
from imbtool.formats.sources import FASTTEXT, fasttext, source_format
from imbtool.notes import tell
from imbtool.wording import counted, cut

DELIMITER_LINE = re.compile(r'"?sep=(\\t|tab|[^\s\w"]|\t)"?[,;\t]*\s*', re.IGNORECASE)
"""The line that spreadsheets write and read above the header."""

DELIMITERS = {".csv": (",;\t", "|"), ".tsv": ("\t", ",;|")}
"""By format, those that are usual, and those that are taken where a header has none of them."""

QUOTES_KEY = (
    "`data.quotes: false` in the profile, or `--set data.quotes=false`, says that quotes are part "
    "of the text"
)
ESCAPED = '\\"'
ESCAPES_FIX = (
    'write a quote inside a quoted cell twice ("") instead of behind a backslash; in pandas: '
    "to_csv without escapechar and doublequote"
)


@dataclass(frozen=True)
class Layout:
    """How a delimited file is written.

    Attributes:
        path: of the file.
        encoding: of its text, as the user names it.
        above: the lines before the header, as they stand.
        header: the names of the columns, also of those at the end without one.
        delimiter: what stands between two cells.
        quotes: whether quotes enclose cells; None where nobody has looked yet.
        notes: what of this was guessed, one sentence each.
        nameless: how many columns at the end have neither a name nor cells.
    """

    path: Path
    encoding: str
    above: tuple[str, ...]
    header: list[str]
    delimiter: str
    quotes: bool | None
    notes: tuple[str, ...] = ()
    nameless: int = 0

    @property
    def line(self) -> int:
        """The number of the line that the header begins on."""
        return len(self.above) + 1

    @property
    def width(self) -> int:
        """How many cells a row has."""
        return len(self.header)

    @property
    def columns(self) -> list[str]:
        """The names of the columns that are read."""
        return self.header[: self.width - self.nameless]

    def cells(self, line: str) -> list[str]:
        """The cells of a line by itself, where quotes are part of the text."""
        return line.rstrip("\r\n").split(self.delimiter)


def layout_of(path: Path, text_format: TextFormat) -> Layout:
    """Read what stands above the rows.

    Args:
        path: of a csv or tsv file.
        text_format: of the file; whether quotes enclose cells may be left open.

    Raises:
        UserError: the file cannot be read, or two of its columns have one name.
    """
    encoding, quotes = text_format.encoding, text_format.quotes
    with open_text(path, encoding) as stream:
        above: list[str] = []
        named, first = None, ""
        lines = (line for _, line in numbered_lines(path, stream))
        for line in lines:
            match = None if named else DELIMITER_LINE.fullmatch(line)
            named = match or named
            if not match and line.strip("\r\n"):
                first = line
                break
            above.append(line)
        if first.startswith(FASTTEXT):
            raise fasttext(path)
        delimiter, notes = _delimiter(path, first, named[1] if named else None)
        layout = Layout(path, encoding, tuple(above), [], delimiter, quotes)
        rows = _parsed(layout, chain([first], lines), quotes is not False, None)
        header = next((row for _, row in rows), [])
    if quotes is None and header and all(map(is_enclosed, layout.cells(first))):
        quotes = True
    if named:
        told = f"{path.name} begins with {named.string.strip()!r}, which names the delimiter"
        notes = (f"{told} and is not read as a row.", *notes)
    layout = _without_nameless(
        Layout(path, encoding, tuple(above), header, delimiter, quotes, notes)
    )
    refuse_repeated(f"{path}:{layout.line}", layout.columns)
    return layout


def _without_nameless(layout: Layout) -> Layout:
    """The layout without the columns at its end that have neither a name nor cells."""
    named = layout.width
    while named and not layout.header[named - 1].strip():
        named -= 1
    if named in (0, layout.width):
        return layout
    with open_text(layout.path, layout.encoding) as stream:
        lines = (line for _, line in numbered_lines(layout.path, stream))
        rows = reader_of(layout, islice(lines, layout.line - 1, None), layout.quotes is not False)
        try:
            next(rows, None)
            if any(any(row[named:]) for row in rows):
                return layout
        except csv.Error:
            return layout
    nameless = layout.width - named
    told = f"{counted(nameless, 'column')} at the end of {layout.path.name}"
    note = f"Left out: {told}, without a name and without cells."
    return replace(layout, notes=(*layout.notes, note), nameless=nameless)


def delimited_rows(layout: Layout, lines: Iterator[str]) -> Iterator[list[str]]:
    """Yield the rows of a file whose quotes are decided.

    Args:
        layout: of the file.
        lines: of the file, from its first one on.

    Raises:
        UserError: a row of another width than the header, a quote that breaks a cell, or a cell in
            a column at the end that has no name.
    """
    for _ in layout.above:
        next(lines)
    rows = _parsed(layout, lines, layout.quotes is not False, layout.width)
    next(rows, None)
    width = len(layout.columns)
    empty, has_rows = 0, False
    for line, row in rows:
        if any(row) or (row and layout.width == 1):
            has_rows = True
            _refuse_nameless(layout, line, row[width:])
            # empty rows are rows, but for those at the end
            yield from ([""] * width for _ in range(empty))
            empty = 0
            yield row[:width]
        elif row or layout.width == 1:  # in one column a blank line is a row too
            empty += 1
    if has_rows:
        tell(empty_rows_note(layout, empty))


def empty_rows_note(layout: Layout, rows: int) -> tuple[str, ...]:
    """What is told of empty rows at the end; blank lines are not worth a word."""
    if not rows or layout.width == 1:
        return ()
    name = layout.path.name
    return (f"Left out: {counted(rows, 'row')} of empty cells at the end of {name}.",)


def _refuse_nameless(layout: Layout, line: int, cells: Sequence[str]) -> None:
    cell = next(filter(None, cells), None)
    if cell is not None:
        found = f"{cut(cell, 60)!r} in a column without a name"
        fix = f"give the column a name in line {layout.line}, or empty its cells"
        raise user_error(
            f"{layout.path}:{line}", found, "a name for each column that has cells", fix
        )


def reader_of(layout: Layout, lines: Iterator[str], quotes: bool) -> Any:
    """The `csv.reader` of a layout."""
    csv.field_size_limit(MOST_CHARACTERS)
    if quotes:
        return csv.reader(lines, delimiter=layout.delimiter, strict=True)
    return csv.reader(lines, delimiter=layout.delimiter, quoting=csv.QUOTE_NONE)


def is_enclosed(cell: str) -> bool:
    """Whether a cell has a quote at both ends."""
    return len(cell) > 1 and cell[0] == cell[-1] == '"'


def refuse_repeated(where: str, columns: Sequence[str]) -> None:
    """Check that no two columns have the same name.

    Raises:
        UserError: two have.
    """
    repeated = sorted({name for name in columns if columns.count(name) > 1})
    if repeated:
        found = f"the column {repeated[0]!r} twice"
        raise user_error(where, found, "a header with each column once", _renamed(repeated[0]))


def _renamed(name: str) -> str:
    if not name.strip():
        return (
            "give each column a name, and delete empty columns; if this line is a title, delete it"
        )
    return (
        "rename one of the two; if the names stand in several lines, join them into one; if this "
        "line is a row, put a line with column names above it"
    )


def _parsed(
    layout: Layout, lines: Iterator[str], quotes: bool, width: int | None
) -> Iterator[tuple[int, list[str]]]:
    """Yield rows with the line they begin on; each as wide as the header, if there is one."""
    taken: list[str] = []
    reader = reader_of(layout, _recorded(lines, taken), quotes)
    above = layout.line - 1
    line = above + 1
    try:
        for row in reader:
            if row and width is not None and len(row) != width:
                raise _ragged(layout, line, row, "".join(taken))
            if row == layout.header and line > layout.line and len(row) > 1:
                found, fix = "the header once more", "delete this line"
                raise user_error(f"{layout.path}:{line}", found, "a row", fix)
            yield line, row
            line = above + reader.line_num + 1
            taken.clear()
    except csv.Error as error:
        where = f"{layout.path}:{line}"
        if "field limit" in str(error):
            raise too_long(where, "cell") from None
        fix = f'close every quote, and write a quote inside a quoted cell twice (""); {QUOTES_KEY}'
        if ESCAPED in "".join(taken):
            fix = ESCAPES_FIX
        raise user_error(where, str(error), "CSV", fix) from None


def _recorded(lines: Iterator[str], taken: list[str]) -> Iterator[str]:
    for line in lines:
        taken.append(line)
        yield line


def _ragged(layout: Layout, line: int, row: Sequence[str], text: str) -> UserError:
    """A row of another width than the header, which may as well be to blame."""
    found = f"{counted(len(row), 'cell')}, beginning with {cut(row[0], 60)!r}"
    expected = f"{counted(layout.width, 'cell')}, as in the header"
    return user_error(
        f"{layout.path}:{line}", found, expected, _ragged_fix(layout, line, row, text)
    )


def _ragged_fix(layout: Layout, line: int, row: Sequence[str], text: str) -> str:
    if ESCAPED in text:
        return ESCAPES_FIX
    fix = "quote cells that hold the delimiter or a line break; complete short rows"
    is_first = line == layout.line + 1
    if is_first and len([name for name in layout.header if name.strip()]) == 1:
        fix = f"if line {layout.line} is a title above the header, delete it; else {fix}"
    elif is_first and len(row) == layout.width + 1:
        fix = (
            "if each row begins with a name or number that the header has no name for, begin the "
            f"header with a name for it (in R: write.csv with row.names = FALSE); else {fix}"
        )
    if any('"' in cell or "\n" in cell for cell in row):
        fix = f"{fix}; {QUOTES_KEY}"
    return fix


def _delimiter(path: Path, header: str, named: str | None) -> tuple[str, tuple[str, ...]]:
    """What delimits the header: as named above it, the usual mark of most cells, or another."""

    def cells(mark: str) -> int:
        return len(next(csv.reader([header], delimiter=mark), []))

    usual, others = DELIMITERS[source_format(path)]
    if named:
        named = "\t" if named.lower() in ("\\t", "tab") else named
        if cells(named) > 1:
            return named, ()
    best = max(usual, key=cells)
    other = max(others, key=cells)
    has_tabs = best == "\t" and cells(best) > 1
    if has_tabs or cells(other) <= cells(best):
        return best, ()
    return other, (f"The cells of {path.name} were taken to be delimited by {other!r}.",)
