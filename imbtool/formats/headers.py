"""Whether the first line of a delimited file names its columns, or is a row of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from imbtool.errors import user_error
from imbtool.formats.delimited import Layout
from imbtool.formats.quote_evidence import CellShapes, is_number
from imbtool.wording import cut, some

SAMPLE_ROWS = 2_000
"""So many rows are compared with the header."""

USUAL = """
abstract annotation annotations annotator answer author body caption categories category  cell
class classes comment comments content contents created date description doc docid  document
documents email emotion emotions example examples gold group headline id ids idx  index input
instance intent intents item key kind label labels lang language line message  messages meta
metadata name no note notes nr number output paragraph phrase post postid posts  predicted
prediction question questions query rating response review reviews row rowid score  section
sentence sentences sentiment source split statement status subject summary tag tags  target
targets text texts textid tickets ticket timestamp title tokens topic topics train  true tweet
tweetid tweets type url user userid username utterance utterances uuid value  values y year sms
mail mails chat selftext premise hypothesis context quote
"""
NAMES = frozenset(USUAL.split())
"""Names of columns that hardly stand alone in a cell of data."""

WORDS = re.compile(r"[A-Z]?[^\W\d_A-Z]+|[A-Z]+(?![^\W\d_A-Z])")
"""The words of a name, also those of `commentText` and `text_id`."""
MOST_WORDS = 3
LEAST_WORDS = 4
"""Of a name that may be a text."""
QUESTION = ("?", ":", "...", "…")
"""How a question ends that a form has made the name of a column."""


def refuse_row_as_header(layout: Layout, columns: Sequence[Sequence[str]]) -> None:
    """Check that a file's header is not its first row.

    Args:
        layout: of the file.
        columns: the first cells of each column.

    Raises:
        UserError: the header looks like the cells below it.
    """
    header = layout.columns
    # the short way for most tables: a usual name that stands in no cell
    pairs = zip(header, columns, strict=False)
    if _are_numbered(header) or any(
        _is_usual(name) and not any(name in cell for cell in cells) for name, cells in pairs
    ):
        return
    if len(header) == 1 and _is_usual(header[0]):
        return
    signs = [
        _sign(name, CellShapes.of(cells)) for name, cells in zip(header, columns, strict=False)
    ]
    named = zip(header, signs, strict=False)
    if any(not sign and _is_usual(name) for name, sign in named):
        return
    # a form makes names of long questions, a table of years those of numbers: one sign of a kind
    kinds = {sign.kind: sign for sign in reversed(signs) if sign}
    is_alone = len(header) == 1 and "text" in kinds
    if is_alone or sum(sign.weight for sign in kinds.values()) >= 2:
        told = some([sign.text for sign in kinds.values()])
        expected = "a header, which names the columns"
        fix = (
            "put a line with the names of the columns above it; if it is the header, rename the "
            "columns so that no name looks like a cell"
        )
        raise user_error(
            f"{layout.path}:{layout.line}", f"what looks like a row: {told}", expected, fix
        )


@dataclass(frozen=True)
class _Sign:
    """What speaks for a name being a cell, and how much: two are enough."""

    kind: str
    text: str
    weight: int = 1


def _sign(name: str, column: CellShapes) -> _Sign | None:
    are_numbers = 0 < column.numbers == column.cells - column.empty
    if not name.strip():
        # pandas leaves the column of row numbers without a name
        return None if are_numbers else _Sign("empty", "an empty name")
    if is_number(name) and are_numbers:
        is_cell = column.has(name)
        kind = "number that recurs" if is_cell else "number"
        return _Sign(kind, f"{name!r} above numbers", 1 + is_cell)
    if len(name.split()) >= LEAST_WORDS and column.mean_words >= LEAST_WORDS - 1:
        is_question = name.strip().endswith(QUESTION)
        return None if is_question else _Sign("text", f"the text {cut(name, 60)!r}")
    if not column.is_free_text and column.has(name):
        return _Sign("cell", f"{name!r}, which stands in cells below it", 2)
    return None


def _are_numbered(header: Sequence[str]) -> bool:
    """Whether the names are the numbers that pandas gives, the column of row numbers aside."""
    names = [name for place, name in enumerate(header) if name or place]
    return len(header) > 1 and names == [str(number) for number in range(len(names))]


def _is_usual(name: str) -> bool:
    words = WORDS.findall(name)
    return len(words) <= MOST_WORDS and any(word.lower() in NAMES for word in words)
