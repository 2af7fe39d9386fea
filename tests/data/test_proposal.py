"""From a table alone a first profile is guessed, each guess with its reason."""

import csv
import gzip
import itertools
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from imbtool.config.reader import Override, read_profile
from imbtool.config.writer import render_profile
from imbtool.data.corpus import SPLIT_SHARE, read_corpus
from imbtool.data.proposal import Proposal, propose_profile
from imbtool.errors import UserError

CELLS = ("violence|praise", "insults", "", "violence", "insults|violence")


def write(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([header, *rows])
    return path


def labelled(
    folder: Path,
    cells: Sequence[str] = CELLS,
    header: Sequence[str] = ("text", "labels"),
    name: str = "train.csv",
) -> Path:
    rows = [(f"text number {row}", cells[row % len(cells)]) for row in range(100)]
    return write(folder / name, header, rows)


def propose(folder: Path, cells: Sequence[str]) -> Proposal:
    return propose_profile(labelled(folder, cells))


def test_text_and_labels_are_found_by_their_names(tmp_path: Path):
    proposal = propose_profile(labelled(tmp_path))
    data = proposal.profile.data
    assert data.train == tmp_path / "train.csv"
    assert (data.text, data.labels.column, data.id) == ("text", "labels", None)
    assert proposal.reasons["data.text"] == "by its name"


def test_a_text_column_of_another_name_is_the_longest_and_labels_the_least_varied(tmp_path: Path):
    rows = [(f"{row} long words", f"k{row}", "ab"[row % 2]) for row in range(60)]
    proposal = propose_profile(write(tmp_path / "t.csv", ("words", "key", "kind"), rows))
    assert proposal.profile.data.text == "words"
    assert proposal.profile.data.labels.column == "kind"
    assert "longest" in proposal.reasons["data.text"]


@pytest.mark.parametrize("mark", ["|", ";", ",", "/"])
def test_the_separator_is_the_mark_that_makes_labels_recur(tmp_path: Path, mark: str):
    proposal = propose(tmp_path, [cell.replace("|", mark) for cell in CELLS])
    assert proposal.profile.data.labels.separator == mark
    assert read_corpus(proposal.profile).labels.names == ("insults", "praise", "violence")


def test_a_mark_inside_label_names_is_no_separator(tmp_path: Path):
    proposal = propose(tmp_path, ["hate/abuse", "spam", "other, mild", ""])
    assert read_corpus(proposal.profile).labels.names == ("hate/abuse", "other, mild", "spam")
    assert "more than one label" in proposal.reasons["data.labels"]


def test_one_column_of_true_and_false_is_a_label(tmp_path: Path):
    rows = [(f"text number {row}", ["True", "False"][row % 2]) for row in range(60)]
    proposal = propose_profile(write(tmp_path / "t.csv", ("text", "toxic"), rows))
    assert proposal.profile.data.labels.columns == ["toxic"]
    assert proposal.reasons["data.labels"] == "its column holds only 0 and 1"


def test_what_is_known_is_not_guessed_and_the_rest_is_read_by_it(tmp_path: Path):
    path = labelled(tmp_path, header=("kind", "text"))
    path.write_bytes(path.read_text().replace("number", "café").encode("cp1252"))
    known = {
        "data.encoding": "cp1252",
        "data.text": "kind",
        "data.labels.column": "text",
        "loss.gamma": "1",
    }
    overrides = [Override(key, value, "--set") for key, value in known.items()]
    proposal = propose_profile(path, overrides)
    data = proposal.profile.data
    assert (data.text, data.labels.column, data.labels.separator) == ("kind", "text", "|")
    assert proposal.profile.loss.gamma == 1
    guessed = {"data.labels", "data.validation", "data.test", "labels.hierarchy"}
    assert set(proposal.reasons) == guessed
    separator = Override("data.labels.separator", "|", "--set")
    wholly = propose_profile(path, [*overrides, separator])
    assert set(wholly.reasons) == guessed - {"data.labels"}
    assert read_corpus(proposal.profile).train.texts[0].startswith("text café")
    with pytest.raises(UserError, match="no column 'kin'"):
        propose_profile(path, [*overrides, Override("data.text", "kin", "--set")])


def test_columns_of_zero_and_one_are_labels(tmp_path: Path):
    flags = list(itertools.product("01", repeat=2))
    rows = [(str(row), f"text {row}", *flags[row % 4], "5") for row in range(80)]
    path = write(tmp_path / "t.csv", ("id", "comment_text", "toxic", "threat", "year"), rows)
    proposal = propose_profile(path)
    data = proposal.profile.data
    assert (data.text, data.id) == ("comment_text", "id")
    assert data.labels.columns == ["toxic", "threat"]
    assert data.labels.column is None


def test_lists_in_jsonl_are_labels(tmp_path: Path):
    lists = ([], ["a"], ["b", "c"])
    lines = [json.dumps({"text": f"text {row}", "labels": lists[row % 3]}) for row in range(60)]
    (tmp_path / "t.jsonl").write_text("\n".join(lines), encoding="utf-8")
    assert read_corpus(propose_profile(tmp_path / "t.jsonl").profile).labels.names == (
        "a",
        "b",
        "c",
    )


def with_id(folder: Path, name: str, value: Callable[[int], str]) -> Proposal:
    rows = [(value(row), f"text {row}", CELLS[row % 5]) for row in range(100)]
    return propose_profile(write(folder / "t.csv", (name, "text", "labels"), rows))


@pytest.mark.parametrize("name", ["id", "ID", "comment_id", "uuid"])
def test_an_id_column_has_the_name_and_a_different_cell_in_every_row(tmp_path: Path, name: str):
    assert with_id(tmp_path, name, str).profile.data.id == name
    assert with_id(tmp_path, name, lambda row: str(row // 2)).profile.data.id is None


@pytest.mark.parametrize(
    ("files", "validation", "test"),
    [
        (["a_train.csv", "a_dev.csv", "a_test.csv"], "a_dev.csv", "a_test.csv"),
        (["train.csv", "val.csv"], "val.csv", None),
        (["train.csv", "validation.csv", "val.csv"], "validation.csv", None),
        (["train.csv", "test.tsv", "b_test.csv"], None, None),
        (["posts.csv", "test.csv"], None, None),
    ],
)
def test_other_splits_are_found_beside_the_training_table(tmp_path, files, validation, test):
    train, *_ = [labelled(tmp_path, name=name) for name in files]
    proposal = propose_profile(train)
    found = (proposal.profile.data.validation, proposal.profile.data.test)
    assert [path and path.name for path in found] == [validation, test]
    said = "stands beside" if validation else "none found"
    assert said in proposal.reasons["data.validation"]


def test_a_label_that_always_comes_with_another_stands_under_it(tmp_path: Path):
    proposal = propose(tmp_path, ["violence|praise", "violence", "insults", ""])
    assert proposal.profile.labels.hierarchy == {"violence": ["praise"]}
    assert proposal.reasons["labels.hierarchy"].startswith("1 label found")


def test_a_hierarchy_of_three_levels_is_found(tmp_path: Path):
    cells = ["a", "a|b", "a|b|c", "a|d", "e", "", ""]
    proposal = propose(tmp_path, cells)
    assert proposal.profile.labels.hierarchy == {"a": [{"b": ["c"]}, "d"]}


def test_labels_that_only_often_come_together_stand_beside_each_other(tmp_path: Path):
    proposal = propose(tmp_path, ["a|b", "a|b", "a|b", "b", "a"])
    assert proposal.profile.labels.hierarchy == {}
    assert "no label implies another" in proposal.reasons["labels.hierarchy"]


def test_a_few_texts_prove_no_hierarchy(tmp_path: Path):
    cells = ["a"] * 50 + [""] * 46 + ["a|b"] * 4
    assert propose(tmp_path, cells).profile.labels.hierarchy == {}


def test_a_table_of_texts_alone_is_refused(tmp_path: Path):
    path = write(tmp_path / "t.csv", ("id", "text"), [(str(n), f"t {n}") for n in range(9)])
    with pytest.raises(UserError, match="no column besides text and id"):
        propose_profile(path)


@pytest.mark.parametrize("flags", [False, True])
def test_a_proposal_that_was_written_reads_back_equal(tmp_path: Path, flags: bool):
    rows = [(f"text {row}", "10"[row % 2], "01"[row % 3 == 0]) for row in range(60)]
    header = ("text", "toxic", "threat")
    train = write(tmp_path / "t.csv", header, rows) if flags else labelled(tmp_path)
    proposal = propose_profile(train)
    path = tmp_path / "p.yaml"
    path.write_text(render_profile(proposal.profile, proposal.comments, tmp_path), encoding="utf-8")
    assert read_profile(path) == proposal.profile


def test_a_folder_and_a_compressed_table_are_recognised(tmp_path: Path):
    (tmp_path / "train").mkdir()
    (tmp_path / "test").mkdir()
    labelled(tmp_path / "train", name="part-1.csv")
    labelled(tmp_path / "train", name="part-2.csv")
    labelled(tmp_path / "test", name="part-1.csv")
    data = propose_profile(tmp_path / "train").profile.data
    assert (data.train, data.test) == (tmp_path / "train", tmp_path / "test")
    assert len(read_corpus(propose_profile(tmp_path / "train").profile).test) == 100
    for split in ("train", "dev"):
        path = labelled(tmp_path, name=f"{split}.csv")
        path.with_name(f"{split}.csv.gz").write_bytes(gzip.compress(path.read_bytes()))
    proposal = propose_profile(tmp_path / "train.csv.gz")
    assert proposal.profile.data.validation == tmp_path / "dev.csv.gz"
    assert len(read_corpus(proposal.profile).train) == 100 - SPLIT_SHARE * 100


def test_a_list_column_is_preferred_and_its_name_need_not_be_usual(tmp_path: Path):
    rows = [
        {"text": f"text {n}", "kind": "ab"[n % 2], "found": ["x", "y"][: n % 3]} for n in range(60)
    ]
    (tmp_path / "t.json").write_text(json.dumps(rows), encoding="utf-8")
    proposal = propose_profile(tmp_path / "t.json")
    assert proposal.profile.data.labels.column == "found"
    assert proposal.reasons["data.labels"].endswith("its cells are lists")
    assert read_corpus(proposal.profile).labels.names == ("x", "y")


@pytest.mark.parametrize(
    ("header", "cells", "why"),
    [
        (("text",), ("a text",), "since it has no column 'labels'"),
        (("text", "labels"), ("a text", ""), "since none of its texts has a label"),
    ],
)
def test_a_table_beside_it_without_labels_is_left_out_and_that_is_said(
    tmp_path: Path, header, cells, why
):
    train = labelled(tmp_path)
    write(tmp_path / "test.csv", header, [cells] * 3)
    proposal = propose_profile(train)
    assert proposal.profile.data.test is None
    assert proposal.reasons["data.test"] == (
        f"test.csv is left out, {why}: a tenth of train is split off"
    )


def test_a_table_beside_it_that_cannot_be_read_is_refused(tmp_path: Path):
    train = labelled(tmp_path)
    (tmp_path / "test.csv").write_text("text,labels\na,b,c\n")
    with pytest.raises(UserError, match=r"test.csv:2"):
        propose_profile(train)


def test_labels_that_differ_by_case_are_noted(tmp_path: Path):
    proposal = propose(tmp_path, ["refund", "REFUND", "spam"])
    assert proposal.notes == (
        "The labels 'REFUND', 'refund' differ by case, blanks or the encoding of their characters "
        "alone; make them one, unless they are meant to be two.",
    )


def test_a_threshold_is_laid_over_the_columns_that_are_found(tmp_path: Path):
    rows = [
        (f"text {row}", "0.7" if row % 2 else "0", "1" if row % 3 else "0.2") for row in range(60)
    ]
    path = write(tmp_path / "t.csv", ("text", "spam", "fraud"), rows)
    proposal = propose_profile(path, [Override("data.labels.threshold", "0.5", "--set")])
    source = proposal.profile.data.labels
    assert (source.columns, source.threshold) == (["spam", "fraud"], 0.5)
    assert read_corpus(proposal.profile).train.targets.max() == 1


def test_a_mark_for_unknown_is_laid_over_the_column_that_is_found(tmp_path: Path):
    path = labelled(tmp_path, ["a|b", "NA", "a", "b"])
    proposal = propose_profile(path, [Override("data.labels.unknown", "NA", "--set")])
    source = proposal.profile.data.labels
    assert (source.column, source.separator, source.unknown) == ("labels", "|", "NA")
    assert read_corpus(proposal.profile).labels.names == ("a", "b")


def test_one_row_a_text_and_label_is_refused(tmp_path: Path):
    rows = [(f"text {row // 2}", "ab"[row % 2]) for row in range(80)]
    with pytest.raises(UserError, match="the same text with different labels in rows 1 and 2"):
        propose_profile(write(tmp_path / "t.csv", ("text", "label"), rows))


def test_a_text_column_holds_texts_whatever_the_others_are_called(tmp_path: Path):
    rows = [
        (f"https://example.org/{row}/{row}", "10"[row % 2], "01"[row % 3 == 0], f"words {row}")
        for row in range(60)
    ]
    path = write(tmp_path / "t.csv", ("link", "content", "service", "feedback"), rows)
    data = propose_profile(path).profile.data
    assert (data.text, data.labels.columns) == ("feedback", ["content", "service"])


def test_a_short_remark_is_no_text_though_it_is_called_a_comment(tmp_path: Path):
    rows = [("ok", f"a whole sentence, number {row}", "ab"[row % 2]) for row in range(60)]
    path = write(tmp_path / "t.csv", ("comment", "words", "label"), rows)
    assert propose_profile(path).profile.data.text == "words"


def test_labels_that_only_another_table_has_are_noted(tmp_path: Path, caplog):
    train = labelled(tmp_path)
    labelled(tmp_path, ["insults;violence", "praise"], name="test.csv")
    propose_profile(train)
    assert "test.csv has labels that the training table lacks: 'insults;violence'" in caplog.text


def test_how_texts_were_chosen_stays_known(tmp_path: Path):
    rows = [
        (f"text number {row}", "ab"[row % 2], ["", "score", "random"][row % 3]) for row in range(60)
    ]
    path = write(tmp_path / "t.csv", ("text", "labels", "chosen_by"), rows)
    assert propose_profile(path).profile.data.chosen_by == "chosen_by"
    others = [(text, label, "ann") for text, label, _ in rows]
    path = write(tmp_path / "t.csv", ("text", "labels", "chosen_by"), others)
    assert propose_profile(path).profile.data.chosen_by is None


def test_a_column_of_known_labels_is_no_second_column_of_labels(tmp_path: Path):
    rows = [(f"text number {row}", "ab"[row % 2], ["a|b", ""][row % 2]) for row in range(60)]
    path = write(tmp_path / "t.csv", ("text", "labels", "known"), rows)
    known = Override("data.labels.known", "known", "--set")
    source = propose_profile(path, [known]).profile.data.labels
    assert (source.column, source.known) == ("labels", "known")
    asked = [(text, label, label) for text, label, _ in rows]
    path = write(tmp_path / "t.csv", ("text", "labels", "known"), asked)
    with pytest.raises(UserError, match=r"data\.labels\.known=known if all others are unknown"):
        propose_profile(path)


def test_columns_of_flags_beside_a_column_of_labels_are_named(tmp_path: Path):
    rows = [(f"text number {row}", "ab"[row % 2], row % 2, row % 3 % 2) for row in range(60)]
    path = write(tmp_path / "t.csv", ("text", "tags", "toxic", "insult"), rows)
    proposal = propose_profile(path)
    assert proposal.profile.data.labels.column == "tags"
    assert any("Not taken as labels: 'toxic', 'insult'" in note for note in proposal.notes)


def test_tables_beside_a_link_are_found_by_its_name(tmp_path: Path):
    (tmp_path / "store").mkdir()
    labelled(tmp_path / "store", name="77aa.csv")
    (tmp_path / "train.csv").symlink_to(tmp_path / "store" / "77aa.csv")
    labelled(tmp_path, name="test.csv")
    assert propose_profile(tmp_path / "train.csv").profile.data.test == tmp_path / "test.csv"


def test_a_parent_that_is_unknown_of_some_texts_is_still_implied(tmp_path: Path):
    rows = [
        (f"text number {row}", int(row % 4 == 0), "" if row % 10 == 0 else int(row % 2 == 0))
        for row in range(400)
    ]
    path = write(tmp_path / "t.csv", ("text", "child", "parent"), rows)
    assert propose_profile(path).profile.labels.hierarchy == {"parent": ["child"]}


def test_what_nearly_all_texts_have_is_no_parent(tmp_path: Path):
    rows = [(f"text number {row}", int(row % 4 == 0), int(row != 3)) for row in range(400)]
    path = write(tmp_path / "t.csv", ("text", "child", "common"), rows)
    assert propose_profile(path).profile.labels.hierarchy == {}
