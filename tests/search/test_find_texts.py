"""`find_texts`: a batch in a folder, from a profile or from a run."""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import KEY_WORDS, read_csv, write_csv
from encoders import make_encoder
from searchproject import (
    ENCODER,
    PROFILE,
    answer,
    find,
    labelled_rows,
    labels_of,
    make_project,
    make_text,
    pool_rows,
)

from imbtool.annotation.batch import read_batch
from imbtool.annotation.merge import merge_answers
from imbtool.errors import UserError
from imbtool.files.locks import locked
from imbtool.formats.cells import COLUMN_MARK
from imbtool.search.pool import random_order
from imbtool.search.remaining import remaining_positives
from imbtool.search.selection import Wish

COLUMNS = ["id", "text", "labels", "ask", "why", "score", "chosen_by", "inclusion_probability"]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    texts = [row["text"] for row in pool_rows(300, 20)]
    return make_encoder("bert", tmp_path_factory.mktemp("encoder") / "encoder", corpus=texts)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory, encoder: Path) -> Path:
    """A profile with a batch of 40 from its pool; not to be changed."""
    folder = tmp_path_factory.mktemp("known")
    profile = with_encoder(folder, encoder, number=120, threats=4)
    find(profile, "01", Wish(40))
    return profile


def with_encoder(folder: Path, encoder: Path, text: str = PROFILE, **more: int) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "encoder").symlink_to(encoder)
    return make_project(folder, f"{text}{ENCODER}", **more)


@pytest.fixture
def profile(known: Path, tmp_path: Path) -> Path:
    """A copy of it, whose features are known."""
    shutil.copytree(known.parent, tmp_path / "project", symlinks=True)
    return tmp_path / "project" / "profile.yaml"


def batch_rows(profile: Path, name: str = "01") -> list[dict[str, str]]:
    return read_csv(profile.parent / "batches" / name / "batch.csv")


def test_the_table_has_its_columns_in_order_and_says_how_each_text_was_chosen(known):
    rows = batch_rows(known)
    assert list(rows[0]) == COLUMNS
    assert len(rows) == len({row["id"] for row in rows}) == 40
    by = {"random": [], "score": []}
    for row in rows:
        by[row["chosen_by"]].append(row)
    assert (len(by["random"]), len(by["score"])) == (4, 36)
    assert {row["labels"] for row in rows} == {""}
    assert {(row["ask"], row["score"]) for row in by["random"]} == {("", "")}
    assert {float(row["inclusion_probability"]) for row in by["random"]} == {
        float(f"{4 / 300:.6g}")
    }
    assert {row["ask"] for row in by["score"]} == {"threat"}
    assert {row["inclusion_probability"] for row in by["score"]} == {""}
    assert all("threat" in row["why"] for row in by["score"])
    assert all(float(row["score"]) for row in by["score"])


def test_the_order_of_the_table_says_nothing_of_the_scores(known):
    rows = batch_rows(known)
    scores = [float(row["score"]) for row in rows if row["score"]]
    assert scores not in (sorted(scores), sorted(scores, reverse=True))
    assert {row["chosen_by"] for row in rows[-12:]} | {"random"} == {"score", "random"}


def test_the_document_holds_the_same_texts(known):
    batch = read_batch(known.parent / "batches" / "01")
    rows = batch_rows(known)
    assert [text.id for text in batch.texts] == [row["id"] for row in rows]
    assert batch.labels == ["billing", "spam", "threat"]
    assert (batch.pool.texts, batch.pool.population, batch.seed) == (300, 300, 0)
    (need,) = batch.needs
    assert (need.label, need.texts) == ("threat", 36)
    assert need.expected > need.at_random
    assert (batch.progress, batch.remaining) == ([], [])


def test_the_rare_label_is_found_more_often_than_by_chance(known):
    found = [labels_of(row["text"]) for row in batch_rows(known) if row["chosen_by"] == "score"]
    assert found.count(["threat"]) / len(found) > 2 * 20 / 300


def test_the_same_seed_gives_the_same_batch_and_the_features_are_not_computed_again(
    known, profile, monkeypatch
):
    shutil.rmtree(profile.parent / "batches" / "01")
    monkeypatch.setattr("imbtool.search.features.FeatureFile._write", None)
    again = find(profile, "other", Wish(40))
    assert again.texts == read_batch(known.parent / "batches" / "01").texts
    assert len(list((profile.parent / "batches" / ".features").glob("*.npy"))) == 1


