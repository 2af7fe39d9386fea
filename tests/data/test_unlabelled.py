"""Unlabelled texts: whatever table holds them, without those that are labelled or held out."""

from pathlib import Path

import numpy as np
import pytest
from conftest import read_csv, write_csv

from imbtool.config.reader import Override, read_profile
from imbtool.config.schema import Profile
from imbtool.data.corpus import read_corpus
from imbtool.data.unlabelled import Unlabelled, read_unlabelled
from imbtool.errors import UserError

NEW = [
    "send me the invoice of the last month please",
    "win a free ticket to the casino tonight",
    "nobody knows what the weather will be like in spring",
]


def profile() -> Profile:
    return read_profile(Path("profile.yaml"), [Override("data.unlabelled", "more.csv", "--set")])


def read(texts: list[str]) -> Unlabelled:
    write_csv(Path("more.csv"), [{"text": text} for text in texts])
    settings = profile()
    return read_unlabelled(settings.data, read_corpus(settings))


def texts_of(split: str) -> list[str]:
    """Some distinct texts of a split, long enough to have near duplicates."""
    return list({row["text"]: 0 for row in read_csv(Path(f"{split}.csv")) if len(row["text"]) > 40})


def test_texts_come_with_their_rows_and_without_labels(project):
    found = read(NEW)
    assert found.split.texts == NEW
    assert [*found.split.rows] == [1, 2, 3]
    assert found.split.targets.shape == (3, 6)
    assert np.isnan(found.split.targets).all()
    assert (found.held_out, found.labelled, found.repeated) == (0, 0, 0)


@pytest.mark.parametrize("split", ["validation", "test"])
def test_held_out_texts_and_their_near_duplicates_are_left_out(split, project):
    text = texts_of(split)[0]
    found = read([NEW[0], text, f"{text.upper()}!", NEW[1]])
    assert found.split.texts == NEW[:2]
    assert [*found.split.rows] == [1, 4]
    assert (found.held_out, found.labelled) == (2, 0)


def test_texts_that_are_labelled_already_are_left_out(project):
    text = texts_of("train")[0]
    found = read([text, f"{text}.", NEW[0]])
    assert found.split.texts == NEW[:1]
    assert (found.held_out, found.labelled) == (0, 2)


def test_a_repeated_text_is_read_once(project):
    found = read([NEW[0], NEW[1], f"  {NEW[0].upper()}"])
    assert found.split.texts == NEW[:2]
    assert found.repeated == 1


def test_a_folder_of_tables_is_read_as_one(project):
    Path("more.csv").mkdir()  # any name
    for number, text in enumerate(NEW):
        write_csv(Path("more.csv") / f"{number}.csv", [{"text": text}])
    settings = profile()
    assert read_unlabelled(settings.data, read_corpus(settings)).split.texts == NEW


def test_without_a_table_there_are_no_texts(project):
    settings = read_profile(Path("profile.yaml"))
    assert len(read_unlabelled(settings.data, read_corpus(settings))) == 0


def test_a_table_of_known_texts_alone_is_refused(project):
    with pytest.raises(UserError, match="no text but those of your labelled tables"):
        read(texts_of("train")[:2])


def test_a_row_without_text_is_refused_by_its_number(project):
    with pytest.raises(UserError, match="1 row without text: 2"):
        read([NEW[0], " "])
