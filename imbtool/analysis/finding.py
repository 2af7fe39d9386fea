"""What the check before a training can find: each kind with what it means and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

import numpy as np
import pandas as pd

from imbtool.data.corpus import Corpus
from imbtool.formats.cells import neutralised, shown_text

Document = dict[str, Any]
Severity = Literal["blocks", "warns", "note"]
SEVERITIES: tuple[Severity, ...] = ("blocks", "warns", "note")
COLUMNS = ("finding", "split", "file", "row", "label", "detail", "labels", "text")


SPLIT_ANEW = "split all rows anew (`imbtool split 'FOLDER/*.csv' -o NEW`)"


@dataclass(frozen=True)
class Kind:
    """A kind of finding.

    Attributes:
        severity: as a rule.
        means: why it matters.
        fix: what to do.
        blocks: when it blocks; empty where it never does.
    """

    severity: Severity
    means: str
    fix: str
    blocks: str = ""


CATALOGUE: dict[str, Kind] = {
    "label-constant": Kind(
        "blocks",
        "a label has no positive in training, or no negative: it cannot be learned",
        f"{SPLIT_ANEW} if another split has what is missing; else add such texts, or remove the "
        "label from every file and the profile",
        "always",
    ),
    "leak-exact": Kind(
        "warns",
        "the same text stands in two splits: what is measured is memory",
        f"remove these rows from training, or {SPLIT_ANEW}",
        "at least 5% of validation or test stand in training too, or half of the positives that a "
        "label has there (of 10 or more)",
    ),
    "leak-normalised": Kind(
        "warns",
        "the same text but for URLs and user names stands in two splits",
        f"remove these rows from training, or {SPLIT_ANEW}",
        "as `leak-exact`",
    ),
    "label-absent": Kind(
        "warns",
        "a label has no positive in validation or test: no threshold can be chosen for it, or "
        "nothing can be said of it",
        f"{SPLIT_ANEW}, or add texts that have it",
        "the label has none in validation and `thresholds.require` asks for it",
    ),
    "leak-near": Kind(
        "warns",
        "nearly the same text stands in two splits: results are better than on new texts",
        f"{SPLIT_ANEW}, which keeps near duplicates together",
    ),
    "contradiction": Kind(
        "warns",
        "the same text has a label in one row and has it not in another",
        "agree on one",
    ),
    "orphan-child": Kind(
        "warns",
        "a text has a label and not its parent; the loss pulls both ways",
        "give each such text the parent too, or correct labels.hierarchy",
    ),
    "truncation": Kind(
        "warns",
        "the encoder does not read all of a text; what makes a label true may stand in the rest",
        "raise model.max_length if the encoder can read more, or model.long_texts: windows",
    ),
    "label-error": Kind(
        "warns",
        "a label is confidently contradicted by a model that has not seen the text",
        "read these rows and correct what is wrong, rare labels first",
    ),
    "few-positives": Kind(
        "warns",
        "under 20 positives in training: the label is learned from single texts",
        "label more texts that have it; a few dozen change most",
    ),
    "drift": Kind(
        "warns",
        "the splits are not alike: thresholds chosen on one will not fit the other",
        f"{SPLIT_ANEW}; if the splits are of different times or sources, keep them and measure "
        "each with `imbtool evaluate --by`",
    ),
    "label-spelling": Kind(
        "warns",
        "labels that differ by case, blanks or the encoding of their characters alone: one label's "
        "positives stand under two names",
        "write them alike in every file, unless they are meant to be two labels",
    ),
    "measurability": Kind(
        "note",
        "so few positives in validation or test that the interval of a recall is over 0.5 wide",
        "add texts that have the label, or give a larger share to this split",
    ),
    "duplicate": Kind(
        "note",
        "texts that stand in a split twice count twice in the loss and in the figures",
        "keep one of each",
    ),
    "near-duplicate": Kind(
        "note",
        "texts of a split that are nearly the same",
        "keep one of each, if they are templates or quotes",
    ),
    "implied-parent": Kind(
        "note",
        "nearly all texts of a label have another one too: it may be its parent",
        "add it to labels.hierarchy, if it is meant so",
    ),
    "mutual-exclusion": Kind(
        "note",
        "two frequent labels never meet, though by chance they would",
        "nothing, if the guidelines say so; else look for texts that need both",
    ),
}
"""Every kind of finding, the costliest first within a severity."""

ORDER = list(CATALOGUE)


@dataclass(frozen=True, slots=True)
class Place:
    """A row that a finding concerns.

    Attributes:
        split: its split's name.
        index: of the text in the split, from 0.
        label: the label concerned, if it is one.
        detail: what is the matter with this row.
    """

    split: str
    index: int
    label: str | None = None
    detail: str = ""


@dataclass(frozen=True)
class Finding:
    """Something in the data that costs quality, with its evidence.

    Attributes:
        id: of `CATALOGUE`.
        severity: `blocks` makes results wrong or a training impossible, `warns` costs quality,
            `note` is good to know.
        message: what was found, in numbers; quotes no text.
        fix: what to do.
        evidence: the numbers behind it, as in the document; quotes no text.
        places: the rows concerned.
    """

    id: str
    severity: Severity
    message: str
    fix: str
    evidence: Document
    places: Sequence[Place] = ()

    @property
    def rows(self) -> int:
        """How many texts it concerns."""
        return len({(place.split, place.index) for place in self.places})

    @property
    def file(self) -> str | None:
        """Where its rows are listed, in the folder of the analysis; None if it has none."""
        return f"findings/{self.id}.csv" if self.places else None

    def document(self) -> Document:
        """As it stands in analysis.json."""
        fields = {key: getattr(self, key) for key in ("id", "severity", "message", "rows", "fix")}
        return {**fields, "evidence": self.evidence, "file": self.file}


def found(
    id: str,
    message: str,
    evidence: Document,
    places: Sequence[Place] = (),
    severity: Severity | None = None,
    fix: str | None = None,
) -> Finding:
    """A finding with its kind's severity and fix, unless it has its own."""
    kind = CATALOGUE[id]
    return Finding(id, severity or kind.severity, message, fix or kind.fix, evidence, places)


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
) -> list[Document]:
    """The rows of a finding as they are listed: split, file, row, label, detail, labels, text.

    Args:
        finding: whose places.
        corpus: that they are places of.
        texts: whether to quote the text; it may be private.
        most: how many of the first ones; default all.
    """
    return [_row(place, corpus, texts) for place in finding.places[:most]]


