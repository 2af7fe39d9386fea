"""Earlier batches, and what their texts were answered once they are merged."""

import numpy as np
import pytest
from batches import LABELS, batch_of, batch_text, write_batch
from conftest import write_csv

from imbtool.annotation.batch import Batch, text_of
from imbtool.config.reader import read_profile
from imbtool.data.corpus import read_corpus
from imbtool.data.duplicates import text_key
from imbtool.errors import UserError
from imbtool.formats.cells import COLUMN_MARK
from imbtool.search.history import History, read_history

FIRST = batch_of(
    [
        batch_text("a", "text a", ask=["threat"]),
        batch_text("b", "text b", ask=["threat"]),
        batch_text("c", "text c", ask=["spam"]),
        batch_text("d", "text d", "random"),
    ]
)
SECOND = batch_of([batch_text("e", "text e", ask=["threat"]), batch_text("f", "text f", "random")])


def of_pool(batch: Batch, fingerprint: str, seed: int = 0) -> Batch:
    pool = batch.pool.model_copy(
        update={"fingerprint": fingerprint, "population": len(batch.texts)}
    )
    return batch.model_copy(update={"pool": pool, "seed": seed})


def history(**answers: list[float]) -> History:
    """Two batches, and targets of billing, threat and spam by the letters of texts."""
    keyed = {
        text_key(f"text {name}"): np.array(row, dtype=np.float32) for name, row in answers.items()
    }
    return History({"01": FIRST, "02": SECOND}, keyed, LABELS)


def test_all_texts_of_all_batches_were_asked_whether_answered_or_not():
    found = history(a=[0, 1, 0])
    assert found.asked == [f"text {name}" for name in "abcdef"]
    assert found.asked_ids == set("abcdef")


def test_yields_are_counted_by_batch_among_answered_texts_that_were_chosen_for_the_label():
    found = history(a=[0, 1, 0], b=[0, 0, 0], c=[0, 1, 1], d=[0, 1, 0], e=[0, 1, 0])
    assert found.yields("threat") == ((2, 1), (1, 1))
    assert found.yields("spam") == ((1,), (1,))
    assert found.yields("billing") == ((), ())


def test_an_answer_that_is_unknown_is_none():
    assert history(a=[0, float("nan"), 0], e=[0, 1, 0]).yields("threat") == ((1,), (1,))


def test_answers_to_a_batch_are_those_of_its_texts():
    found = history(a=[0, 1, 0], d=[1, 0, 0], e=[0, 0, 1])
    assert found.answers_to(FIRST).tolist() == [[0, 1, 0], [1, 0, 0]]
    assert found.answers_to(batch_of([batch_text("z", "text z")])).shape == (0, 3)


def test_answers_of_a_pool_are_those_of_its_own_batches():
    found = History(
        {"01": of_pool(FIRST, "one"), "02": of_pool(SECOND, "other")},
        history(a=[0, 1, 0], d=[0, 0, 0], e=[0, 0, 1], f=[0, 0, 0]).answers,
        LABELS,
    )
    texts, targets = found.answered("one")
    assert (texts, targets.tolist()) == (["text a", "text d"], [[0, 1, 0], [0, 0, 0]])
    assert found.drawn("one") == ["text d"]
    assert found.drawn("other") == ["text f"]
    assert found.answered("third")[1].shape == (0, 3)
    assert found.first_of("other").population == 2
    assert found.first_of("third") is None


def test_an_answer_is_found_whatever_the_case_and_white_space_of_the_text():
    keyed = {text_key(" TEXT  a"): np.array([0, 1, 0], dtype=np.float32)}
    assert History({"01": FIRST}, keyed, LABELS).yields("threat") == ((1,), (1,))


def test_columns_of_a_text_are_joined_as_its_table_is_read():
    text = batch_text("a", "", cells={"title": "t", "body": "b"})
    assert text_of(text) == f"t{COLUMN_MARK}b"
    assert text_of(batch_text("a", "", cells={"title": "", "body": "b"})) == "b"


def corpus_in(folder):
    write_csv(folder / "train.csv", [{"text": "text a", "labels": "threat"}] * 1)
    (folder / "profile.yaml").write_text("data: {train: train.csv}\n")
    return read_corpus(read_profile(folder / "profile.yaml"), learnable=False, complete=False)


def test_batches_are_read_in_the_order_of_their_names(tmp_path):
    corpus = corpus_in(tmp_path)
    assert not read_history(tmp_path / "batches", corpus).batches
    for name, seed in (("10", 4), ("2", 4)):
        write_batch(tmp_path / "batches" / name, of_pool(FIRST, name, seed))
    (tmp_path / "batches" / ".features").mkdir()
    found = read_history(tmp_path / "batches", corpus)
    assert list(found.batches) == ["2", "10"]
    assert found.seed() == 4
    assert History({}, {}, LABELS).seed() is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"imbtool": "0"}', "\x00"])
def test_a_damaged_batch_is_named(tmp_path, content):
    corpus = corpus_in(tmp_path)
    write_batch(tmp_path / "batches" / "01", FIRST)
    (tmp_path / "batches" / "01" / "batch.json").write_text(content)
    with pytest.raises(UserError, match=r"01/batch\.json"):
        read_history(tmp_path / "batches", corpus)
