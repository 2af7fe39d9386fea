"""Unlabelled texts: read from a table, without those that would teach nothing or leak."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from imbtool.config.data_sections import DataSection
from imbtool.data.corpus import Corpus, Split
from imbtool.data.duplicates import near_to, text_keys
from imbtool.data.tables import read_chunks
from imbtool.errors import user_error
from imbtool.formats.cells import COLUMN_MARK, OBJECT_MARK, joined_text, require_columns
from imbtool.formats.texts import Texts
from imbtool.labels.label_sets import LabelSets
from imbtool.wording import counted, some

NAME = "unlabelled"


@dataclass(frozen=True)
class Unlabelled:
    """Texts without labels, and how many of the table were left out.

    Attributes:
        split: the texts; all their targets are unknown.
        held_out: texts left out since they are validation or test texts, or near duplicates.
        labelled: texts left out since they are training texts, or near duplicates.
        repeated: texts left out since they repeat another one of the table.
    """

    split: Split
    held_out: int = 0
    labelled: int = 0
    repeated: int = 0

    def __len__(self) -> int:
        return len(self.split)


def read_unlabelled(data: DataSection, corpus: Corpus) -> Unlabelled:
    """Read the texts of `data.unlabelled` that are neither labelled nor held out.

    Args:
        data: of the profile; without `data.unlabelled` there are no texts.
        corpus: the labelled texts.

    Raises:
        UserError: the table cannot be read, lacks the text column, holds a row without a text, or
            no text is left.
    """
    path, labels = data.unlabelled, len(corpus.labels)
    if path is None:
        nothing = LabelSets.unknown(0, labels)
        return Unlabelled(Split(NAME, data.train, Texts.of([]), nothing, range(0)))
    texts = _read_texts(path, data)
    first: dict[str, int] = {}
    for row, key in enumerate(text_keys(texts)):
        first.setdefault(key, row)
    distinct = np.fromiter(first.values(), dtype=np.int64, count=len(first))
    unique = [texts[row] for row in distinct]
    held_out = [*corpus.validation.texts, *corpus.test.texts]
    held, known = near_to([held_out, corpus.train.texts], unique)
    known &= ~held
    kept = distinct[~held & ~known]
    if len(kept) == 0:
        found = f"no text but those of your labelled tables ({counted(len(texts), 'row')})"
        raise user_error(path, found, "texts without labels", "name a table of other texts")
    split = Split(
        NAME,
        path,
        Texts.of(texts[row] for row in kept),
        LabelSets.unknown(len(kept), labels),
        kept + 1,
    )
    return Unlabelled(split, int(held.sum()), int(known.sum()), len(texts) - len(distinct))


def _read_texts(path: Path, data: DataSection) -> list[str]:
    texts: list[str] = []
    for frame in read_chunks(path, data.text_format, each_row=True):
        require_columns(frame, data.text_columns, path)
        texts += joined_text(frame, data.text_columns)
    require_texts(path, texts)
    return texts


def require_texts(path: Path, texts: Sequence[str]) -> None:
    """Check that a table of unlabelled texts has rows, and a text in each.

    Raises:
        UserError: it has none, or a row has no text, a NUL character or an object instead.
    """
    if not texts:
        raise user_error(path, "no rows", "a header and at least one row", "check the file")
    for told, is_wrong in (
        ("without text", lambda text: not text.strip()),
        ("with a NUL character", lambda text: "\0" in text),
        ("with an object for a text", _has_object),
    ):
        if rows := [row for row, text in enumerate(texts, start=1) if is_wrong(text)]:
            found = f"{counted(len(rows), 'row')} {told}: {some(rows)}, not counting the header"
            raise user_error(path, found, "a text in every row", "correct or delete these rows")


def _has_object(text: str) -> bool:
    return OBJECT_MARK in text and any(
        cell.startswith((f"{OBJECT_MARK}[", f"{OBJECT_MARK}{{")) for cell in text.split(COLUMN_MARK)
    )
