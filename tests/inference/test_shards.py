"""Many tables: which file each becomes."""

from pathlib import Path

import pytest

from imbtool.errors import UserError
from imbtool.inference.predict_folder import plan_shards


def make(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("text\nhello\n")


def planned(source: Path, output: Path) -> dict[str, str]:
    """The plan, sources below the test's folder, outputs below theirs."""
    return {
        str(shard.source.relative_to(output.parent)): str(shard.output.relative_to(output))
        for shard in plan_shards(source, output)
    }


def test_a_file_keeps_its_name_and_its_format(tmp_path):
    make(tmp_path / "in", "b.csv", "a.tsv", "c.jsonl", "d.parquet")
    assert planned(tmp_path / "in", tmp_path / "out") == {
        "in/a.tsv": "a.tsv",
        "in/b.csv": "b.csv",
        "in/c.jsonl": "c.jsonl",
        "in/d.parquet": "d.parquet",
    }


def test_what_is_not_written_becomes_what_is_nearest(tmp_path):
    make(tmp_path / "in", "a.csv.gz", "b.jsonl.zst", "c.json", "d.json.gz")
    assert planned(tmp_path / "in", tmp_path / "out") == {
        "in/a.csv.gz": "a.csv",
        "in/b.jsonl.zst": "b.jsonl",
        "in/c.json": "c.jsonl",
        "in/d.json.gz": "d.jsonl",
    }


def test_several_splits_in_a_folder_are_fine_where_each_stays_a_file(tmp_path):
    make(tmp_path / "in", "train.csv", "test.csv")
    assert len(plan_shards(tmp_path / "in", tmp_path / "out")) == 2


def test_what_is_no_table_is_passed_over_in_a_folder(tmp_path):
    make(tmp_path / "in", "a.csv", "notes.txt", "_SUCCESS", ".hidden.csv", "below/b.csv")
    assert planned(tmp_path / "in", tmp_path / "out") == {"in/a.csv": "a.csv"}


@pytest.mark.parametrize("pattern", ["in/*/part.csv", "in/**/*.csv"])
def test_files_of_one_name_keep_their_folders(tmp_path, pattern):
    make(tmp_path / "in", "2024/part.csv", "2025/part.csv")
    assert planned(tmp_path / pattern, tmp_path / "out") == {
        "in/2024/part.csv": "2024/part.csv",
        "in/2025/part.csv": "2025/part.csv",
    }


def test_a_glob_beside_its_outputs_is_fine(tmp_path, monkeypatch):
    make(tmp_path, "a.csv", "b.csv")
    monkeypatch.chdir(tmp_path)
    assert len(plan_shards(Path("*.csv"), Path("out"))) == 2


@pytest.mark.parametrize(
    ("source", "output"),
    [
        ("in", "in"),
        ("in", "in/out"),
        ("in", "link"),
        ("in/*.csv", "in"),
        ("in/**/*.csv", "in/out"),
    ],
)
def test_outputs_among_inputs_are_refused(tmp_path, source, output):
    make(tmp_path / "in", "a.csv")
    (tmp_path / "link").symlink_to("in")
    with pytest.raises(UserError, match="a folder among the tables of"):
        plan_shards(tmp_path / source, tmp_path / output)


@pytest.mark.parametrize(
    ("files", "source", "said"),
    [
        (["in/a.csv", "in/a.csv.gz"], "in", r"a\.csv\.gz\n.*two tables that would become .*a\.csv"),
        (["in/a.json", "in/a.jsonl"], "in", "two tables that would become"),
        (["in/notes.txt"], "in", "a folder without tables"),
        (["in/notes.txt"], "in/*", "the suffix '.txt'"),
        (["in/a.csv"], "in/b*.csv", "no file of this pattern"),
        (["in/a.csv"], "inn", "no such file"),
        (["in/state.json", "in/dataset_info.json"], "in", "a data set"),
    ],
    ids=["compressed", "json", "no table", "unknown", "no match", "missing", "data set"],
)
def test_what_cannot_become_files_of_the_same_names_is_refused(tmp_path, files, source, said):
    make(tmp_path, *files)
    with pytest.raises(UserError, match=said):
        plan_shards(tmp_path / source, tmp_path / "out")
