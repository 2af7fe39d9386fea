"""spaCy: texts with `cats`, a score a category, and the corpora of version 2."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from imbtool.exports.shape import (
    Export,
    ExportRow,
    Tool,
    columns_of,
    kept,
    known_by_label,
    left_out,
    told,
    unknown,
)
from imbtool.formats.json_rows import Row
from imbtool.wording import counted

NAME = "spaCy"
ANNOTATIONS = ("tokens", "ents", "sents", "spans", "entities", "sentences")
"""What spaCy writes of a text besides its categories."""


def _is_score(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and 0 <= value <= 1)


def _matches(row: Row) -> bool:
    cats = row.get("cats")
    return (
        isinstance(row.get("text"), str)
        and isinstance(cats, dict)
        and any(value is not None for value in cats.values())
        and all(map(_is_score, cats.values()))
    )


def _flatten(rows: Sequence[ExportRow]) -> Export:
    known = []
    for row in rows:
        cats = row.get("cats")
        if not isinstance(cats, dict | None) or not ({"cats", "text"} & set(row)):
            raise row.foreign()
        known.append(_scores(row, cats or {}))
    texts = [row.text(row.get("text")) for row in rows]
    return _export(rows, texts, rows, known)


def _export(
    rows: Sequence[ExportRow],
    texts: list[str],
    others: Sequence[Row],
    known: list[dict[str, float]],
) -> Export:
    names = list(dict.fromkeys(name for scores in known for name in scores))
    if "text" in names:
        found = "a category named 'text'"
        raise rows[0].user_error(found, "another name than that of the texts", "rename it")
    leave = ("text", "cats", *ANNOTATIONS)
    cells = [kept(row, leave, ["text", *names], "spacy") for row in others]
    labels = known_by_label(known, names)
    columns = {"text": texts, **columns_of(cells), **labels}
    partly = sum(0 < len(scores) < len(names) for scores in known)
    facts = [
        unknown(sum(not scores for scores in known), "without a category"),
        f"{counted(partly, 'text')} with some of the categories alone: the others are unknown"
        if partly
        else "",
        left_out(key for row in others for key in row if key in ANNOTATIONS),
    ]
    return Export(columns, tuple(names), ("text",), told(NAME, "a column a category", facts))


def _scores(row: ExportRow, cats: Row) -> dict[str, float]:
    """The scores that are there: whole ones as 0 and 1, others as they are."""
    for name, value in cats.items():
        row.name(name, "cats")
        if not _is_score(value):
            found = f"{value!r} for {name!r} in 'cats'"
            raise row.user_error(found, "a score of 0 to 1", "correct it, or delete it")
    known = {name: value for name, value in cats.items() if value is not None}
    return {name: int(value) if value in (0, 1) else value for name, value in known.items()}


def _has_paragraphs(row: Row) -> bool:
    paragraphs = row.get("paragraphs")
    return isinstance(paragraphs, list) and any(
        isinstance(each, dict) and {"cats", "sentences"} & set(each) for each in paragraphs
    )


def _paragraphs(rows: Sequence[ExportRow]) -> Export:
    """The corpora of version 2: a text a paragraph."""
    texts: list[str] = []
    known, others = [], []
    for row in rows:
        for paragraph in _each(row):
            texts.append(row.text(paragraph.get("raw"), "raw"))
            known.append(_scores(row, _listed(row, paragraph.get("cats"))))
            others.append({"id": row.get("id")})
    return _export(rows, texts, others, known)


def _each(row: ExportRow) -> Iterator[Row]:
    if not _has_paragraphs(row):
        raise row.foreign()
    yield from (each for each in row["paragraphs"] if isinstance(each, dict))


def _listed(row: ExportRow, cats: Any) -> Row:
    """Categories from a list of labels and their values."""
    cats = [] if cats is None else cats
    are_pairs = isinstance(cats, list) and all(
        isinstance(cat, dict) and isinstance(cat.get("label"), str) for cat in cats
    )
    if not are_pairs:
        expected = "a label and its value in each of 'cats'"
        raise row.user_error("categories of another form", expected, "export it again")
    return {cat["label"]: cat.get("value") for cat in cats}


TOOLS = (Tool(NAME, _matches, _flatten), Tool(NAME, _has_paragraphs, _paragraphs))
