"""A batch of texts to label, as batch.json holds it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from imbtool.config.data_sections import LabelSource
from imbtool.files.documents import Count, Number, Share, Typed, read_document
from imbtool.formats.cells import COLUMN_MARK

BATCH, TABLE = "batch.json", "batch.csv"
ChosenBy = Literal["score", "random", "similar", "pattern"]
CHOSEN_BY, PROBABILITY, BATCH_NAME = "chosen_by", "inclusion_probability", "batch"
"""Columns that say how a text came to be labelled: in batch.csv, and in merged tables."""
SUGGESTED, ASK, WHY, SCORE = "suggested", "ask", "why", "score"
"""Other columns of batch.csv, for the people who label."""
ABOUT = (SUGGESTED, ASK, WHY, SCORE, CHOSEN_BY, PROBABILITY)
"""Columns of batch.csv beside the id, the text and the answers."""
ANNOTATOR = "annotator"
NONE = "none"
"""The answer that a text has none of the labels, unless a label is called so."""


class BatchText(Typed):
    """A text of a batch."""

    id: str
    cells: dict[str, str]
    """Its text columns, named as in the profile."""
    ask: list[str]
    """The labels that it was chosen for; none of a random text, which is asked for all."""
    why: str
    score: Number | None
    chosen_by: ChosenBy
    inclusion_probability: Share | None
    """Of a text drawn by chance: that it was drawn in this batch, from those not drawn before."""
    prefill: list[str] | None
    """Labels that a model suggests to the annotator; never of a random text."""


class AnswerColumns(Typed):
    """Where the answers stand: in one column of names, or in one column for each label."""

    column: str | None
    separator: str
    columns: list[str] | None
    none: str = NONE
    """The word in that column for none of the labels; no label is called so."""


class LabelNeed(Typed):
    """What a label needs, and what the batch gives it."""

    label: str
    positives: Count
    """In training."""
    known: Count
    """Texts of training and validation, chosen by no search, of which it is known."""
    texts: Count
    """Of the batch that were chosen for it."""
    expected: Number
    """Positives that the batch is expected to hold."""
    at_random: Number
    """Positives that as many texts read at random are expected to hold."""
    why: str


class Remaining(Typed):
    """How many positives of a label the pool held at first, by its random texts."""

    label: str
    sample: Count
    """Texts at the front of the random order whose answer is known."""
    positives: Count
    """Among them."""
    found: Count
    """Positives that the search has found in this pool, those among them."""
    low: Count
    high: Count
    """Exact 95% bounds of the positives that the pool still holds."""
    recall_low: Share
    recall_high: Share
    """Exact 95% bounds of the recall of the search so far."""


class Progress(Typed):
    """An earlier batch from the same pool: what its answers gave of the labels in need."""

    batch: str
    texts: Count
    """Answered texts."""
    positives: Count
    at_random: Number
    """Positives that as many texts read at random are expected to hold."""


class PoolReport(Typed):
    """The pool, and what of it was left out."""

    source: str
    fingerprint: str
    texts: Count
    population: Count
    """Texts that could be chosen when the pool was first searched."""
    labelled: Count
    """Left out because they, or texts nearly the same, are labelled."""
    chosen_before: Count
    """Left out because they are in an earlier batch."""
    repeated: Count
    """Left out because they repeat another text of the pool."""
    reserved: Annotated[float, Field(ge=0, le=1)]
    """The share of the random order, from its front, of which no text is chosen by score."""
    salt: str = ""
    """Of the random order; none for the first pool of a folder of batches."""


class Batch(Typed):
    """A batch: what was searched, how it was allotted, and its texts."""

    imbtool: str
    """The version."""
    command: list[str]
    source: str
    seed: Count
    labels: list[str]
    answer: AnswerColumns
    pool: PoolReport
    needs: list[LabelNeed]
    progress: list[Progress]
    remaining: list[Remaining]
    texts: list[BatchText]


def text_of(text: BatchText) -> str:
    """The text of a batch as tables of its profile are read."""
    return COLUMN_MARK.join(cell for cell in text.cells.values() if cell)


def none_word(labels: Iterable[str]) -> str:
    """A word for none of the labels that no label is called: `none`, `none (none)`, ..."""
    taken, word = {label.strip().lower() for label in labels}, NONE
    while word in taken:
        word = f"{word} ({NONE})"
    return word


def answer_columns(source: LabelSource, names: Sequence[str]) -> AnswerColumns:
    """Where the answers of a batch stand: as labels do in the tables of a profile."""
    columns = None if source.columns is None else list(names)
    return AnswerColumns(
        column=source.column, separator=source.separator, columns=columns, none=none_word(names)
    )


def read_batch(folder: Path) -> Batch:
    """The batch in a folder.

    Raises:
        UserError: it has none, or a damaged one.
    """
    return read_document(folder / BATCH, Batch, "write the batch anew with `imbtool find`")
