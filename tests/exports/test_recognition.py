"""Which files are exports of annotation tools, and that they are read the same from any of them."""

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from exportfiles import learnt, refusal, table, write_array, write_lines

from imbtool.config.reader import Override, make_profile
from imbtool.data.corpus import read_corpus, read_split, read_train
from imbtool.data.partition import write_parts
from imbtool.data.proposal import propose_profile
from imbtool.data.tables import read_arrow, read_chunks
from imbtool.exports import recognition
from imbtool.files.text_format import TextFormat
from imbtool.formats import arrow

ROWS = [
    {
        "text": f"t{row}",
        "cats": {"refund": row % 2, "delay": row // 2 % 2},
        "seen": 1,
        "done": row % 2,
    }
    for row in range(12)
]
OPTIONS = [{"id": name, "text": name} for name in ("refund", "delay")]


def choice(text: str, *accept: str, answer: str = "accept") -> dict:
    return {"text": text, "options": OPTIONS, "accept": list(accept), "answer": answer}


def test_compressed_exports_and_those_in_other_encodings_are_read_the_same(tmp_path: Path):
    plain = write_lines(tmp_path, ROWS)
    packed = plain.with_name("train.jsonl.gz")
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    zst = plain.with_name("train.jsonl.zst")
    with pa.CompressedOutputStream(str(zst), "zstd") as stream:
        stream.write(plain.read_bytes())
    array = write_array(tmp_path, ROWS)
    stored = tmp_path / "train.parquet"
    pq.write_table(pa.Table.from_pylist(ROWS), stored)
    expected = table(plain).data
    assert expected["refund"].to_pylist()[:2] == [0, 1]
    assert all(table(path).data == expected for path in (packed, zst, array, stored))
    wide = tmp_path / "wide.jsonl"
    wide.write_bytes(plain.read_text().encode("utf-16"))
    assert read_arrow(wide, TextFormat("utf-16")).data == expected
    assert read_arrow(wide).data == expected


@pytest.mark.parametrize("name", ["train.jsonl.gz", "train.json.gz", "train.csv.gz"])
def test_a_damaged_file_is_refused_as_any_other(tmp_path: Path, name: str):
    path = tmp_path / name
    digests = "".join(hashlib.sha256(bytes([number])).hexdigest() for number in range(99))
    path.write_bytes(gzip.compress(digests.encode())[:-900])
    assert "Truncated" in refusal(path)


def test_files_of_a_folder_are_one_table_with_a_note_each(tmp_path: Path):
    folder = tmp_path / "parts"
    folder.mkdir()
    write_lines(folder, ROWS[:5], "1.jsonl")
    write_lines(folder, ROWS[5:], "2.jsonl")
    found = table(folder)
    assert len(found.data) == 12
    assert [note.partition(" is read as")[0] for note in found.notes] == ["1.jsonl", "2.jsonl"]
    assert found.labels == ("refund", "delay")
    turned = [{**row, "cats": dict(reversed(row["cats"].items()))} for row in ROWS]
    write_lines(folder, turned, "2.jsonl")
    assert table(folder).labels == ("refund", "delay")


def test_the_columns_of_labels_and_texts_are_no_guess_of_init(tmp_path: Path):
    path = write_lines(tmp_path, ROWS)
    proposal = propose_profile(path)
    assert proposal.profile.data.labels.columns == ["refund", "delay"]
    assert proposal.reasons["data.labels"] == "by the format of the file"
    assert proposal.reasons["data.text"] == "by the format of the file"
    given = propose_profile(path, [Override("data.labels.columns", "[seen, done]", "--set")])
    assert given.profile.data.labels.columns == ["seen", "done"]


def test_a_category_that_no_text_has_is_no_label(tmp_path: Path):
    rows = [{**row, "cats": {**row["cats"], "theft": 0}} for row in ROWS]
    assert propose_profile(write_lines(tmp_path, rows)).profile.data.labels.columns == [
        "refund",
        "delay",
    ]


def test_a_single_category_is_a_column_whatever_its_name(tmp_path: Path):
    rows = [{"text": row["text"], "cats": {"label": row["seen"] - row["done"]}} for row in ROWS]
    assert learnt(write_lines(tmp_path, rows))[1] == {"label": [1, 0] * 6}


def test_a_validation_file_of_the_same_tool_has_the_same_labels(tmp_path: Path):
    train = write_lines(tmp_path, [choice("a", "refund"), choice("b", "delay"), choice("c")])
    write_lines(tmp_path, [choice("d", "delay"), choice("e", answer="ignore")], "valid.jsonl")
    write_lines(tmp_path, [choice("f", "refund", "delay")], "test.jsonl")
    corpus = read_corpus(propose_profile(train).profile)
    assert corpus.labels.names == ("delay", "refund")
    assert corpus.train.targets.tolist() == [[0, 1], [1, 0], [0, 0]]
    assert corpus.validation.targets[0].tolist() == [1, 0]
    assert corpus.test.targets.tolist() == [[1, 1]]


def test_a_tool_is_told_by_any_of_the_first_rows_and_all_others_must_be_its_own(tmp_path: Path):
    plain = {"text": "a", "labels": ["refund"]}
    told = refusal(write_lines(tmp_path, [plain, choice("b", "refund")]))
    assert "row 1" in told
    assert "Prodigy" in told
    late = [choice("a", "refund")] * 3000 + [plain]
    assert "row 3001" in refusal(write_lines(tmp_path, late))


ORDINARY = {
    "lists of labels": {"text": "a", "labels": ["x", "y"]},
    "one label": {"text": "a", "label": "x"},
    "an answer that is another word": {"text": "a", "answer": "accepted", "label": "x"},
    "categories in a list": {"text": "a", "cats": ["x"]},
    "categories that are no scores": {"text": "a", "cats": {"main": "x"}},
    "annotations in words": {"text": "a", "annotations": ["x"], "data": "b"},
    "predictions of a model": {"text": "a", "label": "x", "predictions": ["y"]},
    "a table of labels as Label Studio's shorter exports have it": {
        "id": 1,
        "text": "a",
        "topic": "x",
    },
}


@pytest.mark.parametrize("row", ORDINARY.values(), ids=list(ORDINARY))
def test_other_tables_are_left_as_they_are(tmp_path: Path, row: dict):
    found = table(write_lines(tmp_path, [row, row]))
    assert found.data.to_pylist() == [row, row]
    assert (found.notes, found.labels, found.texts) == ((), (), ())


def test_a_table_without_telling_keys_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(recognition, "_rows", lambda *_: pytest.fail("a second look"))
    monkeypatch.setattr(arrow, "_careful", lambda *_: pytest.fail("the careful reader"))
    assert len(read_arrow(write_lines(tmp_path, [ORDINARY["lists of labels"]])).data) == 1


def test_rows_come_in_frames_of_the_size_that_is_asked_for(tmp_path: Path):
    frames = list(read_chunks(write_lines(tmp_path, ROWS), rows=5))
    assert [len(frame) for frame in frames] == [5, 5, 2]
    assert all("refund" in frame for frame in frames)
    assert [list(frame.index) for frame in frames] == [[*range(5)], [*range(5)], [0, 1]]


def test_a_profile_without_labels_section_reads_lists(tmp_path: Path):
    path = write_lines(tmp_path, [choice(f"t{row}", *["refund"] * (row % 2)) for row in range(40)])
    corpus = read_corpus(make_profile({"data": {"train": str(path)}}))
    assert corpus.labels.names == ("refund",)


def test_texts_to_label_that_nobody_has_answered_are_read(tmp_path: Path):
    task = {"id": 1, "data": {"text": "a"}, "annotations": [], "predictions": []}
    record = {"id": "1", "fields": {"text": "a"}, "responses": {}, "suggestions": {}}
    for row in (task, record):
        found = table(write_array(tmp_path, [row, row]))
        assert found.data["text"].to_pylist() == ["a", "a"]
        assert found.data["labels"].to_pylist() == [None, None]


def test_missing_keys_are_no_values(tmp_path: Path):
    rows = [choice("a", "refund"), {**choice("b"), "note": "x"}, {**choice("c"), "note": None}]
    assert learnt(write_lines(tmp_path, rows))[1] == {"refund": [1, 0, 0]}
    assert table(write_lines(tmp_path, rows)).data["note"].to_pylist() == [None, "x", None]


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv", ".parquet"])
def test_the_parts_of_a_split_export_keep_what_is_unknown(tmp_path: Path, suffix: str):
    rows = [
        {
            "text": f"text number {row}",
            "prediction": None,
            "annotation": ["refund"] if row % 3 else [],
            "multi_label": True,
            "status": "Validated" if row % 4 else "Default",
        }
        for row in range(60)
    ]
    path = tmp_path / f"train{suffix}"
    if suffix == ".csv":
        pd.DataFrame(rows).to_csv(path, index=False)
    elif suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        (write_array if suffix == ".json" else write_lines)(tmp_path, rows, path.name)
    profile = propose_profile(path).profile
    labels, split = read_train(profile)
    assert np.isnan(split.targets[::4]).all()
    parts = {"train": np.arange(40), "test": np.arange(40, 60)}
    paths = write_parts(path, profile.data, tmp_path / "parts", parts)
    for part, rows_of_part in zip(paths, parts.values(), strict=True):
        read = read_split("part", part, profile.data, labels)
        np.testing.assert_array_equal(read.targets, split.targets[rows_of_part])
