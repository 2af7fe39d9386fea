"""Argilla: records of version 1, feedback records, and the nested and flat forms of version 2."""

from __future__ import annotations

import ast
import io
import json
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from imbtool.errors import UserError
from imbtool.exports.responses import Record, given, labelled
from imbtool.exports.shape import (
    LABELS,
    AnswerTool,
    Export,
    ExportRow,
    Given,
    Tool,
    columns_of,
    kept,
    left_out,
    person,
    told,
    unknown,
)
from imbtool.formats.json_rows import Row
from imbtool.wording import counted, cut

NAME = "Argilla"
SUBMITTED = "submitted"
RESPONSES, USERS, STATUS = ".responses", ".responses.users", ".responses.status"
SUGGESTION = ".suggestion"
ANSWER = ("annotation", "annotation_agent", "prediction", "prediction_agent")
BULKY = ("explanation", "metrics", "search_keywords", "vectors", "tokens", "inputs")


def _is_record(row: Row) -> bool:
    """Of version 1, text classification; of other tasks it has tokens."""
    is_task = "multi_label" in row or "inputs" in row or "tokens" in row
    return {"annotation", "prediction", "status"} <= set(row) and is_task


def _records(rows: Sequence[ExportRow]) -> Export:
    """Validated annotations of version 1."""
    labels: list[list[str] | None] = []
    texts: list[Row] = []
    for row in rows:
        if not _is_record(row):
            raise row.foreign()
        if row.get("tokens"):
            fix = "export a dataset of text classification"
            raise row.user_error("tokens and their spans", "labels of whole texts", fix)
        texts.append(_inputs(row))
        labels.append(_annotation(row))
    text_columns = list(dict.fromkeys(name for cells in texts for name in cells))
    leave = ("text", *ANSWER, *BULKY)
    cells = [
        {**text, **kept(row, leave, [LABELS, *text_columns], "record")}
        for text, row in zip(texts, rows, strict=True)
    ]
    columns = {**columns_of(cells), LABELS: labels}
    note = told(
        NAME,
        "the labels are the annotations whose status is 'Validated', never the predictions",
        [unknown(labels.count(None), "without a validated annotation")],
    )
    return Export(columns, (LABELS,), tuple(text_columns), note)


def _record_answers(rows: Sequence[ExportRow]) -> Iterator[Given]:
    """Validated annotations of version 1, one a record."""
    for row in rows:
        if not _is_record(row):
            raise row.foreign()
        labels = _annotation(row)
        who = person(row.get("annotation_agent")) if labels is not None else None
        cells = {**_metadata(row), **kept(row, (*ANSWER, *BULKY)), **_inputs(row)}
        yield Given(row.number, cells, who, None if labels is None else tuple(labels))


def _metadata(row: ExportRow) -> Row:
    metadata = parsed(row, row.get("metadata"), "metadata")
    return metadata if isinstance(metadata, dict) else {}


def _inputs(row: ExportRow) -> Row:
    """The texts of a record: one, or several with names."""
    inputs = parsed(row, row.get("inputs"), "inputs")
    if isinstance(row.get("text"), str) or not isinstance(inputs, dict) or not inputs:
        return {"text": row.text(row.get("text"))}
    return {key: row.text(text, f"inputs.{key}") for key, text in inputs.items()}


def _annotation(row: ExportRow) -> list[str] | None:
    if row["status"] != "Validated" or row["annotation"] in (None, ""):
        return None
    several = str(row.get("multi_label")).lower() == "true"
    value = row["annotation"]
    value = parsed(row, value, "annotation") if several else value
    return row.names(value if isinstance(value, list) else [value], "annotation")


def _is_nested(row: Row) -> bool:
    answers = row.get("responses")
    return isinstance(row.get("fields"), dict) and (
        isinstance(answers, dict | list) or ("responses" in row and "suggestions" in row)
    )


def _nested(rows: Sequence[ExportRow]) -> Export:
    """Feedback records and version 2, with all that belongs to a record in objects."""
    records, fields, unmarked = _nested_records(rows)
    facts = [
        f"{counted(unmarked, 'response')} without a status counted as submitted "
        "(`to_list(flatten=True)` writes the status)"
        if unmarked
        else "",
        _unfinished(records),
    ]
    return labelled(records, fields, facts)


