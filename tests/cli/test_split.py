"""`imbtool split`: three files, the account of them, and nothing overwritten."""

import json
from pathlib import Path

import pytest
from conftest import Imbtool, read_csv

from imbtool.files.locks import locked

KEPT = ("--output", "parts")


def ids(path: str | Path) -> list[str]:
    return [row["id"] for row in read_csv(Path(path))]


def test_a_table_is_cut_into_three_of_the_sizes_asked(project: Path, imbtool: Imbtool) -> None:
    result = imbtool("split", "train.csv", *KEPT, "--validation", "0.2")
    assert result.exit_code == 0, result.stderr
    assert [len(ids(f"parts/{name}.csv")) for name in ("train", "validation", "test")] == [
        140,
        40,
        20,
    ]
    assert "Positives, rarest label first" in result.stdout
    assert result.stderr.splitlines()[-1] == "next: imbtool init parts/train.csv"


def test_json_alone_is_printed_and_is_what_is_written(project: Path, imbtool: Imbtool) -> None:
    shown = json.loads(imbtool("split", "train.csv", *KEPT, "--json").stdout)
    written = json.loads(Path("parts/split.json").read_text())
    assert shown == written


def test_of_a_profile_the_training_table_is_cut(project: Path, imbtool: Imbtool) -> None:
    result = imbtool("split", "profile.yaml", *KEPT, "--test", "0")
    assert result.exit_code == 0, result.stderr
    assert sorted(ids("parts/train.csv") + ids("parts/validation.csv")) == sorted(ids("train.csv"))
    assert not Path("parts/test.csv").exists()


def test_the_same_seed_gives_the_same_files_and_another_others(
    project: Path, imbtool: Imbtool
) -> None:
    for folder, seed in (("first", "1"), ("again", "1"), ("other", "2")):
        imbtool("split", "train.csv", "-o", folder, "--seed", seed)
    first, again, other = (ids(f"{name}/test.csv") for name in ("first", "again", "other"))
    assert first == again != other


def test_files_that_exist_are_never_overwritten(project: Path, imbtool: Imbtool) -> None:
    before = Path("test.csv").read_bytes()
    result = imbtool("split", "train.csv", "-o", ".")
    assert result.exit_code == 2
    assert "train.csv" in result.stderr
    assert Path("test.csv").read_bytes() == before
    assert not Path("split.json").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--validation", "1.5"), "--validation"),
        (("--validation", "0", "--test", "0"), "--validation 0"),
        (("--group", "autor"), "no column 'autor'"),
    ],
)
def test_bad_options_are_said_and_nothing_is_written(
    project: Path, imbtool: Imbtool, arguments: tuple[str, ...], told: str
) -> None:
    result = imbtool("split", "train.csv", *KEPT, *arguments)
    assert result.exit_code == 2
    assert told in result.stderr
    assert not Path("parts").exists()


def test_a_folder_is_one_commands(project: Path, imbtool: Imbtool) -> None:
    with locked(Path("parts")):
        refused = imbtool("split", "train.csv", *KEPT)
    assert refused.exit_code == 2
    assert "another imbtool command at work in it" in refused.stderr
    assert not Path("parts").exists()


def test_a_split_json_of_the_users_own_is_not_replaced(project: Path, imbtool: Imbtool) -> None:
    for content in ("mine", '{"command": [], "parts": {}}'):
        Path("data").mkdir(exist_ok=True)
        Path("data/split.json").write_text(content)
        result = imbtool("split", "train.csv", "-o", "data")
        assert result.exit_code == 2
        assert "split.json" in result.stderr
        assert {path.name: path.read_text() for path in Path("data").iterdir()} == {
            "split.json": content
        }
