"""Data sets of the `datasets` library, from a folder or by their name on the hub."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from imbtool.config.reader import make_profile, read_profile
from imbtool.config.writer import render_profile
from imbtool.data.corpus import read_corpus, read_split
from imbtool.data.datasets import _from_hub, dataset_splits, is_dataset
from imbtool.data.proposal import propose_profile
from imbtool.data.tables import read_arrow, read_chunks
from imbtool.errors import UserError

library = pytest.importorskip("datasets")

NAMES = ["insults", "threats", "praise"]


@pytest.fixture(autouse=True)
def forgetful() -> Iterator[None]:
    """No test sees what another one has loaded."""
    _from_hub.cache_clear()
    yield
    _from_hub.cache_clear()


def dataset(labels=([0, 2], [], [1], None), first: int = 0):
    features = library.Features(
        {
            "text": library.Value("string"),
            "labels": library.List(library.ClassLabel(names=NAMES)),
            "kind": library.ClassLabel(names=["post", "reply"]),
        }
    )
    size = len(labels)
    texts = [f"text {first + row}" for row in range(size)]
    kinds = [(1, 0, -1)[row % 3] for row in range(size)]
    data = {"text": texts, "labels": list(labels), "kind": kinds}
    return library.Dataset.from_dict(data, features=features)


def several():
    return library.DatasetDict(
        {"train": dataset(), "validation": dataset(([0], [1, 2]), 10), "test": dataset(([],), 20)}
    )


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    several().save_to_disk(str(tmp_path / "saved"))
    return tmp_path / "saved"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str | None]]:
    """A hub of one data set, and what was asked of it."""
    asked = []

    def load(name: str, config: str | None = None):
        asked.append((name, config))
        if name != "owner/name":
            raise library.exceptions.DatasetNotFoundError(f"Dataset '{name}' doesn't exist")
        return several()

    monkeypatch.setattr(library, "load_dataset", load)
    return asked


def test_classes_become_their_names_and_missing_ones_stay_missing(tmp_path: Path):
    dataset().save_to_disk(str(tmp_path / "one"))
    data = read_arrow(tmp_path / "one").data.to_pydict()
    assert data["labels"] == [["insults", "praise"], [], ["threats"], None]
    assert data["kind"] == ["reply", "post", None, "reply"]


@pytest.mark.parametrize(
    "kind", [lambda names: library.List(names, length=1), lambda names: library.LargeList(names)]
)
def test_lists_of_classes_of_any_kind_become_names(tmp_path: Path, kind):
    features = library.Features({"labels": kind(library.ClassLabel(names=NAMES))})
    library.Dataset.from_dict({"labels": [[2], [0]]}, features=features).save_to_disk(
        str(tmp_path / "one")
    )
    assert read_arrow(tmp_path / "one").data["labels"].to_pylist() == [["praise"], ["insults"]]


def test_a_damaged_or_empty_data_set_is_refused(saved: Path, tmp_path: Path):
    (saved / "train" / "state.json").write_text("{}")
    with pytest.raises(UserError, match="save it anew"):
        read_arrow(saved / "train")
    library.Dataset.from_dict({"text": []}).save_to_disk(str(tmp_path / "none"))
    with pytest.raises(UserError, match="no rows"):
        read_arrow(tmp_path / "none")
    library.DatasetDict().save_to_disk(str(tmp_path / "bare"))
    with pytest.raises(UserError, match="no split"):
        read_arrow(tmp_path / "bare")


def test_rows_that_were_selected_and_shuffled_come_in_their_new_order(tmp_path: Path):
    dataset().select([2, 0]).save_to_disk(str(tmp_path / "one"))
    assert read_arrow(tmp_path / "one").data["labels"].to_pylist() == [
        ["threats"],
        ["insults", "praise"],
    ]


def test_a_data_set_gives_the_splits_that_no_table_is_named_for(saved: Path, tmp_path: Path):
    corpus = read_corpus(make_profile({"data": {"train": str(saved)}}))
    assert corpus.labels.names == ("insults", "praise", "threats")
    np.testing.assert_array_equal(
        corpus.train.targets, [[1, 1, 0], [0, 0, 0], [0, 0, 1], [np.nan] * 3]
    )
    assert [len(split) for split in corpus.splits.values()] == [4, 2, 1]
    assert corpus.validation.source == saved / "validation"
    own = tmp_path / "own.csv"
    own.write_text("text,labels\nx,insults\n")
    corpus = read_corpus(make_profile({"data": {"train": str(saved), "test": str(own)}}))
    assert (corpus.test.source, corpus.validation.source) == (own, saved / "validation")


def test_one_split_of_a_data_set_is_a_table(saved: Path):
    assert dataset_splits(saved) == ["train", "validation", "test"]
    assert dataset_splits(saved / "train") == []
    assert sum(map(len, read_chunks(saved / "train", rows=3))) == 4
    with pytest.raises(UserError, match=r"several splits(.|\n)*saved/train"):
        read_arrow(saved)


def test_a_split_that_a_data_set_lacks_is_refused_with_those_it_has(tmp_path: Path):
    library.DatasetDict({"training": dataset()}).save_to_disk(str(tmp_path / "d"))
    with pytest.raises(UserError, match=r"no split 'train'(.|\n)*did you mean 'training'"):
        read_corpus(make_profile({"data": {"train": str(tmp_path / "d")}}))


def test_a_name_on_the_hub_may_have_a_configuration_and_a_split(hub):
    profile = make_profile({"data": {"train": "hf:owner/name:small"}})
    corpus = read_corpus(profile)
    assert hub == [("owner/name", "small")]
    assert str(corpus.test.source) == "hf:owner/name:small/test"
    split = read_split("data", corpus.test.source, profile.data, corpus.labels)
    assert split.fingerprint == corpus.test.fingerprint


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("hf:owner/other", "doesn't exist"),
        ("hf:name", "owner/name"),
        ("hf:owner/name/tset", "did you mean 'test'"),
    ],
)
def test_a_name_that_is_wrong_is_said_so(hub, name: str, told: str):
    assert is_dataset(Path(name))
    with pytest.raises(UserError, match=told):
        read_arrow(Path(name))


def test_a_name_on_the_hub_is_no_path_in_a_profile(tmp_path: Path):
    path = tmp_path / "profile.yaml"
    path.write_text("data: {train: 'hf:owner/name:small'}\n")
    profile = read_profile(path)
    assert str(profile.data.train) == "hf:owner/name:small"
    path.write_text(render_profile(profile, folder=tmp_path))
    assert read_profile(path) == profile


def test_without_the_library_it_is_said_what_to_install(
    saved: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delitem(sys.modules, "datasets")
    monkeypatch.setattr(sys, "meta_path", [Missing(), *sys.meta_path])
    with pytest.raises(UserError, match=r"pip install 'imbtool\[hub\]'"):
        read_arrow(saved / "train")


class Missing:
    """A finder that has no `datasets`."""

    def find_spec(self, name: str, *_: object) -> None:
        if name == "datasets":
            raise ModuleNotFoundError(name)


def test_a_profile_is_proposed_for_a_data_set(tmp_path: Path):
    labels = [[row % 3] if row % 4 else [] for row in range(60)]
    parts = {"train": dataset(labels), "test": dataset(labels, 100)}
    library.DatasetDict(parts).save_to_disk(str(tmp_path / "train-set"))
    proposal = propose_profile(tmp_path / "train-set")
    assert proposal.profile.data.labels.column == "labels"
    assert "its cells are lists" in proposal.reasons["data.labels"]
    assert proposal.reasons["data.test"] == "taken from the data set"
    assert proposal.profile.data.test is None


def test_a_validation_split_is_known_by_its_other_names(tmp_path: Path):
    splits = several()
    splits["dev"] = splits.pop("validation")
    splits.save_to_disk(str(tmp_path / "saved"))
    proposal = propose_profile(tmp_path / "saved")
    assert proposal.reasons["data.validation"] == "taken from the data set"
    assert len(read_corpus(proposal.profile, learnable=False).validation) == 2


def test_a_class_without_a_name_is_refused_with_its_row(tmp_path: Path):
    damaged = dataset(([0], [1]))
    table = damaged.data.table.set_column(1, "labels", [[[0], [7]]])
    library.Dataset(table, info=damaged.info).save_to_disk(str(tmp_path / "one"))
    with pytest.raises(UserError, match=r"(?s)labels.*the class 7 in row 2"):
        read_arrow(tmp_path / "one")


def test_a_data_set_that_an_annotation_tool_wrote_is_read_by_its_responses(tmp_path: Path):
    rows = {
        "text": ["a", "b"],
        "topic.responses": [[["x", "y"]], None],
        "topic.responses.users": [["u"], None],
        "topic.responses.status": [["submitted"], None],
    }
    library.Dataset.from_dict(rows).save_to_disk(str(tmp_path / "one"))
    found = read_arrow(tmp_path / "one")
    assert found.data.to_pydict() == {"text": ["a", "b"], "labels": [["x", "y"], None]}
    assert "Argilla" in found.notes[0]
