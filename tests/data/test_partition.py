"""A table is cut: what stays together, what is told, and what is written."""

import json
import random
from pathlib import Path

import pandas as pd
import pytest
from conftest import read_csv, write_csv

from imbtool.config.reader import make_profile
from imbtool.config.schema import Profile
from imbtool.data.corpus import read_corpus, read_train
from imbtool.data.partition import (
    ColumnGroups,
    GroupSizes,
    LabelParts,
    RowsPair,
    SharePair,
    part_shares,
    partition,
    write_parts,
)
from imbtool.data.tables import read_table
from imbtool.data.writer import TableWriter
from imbtool.errors import UserError

THIRDS = {"train": 0.4, "validation": 0.3, "test": 0.3}


def rows(n: int = 120, rare: int = 9) -> list[dict[str, str]]:
    """Texts of their own, a common label and a rare one, four texts of each author."""
    rng = random.Random(0)
    return [
        {
            "id": f"{number:03}",
            "text": " ".join(f"w{rng.randrange(10_000)}" for _ in range(6)),
            "labels": "|".join(["rare"] * (number < rare) + ["common"] * (number % 2)),
            "author": f"author {number // 4}" if number % 20 else "",
        }
        for number in range(n)
    ]


def profile_of(path: Path, **data: object) -> Profile:
    return make_profile({"data": {"train": str(path), **data}})


def cut(path: Path, table: list[dict[str, str]], shares=THIRDS, group: str | None = None):
    write_csv(path, table)
    profile = profile_of(path)
    labels, split = read_train(profile)
    return partition(split, labels.names, profile.data, shares, 0, group)


def test_requested_and_reached_sizes_and_positives_are_reported(tmp_path):
    parts, report = cut(tmp_path / "all.csv", rows())
    assert [len(part) for part in parts.values()] == [48, 36, 36]
    assert report.parts["test"].rows == RowsPair(asked=36, got=36)
    assert report.parts["train"].share == SharePair(asked=0.4, got=0.4)
    thirds = {"train": 3, "validation": 3, "test": 3}
    assert report.labels["rare"] == LabelParts(positives=9, parts=thirds)
    assert report.too_rare == {}


def test_near_duplicates_stay_together_and_are_counted(tmp_path):
    table = rows()
    table += [{**row, "id": f"again {row['id']}", "text": row["text"] + "!"} for row in table[:30]]
    parts, report = cut(tmp_path / "all.csv", table)
    assert report.near_duplicates == GroupSizes(groups=30, rows=60, largest=2)
    assert report.group is None
    part_of = {row: name for name, part in parts.items() for row in part.tolist()}
    assert all(part_of[row] == part_of[120 + row] for row in range(30))


def test_rows_of_a_group_stay_together_also_through_a_near_duplicate(tmp_path):
    table = rows()
    pairs = [(number, number + 60) for number in range(1, 60, 4)]
    for first, second in pairs:
        table[first]["text"] = table[second]["text"].upper()
    parts, report = cut(tmp_path / "all.csv", table, group="author")
    part_of = {row: name for name, part in parts.items() for row in part.tolist()}
    assert report.group == ColumnGroups(column="author", groups=30, rows=114, largest=4)
    assert all(part_of[first] == part_of[second] == part_of[second + 1] for first, second in pairs)


def test_an_empty_group_cell_binds_nothing(tmp_path):
    table = [{**row, "author": ""} for row in rows()]
    parts, report = cut(tmp_path / "all.csv", table, group="author")
    assert [len(part) for part in parts.values()] == [48, 36, 36]
    assert report.group.groups == 0
    parts, report = cut(
        tmp_path / "all.csv", [{**row, "author": "  "} for row in rows()], group="author"
    )
    assert report.group.groups == 0


def test_a_group_without_a_name_is_no_group_at_all(tmp_path):
    with pytest.raises(UserError, match="''"):
        cut(tmp_path / "all.csv", rows(), group="")


@pytest.mark.parametrize(
    ("rare", "bound", "why"),
    [
        (5, False, "it has 5 positives, and 9 are needed"),
        (9, True, "its 9 positives are in 2 groups of rows kept together"),
    ],
)
def test_a_label_that_cannot_be_in_every_part_is_named_with_the_reason(tmp_path, rare, bound, why):
    table = rows(rare=rare)
    for number in range(9 * bound):
        table[number]["author"] = f"one of two: {number % 2}"
    _, report = cut(tmp_path / "all.csv", table, group="author" if bound else None)
    assert report.too_rare == {"rare": why}


def test_a_part_that_would_be_empty_is_refused(tmp_path):
    table = [{**row, "author": "the same"} for row in rows()]
    with pytest.raises(UserError, match="120 rows in 1 group, too few for"):
        cut(tmp_path / "all.csv", table, group="author")


@pytest.mark.parametrize("shares", [(-0.1, 0.1), (0.1, 1.0), (0.0, 0.0), (0.5, 0.5), (0.6, 0.6)])
def test_shares_that_leave_a_part_empty_are_refused(shares):
    with pytest.raises(UserError):
        part_shares(*shares)


