"""Answers of people to questions: which question asks for labels, and what was answered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from imbtool.exports.shape import (
    LABELS,
    Export,
    ExportRow,
    Given,
    agreed,
    columns_of,
    differing,
    told,
    unknown,
)
from imbtool.formats.json_rows import Row

LONG = 80
"""Characters from which an answer is a text rather than the name of a label."""
FEW = 5
"""Different answers up to which they may all be names of labels, though none recurs."""


@dataclass
class Record:
    """A text with what was answered.

    Attributes:
        row: that it was made of, for messages.
        cells: the columns besides the labels.
        answers: for each question the answers that count, one a person.
        people: for each question who gave them, if that is known.
        unfinished: how many answers do not count: drafts, and those discarded.
    """

    row: ExportRow
    cells: Row
    answers: dict[str, list[object]] = field(default_factory=dict)
    people: dict[str, list[str | None]] = field(default_factory=dict)
    unfinished: int = 0

    def add(self, question: str, value: object, counts: bool, who: str | None = None) -> None:
        """Take in an answer, which counts or does not."""
        values = self.answers.setdefault(question, [])
        if counts and value is not None:
            values.append(value)
            self.people.setdefault(question, []).append(who)
        else:
            self.unfinished += 1


def labelled(records: Sequence[Record], texts: Sequence[str], facts: Sequence[str] = ()) -> Export:
    """The records with the answers to their only question for labels.

    Args:
        records: one a row.
        texts: the columns of texts.
        facts: what else the note tells.

    Raises:
        UserError: no question, or several, or answers that are no labels.
    """
    question = _question(records)
    lists = [_names(record, question) for record in records]
    source = (
        f"the submitted responses to {question!r}" if question else "unknown, without responses"
    )
    columns = {**columns_of([record.cells for record in records]), LABELS: agreed(lists)}
    without = sum(not names for names in lists)
    note = told(
        records[0].row.tool,
        f"the labels are {source}",
        [unknown(without, "without a submitted response"), differing(lists), *facts],
    )
    return Export(columns, (LABELS,), tuple(texts), note)


def given(records: Sequence[Record]) -> Iterator[Given]:
    """What each person has answered to the only question for labels.

    Raises:
        UserError: as `labelled`.
    """
    question = _question(records)
    for record in records:
        number, lists = record.row.number, _lists(record, question)
        people = record.people.get(question or "", [])
        for who, names in zip(people, lists, strict=True):
            yield Given(number, record.cells, who, tuple(names))
        if not lists:
            yield Given(number, record.cells, None, None)


def _names(record: Record, question: str | None) -> list[list[str]]:
    """The different sets of labels that were answered."""
    return list({frozenset(names): names for names in _lists(record, question)}.values())


def _lists(record: Record, question: str | None) -> list[list[str]]:
    """The labels of each answer that counts."""
    if question is None:
        return []
    answers = record.answers.get(question, [])
    lists = [value if isinstance(value, list) else [value] for value in answers]
    return [record.row.names(value, question) for value in lists]


def _question(records: Sequence[Record]) -> str | None:
    """The question whose answers are labels; None where nobody has answered anything."""
    answers: dict[str, list[object]] = {}
    for record in records:
        for question, values in record.answers.items():
            answers.setdefault(question, []).extend(values)
    answers = {question: values for question, values in answers.items() if values}
    likely = [question for question, values in answers.items() if _may_be_labels(values)]
    if len(likely) == 1 or not answers:
        return likely[0] if likely else None
    if likely:
        found = f"several questions that may ask for labels: {', '.join(map(repr, likely))}"
        fix = "keep the responses to one of them in the file, and delete the others"
    else:
        found = f"no question that asks for labels: {', '.join(map(repr, answers))}"
        fix = "export a dataset with a label or multi-label question"
    first = next(record.row for record in records if any(record.answers.values()))
    raise first.user_error(found, "one label or multi-label question", fix)


def _may_be_labels(values: Sequence[Any]) -> bool:
    """Whether answers may be labels; those to a question for a text are long, or never recur."""
    if all(isinstance(value, list) for value in values):
        items = [item for value in values for item in value]
        named = any(isinstance(item, str) for item in items)
        return not items or (named and not any(isinstance(item, dict) for item in items))
    if not all(isinstance(value, str) for value in values):
        return False
    different = set(values)
    recur = len(different) < len(values) or len(different) <= FEW
    return recur and max(map(len, different)) <= LONG