def frames(
    findings: Iterable[Finding], corpus: Corpus, texts: bool = True
) -> Iterator[tuple[str, pd.DataFrame]]:
    """For each file of findings its path and rows, safe to open in a spreadsheet.

    Args:
        findings: those with the same id share a file.
        corpus: that they were found in.
        texts: whether there is a column with the texts; they may be private.
    """
    columns = COLUMNS if texts else COLUMNS[:-1]
    with_file = sorted((each for each in findings if each.file), key=lambda each: each.id)
    for path, group in groupby(with_file, key=lambda each: str(each.file)):
        rows = [
            {"finding": each.id, **row} for each in group for row in _cells(each, corpus, texts)
        ]
        yield path, pd.DataFrame(rows, columns=list(columns))


def _cells(finding: Finding, corpus: Corpus, texts: bool) -> Iterator[Document]:
    for row in listed_rows(finding, corpus, texts):
        joined = {**row, "labels": "|".join(row["labels"])}
        yield {
            key: neutralised(cell) if isinstance(cell, str) else cell
            for key, cell in joined.items()
        }


def _row(place: Place, corpus: Corpus, texts: bool) -> Document:
    split, names = corpus.splits[place.split], corpus.labels.names
    file, row = split.place(place.index)
    given = [names[label] for label in np.flatnonzero(split.targets[place.index] == 1)]
    return {
        "split": place.split,
        "file": str(file),
        "row": int(row),
        "label": place.label or "",
        "detail": place.detail,
        "labels": given,
        **({"text": shown_text(split.texts[place.index])} if texts else {}),
    }
