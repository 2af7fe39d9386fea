"""A pool is read whatever holds it, and says what of it can be chosen."""

import json
import random

import numpy as np
import pytest
from conftest import write_csv
from hypothesis import given
from hypothesis import strategies as st

from imbtool.config.data_sections import DataSection
from imbtool.errors import UserError
from imbtool.formats.cells import COLUMN_MARK
from imbtool.search.pool import Pool, candidates, cells_of, random_order, read_pool

PLAIN = DataSection(train="train.csv")
TEXTS = [
    "we saw a knife on the table of the kitchen",
    "people often walk to the market and talk",
    "send me the invoice of the last month please",
    "win a free ticket to the casino tonight",
]


def made(texts: list[str]) -> Pool:
    return Pool("pool.csv", texts, [f"p{row}" for row in range(len(texts))], "f")


def test_texts_have_the_ids_of_the_table(tmp_path):
    write_csv(tmp_path / "pool.csv", [{"id": "a", "text": "hello"}, {"id": "b", "text": "you"}])
    pool = read_pool(tmp_path / "pool.csv", PLAIN)
    assert (pool.texts, pool.ids, len(pool)) == (["hello", "you"], ["a", "b"], 2)


def test_the_id_column_of_the_profile_goes_before_one_called_id(tmp_path):
    rows = [{"id": "same", "key": "1", "text": "a"}, {"id": "same", "key": "2", "text": "b"}]
    write_csv(tmp_path / "pool.csv", rows)
    data = DataSection(train="train.csv", id="key")
    assert read_pool(tmp_path / "pool.csv", data).ids == ["1", "2"]
    with pytest.raises(UserError, match="the id 'same' twice"):
        read_pool(tmp_path / "pool.csv", PLAIN)


def test_numbers_are_ids_as_they_are_written(tmp_path):
    lines = [json.dumps({"id": 7, "text": "a"}), json.dumps({"id": 8, "text": "b"})]
    (tmp_path / "pool.jsonl").write_text("\n".join(lines))
    assert read_pool(tmp_path / "pool.jsonl", PLAIN).ids == ["7", "8"]


def test_ids_made_of_texts_are_the_same_wherever_a_text_stands(tmp_path):
    for name, texts in (("one", TEXTS), ("other", TEXTS[::-1])):
        write_csv(tmp_path / f"{name}.csv", [{"text": text} for text in texts])
    one, other = (read_pool(tmp_path / f"{name}.csv", PLAIN) for name in ("one", "other"))
    assert dict(zip(one.texts, one.ids, strict=True)) == dict(
        zip(other.texts, other.ids, strict=True)
    )
    assert len(set(one.ids)) == len(TEXTS)
    assert one.fingerprint != other.fingerprint


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ("id,text\n1,a\n1,b\n", "the id '1' twice"),
        ("id,text\n1,a\n,b\n", "no id in row 2"),
        ("id,text\n1,a\n2, \n3,\n", "2 rows without text: 2, 3"),
        ("id,text\n", "no rows"),
        ("id,words\n1,a\n", "no column 'text'"),
    ],
)
def test_what_is_wrong_with_a_pool_is_said(tmp_path, lines, found):
    (tmp_path / "pool.csv").write_text(lines)
    with pytest.raises(UserError, match=found):
        read_pool(tmp_path / "pool.csv", PLAIN)


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ({"text": "a \0 b"}, "1 row with a NUL character: 2"),
        ({"text": {"a": 1}}, "1 row with an object for a text: 2"),
        ({"text": [{"a": 1}]}, "1 row with an object for a text: 2"),
        ({}, "1 row without text: 2"),
    ],
)
def test_what_no_table_of_answers_can_hold_is_refused(tmp_path, row, found):
    lines = [json.dumps(each) for each in ({"text": "hello"}, row, {"text": ["a", "list"]})]
    (tmp_path / "pool.jsonl").write_text("\n".join(lines))
    with pytest.raises(UserError, match=found):
        read_pool(tmp_path / "pool.jsonl", PLAIN)


def test_an_id_that_only_some_rows_of_json_have_is_missing(tmp_path):
    (tmp_path / "pool.jsonl").write_text('{"id": "1", "text": "a"}\n{"text": "b"}\n')
    with pytest.raises(UserError, match="no id in row 2"):
        read_pool(tmp_path / "pool.jsonl", PLAIN)