def test_another_pool_or_encoder_has_features_of_its_own(profile):
    write_csv(profile.parent / "pool.csv", pool_rows(40, 3, seed=9))
    find(profile, "02", Wish(10))
    profile.write_text(profile.read_text().replace("64", "60"))
    find(profile, "03", Wish(10))
    assert len(list((profile.parent / "batches" / ".features").glob("*.npy"))) == 3


def test_an_existing_folder_is_refused_before_anything_is_read(profile):
    for name in ("01", "a-file"):
        (profile.parent / "batches" / "a-file").touch()
        with pytest.raises(UserError, match="another -o"):
            find(profile.with_name("absent.yaml"), name, Wish(10))


def test_two_searches_at_once_would_ask_the_same_texts_and_are_refused(profile):
    with locked(profile.parent / "batches"), pytest.raises(UserError, match="at work"):
        find(profile, "02", Wish(10))
    assert not (profile.parent / "batches" / "02").exists()


def test_suggestions_stand_in_chosen_texts_and_never_in_random_ones(profile):
    batch = find(profile, "02", Wish(30, random_share=0.5, prefill=True))
    drawn = [text for text in batch.texts if text.chosen_by == "random"]
    assert len(drawn) == 15
    assert {text.prefill for text in drawn} == {None}
    assert all(text.prefill is not None for text in batch.texts if text.chosen_by == "score")
    rows = batch_rows(profile, "02")
    # in the place of an answer a suggestion would pass for one
    assert {row["labels"] for row in rows} == {""}
    assert all(bool(row["suggested"]) == (row["chosen_by"] == "score") for row in rows)


@pytest.fixture(params=["label-studio", "prodigy", "doccano", "argilla"])
def tool(request: pytest.FixtureRequest) -> str:
    return request.param


def test_tasks_of_a_tool_stand_beside_the_table(profile, tool):
    find(profile, "02", Wish(10, tool=tool))
    names = [path.name for path in (profile.parent / "batches" / "02").iterdir()]
    assert [name for name in names if name.startswith(tool)]
    assert {"batch.csv", "batch.json"} < set(names)


