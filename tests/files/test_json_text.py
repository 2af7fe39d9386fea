"""Documents as JSON text: whole, valid, and short enough to read."""

import json
import math
from pathlib import Path

import pytest
from pydantic import BaseModel

from imbtool.errors import UserError
from imbtool.files.json_text import append_line, parse_json, read_json, to_json, write_json


def test_a_document_is_written_with_a_line_for_each_key_and_each_row():
    document = {
        "a": [1, math.nan, "é"],
        "rows": [[1, 2], [math.inf, 3]],
        "none": {},
        2: [{"b": ()}],
    }
    assert to_json(document) == (
        '{\n  "a": [1, null, "é"],\n  "rows": [\n    [1, 2],\n    [null, 3]\n  ],\n'
        '  "none": {},\n  "2": [\n    {\n      "b": []\n    }\n  ]\n}'
    )
    assert to_json(document, indent=None) == (
        '{"a": [1, null, "é"], "rows": [[1, 2], [null, 3]], "none": {}, "2": [{"b": []}]}'
    )


def test_numbers_that_json_lacks_become_null(tmp_path: Path):
    document = {"a": float("nan"), "b": [1.5, float("inf"), (float("-inf"), {"c": float("nan")})]}
    write_json(tmp_path / "f.json", document)
    assert json.loads((tmp_path / "f.json").read_text()) == {
        "a": None,
        "b": [1.5, None, [None, {"c": None}]],
    }


def test_json_that_was_written_is_read_back(tmp_path: Path):
    document = {"é": [1, 2.5, None, True, "x\ny"], "3": {}}
    write_json(tmp_path / "f.json", document)
    assert read_json(tmp_path / "f.json") == document


def test_bytes_of_file_names_that_are_not_utf8_go_through_json_as_escapes(tmp_path: Path):
    document = {"argv": ["a\udcff", "\U0001f600"]}
    assert to_json(document, indent=None) == '{"argv": ["a\\udcff", "\U0001f600"]}'
    write_json(tmp_path / "f.json", document)
    assert read_json(tmp_path / "f.json") == document


@pytest.mark.parametrize(
    "content", [None, b"{", b"\xff\xfe", b"[" * 100_000, b"[" * 101 + b"]" * 101]
)
def test_json_that_cannot_be_read_names_its_file(tmp_path: Path, content: bytes | None):
    path = tmp_path / "f.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        read_json(path)
    assert caught.value.problems[0].where == str(path)


def test_lines_are_appended_one_object_each(tmp_path: Path):
    path = tmp_path / "events.jsonl"
    append_line(path, {"text": "a\nb", "loss": float("nan")})
    append_line(path, {"n": 2})
    lines = path.read_text().splitlines()
    assert [json.loads(line) for line in lines] == [{"text": "a\nb", "loss": None}, {"n": 2}]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"a": {"b": 1, "b": 2}}', 'the key "b" twice'),
        ("[" * 4 + "]" * 4, "more than 3 levels"),
        ("[" * 100_000 + "]" * 100_000, "nested too deep"),
        ("{", "Expecting"),
        (b"\xff", "utf-8"),
    ],
)
def test_what_is_no_json_is_refused(text: str | bytes, found: str):
    with pytest.raises(ValueError, match=found):
        parse_json(text, unique=True, most_depth=3)


def test_brackets_within_texts_are_no_levels():
    assert parse_json('["[[[[", [[1]]]', most_depth=3) == ["[[[[", [[1]]]


def test_a_model_is_written_as_its_fields():
    class Model(BaseModel):
        share: float | None

    assert to_json(Model(share=None), indent=None) == '{"share": null}'
