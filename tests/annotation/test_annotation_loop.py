"""Find, answer, merge, and find again: texts of a search stay in training, and no one is twice."""

from pathlib import Path

import pytest
from conftest import Imbtool, read_csv, write_csv
from encoders import make_encoder
from searchproject import ENCODER, answer, labelled_rows, labels_of, make_project, pool_rows

BATCHES = 5
SIZE = 20
PROFILE = f"""\
data: {{train: train.csv, validation: validation.csv, test: test.csv, id: id}}
training: {{epochs: 1, precision: fp32}}
{ENCODER}"""


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory, imbtool: Imbtool) -> Path:
    """A folder with five batches, each answered and merged before the next one is chosen."""
    folder = tmp_path_factory.mktemp("loop")
    profile = make_project(folder, PROFILE, threats=3)
    for seed, name in enumerate(("validation", "test"), start=5):
        write_csv(folder / f"{name}.csv", labelled_rows(20, threats=1, seed=seed))
    texts = [row["text"] for row in pool_rows(300, 20)]
    make_encoder("bert", folder / "encoder", corpus=texts)
    for number in range(1, BATCHES + 1):
        batch = folder / "batches" / f"{number:02}"
        done = imbtool("find", profile, folder / "pool.csv", "-n", SIZE, "-o", batch)
        assert done.exit_code == 0, (done.stderr, done.exception)
        merged = folder / "merged" / f"{number:02}"
        done = imbtool("merge", profile, answer(batch), "-o", merged)
        assert done.exit_code == 0, (done.stderr, done.exception)
        profile = merged / "profile.yaml"
    return folder


def batches(loop: Path) -> list[list[dict[str, str]]]:
    return [read_csv(path) for path in sorted((loop / "batches").glob("*/batch.csv"))]


def tables(loop: Path) -> dict[str, list[dict[str, str]]]:
    folder = loop / "merged" / f"{BATCHES:02}"
    return {name: read_csv(folder / f"{name}.csv") for name in ("train", "validation", "test")}


def test_each_batch_has_as_many_texts_as_asked_for(loop):
    assert [len(rows) for rows in batches(loop)] == [SIZE] * BATCHES


def test_no_text_is_asked_twice(loop):
    rows = [row for batch in batches(loop) for row in batch]
    assert len({row["id"] for row in rows}) == len({row["text"] for row in rows}) == len(rows)


def test_no_chosen_text_is_in_validation_or_test_and_random_ones_are(loop):
    chosen = {row["id"]: row["chosen_by"] for batch in batches(loop) for row in batch}
    for name, rows in tables(loop).items():
        added = {chosen[row["id"]] for row in rows if row["id"] in chosen}
        assert added == ({"score"} if name == "train" else {"random"})


def test_every_answer_is_in_the_tables_with_its_labels(loop):
    rows = {row["id"]: row for part in tables(loop).values() for row in part}
    for batch in batches(loop):
        for row in batch:
            assert sorted(filter(None, rows[row["id"]]["labels"].split("|"))) == labels_of(
                row["text"]
            )
    assert len(rows) == 60 + 20 + 20 + BATCHES * SIZE


def test_most_of_the_rare_label_is_found(loop):
    found = [row["labels"] for batch in batches(loop) for row in batch].count("threat")
    assert found >= 15  # of 20 in 300 texts, of which 100 were read


def test_what_was_merged_trains(loop, imbtool: Imbtool):
    merged = loop / "merged" / f"{BATCHES:02}" / "profile.yaml"
    done = imbtool("train", "--profile", merged, "--dry-run")
    assert done.exit_code == 0, (done.stderr, done.exception)


def test_a_batch_that_is_merged_twice_is_refused(loop, imbtool: Imbtool):
    profile = loop / "merged" / "01" / "profile.yaml"
    again = loop / "batches" / "01" / "batch.csv"
    done = imbtool("merge", profile, again, "-o", loop / "merged" / "twice")
    assert (done.exit_code, "merge each batch once" in done.stderr) == (2, True)


def test_the_second_batch_does_not_read_the_pool_again(loop):
    assert len(list((loop / "batches" / ".features").glob("*.npy"))) == 1
