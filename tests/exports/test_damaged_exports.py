"""Whatever stands in an export of a tool: a flat table, or a refusal that names the row."""

import copy
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_argilla import FEEDBACK, FLAT, RECORDS, by_person, nested
from test_doccano import ROWS as OF_DOCCANO
from test_label_studio import ROWS as OF_LABEL_STUDIO
from test_label_studio import annotation, answer, task
from test_prodigy import binary, choice
from test_spacy import ROWS as OF_SPACY

from imbtool.errors import UserError
from imbtool.exports.recognition import TOOLS, _flat, _tool_of

SAMPLES = {
    "Prodigy, options": [choice("a", ["refund"]), choice("b", [], "ignore"), choice("c", [])],
    "Prodigy, yes and no": [binary("a", "refund"), binary("a", "delay", "reject")],
    "Label Studio": OF_LABEL_STUDIO,
    "Label Studio, paths": [task(1, "a", annotation(answer([["x", "y"]], "taxonomy")))],
    "Argilla, records": RECORDS,
    "Argilla, nested": [nested(text, ("topic", [text], "submitted")) for text in "ab"],
    "Argilla, by person": [by_person(text, ("topic", [text], "submitted")) for text in "ab"],
    "Argilla, flat": FLAT,
    "Argilla, feedback": FEEDBACK,
    "spaCy": OF_SPACY,
    "spaCy 2": [{"id": 0, "paragraphs": [{"raw": "a", "cats": [{"label": "x", "value": 1}]}]}],
    "doccano": [{**row, "Comments": []} for row in OF_DOCCANO],
}
NASTY = (
    *(None, True, 0, -1, 2**70, 0.5, float("inf"), "", " ", "x", "[1", "{'a' 'b'}", "\ud800"),
    *([], [None], [[]], ["x", "x"], [{}], [[0, 1, "X"]], {}, {"x": None}, {"": 1}, {"value": []}),
)


def places(value: Any, above: tuple = ()) -> Iterator[tuple]:
    """The ways to all that is in a value."""
    if not isinstance(value, dict | list):
        return
    for key, below in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*above, key)
        yield from places(below, (*above, key))


def damaged(rows: list, way: tuple, value: Any) -> list:
    """The rows with another value at one place, or without it."""
    rows = copy.deepcopy(rows)
    holder = rows
    for key in way[:-1]:
        holder = holder[key]
    if value is ...:
        del holder[way[-1]]
    else:
        holder[way[-1]] = value
    return rows


@pytest.mark.parametrize("name", SAMPLES)
def test_any_damage_gives_a_table_or_a_refusal_that_names_a_row(name: str):
    rng = random.Random(name)
    rows = SAMPLES[name]
    tool = _tool_of(rows, TOOLS)
    assert tool is not None
    assert name.startswith(tool.name)
    cases = [(way, value) for way in places(rows) if len(way) > 1 for value in (..., *NASTY)]
    for way, value in rng.sample(cases, min(len(cases), 600)):
        broken = damaged(rows, way, value)
        used = _tool_of(broken, TOOLS)
        if used is None:
            continue
        try:
            export = _flat(Path("train.json"), used, broken)
        except UserError as error:
            assert "train.json: row " in str(error), (way, value)
            assert used.name in str(error), (way, value)
        else:
            lengths = {len(cells) for cells in export.columns.values()}
            assert len(lengths) == 1, (way, value)
            assert export.note.startswith(f"is read as an export of {used.name}")
            holds_half_pair = value == "\ud800"
            assert holds_half_pair or len(export.table) in lengths, (way, value)
