"""JSON is read as tables, or refused with its line and what to write."""

import json
from pathlib import Path

import pyarrow as pa
import pytest
from tablefiles import place, refusal, rows, rows_as_text, write

from imbtool.data.tables import read_arrow, read_table
from imbtool.errors import UserError
from imbtool.formats.cells import ITEM_MARK, as_arrow, cell_text, text_cells

ROWS_OF_TWO = [{"a": "001", "b": "1"}, {"a": "x", "b": None}]


@pytest.mark.parametrize(
    ("table", "left_out"),
    [
        ({"data": ROWS_OF_TWO}, ""),
        ({"my texts": ROWS_OF_TWO}, ""),
        ({"version": 1, "examples": ROWS_OF_TWO}, "version"),
        ({"labels": ["a", "b", "c"], "data": ROWS_OF_TWO}, "labels"),
        ({"schema": {"fields": [{"name": "a"}, {"name": "b"}]}, "data": ROWS_OF_TWO}, "schema"),
    ],
)
def test_the_only_list_of_objects_in_an_object_has_the_rows(
    tmp_path: Path, table: object, left_out: str, caplog: pytest.LogCaptureFixture
):
    path = write(tmp_path, json.dumps(table), "t.json")
    assert rows_as_text(path) == [["a", "b"], ["001", "1"], ["x", None]]
    assert "The rows of t.json are those under" in caplog.text
    assert left_out in caplog.text


def test_a_column_of_objects_is_one(tmp_path: Path):
    path = write(tmp_path, json.dumps({"text": ["x", "y"], "data": ROWS_OF_TWO}), "t.json")
    assert read_arrow(path).data["text"].to_pylist() == ["x", "y"]


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"columns": ["a", "b"], "index": [0, 1], "data": [["x", "y"], ["z", "w"]]}, "'split'"),
        ({"columns": ["a", "b"], "data": [["x", "y"], ["z", "w"]]}, "'split'"),
        ({"0": {"a": "x"}, "1": {"a": "y"}}, "'index'"),
        ({"0": {"0": "x"}, "1": {"0": "y"}}, "'index'"),
        ({"n1": {"a": "x"}, "n2": {"a": "y"}}, "'index'"),
        ([["x", "y"], ["z", "w"]], "'values'"),
        ({"train": ROWS_OF_TWO, "test": ROWS_OF_TWO}, "several lists of objects"),
        ({"text": "x", "spans": [{"start": 0}]}, "one JSON object with the keys"),
        ({"id": 1, "data": {"text": "x"}, "annotations": [{"result": []}]}, "one JSON object"),
        ({"text": "x", "label": "a"}, "one JSON object with the keys text, label"),
    ],
)
def test_a_table_in_another_form_of_json_is_refused(tmp_path: Path, table: object, told: str):
    path = write(tmp_path, json.dumps(table), "t.json")
    assert told in refusal(path)
    assert 'orient="records"' in refusal(path)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("t.jsonl", '{"a": 1},\n{"a": 2}\n', "a comma at the end of the line"),
        ("t.jsonl", '{\n  "a": 1\n}\n', "write each object into one line"),
        ("t.jsonl", '[\n{"a": 1},\n{"a": 2}]\n', "rename it to .json"),
        ("t.jsonl", '[{"a": 1}, {"a": 2}]\n', "rename it to .json"),
        ("t.json", '[{"a": 1},\n]', "a comma before ']'"),
        ("t.json", '[{"a": 1,}]', "a comma before '}'"),
        ("t.jsonl", '{"a": 1,}\n', "a comma before '}'"),
        ("t.jsonl", "{}\n1\n", "a JSON number"),
        ("t.json", "[null]", "a JSON null as element 1"),
        ("t.json", '"x"', "a JSON string"),
    ],
)
def test_json_that_is_no_table_is_refused_with_what_to_write(
    tmp_path: Path, name: str, content: str, told: str
):
    path = write(tmp_path, content, name)
    assert told in refusal(path)


def test_jsonl_keeps_the_types_of_its_values(tmp_path: Path):
    row = {"id": "001", "n": 1, "x": 0.5, "flag": True, "labels": ["a", "b"], "none": None}
    path = write(tmp_path, json.dumps(row) + "\n\n" + json.dumps(row) + "\n", "t.jsonl")
    assert read_table(path).to_dict(orient="records") == [row, row]


def test_a_key_that_a_json_line_lacks_is_a_missing_value(tmp_path: Path):
    frame = read_table(write(tmp_path, '{"a": "x"}\n{"b": "y"}\n', "t.jsonl"))
    assert [cell_text(cell) for cell in frame["b"]] == ["", "y"]


@pytest.mark.parametrize("line", ["{", "[1]", '"text"', "3"])
def test_a_line_that_is_no_json_object_is_refused_with_its_number(tmp_path: Path, line: str):
    assert place(write(tmp_path, f'{{"a": 1}}\n\n{line}\n', "t.jsonl")) == ":3"


@pytest.mark.parametrize(("name", "around"), [("t.jsonl", "{}"), ("t.json", "[{}]")])
def test_json_nested_too_deep_or_with_too_many_digits_is_refused(
    tmp_path: Path, name: str, around: str
):
    deep = f'{{"a": {"[" * 100_000}{"]" * 100_000}}}'
    with pytest.raises(UserError, match="nested too deep"):
        read_table(write(tmp_path, around.replace("{}", deep), name))
    digits = f'{{"a": {"1" * 5000}}}'
    assert place(write(tmp_path, around.replace("{}", digits), name)) == ":1"


