"""A large table is predicted in parts, and what is joined is what predict writes of it whole."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import read_csv

from imbtool.data import tables
from imbtool.data.tables import is_export
from imbtool.errors import UserError
from imbtool.files.text_format import AS_FOUND
from imbtool.inference import table_parts
from imbtool.inference.output_folder import FolderManifest
from imbtool.inference.predict import predict, predicted_frames, write_file
from imbtool.inference.table_parts import (
    Parts,
    StoredLogits,
    part_file,
    parts_folder,
    plan_parts,
    predict_part,
    store_part,
)
from imbtool.trained.checkpoint import Checkpoint, read_checkpoint

MANIFEST = FolderManifest(checkpoint="0", input="in", text=["text"], calibrated=False)


@pytest.fixture
def checkpoint(project: Path) -> Checkpoint:
    return read_checkpoint(Path("runs/first"))


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of 4 rows, blocks of 8."""
    monkeypatch.setattr(tables, "CHUNK_ROWS", 4)
    monkeypatch.setattr(tables.read_chunks, "__defaults__", (tables.AS_FOUND, 4))
    monkeypatch.setattr(table_parts, "BLOCK_ROWS", 8)
    monkeypatch.setattr(table_parts, "TEXT_PART_BYTES", 1000)


def write(name: str, rows: int) -> Path:
    """A table of the test texts, several times over, in row groups of 5."""
    frame = pd.DataFrame(read_csv(Path("test.csv")) * (rows // 60 + 1))[:rows]
    path = Path(name)
    if path.suffix == ".parquet":
        table = pa.Table.from_pandas(frame, preserve_index=False)
        pq.write_table(table, path, row_group_size=5)
    elif path.suffix == ".jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_csv(path, index=False)
    return path


def stored(checkpoint: Checkpoint, path: Path, parts: Parts) -> StoredLogits:
    folder = Path("parts")
    for number in range(parts.count):
        store_part(folder, number, predict_part(checkpoint, path, ["text"], parts, number))
    files = [part_file(folder, number) for number in range(parts.count)]
    return StoredLogits(checkpoint.folder, checkpoint.meta, files, parts)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("name", ["a.parquet", "a.csv", "a.jsonl"])
@pytest.mark.parametrize("rows", [61, 80])
def test_parts_joined_in_order_are_the_table_predicted_whole(
    name: str, rows: int, checkpoint: Checkpoint
) -> None:
    path = write(name, rows)
    parts = plan_parts(path, ["text"], AS_FOUND)
    assert parts.count > 3
    logits = stored(checkpoint, path, parts)
    write_file(predict(checkpoint, path), Path("whole", name))
    write_file(predicted_frames(logits, path, None, False), Path("joined", name))
    logits.require_all_read()
    assert Path("joined", name).read_bytes() == Path("whole", name).read_bytes()


@pytest.mark.usefixtures("small_blocks")
def test_of_a_parquet_file_only_the_row_groups_of_a_part_are_read(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("a.parquet", 60)
    whole = pq.ParquetFile.iter_batches
    asked = []

    def recorded(self, rows, row_groups, columns):
        asked.append((row_groups, columns))
        return whole(self, rows, row_groups=row_groups, columns=columns)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", recorded)
    assert len(predict_part(checkpoint, path, ["text"], Parts(8, 8), 2)) == 8
    assert asked == [([3, 4], ["text"])]  # rows 16 to 23


@pytest.mark.parametrize(
    ("rows", "count", "block"),
    [
        (1, 1, 4096),
        (5000, 2, 4096),
        (100_000, 13, 8192),
        (1_000_000, 16, 65_536),
        (2_000_000, 31, 65_536),
    ],
)
def test_a_parquet_file_of_any_size_has_parts_for_several_workers(
    rows: int, count: int, block: int, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("a.parquet", 5)
    monkeypatch.setattr(table_parts, "parquet_shape", lambda _: (["text"], rows))
    assert plan_parts(path, ["text"], AS_FOUND) == Parts(count, block)


@pytest.mark.usefixtures("small_blocks")
def test_a_table_that_cannot_be_used_is_left_whole_to_say_why(project: Path) -> None:
    path = write("a.parquet", 60)
    assert plan_parts(path, ["text"], AS_FOUND).count == 8
    assert plan_parts(path, ["txt"], AS_FOUND).count == 1
    assert plan_parts(Path("none.parquet"), ["text"], AS_FOUND).count == 1
    Path("b.parquet").write_text("no parquet")
    assert plan_parts(Path("b.parquet"), ["text"], AS_FOUND).count == 1
    assert plan_parts(write("small.csv", 5), ["text"], AS_FOUND).count == 1


@pytest.mark.usefixtures("small_blocks")
def test_an_export_of_an_annotation_tool_is_left_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    row = {"text": "hello", "accept": ["abuse"], "answer": "accept", "_input_hash": 1}
    row |= {"options": [{"id": "abuse", "text": "abuse"}], "_view_id": "choice", "_task_hash": 2}
    path.write_text(f"{json.dumps(row)}\n" * 100)
    assert is_export(path, AS_FOUND)
    assert plan_parts(path, ["text"], AS_FOUND).count == 1


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("name", ["a.parquet", "a.jsonl"])
def test_a_text_that_cannot_be_read_is_named_by_its_row_in_the_table(
    name: str, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(name, 60)
    shown = Checkpoint._logits

    def broken(self, texts):
        logits = shown(self, texts)
        logits[1] = np.nan
        return logits

    monkeypatch.setattr(Checkpoint, "_logits", broken)
    with pytest.raises(UserError, match=f"{name}: row 10\n"):
        predict_part(checkpoint, path, ["text"], plan_parts(path, ["text"], AS_FOUND), 1)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("rows", [40, 59, 60 + 8])
def test_a_table_that_has_changed_is_not_joined(rows: int, checkpoint: Checkpoint) -> None:
    path = write("a.parquet", 60)
    logits = stored(checkpoint, path, plan_parts(path, ["text"], AS_FOUND))
    write("a.parquet", rows)
    with pytest.raises(UserError, match="another number of rows"):
        list(predicted_frames(logits, path, None, False))
        logits.require_all_read()


def test_parts_of_another_job_or_of_an_earlier_table_are_not_found(tmp_path: Path) -> None:
    table = tmp_path / "a.csv"
    table.write_text("text\na\n")
    before = parts_folder(tmp_path, MANIFEST, table, Parts(3, 8))
    assert parts_folder(tmp_path, MANIFEST, table, Parts(3, 8)) == before
    other = MANIFEST.model_copy(update={"checkpoint": "1"})
    assert parts_folder(tmp_path, other, table, Parts(3, 8)) != before
    assert parts_folder(tmp_path, MANIFEST, table, Parts(4, 8)) != before
    table.write_text("text\nab\n")
    assert parts_folder(tmp_path, MANIFEST, table, Parts(3, 8)) != before
