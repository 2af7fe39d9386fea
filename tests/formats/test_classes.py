"""Parquet files of the `datasets` library: numbers of classes are read as their names."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from exportfiles import learnt, refusal, table

from imbtool.data.tables import read_arrow, read_chunks
from imbtool.errors import UserError

NAMES = ["insult", "threat", "praise"]
CLASS = {"names": NAMES, "_type": "ClassLabel"}


def stored(folder: Path, columns: dict[str, Any], features: Any) -> Path:
    """A file as `to_parquet` and the hub have it."""
    metadata = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    path = folder / "train.parquet"
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), path)
    return path


def test_numbers_become_names_and_minus_one_is_unknown(tmp_path: Path):
    columns = {"text": ["a", "b", "c", "d"], "label": [2, 0, -1, None]}
    text = {"dtype": "string", "_type": "Value"}
    path = stored(tmp_path, columns, {"text": text, "label": CLASS})
    assert table(path).data["label"].to_pylist() == ["praise", "insult", None, None]
    assert learnt(path)[1] == {"insult": [0, 1, None, None], "praise": [1, 0, None, None]}


@pytest.mark.parametrize(
    "feature",
    [
        {"feature": CLASS, "_type": "Sequence", "length": -1},
        {"feature": CLASS, "_type": "List"},
        {"feature": CLASS, "_type": "LargeList"},
        [CLASS],
    ],
    ids=["Sequence", "List", "LargeList", "a list"],
)
def test_lists_of_numbers_become_lists_of_names(tmp_path: Path, feature: Any):
    labels = [[2, 0], [], None, [1], [-1]]
    path = stored(tmp_path, {"text": list("abcde"), "labels": labels}, {"labels": feature})
    assert learnt(path)[1] == {
        "insult": [1, 0, None, 0, None],
        "praise": [1, 0, None, 0, None],
        "threat": [0, 0, None, 1, None],
    }
    assert table(path).data["labels"].to_pylist()[0] == ["praise", "insult"]


@pytest.mark.parametrize(
    "kind",
    [pa.large_list(pa.int64()), pa.list_(pa.int8(), 2), pa.list_view(pa.int32())],
    ids=str,
)
def test_lists_of_any_kind_are_read(tmp_path: Path, kind: pa.DataType):
    path = stored(tmp_path, {"labels": pa.array([[2, 0], None, [1, 1]], kind)}, {"labels": [CLASS]})
    expected = [["praise", "insult"], None, ["threat", "threat"]]
    assert read_arrow(path).data["labels"].to_pylist() == expected


@pytest.mark.parametrize(
    ("labels", "feature", "told"),
    [
        ([0] * 4 + [3], CLASS, "the class 3 in row 5"),
        ([0] * 4 + [-2], CLASS, "the class -2 in row 5"),
        ([0.0] * 4 + [0.5], CLASS, "numbers that are not whole"),
        ([[0]] * 4 + [[1, 7]], [CLASS], "the class 7 in row 5"),
        ([[0]] * 4 + [[0, -1]], [CLASS], "-1, which means unknown, beside other classes in row 5"),
    ],
)
def test_a_number_without_a_name_is_refused_with_its_row(
    tmp_path: Path, labels: list, feature: Any, told: str
):
    path = stored(tmp_path, {"text": list("abcde"), "label": labels}, {"label": feature})
    assert told in refusal(path)
    with pytest.raises(UserError) as caught:
        list(read_chunks(path, rows=2))
    assert "whole" in told or told in str(caught.value)


def test_lists_of_lists_are_those_of_several_people(tmp_path: Path):
    feature = {"feature": {"feature": CLASS, "_type": "List"}, "_type": "List"}
    columns = {
        "text": ["a", "b", "c"],
        "topic.responses": [[[2, 0]], None, [[]]],
        "topic.responses.users": [["u"], None, ["u"]],
        "topic.responses.status": [["submitted"], None, ["submitted"]],
    }
    path = stored(tmp_path, columns, {"topic.responses": feature})
    assert learnt(path)[1] == {"insult": [1, None, 0], "praise": [1, None, 0]}
    assert "no question that asks for labels" in refusal(stored(tmp_path, columns, {}))
    columns["topic.responses"] = [None, None, [[7]]]
    told = refusal(stored(tmp_path, columns, {"topic.responses": feature}))
    assert "the class 7 in row 3" in told


def test_numbers_that_were_stored_as_floats_are_classes_too(tmp_path: Path):
    path = stored(tmp_path, {"label": [1.0, None]}, {"label": CLASS})
    assert table(path).data["label"].to_pylist() == ["threat", None]


def test_columns_that_are_no_numbers_stay(tmp_path: Path):
    columns = {"label": ["insult", "x"], "other": [1, 2], "lists": [["a"], []]}
    features = {"label": CLASS, "gone": CLASS, "lists": [CLASS], "other": {"_type": "Value"}}
    path = stored(tmp_path, columns, features)
    assert table(path).data.to_pydict() == columns


def test_damaged_types_of_columns_are_refused(tmp_path: Path):
    path = tmp_path / "train.parquet"
    for metadata in (b"{", b"[]", b'{"info": 3}'):
        data = pa.table({"label": [0]}).replace_schema_metadata({b"huggingface": metadata})
        pq.write_table(data, path)
        assert "column types that cannot be read" in refusal(path)


def test_a_file_that_the_library_wrote_is_read(tmp_path: Path):
    library = pytest.importorskip("datasets")
    features = library.Features(
        {
            "text": library.Value("string"),
            "labels": library.List(library.ClassLabel(names=NAMES)),
            "kind": library.ClassLabel(names=["post", "reply"]),
        }
    )
    rows = {"text": ["a", "b"], "labels": [[0, 2], []], "kind": [1, -1]}
    path = tmp_path / "train.parquet"
    library.Dataset.from_dict(rows, features=features).to_parquet(str(path))
    found = table(path).data
    assert found["labels"].to_pylist() == [["insult", "praise"], []]
    assert found["kind"].to_pylist() == ["reply", None]