JSON_LINES = {
    "a day that is text": ['{"a": "2020-01-01"}'],
    "a number too large for a float": ['{"a": 36893488147419103233}', '{"a": 0.5}'],
    "two objects in a line": ['{"a": 1}{"a": 2}'],
    "text and numbers": ['{"a": "x"}', '{"a": 1}', '{"a": true}'],
    "lists and text": ['{"a": ["x", "y|z"]}', '{"a": "x"}', '{"a": []}', '{"a": null}'],
    "half a surrogate pair": ['{"a": "\\ud800b"}'],
    "a number beyond 64 bits alone": ['{"a": 36893488147419103233}'],
    "objects in a list": ['{"a": "x", "b": [{"c": 1}]}', '{"a": "y", "b": [{"c": 2}]}'],
    "lists in a list": ['{"a": "x", "b": [["c"], []]}'],
}


@pytest.mark.parametrize(
    ("kind", "cells"),
    [
        ("a day that is text", ["2020-01-01"]),
        ("a number too large for a float", ["36893488147419103233", "0.5"]),
        ("two objects in a line", None),
        ("text and numbers", ["x", "1", "1"]),
        ("lists and text", [f"x{ITEM_MARK}y|z{ITEM_MARK}", "x", "", None]),
        ("half a surrogate pair", ["?b"]),
        ("a number beyond 64 bits alone", ["36893488147419103233"]),
        ("objects in a list", ["x", "y"]),
        ("lists in a list", ["x"]),
    ],
)
def test_json_that_arrow_would_change_is_read_with_care(
    tmp_path: Path, kind: str, cells: list[str | None] | None
):
    path = write(tmp_path, "\n".join(JSON_LINES[kind]), "t.jsonl")
    if cells is None:
        assert place(path) == ":1"
    else:
        assert text_cells(read_arrow(path).data["a"]).to_pylist() == cells
        careful = pa.chunked_array([as_arrow(read_table(path)["a"].tolist())])
        assert text_cells(careful).to_pylist() == cells


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ('{"a": "x", "a": "y"}', 'the key "a" twice'),
        ('{"a": {"b": 1, "b": 1}}', 'the key "b" twice'),
        ('{"a": Infinity}', "Infinity"),
        ('{"a": -Infinity}', "-Infinity"),
        ('{"a": "x\0"}', "a NUL"),
        ('{"a": ' + "[" * 800 + "]" * 800 + "}", "nested too deep"),
        ('{"a": ' * 800 + "1" + "}" * 800, "nested too deep"),
        ('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", "nested too deep"),
    ],
)
def test_json_that_other_readers_would_guess_at_is_refused(
    tmp_path: Path, content: str, found: str
):
    path = write(tmp_path, f'{{"a": 1}}\n{content}\n', "t.jsonl")
    assert place(path) == ":2"
    with pytest.raises(UserError, match=found):
        read_arrow(path)
    if "NUL" not in found:
        assert place(write(tmp_path, f"[{content}]", "t.json")) == ":1"


@pytest.mark.parametrize(
    "line", [b'{"a": "\xed\xa0\x80"}', b'{"\xed\xa0\x80": "x"}', b'{"\xff": 1}']
)
def test_json_of_bytes_that_are_no_text_is_refused(tmp_path: Path, line: bytes):
    assert place(write(tmp_path, b'{"a": "x"}\n' + line, "t.jsonl")) == ":2"


def test_what_python_writes_for_a_missing_number_is_a_missing_value(tmp_path: Path):
    path = write(tmp_path, '{"a": NaN}\n{"a": 1.5}\n', "t.jsonl")
    assert text_cells(read_arrow(path).data["a"]).to_pylist() == [None, "1.5"]
    assert [cell_text(cell) for cell in read_table(path)["a"]] == ["", "1.5"]


def test_brackets_in_a_text_are_not_nested(tmp_path: Path):
    path = write(tmp_path, json.dumps({"a": "[" * 900}) + "\n", "t.jsonl")
    assert rows_as_text(path) == rows(path) == [["a"], ["[" * 900]]


def test_json_is_an_array_of_objects(tmp_path: Path):
    path = write(tmp_path, '[{"a": "001", "b": 1},\n {"b": null}]', "t.json")
    assert rows_as_text(path) == [["a", "b"], ["001", "1"], [None, None]]
    assert [cell_text(cell) for cell in read_table(path)["a"]] == ["001", ""]


@pytest.mark.parametrize(
    "content",
    [
        '{"a": "001", "b": "1"}\n{"a": "x", "b": null}\n',
        '{"a": {"0": "001", "7": "x"}, "b": {"7": null, "0": "1"}}',
        '{"a": ["001", "x"], "b": ["1", null]}',
    ],
    ids=["lines", "pandas' columns", "lists of columns"],
)
def test_other_ways_to_write_a_table_as_json_are_read(tmp_path: Path, content: str):
    path = write(tmp_path, content, "t.json")
    assert rows_as_text(path) == [["a", "b"], ["001", "1"], ["x", None]]


@pytest.mark.parametrize(
    ("content", "where"),
    [
        ('[{"a": 1},\n{"a" 2}]', ":2"),
        ('{"a": 1}', ":1"),
        ('[{"a": 1}, 3]', ""),
        ('{"x": {"a": 1}, "y": {"a": 2}}', ":1"),
        ('{"a": [1], "b": [1, 2]}', ":1"),
        ('{"a": 1}\n{"a" 2}\n', ":2"),
    ],
)
def test_other_json_is_refused_by_its_line(tmp_path: Path, content: str, where: str):
    assert place(write(tmp_path, content, "t.json")) == where
