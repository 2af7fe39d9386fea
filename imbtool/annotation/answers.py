"""Answers of people to a batch: a filled batch.csv, or what annotation tools export."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from imbtool.annotation.batch import (
    ABOUT,
    ANNOTATOR,
    BATCH,
    AnswerColumns,
    Batch,
    BatchText,
    read_batch,
)
from imbtool.annotation.tasks import TEXT, task_text
from imbtool.data.tables import Table, read_arrow
from imbtool.errors import Problem, user_error
from imbtool.exports.doccano import MARKS
from imbtool.exports.recognition import read_answers
from imbtool.exports.shape import TEXT_ID, Given
from imbtool.files.paths import real_path
from imbtool.files.text_format import AS_FOUND
from imbtool.formats.cells import cell_text, neutralised, text_cells
from imbtool.labels.syntax import flag_of, names_in
from imbtool.notes import tell
from imbtool.wording import counted, cut, did_you_mean, some

ID = "id"
TEXT_FIELDS = (TEXT, "data")
"""Where the exports of tools have the text of a task."""
SHOWN_ROWS = 5
DOCCANO_MARK = MARKS[0]


@dataclass(frozen=True)
class Answer:
    """What one person has answered about one text of a batch.

    Attributes:
        id: of the text.
        annotator: who has answered, if that is known.
        labels: that the text was given; None where nothing was answered.
        asked: the labels that it is about: those that the tool has offered, or of the batch.
        place: where it stands, `FILE: row N`.
    """

    id: str
    annotator: str | None
    labels: tuple[str, ...] | None
    asked: tuple[str, ...]
    place: str


@dataclass(frozen=True)
class BatchOf:
    """A batch and where it stands.

    Attributes:
        folder: that holds batch.json.
        batch: the document.
        texts: its texts by id.
    """

    folder: Path
    batch: Batch
    texts: Mapping[str, BatchText]

    @classmethod
    def read(cls, folder: Path) -> BatchOf:
        """The batch in a folder.

        Raises:
            UserError: it has none, or a damaged one.
        """
        batch = read_batch(folder)
        return cls(folder, batch, {text.id: text for text in batch.texts})


def batches_of(answered: Sequence[Path], folders: Sequence[Path]) -> dict[Path, list[BatchOf]]:
    """For each answered file the batches that its ids may be of.

    They are the batch in the file's own folder, and those in the folders that were named.

    Raises:
        UserError: a file has neither, or a batch is damaged.
    """
    read: dict[Path, BatchOf] = {}

    def batch_in(folder: Path) -> BatchOf:
        key = real_path(folder)
        if key not in read:
            read[key] = BatchOf.read(folder)
        return read[key]

    named = [batch_in(folder) for folder in folders]
    found = {}
    for path in answered:
        own = [batch_in(path.parent)] if (path.parent / BATCH).is_file() else []
        found[path] = own + [each for each in named if each not in own]
        if not found[path]:
            expected = f"{BATCH} beside the answered file"
            fix = "put the file into the folder of its batch, or name that with --batch"
            raise user_error(path, f"no {BATCH} in {path.parent}", expected, fix)
    return found


def read_answered(path: Path, batches: Sequence[BatchOf]) -> tuple[list[Answer], list[Problem]]:
    """The answers in a file, and what is wrong with it.

    Args:
        path: of a table with the columns of batch.csv, or of a tool's export.
        batches: that its ids may be of.

    Raises:
        UserError: the file cannot be read.
    """
    given = read_answers(path, AS_FOUND)
    if given is None:
        return _of_table(path, batches)
    problems = _Problems(path, batches)
    answers, new = [], _names_beyond(batches, (each.labels for each in given))
    for each in given:
        if found := problems.find(each.row, _id_of(each)):
            batch, text = found
            problems.compare(each.row, text, _text_of(each))
            if not each.confirmed and text.prefill and set(each.labels or ()) == set(text.prefill):
                problems.unconfirmed.append(each.row)
            labels = problems.without_none(each.row, each.labels, batch.answer.none)
            place = f"{path}: row {each.row}"
            asked = (*batch.labels, *new) if each.asked is None else each.asked
            answers.append(Answer(text.id, each.annotator, labels, asked, place))
    return answers, list(problems.told())


def _names_beyond(
    batches: Sequence[BatchOf], given: Iterable[tuple[str, ...] | None]
) -> tuple[str, ...]:
    """Labels that a file gives beyond those of its batches: all its texts are asked for them."""
    known = {label for each in batches for label in each.batch.labels}
    words = {each.batch.answer.none.lower() for each in batches}
    named = dict.fromkeys(name for names in given for name in names or ())
    return tuple(each for each in named if each not in known and each.strip().lower() not in words)


def _id_of(given: Given) -> str:
    """The id of a text: in our own field, or in that of a tool that keeps ids."""
    return cell_text(given.cells.get(TEXT_ID, given.cells.get(ID)))


def _text_of(given: Given) -> dict[str, str]:
    """The whole text by an empty name, if the export has it."""
    found = [given.cells[name] for name in TEXT_FIELDS if isinstance(given.cells.get(name), str)]
    return {"": str(found[0])} if found else {}


class _Problems:
    """What is wrong with a file, gathered row by row."""

    def __init__(self, path: Path, batches: Sequence[BatchOf]) -> None:
        self._path, self._batches = path, batches
        self._unknown: list[tuple[int, str]] = []
        self._changed: list[int] = []
        self._mixed: list[int] = []
        self._odd: list[tuple[int, str]] = []
        self._word = ""
        self.unconfirmed: list[int] = []

    def find(self, row: int, id: str) -> tuple[Batch, BatchText] | None:
        """The text of an id, and its batch; None for an id of no batch, which is a problem."""
        for each in self._batches:
            for known in (id, id.removeprefix("'")):
                if known in each.texts:
                    return each.batch, each.texts[known]
        self._unknown.append((row, id))
        return None

    def compare(self, row: int, text: BatchText, found: Mapping[str, str]) -> None:
        """Check the texts of a row, by column or, by an empty name, all of them."""
        for name, cell in found.items():
            wanted = text.cells.get(name, "") if name else task_text(text)
            if not _same(cell, wanted):
                self._changed.append(row)
                return

    def without_none(
        self, row: int, names: tuple[str, ...] | None, word: str
    ) -> tuple[str, ...] | None:
        """The labels of an answer, none for the word that says so; None is no answer."""
        if names is None:
            return None
        labels = tuple(name for name in names if name.strip().lower() != word.lower())
        if labels and len(labels) < len(names):
            self._mixed.append(row)
            self._word = word
        return labels

    def odd(self, row: int, cell: str) -> None:
        """Take in a cell that is neither 0 nor 1."""
        self._odd.append((row, cell))

    def told(self) -> Iterator[Problem]:
        where = str(self._path)
        if self._unknown:
            ids = some((f"{cut(id, 40)!r} (row {row})" for row, id in self._unknown), SHOWN_ROWS)
            known = [id for each in self._batches for id in each.texts]
            fix = f"restore the ids; {did_you_mean(self._unknown[0][1], known[:10_000])}"
            found = f"{counted(len(self._unknown), 'id')} of no text in the batch: {ids}"
            yield Problem(where, found, "the ids of the batch", fix)
        if self._changed:
            found = f"another text than that of the batch in {_rows(self._changed)}"
            fix = "restore the texts from batch.csv: answers belong to the text that was read"
            yield Problem(where, found, "the texts of the batch", fix)
        if self._mixed:
            found = f"{self._word!r} beside labels in {_rows(self._mixed)}"
            yield Problem(where, found, f"labels, or {self._word!r} alone", "delete one of the two")
        if self.unconfirmed:
            found = f"the labels that were suggested, in {_rows(self.unconfirmed)} of all texts"
            expected = "texts that somebody has marked as done: suggestions look like answers here"
            yield Problem(where, found, expected, "export only approved documents")
        if self._odd:
            row, cell = self._odd[0]
            found = f"{cut(cell, 40)!r} in row {row}"
            found += f" and {len(self._odd) - 1} more" * (len(self._odd) > 1)
            yield Problem(where, found, "0, 1 or nothing (unanswered)", "write 0 or 1")


def _rows(rows: Sequence[int]) -> str:
    return f"{'row' if len(rows) == 1 else 'rows'} {some(rows, SHOWN_ROWS)}"


def _same(cell: str, text: str) -> bool:
    """Whether two texts differ in white space at most, and in what keeps formulas from running."""
    return cell.split() in (text.split(), neutralised(text).split())


def _of_table(path: Path, batches: Sequence[BatchOf]) -> tuple[list[Answer], list[Problem]]:
    """The answers of a table with the columns of batch.csv."""
    table = read_arrow(path)
    columns = table.data.column_names
    name = next((each for each in (ID, TEXT_ID) if each in columns), None)
    shapes = [each.batch.answer for each in batches]
    shape = next((each for each in shapes if set(_columns(each)) <= set(columns)), None)
    if name is None or shape is None or {TEXT_ID, DOCCANO_MARK} <= set(columns):
        wanted = [ID, *_columns(shapes[0])]
        found = f"the columns {some(columns, 12)}"
        expected = f"the columns {some(map(repr, wanted), 12)}, or an export of an annotation tool"
        fix = "answer in batch.csv itself, or export the project again"
        if DOCCANO_MARK in columns:
            fix = "export it from doccano as JSONL, which keeps the names of labels apart"
        return [], [Problem(str(path), found, expected, fix)]
    problems = _Problems(path, batches)
    answers = list(_table_answers(path, table, name, shape, problems, batches))
    given = [answer for answer in answers if answer.labels is not None]
    partial = any(len(answer.asked) < len(shape.columns or []) for answer in given)
    if partial and all(answer.labels == answer.asked for answer in given):
        meant = "an empty cell is no answer: write 0 where a text lacks a label"
        tell([f"{path} has no 0 in its columns of labels, and {meant}."])
    return answers, list(problems.told())


def _columns(shape: AnswerColumns) -> list[str]:
    return [shape.column] if shape.column is not None else list(shape.columns or [])


def _table_answers(
    path: Path,
    table: Table,
    id_column: str,
    shape: AnswerColumns,
    problems: _Problems,
    batches: Sequence[BatchOf],
) -> Iterator[Answer]:
    known = {label for each in batches for label in each.batch.labels}
    cells = {name: _texts(table, name) for name in table.data.column_names}
    ids, people = cells[id_column], cells.get(ANNOTATOR)
    read = _names_reader(cells, shape, known) if shape.column else _flags_reader(cells, shape)
    rows = [read(place, problems) for place in range(len(ids))]
    new = _names_beyond(batches, (labels for labels, _ in rows))
    for place, (id, (labels, asked)) in enumerate(zip(ids, rows, strict=True)):
        if (found := problems.find(place + 1, id)) is None:
            continue
        batch, text = found
        problems.compare(place + 1, text, _texts_of(cells, place, text))
        who = (people[place].strip() or None) if people else None
        about = (*batch.labels, *new) if asked is None else asked
        yield Answer(text.id, who, labels, about, f"{path}: row {table.row_text(place + 1)}")


def _texts_of(cells: Mapping[str, Sequence[str]], place: int, text: BatchText) -> dict[str, str]:
    """The texts of a row: those of the columns, or by an empty name all of them in one."""
    if text.cells.keys() <= cells.keys() and not text.cells.keys() & {ID, *ABOUT}:
        return {name: cells[name][place] for name in text.cells}
    return {"": cells[TEXT][place]} if TEXT in cells else {}


def _texts(table: Table, name: str) -> list[str]:
    return [cell or "" for cell in text_cells(table.data[name]).to_pylist()]


Reader = Callable[[int, _Problems], tuple[tuple[str, ...] | None, tuple[str, ...] | None]]
"""From the place of a row to the labels that it gives, and those that it is about."""


def _names_reader(
    cells: Mapping[str, Sequence[str]], shape: AnswerColumns, known: Set[str]
) -> Reader:
    column = cells[shape.column or ""]

    def read(place: int, problems: _Problems) -> tuple[tuple[str, ...] | None, None]:
        cell = column[place]
        if not cell.strip():
            return None, None
        lone = _as_known(cell.strip(), known)
        found = [lone] if lone in known else names_in(cell, shape.separator)
        names = tuple(dict.fromkeys(_as_known(name, known) for name in found))
        return problems.without_none(place + 1, names, shape.none), None

    return read


def _as_known(name: str, known: Set[str]) -> str:
    """A name without the apostrophe that keeps a spreadsheet from running it."""
    plain = name.removeprefix("'")
    return plain if name not in known and plain in known else name


def _flags_reader(cells: Mapping[str, Sequence[str]], shape: AnswerColumns) -> Reader:
    names = shape.columns or []

    def read(
        place: int, problems: _Problems
    ) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
        flags: dict[str, float] = {}
        for name in names:
            flag = flag_of(cells[name][place])
            if flag is None:
                problems.odd(place + 1, cells[name][place])
            elif flag == flag:
                flags[name] = flag
        if not flags:
            return None, None
        return tuple(name for name, flag in flags.items() if flag), tuple(flags)

    return read
