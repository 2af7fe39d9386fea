"""What the checks before training can find: each kind with what it means and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, SupportsIndex, overload

import numpy as np
import pandas as pd
from pydantic import Field, SkipValidation

from imbtool.data.corpus import SPLITS, Corpus
from imbtool.files.documents import Typed
from imbtool.formats.cells import neutralised, shown_text
from imbtool.types import Rows

Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")
LISTED_AT_ONCE = 10_000
"""Rows that are made for a file at once."""
COLUMNS = ("finding", "split", "file", "row", "label", "detail", "labels", "text")

SPLIT_AGAIN = "split all rows again (`imbtool split 'FOLDER/*.csv' -o NEW`)"


@dataclass(frozen=True)
class Kind:
    """A kind of finding.

    Attributes:
        severity: as a rule.
        means: why it matters.
        fix: what to do.
    """

    severity: Severity
    means: str
    fix: str


CATALOGUE: dict[str, Kind] = {
    "label-constant": Kind(
        "error",
        "A label has no positives in training, or no negatives, so it cannot be learned.",
        f"If another split has what is missing, {SPLIT_AGAIN}. Otherwise add such texts, or remove "
        "the label from every file and from the profile.",
    ),
    "leak-exact": Kind(
        "warning",
        "The same text is in two splits, so the metrics measure memory.",
        f"Remove these rows from training, or {SPLIT_AGAIN}.",
    ),
    "leak-normalised": Kind(
        "warning",
        "The same text, except for URLs and user names, is in two splits.",
        f"Remove these rows from training, or {SPLIT_AGAIN}.",
    ),
    "label-absent": Kind(
        "warning",
        "A label has no positives in validation, so no threshold can be chosen for it, or none in "
        "test, so nothing can be said about it.",
        f"Either {SPLIT_AGAIN}, or add texts that have the label.",
    ),
    "chosen-texts": Kind(
        "warning",
        "A search chose texts of validation or test because it expected labels in them, so "
        "thresholds and metrics do not hold for texts as they come.",
        "Move these rows to training, and measure on texts that are drawn at random.",
    ),
    "leak-near": Kind(
        "warning",
        "Nearly the same text is in two splits, so the metrics are better than on new texts.",
        f"To keep near duplicates together, {SPLIT_AGAIN}.",
    ),
    "contradiction": Kind(
        "warning",
        "The same text has a label in one row and does not have it in another.",
        "Decide which of them is right, and label all copies of the text the same way.",
    ),
    "orphan-child": Kind(
        "warning",
        "A text has a label and not its parent, so the label and the hierarchy penalty contradict "
        "each other in the loss.",
        "Give each of these texts the parent too, or correct labels.hierarchy.",
    ),
    "truncation": Kind(
        "warning",
        "The encoder does not read all of a text, and the reason for a label may be in the rest.",
        "Raise model.max_length if the encoder can read more, or set model.long_texts to windows.",
    ),
    "label-error": Kind(
        "warning",
        "A model that has not seen the text confidently contradicts a label.",
        "Read these rows and correct what is wrong, rare labels first.",
    ),
    "annotators-disagree": Kind(
        "warning",
        "Annotators disagree about a label, and no model can agree better with such labels than "
        "people do.",
        "Write down when a text has the label, with examples, and settle the texts that annotators "
        "answered differently.",
    ),
    "annotator-differs": Kind(
        "warning",
        "An annotator answers differently from the others, beyond what chance explains.",
        "Read some of the differing answers together. Either the guideline is unclear, or this "
        "annotator's answers should be left out.",
    ),
    "few-positives": Kind(
        "warning",
        "The label has under 20 positives in training, so it is learned from single texts.",
        "Label more texts that have it. A few dozen positives make the greatest difference.",
    ),
    "drift": Kind(
        "warning",
        "The splits differ, so thresholds that are chosen on one do not fit the other.",
        f"If the splits should be alike, {SPLIT_AGAIN}. If they are of different times or sources, "
        "keep them and measure each part with `imbtool evaluate --by`.",
    ),
    "label-spelling": Kind(
        "warning",
        "Labels differ only in case, spaces or the encoding of their characters, so the positives "
        "of one label may be divided between two names.",
        "Write them the same way in every file, unless they are meant to be two labels.",
    ),
    "label-declared": Kind(
        "info",
        "The profile declares a label that has no positives in training, or no negatives, so it is "
        "left out of training.",
        "Search for texts that have it with `imbtool find`, and label them.",
    ),
    "measurability": Kind(
        "info",
        "The label has so few positives in validation or test that the 95% interval of a recall is "
        "over 0.5 wide.",
        "Add texts that have the label, or give this split a larger share.",
    ),
    "duplicate": Kind(
        "info",
        "A text that is twice in a split counts twice in the loss and in the metrics.",
        "Keep one of each.",
    ),
    "near-duplicate": Kind(
        "info",
        "Texts of a split are nearly the same.",
        "Keep one of each, if they are templates or quotes.",
    ),
    "implied-parent": Kind(
        "info",
        "Nearly all texts of a label also have another one, which may be its parent.",
        "Add it to labels.hierarchy, if it is meant so.",
    ),
    "mutual-exclusion": Kind(
        "info",
        "Two frequent labels never occur together, though by chance some texts would have both.",
        "Do nothing if your guidelines say so. Otherwise look for texts that need both labels.",
    ),
}
"""Every kind of finding, the costliest first within a severity."""

ORDER = list(CATALOGUE)


@dataclass(frozen=True, slots=True)
class FoundRow:
    """A row of the data that a finding concerns.

    Attributes:
        split: the name of its split.
        index: of the text in the split, from 0.
        label: the label concerned, if it is one.
        detail: what is wrong with this row.
    """

    split: str
    index: int
    label: str | None = None
    detail: str = ""


class FoundRows(Sequence[FoundRow]):
    """Rows that a finding concerns, each made when it is asked for: there may be millions."""

    def __init__(self, split: Rows, index: Rows, tell: Callable[[int], tuple[str | None, str]]):
        """Take over arrays that say where the rows stand.

        Args:
            split: of each row the number of its split in `SPLITS` [k].
            index: its index in that split [k].
            tell: gives the label and the detail of the row at a place of these arrays.
        """
        self._split, self._index, self._tell = split, index, tell

    @classmethod
    def of_split(
        cls, split: str, index: Rows, tell: Callable[[int], tuple[str | None, str]]
    ) -> FoundRows:
        """Rows of one split."""
        return cls(np.full(len(index), SPLITS.index(split)), index, tell)

    def __len__(self) -> int:
        return len(self._index)

    @overload
    def __getitem__(self, place: SupportsIndex) -> FoundRow: ...

    @overload
    def __getitem__(self, place: slice) -> list[FoundRow]: ...

    def __getitem__(self, place: SupportsIndex | slice) -> FoundRow | list[FoundRow]:
        if isinstance(place, slice):
            return [self[at] for at in range(len(self))[place]]
        at = range(len(self))[place]
        return FoundRow(SPLITS[self._split[at]], int(self._index[at]), *self._tell(at))

    def different(self) -> int:
        """How many different texts they are."""
        return sum(len(np.unique(self._index[self._split == at])) for at in range(len(SPLITS)))


class Finding(Typed):
    """Something in the data that costs quality, with its evidence.

    An `error` makes results wrong or a training impossible, a `warning` costs quality, an `info` is
    good to know. Neither `message` nor `evidence` quotes a text.
    """

    id: str
    """A key of `CATALOGUE`."""
    severity: Severity
    message: str
    """What was found, in numbers."""
    rows: int
    """How many texts it concerns."""
    fix: str
    """What to do."""
    evidence: Mapping[str, object]
    """The numbers behind it."""
    file: str | None
    """Where its rows are listed, in the folder of the analysis; None if it has none."""
    found_rows: SkipValidation[Sequence[FoundRow]] = Field((), exclude=True)
    """The rows concerned."""


class ListedRow(Typed):
    """A row of a finding as people read it."""

    split: str
    file: str
    row: int
    """Counted from 1, without headers."""
    label: str
    """The label concerned; empty if it is not a single one."""
    detail: str
    labels: list[str]
    """All that the text has."""
    text: str | None
    """None where texts are private."""


def found(
    id: str,
    message: str,
    evidence: Mapping[str, object],
    rows: Sequence[FoundRow] = (),
    severity: Severity | None = None,
    fix: str | None = None,
) -> Finding:
    """A finding with the severity and the fix of its kind, unless it has its own."""
    kind = CATALOGUE[id]
    return Finding(
        id=id,
        severity=severity or kind.severity,
        message=message,
        rows=_different(rows),
        fix=fix or kind.fix,
        evidence=evidence,
        file=f"findings/{id}.csv" if rows else None,
        found_rows=rows,
    )


def _different(rows: Sequence[FoundRow]) -> int:
    """How many different texts rows are."""
    if isinstance(rows, FoundRows):
        return rows.different()
    return len({(row.split, row.index) for row in rows})


def percent(share: float) -> str:
    """A share in percent, to a tenth; a smaller one to its first digit."""
    return f"{share:.1%}" if share >= 0.001 or share == 0 else f"{100 * share:.1g}%"


def ranked(findings: Iterable[Finding]) -> list[Finding]:
    """By severity, then by what the kind costs (the catalogue's order), then most rows first."""
    return sorted(
        findings,
        key=lambda each: (SEVERITIES.index(each.severity), ORDER.index(each.id), -each.rows),
    )


def listed_rows(
    finding: Finding, corpus: Corpus, texts: bool = True, most: int | None = None
) -> list[ListedRow]:
    """The rows of a finding as they are listed.

    Args:
        finding: whose rows.
        corpus: that it was found in.
        texts: whether to quote the texts; they may be private.
        most: how many of the first ones; default all.
    """
    return [_listed(row, corpus, texts) for row in finding.found_rows[:most]]


def frames(
    findings: Iterable[Finding], corpus: Corpus, texts: bool = True
) -> Iterator[tuple[str, Iterator[pd.DataFrame]]]:
    """For each file of findings its path and, some at a time, its rows, safe for a spreadsheet.

    Args:
        findings: those with the same id share a file.
        corpus: that they were found in.
        texts: whether there is a column with the texts; they may be private.
    """
    columns = COLUMNS if texts else COLUMNS[:-1]
    with_file = sorted((each for each in findings if each.file), key=lambda each: each.id)
    for path, group in groupby(with_file, key=lambda each: str(each.file)):
        yield (
            path,
            (
                pd.DataFrame(
                    [(each.id, *_cells(row))[: len(columns)] for row in rows], columns=list(columns)
                )
                for each in [*group]
                for rows in _listed_in_turn(each, corpus, texts)
            ),
        )


def _listed_in_turn(finding: Finding, corpus: Corpus, texts: bool) -> Iterator[list[ListedRow]]:
    for start in range(0, len(finding.found_rows), LISTED_AT_ONCE):
        rows = finding.found_rows[start : start + LISTED_AT_ONCE]
        yield [_listed(row, corpus, texts) for row in rows]


def _cells(row: ListedRow) -> Iterator[str | int]:
    labels, text = "|".join(row.labels), row.text or ""
    for cell in (row.split, row.file, row.row, row.label, row.detail, labels, text):
        yield neutralised(cell) if isinstance(cell, str) else cell


def _listed(row: FoundRow, corpus: Corpus, texts: bool) -> ListedRow:
    split, names = corpus.splits[row.split], corpus.labels.names
    file, number = split.place(row.index)
    return ListedRow(
        split=row.split,
        file=str(file),
        row=int(number),
        label=row.label or "",
        detail=row.detail,
        labels=[names[label] for label in np.flatnonzero(split.label_sets.of(row.index) == 1)],
        text=shown_text(split.texts[row.index]) if texts else None,
    )
