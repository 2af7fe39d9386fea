"""Prodigy: what `db-out` writes of text classification, by options or one label a question."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from imbtool.exports.shape import (
    LABELS,
    AnswerTool,
    Export,
    ExportRow,
    Given,
    Tool,
    columns_of,
    kept,
    known_by_label,
    left_out,
    person,
    told,
    unknown,
)
from imbtool.formats.json_rows import Row
from imbtool.wording import counted

NAME = "Prodigy"
ANSWERS = ("accept", "reject", "ignore")
OWN_KEYS = ("_task_hash", "_input_hash", "_view_id")
LISTS = ("options", "spans")
"""One of these, or of its own keys, stands beside the answer; a `label` does in many tables."""
PARTS = ("head", "child", "relations", "image", "audio", "video")
"""What a question has that is about something else than a text."""
USED = ("options", "accept", "config", "tokens", "spans")
"""Fields that a flat table has no use for."""
SPANS_FIX = (
    "export the answers of textcat.manual, or of another recipe that asks for labels of texts"
)


def matches(row: Row) -> bool:
    """Whether a row is an answer that Prodigy has saved, and not one of a flat table of them."""
    has_own_key = any(row.get(key) is not None for key in OWN_KEYS)
    has_list = any(isinstance(row.get(key), list) for key in LISTS)
    is_flat = isinstance(row.get(LABELS), list) and not has_list
    return row.get("answer") in ANSWERS and (has_own_key or has_list) and not is_flat


def flatten(rows: Sequence[ExportRow]) -> Export:
    """A text a row with the accepted options, or a text with 0/1 columns of yes and no.

    Raises:
        UserError: naming the row or rows that cannot be read.
    """
    kinds = [_kind(row) for row in rows]
    if "options" in kinds and "label" in kinds:
        other = kinds.index("label" if kinds[0] == "options" else "options") + 1
        found = f"a row with {kinds[other - 1]!r} after rows with {kinds[0]!r}"
        fix = "export the two kinds of questions into a file each"
        raise rows[other - 1].user_error(found, "answers to one kind of question", fix)
    return _choices(rows) if kinds[0] == "options" else _one_label_a_row(rows)


def _kind(row: ExportRow) -> str:
    if not matches(row):
        raise row.foreign()
    if isinstance(row.get("options"), list):
        return "options"
    # a pattern that was found in the text is a span beside the label
    if isinstance(row.get("label"), str) and not any(row.get(part) for part in PARTS):
        return "label"
    found = "spans of a text" if row.get("spans") else "neither 'options' nor a 'label' of the text"
    raise row.user_error(found, "labels of whole texts", SPANS_FIX)


@dataclass(frozen=True)
class _Choice:
    """What a row says: the options, and those accepted; None where it is no answer."""

    options: tuple[str, ...]
    accepted: list[str] | None


def _choices(rows: Sequence[ExportRow]) -> Export:
    choices = [_choice(row) for row in rows]
    texts = [row.text(row.get("text")) for row in rows]
    _refuse_contradictions(rows, texts, choices)
    cells: list[Row] = [{"text": text} for text in texts]
    names = dict.fromkeys(name for choice in choices for name in choice.options)
    same_options = len({frozenset(choice.options) for choice in choices}) == 1
    if same_options:
        label_columns: dict[str, list[Any]] = {LABELS: [each.accepted for each in choices]}
    else:
        label_columns = dict(known_by_label([_flags(each) for each in choices], list(names)))
    _refuse_taken(rows, label_columns)
    for cell, row in zip(cells, rows, strict=True):
        cell |= kept(row, ("text", *USED), label_columns, "prodigy")
    columns = {**columns_of(cells), **label_columns}
    facts = [
        "" if same_options else "an option that a text was not offered is unknown of it",
        *(_without_answer(rows, answer) for answer in ANSWERS[1:]),
    ]
    note = told(NAME, "the labels are the options in 'accept'", facts)
    return Export(columns, tuple(label_columns), ("text",), note)


def _choice(row: ExportRow) -> _Choice:
    names = [_label(row, option) for option in row["options"]]
    _refuse_twice(row, names)
    options = {_id(option): name for option, name in zip(row["options"], names, strict=True)}
    _refuse_twice(row, list(map(_id, row["options"])))
    if row["answer"] != "accept":
        return _Choice(tuple(options.values()), None)
    accepted = row.get("accept") or []
    accepted = accepted if isinstance(accepted, list) else [accepted]
    for chosen in accepted:
        if not isinstance(chosen, str | int) or chosen not in options:
            found = f"{chosen!r} in 'accept', which is none of its options"
            fix = "correct 'accept', or add the option"
            raise row.user_error(found, f"ids of its options: {list(options)}", fix)
    return _Choice(tuple(options.values()), [options[chosen] for chosen in dict.fromkeys(accepted)])


def _refuse_twice(row: ExportRow, values: list[Any]) -> None:
    for value in values:
        if values.count(value) > 1:
            found = f"two options named {value!r}"
            raise row.user_error(found, "each option once", "rename or delete one of them")


def _id(option: object) -> object:
    return option.get("id") if isinstance(option, dict) else None


def _label(row: ExportRow, option: Any) -> str:
    """The name of an option: its id, or its text where the id is a mere number."""
    identity = _id(option)
    if isinstance(identity, int) and isinstance(option.get("text"), str):
        return row.name(option["text"], "options")
    return row.name(identity, "options")


def _flags(choice: _Choice) -> Mapping[str, float] | None:
    accepted = choice.accepted
    return None if accepted is None else {name: int(name in accepted) for name in choice.options}


def _refuse_contradictions(
    rows: Sequence[ExportRow], texts: list[str], choices: list[_Choice]
) -> None:
    said: dict[tuple[str, str], tuple[int, float]] = {}
    for row, text, choice in zip(rows, texts, choices, strict=True):
        for name, flag in (_flags(choice) or {}).items():
            earlier, before = said.setdefault((text, name), (row.number, flag))
            if before != flag:
                found = f"another answer to {name!r} than row {earlier} gives for the same text"
                fix = "settle it with Prodigy's recipe `review` and export that, or delete one row"
                raise row.user_error(found, "one answer a text", fix)


def _without_answer(rows: Sequence[ExportRow], answer: str) -> str:
    number = sum(row["answer"] == answer for row in rows)
    return unknown(number, f"whose answer is {answer!r}")


def _one_label_a_row(rows: Sequence[ExportRow]) -> Export:
    """Yes and no to one label a row: one row a text, the labels nobody asked about unknown."""
    known: dict[str, dict[str, float]] = {}
    said: dict[tuple[str, str], int] = {}
    for row in rows:
        text, label = row.text(row.get("text")), row.name(row["label"], "label")
        of_text = known.setdefault(text, {})
        if row["answer"] == "ignore":
            continue
        flag = int(row["answer"] == "accept")
        earlier = said.setdefault((text, label), row.number)
        if of_text.setdefault(label, flag) != flag:
            found = (
                f"{row['answer']!r} to the label {label!r}, which row {earlier} answers otherwise"
            )
            raise row.user_error(found, "one answer to a label of a text", "delete one of the two")
    names = list(dict.fromkeys(row["label"] for row in rows))
    labels = known_by_label(list(known.values()), names)
    _refuse_taken(rows, labels)
    columns = {"text": list(known), **_constant(rows, names), **labels}
    ignored = sum(row["answer"] == "ignore" for row in rows)
    facts = [
        f"{counted(len(rows), 'row')} are {counted(len(known), 'text')}",
        "a label that a text was not asked about is unknown of it",
        f"{counted(ignored, 'answer')} 'ignore' left unknown" if ignored else "",
        left_out(_changing(rows)),
    ]
    note = told(NAME, "'accept' is 1 and 'reject' 0 for the label of the row", facts)
    are_merged = len(known) < len(rows)
    return Export(columns, tuple(names), ("text",), note, are_merged)


def _refuse_taken(rows: Sequence[ExportRow], labels: Mapping[str, object]) -> None:
    if "text" in labels:
        raise rows[0].user_error(
            "a label named 'text'", "another name than the texts'", "rename it"
        )


def _changing(rows: Sequence[ExportRow]) -> set[str]:
    """Fields that say different things in the rows of one text."""
    seen: dict[tuple[str, str], object] = {}
    changing = set()
    for row in rows:
        for key in set(row) - {"text", "answer", "label", *USED}:
            if seen.setdefault((row["text"], key), row[key]) != row[key]:
                changing.add(key)
    return changing


def _constant(rows: Sequence[ExportRow], labels: list[str]) -> dict[str, list[Any]]:
    leave = {"text", "answer", "label", *USED, *_changing(rows)}
    cells: dict[str, Row] = {}
    for row in rows:
        cells.setdefault(row["text"], {}).update(kept(row, leave, ["text", *labels], "prodigy"))
    return columns_of(list(cells.values()))


def _people(rows: Sequence[ExportRow]) -> Iterator[Given]:
    """What each session has answered; what was rejected as a whole, or ignored, is no answer.

    Yes and no to one label a row are answers about that label alone.
    """
    for row in rows:
        who = person(row.get("_annotator_id") or row.get("_session_id"))
        cells = {**kept(row, USED), "text": row.text(row.get("text"))}
        if _kind(row) == "options":
            choice = _choice(row)
            labels = None if choice.accepted is None else tuple(choice.accepted)
            yield Given(row.number, cells, who, labels, choice.options)
            continue
        label = row.name(row["label"], "label")
        said = {"accept": (label,), "reject": ()}.get(row["answer"])
        yield Given(row.number, cells, who, said, (label,))


TOOL = Tool(NAME, matches, flatten)
ANSWERS_OF_PEOPLE = AnswerTool(NAME, matches, _people)
