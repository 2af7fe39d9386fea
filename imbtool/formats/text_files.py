"""The careful reader: csv, tsv, jsonl and json with every cell as it stands, errors by line.

pandas alone would turn `001` into 1, `NA` into a missing value and a long row into an index.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import IO

import pandas as pd

from imbtool.files.text_format import TextFormat
from imbtool.formats.delimited import Layout, delimited_rows, layout_of
from imbtool.formats.headers import SAMPLE_ROWS, refuse_row_as_header
from imbtool.formats.json_rows import Row, json_array, json_lines
from imbtool.formats.lines import numbered_lines, open_text
from imbtool.formats.quoting import decided
from imbtool.formats.sources import source_format
from imbtool.notes import tell


def text_chunks(path: Path, text_format: TextFormat, rows: int) -> Iterator[pd.DataFrame]:
    """Yield the rows of a csv, tsv, jsonl or json file in frames of `rows`.

    Args:
        path: of the file.
        text_format: of the file.
        rows: of a frame.

    Raises:
        UserError: with the file and the line.
    """
    kind = source_format(path)
    if kind in JSON:
        yield from _json_chunks(path, text_format.encoding, rows, JSON[kind])
    else:
        layout = decided(layout_of(path, text_format))
        tell(layout.notes)
        yield from delimited_chunks(layout, rows)


def delimited_chunks(layout: Layout, rows: int) -> Iterator[pd.DataFrame]:
    """Yield the rows of a csv or tsv file whose layout is known in frames of `rows`.

    Raises:
        UserError: as `text_chunks`.
    """
    with open_text(layout.path, layout.encoding) as stream:
        lines = (line for _, line in numbered_lines(layout.path, stream))
        cells = delimited_rows(layout, lines)
        sample = list(islice(cells, SAMPLE_ROWS))
        refuse_row_as_header(layout, [*zip(*sample, strict=True)])
        cells = chain(sample, cells)
        while block := list(islice(cells, rows)):
            yield pd.DataFrame(block, columns=layout.columns, dtype=object)


def _json_chunks(
    path: Path, encoding: str, rows: int, parse: Callable[[Path, IO[str]], Iterator[Row]]
) -> Iterator[pd.DataFrame]:
    with open_text(path, encoding) as stream:
        objects = parse(path, stream)
        while block := list(islice(objects, rows)):
            yield pd.DataFrame(block, dtype=object)


JSON: dict[str, Callable[[Path, IO[str]], Iterator[Row]]] = {
    ".jsonl": json_lines,
    ".json": json_array,
}
