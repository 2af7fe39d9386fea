"""How texts were chosen for labelling: figures on texts that a search chose are biased."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from imbtool.data.tables import Table
from imbtool.errors import Problem
from imbtool.formats.cells import text_cells
from imbtool.types import Flags
from imbtool.wording import counted, did_you_mean

BY_SEARCH = ("score", "similar", "pattern")
"""A search chose the text: texts like it are more frequent among the labelled ones."""
BY_CHANCE = "random"


def provenance(table: Table, column: str | None) -> list[str]:
    """How each text of a table was chosen [n]; [0] without the column.

    Args:
        table: n texts.
        column: `data.chosen_by` of the profile.
    """
    if column is None or column not in table.data.column_names:
        return []
    return [(cell or "").strip() for cell in text_cells(table.data[column]).to_pylist()]


def provenance_problems(words: Sequence[str], where: str, table: Table) -> Iterator[Problem]:
    """Words that say nothing, each with its first row."""
    known = (*BY_SEARCH, BY_CHANCE)
    for word in dict.fromkeys(words):
        if word and word not in known:
            found = f"{word!r} in row {table.row_text(words.index(word) + 1)}"
            expected = f"{', '.join(known)}, or nothing"
            yield Problem(where, found, expected, did_you_mean(word, known))


def chosen_by_search(words: Sequence[str]) -> Flags:
    """Which texts a search chose [n]."""
    return np.array([word in BY_SEARCH for word in words], np.bool_)


def bias_notes(chosen: Mapping[str, Flags]) -> Iterator[str]:
    """A sentence on each split whose figures are biased, by its name."""
    for name, texts in chosen.items():
        if texts.any():
            verb = "was" if int(texts.sum()) == 1 else "were"
            yield (
                f"{int(texts.sum()):,} of the {counted(len(texts), 'text')} of {name} {verb} "
                "chosen by a search, so figures on them do not hold for texts as they come."
            )
