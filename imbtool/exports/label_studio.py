"""Label Studio: the full JSON export of tasks with their annotations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from imbtool.exports.shape import (
    LABELS,
    AnswerTool,
    Export,
    ExportRow,
    Given,
    Tool,
    agreed,
    columns_of,
    differing,
    kept,
    left_out,
    person,
    told,
    unknown,
)
from imbtool.formats.json_rows import Row
from imbtool.wording import counted

NAME = "Label Studio"
ANNOTATIONS = ("annotations", "completions")
KINDS = ("choices", "taxonomy")
ASIDE = ("textarea", "rating", "number", "datetime", "pairwise", "ranker")
"""Answers that are no labels."""
KEPT = ("id", "created_at", "updated_at", "file_upload")

Answer = tuple[str, str, list[str]]
"""The question, what it asks about, and the labels."""


def _matches(row: Row) -> bool:
    annotations = _annotations(row)
    if not isinstance(row.get("data"), dict) or not isinstance(annotations, list):
        return False
    return all(isinstance(each, dict) and "result" in each for each in annotations)


def _annotations(row: Row) -> Any:
    found = next((row[name] for name in ANNOTATIONS if row.get(name) is not None), None)
    return [] if found is None and "predictions" in row else found


class Project:
    """What all tasks have in common, found out while they are read."""

    def __init__(self) -> None:
        self.questions: dict[str, int] = {}
        self.texts: set[str] = set()
        self.aside: set[str] = set()
        self.path_of: dict[str, tuple[str, ...]] = {}
        self.cancelled = 0

    def labels(self, row: ExportRow) -> list[list[str]]:
        """The different sets of labels that people have given to a task."""
        found = [names for _, names in self.given(row)]
        return list({frozenset(names): names for names in found}.values())

    def given(self, row: ExportRow) -> Iterator[tuple[str | None, list[str]]]:
        """Who has annotated a task, and with which labels; of the truth alone if it is marked."""
        annotations = _annotations(row)
        counted_ones = [
            each for each in annotations if not (each.get("was_cancelled") or each.get("skipped"))
        ]
        self.cancelled += len(annotations) - len(counted_ones)
        truths = [each for each in counted_ones if each.get("ground_truth")]
        for annotation in truths or counted_ones:
            answers = self._answers(row, self._result(row, annotation["result"] or []))
            names = [name for _, _, names in answers for name in names]
            yield _annotator(annotation.get("completed_by")), list(dict.fromkeys(names))

    def _result(self, row: ExportRow, result: Any) -> list[Row]:
        are_objects = isinstance(result, list) and all(
            isinstance(item, dict) and isinstance(item.get("value") or {}, dict) for item in result
        )
        if not are_objects:
            expected = "a list of results, each with its value"
            raise row.user_error("results of another form", expected, "export it again")
        return list(result)

    def _answers(self, row: ExportRow, result: list[Row]) -> Iterator[Answer]:
        for item in result:
            kind, value = item.get("type"), item.get("value") or {}
            is_region = {"start", "end", "x", "points"} & set(value)
            if kind in ASIDE and not is_region:
                self.aside.add(str(item.get("from_name")))
                continue
            if is_region or kind not in KINDS:
                fix = "export a project that labels whole texts with Choices or Taxonomy"
                raise row.user_error(f"regions ({kind})", "labels of whole texts", fix)
            question, about = str(item.get("from_name")), str(item.get("to_name"))
            self._ask(row, question)
            self.texts.add(about)
            yield question, about, self.named(row, kind, value)

    def _ask(self, row: ExportRow, question: str) -> None:
        self.questions.setdefault(question, row.number)
        if len(self.questions) > 1:
            first, second = self.questions
            found = f"answers to {second!r} beside those to {first!r}"
            fix = "export a project of one question, or delete the results of the others"
            raise row.user_error(found, "answers to one question", fix)

    def named(self, row: ExportRow, kind: str, value: Row) -> list[str]:
        """The labels of one result."""
        if kind == "choices":
            return row.names(value.get(kind), kind)
        paths = value.get(kind)
        if not isinstance(paths, list):
            fix = "write a list of paths"
            raise row.user_error(f"{paths!r} in 'taxonomy'", "a list of paths", fix)
        return [name for path in paths for name in self._levels(row, path)]

    def _levels(self, row: ExportRow, path: object) -> list[str]:
        """A path of a taxonomy: each level is a label, which may stand in one place alone."""
        names = row.names(path, "taxonomy")
        for depth, name in enumerate(names, start=1):
            place = tuple(names[:depth])
            known = self.path_of.setdefault(name, place)
            if known != place:
                found = f"{name!r} in two places: {' > '.join(known)} and {' > '.join(place)}"
                fix = "give the two different names in the taxonomy, or in the file"
                raise row.user_error(found, "each name in one place", fix)
        return names


def _flatten(rows: Sequence[ExportRow]) -> Export:
    project = Project()
    cells, lists = [], []
    for row in rows:
        if not _matches(row):
            raise row.foreign()
        cells.append(_cells(row))
        lists.append(project.labels(row))
    columns = {**columns_of(cells), LABELS: agreed(lists)}
    texts = _text_columns(project, rows)
    return Export(columns, (LABELS,), texts, _note(project, lists))


def _cells(row: ExportRow) -> Row:
    data = kept(row["data"], (), [LABELS, "id"], "data")
    own = {key: row[key] for key in KEPT if isinstance(row.get(key), str | int)}
    return {**own, **data}


def _annotator(value: object) -> str | None:
    """Who has annotated: a number, or an object with the address."""
    if isinstance(value, dict):
        value = value.get("email") or value.get("id")
    return person(value)


def _answers(rows: Sequence[ExportRow]) -> Iterator[Given]:
    project = Project()
    for row in rows:
        if not _matches(row):
            raise row.foreign()
        cells, answers = _cells(row), list(project.given(row))
        for annotator, names in answers:
            yield Given(row.number, cells, annotator, tuple(names))
        if not answers:
            yield Given(row.number, cells, None, None)


def _text_columns(project: Project, rows: Sequence[ExportRow]) -> tuple[str, ...]:
    """The field that was asked about, if its name tells, or the only field of text."""
    fields = dict.fromkeys(
        key for row in rows for key, value in row["data"].items() if isinstance(value, str)
    )
    named = [key for key in fields if key in project.texts]
    found = named or list(fields)
    return tuple(found) if len(found) == 1 and found[0] not in (LABELS, "id") else ()


def _note(project: Project, lists: Sequence[list[list[str]]]) -> str:
    question = next(iter(project.questions), None)
    source = f"the labels are the answers to {question!r}" if question else "there are no answers"
    facts = [
        "every level of a path is a label" if project.path_of else "",
        unknown(sum(not names for names in lists), "without an annotation"),
        f"{counted(lists.count([[]]), 'text')} annotated without a choice read as having no label"
        if [[]] in lists
        else "",
        differing(lists),
        f"{counted(project.cancelled, 'cancelled annotation')} left out"
        if project.cancelled
        else "",
        left_out(project.aside),
    ]
    return told(NAME, f"{source}, never predictions", facts)


TOOL = Tool(NAME, _matches, _flatten)
ANSWERS = AnswerTool(NAME, _matches, _answers)