def _nested_records(rows: Sequence[ExportRow]) -> tuple[list[Record], list[str], int]:
    """The records, the names of their texts, and how many responses have no status."""
    records, fields, unmarked = [], dict[str, None](), 0
    for row in rows:
        if not _is_nested(row):
            raise row.foreign()
        texts = {key: _field(row, key, value) for key, value in row["fields"].items()}
        texts = kept(texts, (), [LABELS], "fields")
        fields |= dict.fromkeys(texts)
        metadata = row.get("metadata")
        extra = (
            kept(metadata, (), [LABELS, *fields], "metadata") if isinstance(metadata, dict) else {}
        )
        leave = ("fields", "responses", "suggestions", "vectors", "metadata")
        record = Record(
            row, {**texts, **kept(row, leave, [LABELS, *fields, *extra], "record"), **extra}
        )
        for question, value, status, who in _answers(row, row["responses"]):
            unmarked += status is None
            record.add(question, value, status in (None, SUBMITTED), who)
        records.append(record)
    return records, list(fields), unmarked


def _nested_answers(rows: Sequence[ExportRow]) -> Iterator[Given]:
    """The submitted responses; `to_json` writes drafts like these, without a status."""
    records, _, unmarked = _nested_records(rows)
    if unmarked:
        found = f"{counted(unmarked, 'response')} without a status, which may be drafts"
        fix = "save `dataset.records.to_list(flatten=True)` as JSON, which has the statuses"
        raise rows[0].user_error(found, "submitted responses, marked so", fix)
    return given(records)


def _field(row: ExportRow, key: str, value: object) -> object:
    """A field of texts; a chat is written as JSON, and one that is not required may be missing."""
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    return None if value is None else row.text(value, f"fields.{key}")


Answer = tuple[str, object, str | None, str | None]
"""The question, the value, the status and the person."""


def _answers(row: ExportRow, responses: object) -> Iterator[Answer]:
    """The answers of a record, whichever of the two ways it has them."""
    try:
        if isinstance(responses, dict):  # by question
            for question, answers in responses.items():
                for answer in answers or []:
                    who = person(answer.get("user_id"))
                    yield question, answer["value"], answer.get("status"), who
        for answer in responses if isinstance(responses, list) else []:  # by person
            who = person(answer.get("user_id"))
            for question, value in (answer["values"] or {}).items():
                yield question, value["value"], answer.get("status"), who
    except (KeyError, TypeError, AttributeError):
        raise _odd(row) from None


def _odd(row: ExportRow) -> UserError:
    expected = "a value and a status of each response"
    return row.user_error("responses of another form", expected, "export the dataset again")


def _unfinished(records: Iterable[Record]) -> str:
    number = sum(record.unfinished for record in records)
    return f"{counted(number, 'response')} not submitted left out" if number else ""


def _flat_questions(row: Row) -> list[str]:
    """Questions of the flat form of version 2."""
    names = [key.removesuffix(USERS) for key in row if key.endswith(USERS)]
    agent = f"{SUGGESTION}.agent"
    return names + [
        key.removesuffix(agent) for key in row if key.endswith(agent) and "_server_id" in row
    ]


def _is_flat(row: Row) -> bool:
    return bool(_flat_questions(row))


def _flat(rows: Sequence[ExportRow]) -> Export:
    """The flat form of version 2: QUESTION.responses and its users and status."""
    records = _flat_records(rows)
    return labelled(records, (), [_unfinished(records)])


def _flat_answers(rows: Sequence[ExportRow]) -> Iterator[Given]:
    return given(_flat_records(rows))


def _flat_records(rows: Sequence[ExportRow]) -> list[Record]:
    questions = dict.fromkeys(name for row in rows for name in _flat_questions(row))
    ends = (RESPONSES, USERS, STATUS, SUGGESTION, f"{SUGGESTION}.score", f"{SUGGESTION}.agent")
    leave = [name + end for name in questions for end in ends]
    records = []
    for row in rows:
        vectors = [key for key, value in row.items() if _is_vector(value)]
        record = Record(row, kept(row, [*leave, *vectors], [LABELS], "record"))
        for question in questions:
            for value, status, who in _columns_of_answers(row, question):
                record.add(question, value, status == SUBMITTED, person(who))
        records.append(record)
    return records


