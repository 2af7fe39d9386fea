"""Tables become texts and targets; what is wrong with them is said before anything is trained."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from imbtool.config.hierarchy import label_set
from imbtool.config.reader import Override, make_profile, overlay
from imbtool.data.corpus import SPLITS, read_corpus, read_own_split, read_split
from imbtool.data.tables import read_table
from imbtool.errors import UserError
from imbtool.formats.cells import COLUMN_MARK, joined_text, shown_text

ROWS = [("one", "a|b"), ("two", "a"), ("three", ""), ("four", "b")]


def write_csv(path: Path, rows: list[tuple[str, ...]], header: tuple[str, ...]) -> str:
    pd.DataFrame(rows, columns=list(header)).to_csv(path, index=False)
    return str(path)


def profile_of(folder: Path, rows=ROWS, splits=("train", "validation", "test"), **data):
    header = data.pop("header", ("text", "labels"))
    tables = {name: write_csv(folder / f"{name}.csv", rows, header) for name in splits}
    return make_profile({"data": {**tables, **data}})


def test_labels_of_a_column_are_sorted_and_become_a_target_matrix(tmp_path):
    corpus = read_corpus(profile_of(tmp_path))
    assert corpus.labels.names == ("a", "b")
    assert corpus.train.texts == ["one", "two", "three", "four"]
    assert corpus.train.targets.dtype == np.float32
    assert corpus.train.targets.tolist() == [[1, 1], [1, 0], [0, 0], [0, 1]]


def test_flag_columns_keep_their_order_and_an_empty_cell_is_unknown(tmp_path):
    rows = [("one", "1", "0"), ("two", "", "1"), ("three", "0", "0")]
    labels = {"columns": ["z", "a"]}
    corpus = read_corpus(profile_of(tmp_path, rows, header=("text", "z", "a"), labels=labels))
    assert corpus.labels.names == ("z", "a")
    np.testing.assert_array_equal(corpus.train.targets, [[1, 0], [np.nan, 1], [0, 0]])


def test_a_list_column_needs_no_separator(tmp_path):
    path = tmp_path / "train.jsonl"
    rows = [{"text": "one", "labels": ["a", "b|c"]}, {"text": "two", "labels": []}]
    path.write_text("\n".join(map(json.dumps, rows)))
    data = dict.fromkeys(("train", "validation", "test"), str(path))
    corpus = read_corpus(make_profile({"data": data}))
    assert corpus.labels.names == ("a", "b|c")
    assert corpus.train.targets.tolist() == [[1, 1], [0, 0]]


def test_between_several_text_columns_stands_a_mark_for_encoders_and_people(tmp_path):
    rows = [("t1", "b1", "a"), ("", "b2", ""), ("t3", "b3", "a")]
    header = ("title", "body", "labels")
    corpus = read_corpus(profile_of(tmp_path, rows, header=header, text=["title", "body"]))
    assert corpus.train.texts == [f"t1{COLUMN_MARK}b1", "b2", f"t3{COLUMN_MARK}b3"]
    assert [shown_text(text) for text in corpus.train.texts] == ["t1\nb1", "b2", "t3\nb3"]


def test_a_text_that_looks_like_a_number_or_a_missing_value_stays_as_it_is(tmp_path):
    rows = [("001", "a"), ("NA", ""), ("null", "a"), ("1e5", "")]
    assert read_corpus(profile_of(tmp_path, rows)).train.texts == ["001", "NA", "null", "1e5"]


def test_missing_splits_take_a_tenth_each_the_same_for_the_same_seed(tmp_path):
    rows = [(f"text {n}", "a" if n % 10 == 0 else "b" if n % 2 else "") for n in range(200)]
    profile = profile_of(tmp_path, rows, splits=("train",))
    first, second = read_corpus(profile), read_corpus(profile)
    assert {name: len(split) for name, split in first.splits.items()} == {
        "train": 160,
        "validation": 20,
        "test": 20,
    }
    together = [row for split in first.splits.values() for row in split.rows]
    assert sorted(together) == list(range(1, 201))
    assert all((split.targets[:, 0] == 1).sum() >= 2 for split in first.splits.values())
    assert [s.fingerprint for s in first.splits.values()] == [
        s.fingerprint for s in second.splits.values()
    ]


@pytest.mark.parametrize("tables", [SPLITS, ("train", "test"), ("train",)])
@pytest.mark.parametrize("name", SPLITS)
def test_one_split_is_read_as_with_the_others_and_from_no_table_but_its_own(
    tmp_path: Path, name: str, tables: tuple[str, ...]
) -> None:
    rows = [(f"text {number}", "a" if number % 3 else "b") for number in range(40)]
    profile = profile_of(tmp_path, rows, tables)
    corpus = read_corpus(profile)
    for other in set(tables) - {name if name in tables else "train"}:
        (tmp_path / f"{other}.csv").unlink()
    alone = read_own_split(name, profile, corpus.labels)
    assert (alone.name, alone.fingerprint) == (name, corpus.splits[name].fingerprint)
    assert list(alone.rows) == list(corpus.splits[name].rows)


def test_near_duplicates_never_straddle_a_split_that_is_made(tmp_path):
    texts = [" ".join(f"{number}-{place}" for place in range(12)) for number in range(40)]
    rows = [(text, "a" * (number % 2)) for number, text in enumerate(texts)]
    rows += [(f"{text} more", labels) for text, labels in rows]
    corpus = read_corpus(profile_of(tmp_path, rows, splits=("train",)))
    held = [{text.split()[0] for text in split.texts} for split in corpus.splits.values()]
    assert sum(map(len, held)) == 40


def test_a_text_that_stands_twice_never_straddles_a_split_that_is_made(tmp_path):
    rows = [
        (f"Text  {n // 2}" if n % 2 else f"text {n // 2}", "a" * (n % 3 == 0)) for n in range(80)
    ]
    corpus = read_corpus(profile_of(tmp_path, rows, splits=("train",)))
    seen = [
        {" ".join(text.split()).casefold() for text in split.texts}
        for split in corpus.splits.values()
    ]
    assert not (seen[0] & seen[1] or seen[0] & seen[2] or seen[1] & seen[2])


def test_the_fingerprint_changes_with_a_text_and_with_a_label(tmp_path):
    prints = []
    for number, rows in enumerate((ROWS, [("One", "a|b"), *ROWS[1:]], [("one", "a"), *ROWS[1:]])):
        folder = tmp_path / str(number)
        folder.mkdir()
        prints.append(read_corpus(profile_of(folder, rows)).train.fingerprint)
    assert len(set(prints)) == 3


def test_labels_written_out_in_the_hierarchy_become_the_forest(tmp_path):
    tables = profile_of(tmp_path).data.model_dump(mode="json", exclude_unset=True)
    corpus = read_corpus(make_profile({"data": tables, "labels": {"hierarchy": {"b": ["a"]}}}))
    assert corpus.labels.edges == ((0, 1),)


def test_a_table_for_a_known_label_set_may_lack_labels_but_not_have_others(tmp_path):
    profile = profile_of(tmp_path)
    labels = read_corpus(profile).labels
    fewer = write_csv(tmp_path / "fewer.csv", [("x", "b")], ("text", "labels"))
    split = read_split("fewer", Path(fewer), profile.data, labels)
    assert split.targets.tolist() == [[0, 1]]
    other = write_csv(tmp_path / "other.csv", [("x", "aa")], ("text", "labels"))
    with pytest.raises(UserError, match=r"does not know: aa(.|\n)*did you mean 'a'"):
        read_split("other", Path(other), profile.data, labels)


def test_single_label_data_need_no_separator(tmp_path):
    rows = [("one", "rights, duties"), ("two", "law, order"), ("three", ""), ("four", "peace")]
    assert read_corpus(profile_of(tmp_path, rows)).labels.names == (
        "law, order",
        "peace",
        "rights, duties",
    )


def test_problems_of_rows_name_the_file_of_a_folder(tmp_path):
    for number, rows in enumerate(([("one", "1"), ("two", "0")], [("", "1"), ("four", "2")])):
        write_csv(tmp_path / f"part-{number}.csv", rows, ("text", "a"))
    data = {"train": str(tmp_path), "labels": {"columns": ["a"]}}
    with pytest.raises(UserError) as caught:
        read_corpus(make_profile({"data": data}))
    assert [problem.found for problem in caught.value.problems] == [
        "1 row without text: 1 of part-1.csv, not counting the header",
        "'2' in row 2 of part-1.csv",
    ]


def test_a_text_of_a_folder_knows_its_file_and_its_row_there(tmp_path):
    for number in range(4):
        rows = [(f"{number} {row}", "a" * (row % 2)) for row in range(20)]
        write_csv(tmp_path / f"part-{number}.csv", rows, ("text", "labels"))
    corpus = read_corpus(make_profile({"data": {"train": str(tmp_path)}}))
    for split in corpus.splits.values():
        for index, text in enumerate(split.texts):
            path, row = split.place(index)
            assert (path.name, row) == (f"part-{text.split()[0]}.csv", int(text.split()[1]) + 1)


def test_ids_that_stand_twice_are_told_in_the_order_of_the_table(tmp_path):
    rows = [(f"text {row}", "a", "zaabz"[row]) for row in range(5)]
    with pytest.raises(UserError, match="2 ids more than once: z, a"):
        read_corpus(profile_of(tmp_path, rows, header=("text", "labels", "key"), id="key"))


def test_a_list_of_texts_is_read_as_one_text_in_training_and_in_prediction(tmp_path: Path):
    rows = [{"text": ["one", "two"], "labels": ["a"]}, {"text": ["three"], "labels": []}]
    path = tmp_path / "t.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = make_profile({"data": {"train": str(path)}}).data
    split = read_split("test", path, data, label_set(["a"], ()))
    assert joined_text(read_table(path), "text") == split.texts == ["one two", "three"]


@pytest.mark.parametrize("text", ["labels", ["text", "labels"]])
def test_the_answer_may_not_stand_in_the_text(tmp_path, text):
    with pytest.raises(UserError, match="the same column as text and as labels"):
        read_corpus(profile_of(tmp_path, text=text))


def test_a_wrong_separator_is_named_before_the_labels_that_it_hides(tmp_path):
    rows = [("one", "a;b"), ("two", "a"), ("three", "b")]
    profile = profile_of(tmp_path, rows, labels={"column": "labels", "separator": "|"})
    profile = overlay(profile, [Override("labels.hierarchy", "{a: [b], c: [d]}", "--set")])
    with pytest.raises(UserError, match=r"the separator '\|' in no cell, but ';' in row 1"):
        read_corpus(profile)


def test_an_object_in_a_text_column_is_refused_with_its_row(tmp_path):
    path = tmp_path / "train.jsonl"
    rows = [{"text": "one", "labels": ["a"]}, {"text": {"en": "two"}, "labels": []}]
    path.write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(UserError, match="an object or a list of them in row 2") as caught:
        read_corpus(make_profile({"data": {"train": str(path)}}))
    assert "\x1e" not in str(caught.value)


def test_a_corpus_that_need_not_be_complete_may_have_no_row_at_all(tmp_path):
    write_csv(tmp_path / "train.csv", [], ("text", "labels"))
    values = {"data": {"train": str(tmp_path / "train.csv")}, "labels": {"names": ["b", "a"]}}
    profile = make_profile(values)
    with pytest.raises(UserError, match="no rows"):
        read_corpus(profile, learnable=False)
    corpus = read_corpus(profile, learnable=False, complete=False)
    assert corpus.labels.names == ("a", "b")
    assert [len(split) for split in corpus.splits.values()] == [0, 0, 0]
    assert corpus.train.targets.shape == (0, 2)


@pytest.mark.parametrize("number", [1, 2, 4])
def test_nothing_is_split_off_from_too_few_texts_where_splits_may_be_empty(tmp_path, number):
    rows = [(f"text {row}", "a") for row in range(number)]
    profile = profile_of(tmp_path, rows, ("train",))
    with pytest.raises(UserError, match="too few to split off"):
        read_corpus(profile, learnable=False)
    corpus = read_corpus(profile, learnable=False, complete=False)
    assert [len(split) for split in corpus.splits.values()] == [number, 0, 0]


def test_where_there_are_enough_texts_the_same_ones_are_split_off(tmp_path):
    rows = [(f"text {row} of {row * row}", "ab"[row % 2]) for row in range(40)]
    profile = profile_of(tmp_path, rows, ("train",))
    whole, other = (read_corpus(profile, False, complete) for complete in (True, False))
    for name in SPLITS:
        assert whole.splits[name].texts == other.splits[name].texts
