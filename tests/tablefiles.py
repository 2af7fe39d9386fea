"""Tables as files, and what both readers make of them."""

from pathlib import Path

import pytest

from imbtool.data.tables import read_arrow, read_table
from imbtool.errors import UserError
from imbtool.files.text_format import TextFormat
from imbtool.formats.cells import text_cells

BOTH = pytest.mark.parametrize("read", [read_arrow, read_table])


def write(folder: Path, content: str | bytes, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def rows(path: Path, encoding: str = "utf-8", quotes: bool | None = None) -> list[list[object]]:
    """Columns and rows of a csv or tsv, of which both readers give the same."""
    data = read_arrow(path, TextFormat(encoding, quotes)).data
    found = [data.column_names, *([*row.values()] for row in data.to_pylist())]
    frame = read_table(path, TextFormat(encoding, quotes))
    assert [[*frame.columns], *frame.to_numpy().tolist()] == found
    return found


def rows_as_text(path: Path, quotes: bool | None = None) -> list[list[object]]:
    """Columns and rows of any table, its cells as text."""
    data = read_arrow(path, TextFormat(quotes=quotes)).data
    cells = [text_cells(column).to_pylist() for column in data.columns]
    return [data.column_names, *map(list, zip(*cells, strict=True))]


def refusal(path: Path, encoding: str = "utf-8") -> str:
    """What is wrong, from `:line` on; both readers say the same of it."""
    told = []
    for read in (read_arrow, read_table):
        with pytest.raises(UserError) as caught:
            read(path, TextFormat(encoding))
        told.append(str(caught.value).removeprefix(str(path)))
    assert told[0] == told[1]
    return told[0]


def place(path: Path, encoding: str = "utf-8") -> str:
    """Where the problem is, as `:line` after the path."""
    return refusal(path, encoding).partition("\n")[0]
