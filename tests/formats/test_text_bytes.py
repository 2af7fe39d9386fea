"""The bytes of texts are found, looked through and hashed as those of each text alone."""

from itertools import pairwise, product

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imbtool.formats import text_bytes
from imbtool.formats.text_bytes import bytes_of, holds, text_hashes

TYPES = [pa.string(), pa.large_string()]
WORDS = ["one", "", "zwölf", "naïve 🙂", ""]
MOST = text_bytes.MOST_BYTES
LENGTHS = [*range(40), MOST, MOST + 1]


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize(("start", "end"), [(0, 5), (1, 4), (3, 5), (4, 5), (2, 2)])
def test_bytes_are_those_of_each_text_also_of_a_slice(kind: pa.DataType, start: int, end: int):
    places, content = bytes_of(pa.array(WORDS, kind)[start:end])
    found = [content[one:other].tobytes().decode() for one, other in pairwise(places)]
    assert found == WORDS[start:end] and places[0] == 0 and places[-1] == len(content)


@pytest.mark.parametrize("kind", TYPES)
def test_texts_without_any_byte_have_none(kind: pa.DataType):
    for texts in ([], ["", ""], [None, None]):
        places, content = bytes_of(pa.array(texts, kind))
        assert places.tolist() == [0] * (len(texts) + 1) and content.tolist() == []


@pytest.mark.parametrize("kind", TYPES)
def test_a_character_is_found_in_any_chunk_and_only_among_its_texts(
    kind: pa.DataType, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(text_bytes, "BYTES_AT_ONCE", 4)
    column = pa.chunked_array([["no", "neither"], [], ["none of all", "but this|", None]], kind)
    assert holds(column, "|") and not holds(column, "^")
    assert not holds(column.slice(0, 3), "|") and holds(column.slice(3), "|")


@settings(deadline=None)
@given(
    texts=st.lists(
        st.one_of(
            st.text("ab\0", max_size=40),
            st.builds(lambda length: "a" * length, st.sampled_from(LENGTHS)),
        ),
        max_size=8,
    )
)
def test_a_hash_is_that_of_the_text_alone_and_of_no_other(texts: list[str]):
    hashes = text_hashes(pa.array([*texts, "", *texts], pa.large_string()))
    alone = [text_hashes(pa.array([text], pa.string()))[:, 0] for text in texts]
    assert np.array_equal(hashes[:, : len(texts)].T, np.reshape(alone, (-1, 2)))
    assert np.array_equal(hashes[:, : len(texts)], hashes[:, len(texts) + 1 :])
    for half in hashes:
        assert len({*half.tolist()}) == len({"", *texts})


@pytest.mark.parametrize("length", [8, 12, MOST, MOST + 1])
def test_texts_that_differ_in_one_place_alone_have_other_hashes(length: int):
    whole = "a" * length
    others = [f"{whole[:at]}b{whole[at + 1 :]}" for at in {*range(8), length // 2, length - 1}]
    for half in text_hashes(pa.array([whole, *others])):
        assert len(np.unique(half)) == 1 + len(others)


@pytest.mark.parametrize("places", [(7, 11, 15, 19), (0, 1, 8, 9), (7, 15, 23, 31), (3, 4, 12, 40)])
def test_texts_that_differ_in_few_places_alone_differ_in_both_halves(places: tuple[int, ...]):
    template = list("a text of about forty characters, such as this")
    texts = []
    for characters in product("0123456789abcdefgh", repeat=len(places)):
        for place, character in zip(places, characters, strict=True):
            template[place] = character
        texts.append("".join(template))
    hashes = text_hashes(pa.array(texts))
    assert [len(np.unique(half)) for half in hashes] == [len(texts)] * 2