def test_several_text_columns_are_one_text_and_come_back_as_cells(tmp_path):
    data = DataSection(train="train.csv", text=["title", "body"])
    rows = [{"title": f"t{row}", "body": f"b{row}"} for row in range(9)]
    write_csv(tmp_path / "pool.csv", rows)
    pool = read_pool(tmp_path / "pool.csv", data)
    assert pool.texts[0] == f"t0{COLUMN_MARK}b0"
    assert cells_of(pool, np.array([7, 2]), data) == {7: rows[7], 2: rows[2]}


def test_a_single_text_column_comes_back_as_it_was(tmp_path):
    assert cells_of(made(TEXTS), np.array([1]), PLAIN) == {1: {"text": TEXTS[1]}}


def test_a_folder_and_lines_of_json_are_pools_too(tmp_path):
    (tmp_path / "shards").mkdir()
    for number in range(2):
        rows = [{"id": f"{number}-{row}", "text": f"text {number} {row}"} for row in range(3)]
        write_csv(tmp_path / "shards" / f"{number}.csv", rows)
    assert len(read_pool(tmp_path / "shards", PLAIN)) == 6
    lines = [json.dumps({"id": str(row), "text": text}) for row, text in enumerate(TEXTS)]
    (tmp_path / "pool.jsonl").write_text("\n".join(lines))
    assert read_pool(tmp_path / "pool.jsonl", PLAIN).texts == TEXTS


@given(st.lists(st.text(min_size=1), min_size=1, max_size=8), st.integers(0, 10**12))
def test_the_random_order_of_a_text_rests_on_it_and_the_seed_alone(texts, seed):
    order = random_order(texts, seed)
    assert ((order >= 0) & (order <= 1)).all()
    assert random_order(texts[::-1], seed).tolist() == order.tolist()[::-1]
    assert [random_order([text], seed)[0] for text in texts] == order.tolist()


def test_the_random_order_does_not_see_case_or_white_space():
    first, second = random_order(["Hello  you", "hello you"], 0)
    assert first == second
    assert first != random_order(["hello you"], 1)[0]


def test_the_random_order_is_uniform():
    order = np.sort(random_order([f"text {number}" for number in range(4000)], 3))
    assert np.abs(order - np.arange(4000) / 4000).max() < 0.03  # Kolmogorov, p > 0.001


def test_what_is_labelled_asked_or_repeated_is_left_out_and_counted():
    rng = random.Random(0)
    free = [" ".join(rng.choices("abcdefghijklmnop", k=9)) for _ in range(5)]
    pool = made([TEXTS[0].upper(), TEXTS[1], f"{TEXTS[2]}!", *free, free[0], f" {free[1]} "])
    found = candidates(pool, labelled=[TEXTS[0], TEXTS[2]], asked=[TEXTS[1]])
    assert found.rows.tolist() == [3, 4, 5, 6, 7]
    assert (found.labelled, found.chosen_before, found.repeated) == (2, 1, 2)


def test_a_text_that_is_nearly_the_same_as_a_labelled_one_is_left_out():
    near = f"{TEXTS[0]} {TEXTS[1]} {TEXTS[2]}"
    pool = made([f"{near} indeed", TEXTS[3]])
    assert candidates(pool, [near], []).rows.tolist() == [1]
    asked = candidates(pool, [], [near])
    assert (asked.rows.tolist(), asked.labelled, asked.chosen_before) == ([1], 0, 1)


def test_an_id_that_was_asked_is_left_out_even_with_another_text():
    pool = made(TEXTS)
    assert candidates(pool, [], [], {"p2"}).rows.tolist() == [0, 1, 3]


def test_all_of_a_pool_is_free_where_nothing_is_known():
    found = candidates(made(TEXTS), [], [])
    assert found.rows.tolist() == [0, 1, 2, 3]
    assert (found.labelled, found.chosen_before, found.repeated) == (0, 0, 0)


def test_blocks_of_a_pool_are_compared_alike(monkeypatch):
    pool = made([*TEXTS, "and one more of them"])
    whole = candidates(pool, [TEXTS[3]], [TEXTS[0]])
    monkeypatch.setattr("imbtool.data.duplicates.NEAR_AT_ONCE", 2)
    parts = candidates(pool, [TEXTS[3]], [TEXTS[0]])
    assert parts.rows.tolist() == whole.rows.tolist() == [1, 2, 4]