def _columns_of_answers(row: ExportRow, question: str) -> list[tuple[object, str | None, object]]:
    ends = (RESPONSES, STATUS, USERS)
    values, statuses, users = (parsed(row, row.get(question + end), question) for end in ends)
    if values is None:
        return []
    same = isinstance(values, list) and isinstance(statuses, list) and len(values) == len(statuses)
    if not same:
        raise _odd(row)
    known = isinstance(users, list) and len(users) == len(values)
    return list(zip(values, statuses, users if known else [None] * len(values), strict=True))


def _is_vector(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(x, float) for x in value)


def _asked(row: Row) -> list[str]:
    """Questions of feedback records in a data set, each with its suggestions beside it."""
    return [key for key in row if {f"{key}-suggestion", f"{key}-suggestion-metadata"} <= set(row)]


def _is_feedback(row: Row) -> bool:
    return bool(_asked(row))


def _feedback(rows: Sequence[ExportRow]) -> Export:
    """Feedback records of version 1 as a data set has them."""
    records, aside = _feedback_records(rows)
    return labelled(records, (), [_unfinished(records), left_out(aside)])


def _feedback_answers(rows: Sequence[ExportRow]) -> Iterator[Given]:
    return given(_feedback_records(rows)[0])


def _feedback_records(rows: Sequence[ExportRow]) -> tuple[list[Record], list[str]]:
    """The records, and the columns of their suggestions."""
    questions = dict.fromkeys(name for row in rows for name in _asked(row))
    aside = [f"{name}-suggestion{end}" for name in questions for end in ("", "-metadata")]
    records = []
    for row in rows:
        vectors = [key for key, value in row.items() if _is_vector(value) or key == "vectors"]
        record = Record(row, kept(row, [*questions, *aside, *vectors], [LABELS], "record"))
        for question in questions:
            for answer in _as_responses(row, row.get(question)):
                submitted, who = answer.get("status") == SUBMITTED, person(answer.get("user_id"))
                record.add(question, answer.get("value"), submitted, who)
        records.append(record)
    return records, aside


def _as_responses(row: ExportRow, cell: object) -> list[Row]:
    """Responses as a list of objects, which some writers make an object of lists of."""
    if isinstance(cell, dict) and all(isinstance(each, list) for each in cell.values()):
        return [dict(zip(cell, each, strict=True)) for each in zip(*cell.values(), strict=True)]
    if not isinstance(cell, list | None) or not all(isinstance(each, dict) for each in cell or []):
        raise _odd(row)
    return cell or []


def parsed(row: ExportRow, cell: object, column: str) -> Any:
    """What a cell says that a csv has as text: lists and objects as Python or JSON writes them.

    Raises:
        UserError: a list whose items have nothing between them, which could be read as one.
    """
    if not isinstance(cell, str) or not cell.strip().startswith(("[", "{")):
        return None if cell == "" else cell
    try:
        return json.loads(cell)
    except ValueError:
        pass
    try:
        if not _has_joined_text(cell):
            return ast.literal_eval(cell.strip())
    except (ValueError, SyntaxError, tokenize.TokenError, MemoryError, RecursionError):
        pass
    fix = "export it as json, which keeps lists"
    raise row.user_error(f"{cut(cell, 60)!r} in {column!r}", "a list as text", fix)


def _has_joined_text(cell: str) -> bool:
    """Whether two texts stand side by side, as NumPy writes its lists; Python would join them."""
    kinds = [each.type for each in tokenize.generate_tokens(io.StringIO(cell.strip()).readline)]
    kinds = [kind for kind in kinds if kind != tokenize.NL]
    return any(kind == following == tokenize.STRING for kind, following in pairwise(kinds))


AS_TEXT = (Tool(NAME, _is_record, _records), Tool(NAME, _is_flat, _flat))
TOOLS = (
    Tool(NAME, _is_record, _records),
    Tool(NAME, _is_nested, _nested),
    Tool(NAME, _is_flat, _flat),
    Tool(NAME, _is_feedback, _feedback),
)
ANSWERS_AS_TEXT = (
    AnswerTool(NAME, _is_record, _record_answers),
    AnswerTool(NAME, _is_flat, _flat_answers),
)
ANSWERS = (
    AnswerTool(NAME, _is_record, _record_answers),
    AnswerTool(NAME, _is_nested, _nested_answers),
    AnswerTool(NAME, _is_flat, _flat_answers),
    AnswerTool(NAME, _is_feedback, _feedback_answers),
)