def test_a_share_of_zero_leaves_the_part_out():
    assert part_shares(0.25, 0) == {"train": 0.75, "validation": 0.25}
    assert list(part_shares(0, 0.25)) == ["train", "test"]


ODD = ["001", "NA", "", "  spaces  ", "two\nlines", 'a "quoted", cell', "=1+1", "naïve 😀"]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_cells_columns_and_the_order_of_rows_are_kept(tmp_path, suffix):
    frame = pd.DataFrame(rows()).assign(odd=[ODD[number % len(ODD)] for number in range(120)])
    source = tmp_path / f"all{suffix}"
    with TableWriter(source, suffix) as writer:
        writer.write(frame)
    profile = profile_of(source)
    labels, split = read_train(profile)
    parts, _ = partition(split, labels.names, profile.data, THIRDS, 0)
    paths = write_parts(source, profile.data, tmp_path / "parts", parts)
    assert [path.name for path in paths] == [f"{name}{suffix}" for name in THIRDS]
    for path, part in zip(paths, parts.values(), strict=True):
        written = read_table(path).astype(object)
        pd.testing.assert_frame_equal(
            written, frame.iloc[part].reset_index(drop=True).astype(object)
        )


def test_lists_numbers_and_missing_values_of_json_are_kept(tmp_path):
    source = tmp_path / "all.jsonl"
    lines = [
        {
            "text": row["text"],
            "labels": row["labels"].split("|"),
            "n": 1,
            "x": None,
            "y": {"z": 0.5},
        }
        for row in rows()
    ]
    source.write_text("".join(json.dumps(line) + "\n" for line in lines))
    profile = profile_of(source)
    labels, split = read_train(profile)
    parts, _ = partition(split, labels.names, profile.data, THIRDS, 0)
    paths = write_parts(source, profile.data, tmp_path, parts)
    for path, part in zip(paths, parts.values(), strict=True):
        written = [json.loads(line) for line in path.read_text().splitlines()]
        assert written == [lines[row] for row in part]


def test_the_parts_read_back_have_the_reported_fingerprints(tmp_path):
    source = tmp_path / "all.csv"
    parts, report = cut(source, rows())
    paths = write_parts(source, profile_of(source).data, tmp_path, parts)
    others = {"validation": str(paths[1]), "test": str(paths[2])}
    corpus = read_corpus(profile_of(paths[0], **others))
    reported = {name: part.fingerprint for name, part in report.parts.items()}
    assert reported == {name: split.fingerprint for name, split in corpus.splits.items()}


def test_an_existing_file_is_left_alone(tmp_path):
    source = tmp_path / "all.csv"
    parts, _ = cut(source, rows())
    (tmp_path / "test.csv").write_text("mine")
    with pytest.raises(UserError, match=r"test\.csv"):
        write_parts(source, profile_of(source).data, tmp_path, parts)
    assert (tmp_path / "test.csv").read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {"all.csv", "test.csv"}


def test_a_folder_of_files_is_cut_as_one_table(tmp_path):
    folder = tmp_path / "many"
    folder.mkdir()
    write_csv(folder / "a.csv", rows()[:70])
    write_csv(folder / "b.csv", rows()[70:])
    profile = profile_of(folder)
    labels, split = read_train(profile)
    parts, _ = partition(split, labels.names, profile.data, THIRDS, 0)
    paths = write_parts(folder, profile.data, tmp_path / "parts", parts)
    assert sorted(row["id"] for path in paths for row in read_csv(path)) == [
        row["id"] for row in rows()
    ]


def test_texts_that_a_search_chose_and_their_near_duplicates_are_in_training(tmp_path: Path):
    table = [{**row, "chosen_by": ""} for row in rows()]
    for row in table[10:40]:
        row["chosen_by"] = "score"
    table[60]["text"] = table[10]["text"].upper()
    write_csv(tmp_path / "all.csv", table)
    data = {"train": str(tmp_path / "all.csv"), "id": "id", "chosen_by": "chosen_by"}
    profile = make_profile({"data": data})
    labels, whole = read_train(profile)
    parts, report = partition(whole, labels.names, profile.data, THIRDS, seed=1)
    assert {*range(10, 40), 60} <= set(parts["train"].tolist())
    assert (report.chosen, report.kept_in_training) == (30, 31)
    assert report.parts["test"].rows.asked == report.parts["test"].rows.got
    assert report.parts["train"].share.got == pytest.approx(0.4, abs=0.02)


def test_a_label_whose_positives_a_search_chose_is_named_with_the_reason(tmp_path: Path):
    table = [{**row, "chosen_by": "score" if "rare" in row["labels"] else ""} for row in rows()]
    write_csv(tmp_path / "all.csv", table)
    data = {"train": str(tmp_path / "all.csv"), "id": "id", "chosen_by": "chosen_by"}
    profile = make_profile({"data": data})
    labels, whole = read_train(profile)
    _, report = partition(whole, labels.names, profile.data, THIRDS, seed=1)
    assert report.too_rare["rare"].startswith("9 of its 9 positives are bound to training")