def test_a_failure_leaves_no_folder(profile, monkeypatch):
    monkeypatch.setattr("imbtool.search.find.write_batch", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        find(profile, "02", Wish(10))
    assert [path.name for path in (profile.parent / "batches").iterdir()] == [".features", "01"]


FLAGS = "data: {train: train.csv, id: id, labels: {columns: [billing, spam, threat]}}\n"


def flagged(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    names = ("billing", "spam", "threat")
    return [
        {"id": row["id"], "text": row["text"], **{n: str(int(n == row["labels"])) for n in names}}
        for row in rows
    ]


def test_labels_in_columns_are_answered_in_columns(tmp_path, encoder):
    profile = with_encoder(tmp_path, encoder, f"{FLAGS}labels: {{names: [grief]}}\n")
    write_csv(tmp_path / "train.csv", flagged(labelled_rows(60)))
    find(profile, "01", Wish(20, prefill=True))
    rows = batch_rows(profile)
    assert list(rows[0])[2:6] == ["billing", "spam", "threat", "grief"]
    assert all(row[name] == "" for row in rows for name in ("billing", "spam", "threat"))


TWO = "data: {train: train.csv, text: [title, body]}\n"


def test_several_text_columns_stand_under_each_other_and_are_kept_apart(tmp_path, encoder):
    profile = with_encoder(tmp_path, encoder, TWO)

    def split(rows: list[dict[str, str]]) -> Iterator[dict[str, str]]:
        for row in rows:
            title, _, body = row["text"].partition(" ")
            yield {"title": title, "body": body, "labels": row.get("labels", "")}

    for name, rows in (("train", labelled_rows(60)), ("pool", pool_rows(60, 6))):
        write_csv(tmp_path / f"{name}.csv", list(split(rows)))
    batch = find(profile, "01", Wish(10))
    for text, row in zip(batch.texts, batch_rows(profile), strict=True):
        assert set(text.cells) == {"title", "body"}
        assert row["text"] == "\n".join(text.cells.values())
        assert COLUMN_MARK not in row["text"]
    report = merge_answers(profile, [answer(tmp_path / "batches" / "01")], tmp_path / "new")
    assert sum(report.texts.values()) == 10
    again = find(profile, "02", Wish(1000))
    assert not {text.id for text in batch.texts} & {text.id for text in again.texts}


def test_ids_of_other_texts_are_refused_before_anybody_answers(tmp_path, encoder):
    profile = with_encoder(tmp_path, encoder, PROFILE.replace(", id: id", ""))
    for name, rows in (("train", labelled_rows(60)), ("pool", pool_rows(60, 6))):
        numbered = [{**row, "id": str(number)} for number, row in enumerate(rows)]
        write_csv(tmp_path / f"{name}.csv", numbered)
    with pytest.raises(UserError, match=r"60 ids that other texts have in \S+train.csv") as refused:
        find(profile, "01", Wish(10))
    assert "set data.id: id" in str(refused.value)
    rows = [{**row, "id": f"p{number}"} for number, row in enumerate(pool_rows(60, 6))]
    write_csv(tmp_path / "pool.csv", rows)
    find(profile, "01", Wish(10))
    report = merge_answers(profile, [answer(tmp_path / "batches" / "01")], tmp_path / "new")
    assert sum(report.texts.values()) == 10


def test_cells_that_a_spreadsheet_would_run_are_made_text(tmp_path, encoder):
    profile = with_encoder(tmp_path, encoder)
    rows = [{"id": f"={number}", "text": f"=SUM(A{number}) number {number}"} for number in range(9)]
    write_csv(tmp_path / "pool.csv", rows)
    find(profile, "01", Wish(9))
    for row in batch_rows(profile):
        assert (row["id"][:2], row["text"][:2]) == ("'=", "'=")
    report = merge_answers(profile, [answer(tmp_path / "batches" / "01")], tmp_path / "new")
    assert sum(report.texts.values()) == 9
    new = {row["id"]: row["text"] for row in read_csv(tmp_path / "new" / "train.csv")[60:]}
    assert new == {row["id"]: row["text"] for row in rows}


NOTHING_YET = {
    "no row": ("id,text,labels\n", PROFILE),
    "no label known": ("id,text,labels\na,we talk,?\nb,you walk,?\n", None),
    "no flag known": ("id,text,threat,spam\na,we talk,,\nb,you walk,,\n", None),
    "one text": ("id,text,labels\na,the knife,threat\n", PROFILE),
}
PROFILES = {
    "no label known": 'data: {train: train.csv, id: id, labels: {column: labels, unknown: "?"}}\n',
    "no flag known": "data: {train: train.csv, id: id, labels: {columns: [threat, spam]}}\n",
}


@pytest.mark.parametrize("how", NOTHING_YET)
@pytest.mark.parametrize("by", ["name", "like", "pattern"])
def test_a_search_begins_where_nothing_is_labelled_yet(tmp_path, encoder, how, by):
    table, text = NOTHING_YET[how]
    declared = "labels: {names: [threat, spam], descriptions: {threat: a knife}}\n"
    profile = with_encoder(tmp_path, encoder, f"{text or PROFILES[how]}{declared}")
    (tmp_path / "train.csv").write_text(table)
    wish = {
        "name": Wish(20),
        "like": Wish(20, labels=["threat"], like=["he has a knife"]),
        "pattern": Wish(20, labels=["threat"], pattern="knife"),
    }[by]
    batch = find(profile, "01", wish)
    assert len(batch.texts) == 20
    if how != "one text" or wish.labels:
        assert "threat" in {need.label for need in batch.needs}
    assert all(need.at_random < 1 for need in batch.needs if not need.positives)
    if by == "pattern":
        matching = [text for text in batch.texts if text.chosen_by == "pattern"]
        assert all("knife" in text.cells["text"] for text in matching)
        assert len(matching) >= 15


def test_the_first_answers_become_the_first_labelled_texts(tmp_path, encoder):
    profile = with_encoder(tmp_path, encoder, f"{PROFILE}labels: {{names: [threat, spam]}}\n")
    (tmp_path / "train.csv").write_text("id,text,by,labels\n")
    batch = find(profile, "01", Wish(20, labels=["threat"], pattern="knife"))
    merge_answers(profile, [answer(tmp_path / "batches" / "01")], tmp_path / "new", new_labels=True)
    rows = read_csv(tmp_path / "new" / "train.csv")
    assert list(rows[0])[:4] == ["id", "text", "by", "labels"]
    assert {row["id"] for row in rows} == {text.id for text in batch.texts}
    assert [row["labels"] for row in rows].count("threat") >= 15
    merged = tmp_path / "new" / "profile.yaml"
    second = find(profile, "02", Wish(20), source=merged)
    assert second.labels == ["billing", "spam", "threat"]
    assert not {text.id for text in second.texts} & {text.id for text in batch.texts}


def test_without_a_label_nothing_can_be_searched_for(tmp_path, encoder):
    profile = with_encoder(tmp_path, encoder)
    (tmp_path / "train.csv").write_text("id,text,labels\n")
    with pytest.raises(UserError, match=r"labels\.names"):
        find(profile, "01", Wish(20))


def test_once_answers_are_merged_the_next_batch_says_what_the_pool_holds(profile):
    folder = profile.parent
    answer(folder / "batches" / "01")
    merge_answers(profile, [folder / "batches" / "01" / "batch.csv"], folder / "new")
    batch = find(profile, "02", Wish(40), source=folder / "new" / "profile.yaml")
    first = read_batch(folder / "batches" / "01")
    (progress,) = batch.progress
    given = [labels_of(text.cells["text"]) for text in first.texts]
    assert (progress.texts, progress.positives) == (40, given.count(["threat"]))
    (row,) = [row for row in batch.remaining if row.label == "threat"]
    order = random_order([text.cells["text"] for text in first.texts], 0)
    drawn = [text.chosen_by == "random" for text in first.texts]
    front = order <= order[drawn].max()
    is_threat = np.array([each == ["threat"] for each in given])
    assert (row.sample, row.positives) == (front.sum(), is_threat[front].sum())
    bounds = remaining_positives(300, row.sample, row.positives, 40, int(is_threat.sum()))
    assert (row.low, row.high) == (bounds.low, bounds.high)
    assert row.low <= 20 - row.found <= row.high


def run_pool(trained: Path, folder: Path) -> Path:
    """A pool for the run of the tests: texts with its key words."""
    rng = random.Random(3)
    rows = []
    for number in range(80):
        key = KEY_WORDS["threats"] if number < 10 else "people"
        rows.append({"id": f"p{number}", "text": f"{make_text(rng)} {key}"})
    write_csv(folder / "pool.csv", rows)
    return trained / "runs" / "first"


def test_a_run_gives_the_scores_of_its_model(trained, tmp_path):
    from imbtool.trained.checkpoint import read_checkpoint

    run = run_pool(trained, tmp_path)
    wish = Wish(10, labels=["threats"], prefill=True)
    batch = find(tmp_path / "profile.yaml", "01", wish, source=run)
    pool = read_csv(tmp_path / "pool.csv")
    checkpoint = read_checkpoint(run)
    logits = checkpoint.logits([row["text"] for row in pool])
    column = logits[:, checkpoint.labels.names.index("threats")]
    of_model = {row["id"]: logit for row, logit in zip(pool, column, strict=True)}
    by_score = [text for text in batch.texts if text.chosen_by == "score"]
    ranked = sorted(by_score, key=lambda text: -text.score)
    found = [of_model[text.id] for text in ranked]
    assert np.diff(found).max() < 1e-3  # half precision
    assert batch.labels == list(checkpoint.labels.names)
    assert batch.source == str(run)


def test_labels_that_a_run_does_not_know_are_left_to_the_encoder(trained, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(run_pool(trained, tmp_path), run, symlinks=True)
    values = yaml.safe_load((run / "profile.yaml").read_text())
    values["labels"]["names"] = ["grief"]
    (run / "profile.yaml").write_text(yaml.safe_dump(values))
    batch = find(tmp_path / "profile.yaml", "01", Wish(20, labels=["grief", "threats"]), source=run)
    assert {need.label for need in batch.needs} == {"grief", "threats"}
    by = {text.ask[0]: text.chosen_by for text in batch.texts if text.ask}
    assert by == {"grief": "similar", "threats": "score"}
    # of the encoder's features and of the model's logits
    assert len(list((tmp_path / "batches" / ".features").glob("*.npy"))) == 2


@pytest.mark.parametrize("what", ["a table", "a folder", "nothing"])
def test_what_is_neither_a_profile_nor_a_run_is_refused(profile, what):
    source = {"a table": "pool.csv", "a folder": "batches", "nothing": "absent"}[what]
    with pytest.raises(UserError):
        find(profile, "02", Wish(5), source=profile.parent / source)
