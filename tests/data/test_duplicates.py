"""Which texts are the same, which nearly, and which only look so."""

import random
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imbtool.data import duplicates
from imbtool.data.duplicates import (
    NEAR,
    near_duplicate_groups,
    near_to,
    normalised,
    text_key,
    text_keys,
    text_numbers,
)
from imbtool.formats import texts as texts_module

WORDS = [f"word{number}" for number in range(500)]


def sentence(rng: random.Random, length: int = 20) -> list[str]:
    return rng.choices(WORDS, k=length)


def near(*texts: str) -> bool:
    """Whether all texts are one group."""
    return len(set(near_duplicate_groups(texts).tolist())) == 1


def jaccard(first: str, second: str) -> float:
    one, other = (set(pairwise(text.split())) for text in (first, second))
    return len(one & other) / len(one | other)


def closed(pairs: list[tuple[int, int]], n: int) -> list[int]:
    """The smallest row that each row hangs together with."""
    group = list(range(n))
    for first, second in pairs:
        low, high = sorted((group[first], group[second]))
        group = [low if number == high else number for number in group]
    return group


def test_a_key_leaves_case_and_white_space_out():
    assert text_key("  A\ttext\n") == text_key("a TEXT") != text_key("a text!")


def test_the_normal_form_makes_addresses_and_names_alike():
    assert normalised("See HTTP://a.example/x?y=1 , @One") == "see <url> , <user>"
    assert normalised("www.b.example by u/some-one and /u/other") == "<url> by <user> and <user>"
    assert normalised("mail me@home.example") == "mail me@home.example"


def test_texts_of_the_same_normal_form_are_one_group():
    assert near("@one see http://a.example", "@two  SEE https://b.example/c")


def test_punctuation_around_words_does_not_count_and_emoji_do():
    assert near("Thank you!", "“thank you…”", "THANK YOU")
    assert not near("thanks 😀", "thanks 😡")
    assert not near("!!!", "???")


def test_a_long_text_with_a_word_changed_is_near_and_one_with_half_of_it_is_not():
    words = sentence(random.Random(0), 30)
    changed = [*words[:10], "other", *words[11:]]
    assert near(" ".join(words), " ".join(changed))
    assert not near(" ".join(words), " ".join(words[:15]))


def test_a_short_text_is_near_only_to_its_like():
    assert not near("yes", "no")
    assert not near("you idiot", "you are")
    assert not near("yes", "yes please")
    assert near("Yes.", "yes")


def test_groups_are_closed_and_numbered_by_first_appearance():
    words = sentence(random.Random(1), 46)
    chain = [" ".join(words[start : start + 40]) for start in (0, 2, 4, 6)]
    assert jaccard(chain[0], chain[3]) < NEAR
    groups = near_duplicate_groups(["else", *chain, "other", "ELSE"])
    assert groups.tolist() == [0, 1, 1, 1, 1, 2, 0]
    assert groups.dtype == np.int64


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**32 - 1))
def test_pairs_well_above_the_limit_are_found_and_none_below_it(seed):
    rng = random.Random(seed)
    texts = []
    for _ in range(8):
        words = sentence(rng, rng.randint(8, 30))
        texts.append(" ".join(words))
        for changes in (1, 2):
            for place in rng.sample(range(len(words)), changes):
                words[place] = rng.choice(WORDS)
            texts.append(" ".join(words))
    pairs = list(combinations(range(len(texts)), 2))
    similar = {pair: jaccard(texts[pair[0]], texts[pair[1]]) for pair in pairs}
    groups = near_duplicate_groups(texts)
    assert all(groups[a] == groups[b] for (a, b), value in similar.items() if value >= 0.87)
    most = closed([pair for pair in pairs if similar[pair] >= NEAR], len(texts))
    assert all(most[a] == most[b] for a, b in pairs if groups[a] == groups[b])


def test_many_likes_of_one_text_are_one_group():
    words = sentence(random.Random(2), 30)
    texts = [" ".join([*words, f"number{number}"]) for number in range(200)]
    assert near(*texts)


def test_texts_near_a_known_one_are_found_by_kind_and_block_by_block(monkeypatch):
    monkeypatch.setattr("imbtool.data.duplicates.NEAR_AT_ONCE", 2)
    rng = random.Random(4)
    one, two, other = (" ".join(sentence(rng)) for _ in range(3))
    found = near_to([[one], [], [two, one]], [other, two + "!", one.upper()])
    assert found.astype(int).tolist() == [[0, 0, 1], [0, 0, 0], [0, 1, 1]]
    assert near_to([[], []], [one]).tolist() == [[False], [False]]


@pytest.mark.parametrize("known", [1, 30])
def test_of_hundreds_of_texts_alike_each_is_near_to_a_known_one(known: int):
    words = sentence(random.Random(5), 40)
    alike = [" ".join([*words, f"number{number}"]) for number in range(330)]
    assert near_to([alike[:known]], alike[30:]).all()


def test_no_text_and_one_text_have_their_groups():
    assert near_duplicate_groups([]).tolist() == []
    assert near_duplicate_groups([""]).tolist() == [0]
    assert near_duplicate_groups(["", "  ", "a"]).tolist() == [0, 0, 1]


def test_pairs_are_compared_in_blocks(monkeypatch: pytest.MonkeyPatch):
    rng = random.Random(3)
    texts = [" ".join(sentence(rng)) for _ in range(5)]
    texts += [f"{text} more" for text in texts]
    whole = near_duplicate_groups(texts).tolist()
    monkeypatch.setattr(duplicates, "PAIRS_AT_ONCE", 2)
    assert near_duplicate_groups(texts).tolist() == whole == [0, 1, 2, 3, 4] * 2


SPACED = st.text(st.sampled_from("aB é\t\n\u00a0ß"), max_size=6)


@given(texts=st.lists(SPACED, max_size=12), block=st.integers(1, 5))
def test_keys_of_many_texts_are_those_of_each(texts: list[str], block: int):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(duplicates, "KEYS_AT_ONCE", block)
        assert list(text_keys(texts)) == [text_key(text) for text in texts]


MARKS = [
    "\u0301",
    "\u200d",
    "ſ",
    "İ",
    "ß",
    "ẞ",
    "ﬁ",
    "Σ",
    "ς",
    '"',
    "“",
    "\0",
    "\x7f",
    "~",
    "@",
    "[",
]
WHITE = [chr(code) for code in range(0x3001) if chr(code).isspace()]
LONG = st.text("aB ß", min_size=1, max_size=8).map(lambda text: text * 1_000)
ANY_TEXT = st.one_of(
    st.text("aB  ", max_size=20),
    st.text(st.sampled_from([*"aAbBsSzZ", *MARKS, *WHITE, *"    "]), max_size=20),
    st.text(max_size=20),
    LONG,
)


def spaced(text: str) -> str:
    """The text with a tab for its first white space."""
    return "\t".join(text.split(maxsplit=1))


def numbers_of_keys(texts: list[str]) -> list[int]:
    """What `text_numbers` gives, one key after the other."""
    known: dict[str, int] = {}
    return [known.setdefault(text_key(text), len(known)) for text in texts]


@settings(deadline=None)
@given(parts=st.lists(st.lists(ANY_TEXT, max_size=8), max_size=3), block=st.integers(1, 5))
def test_texts_get_the_same_number_exactly_if_their_keys_are_equal(
    parts: list[list[str]], block: int
):
    parts = [[*part, *map(str.upper, part), *map(spaced, part)] for part in parts]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(texts_module, "BLOCK_TEXTS", block)
        numbers = text_numbers(*parts)
    assert numbers.tolist() == numbers_of_keys([text for part in parts for text in part])
    assert numbers.dtype == np.int64


def test_every_character_has_the_number_of_its_key():
    # those behind them have neither case nor space
    characters = [chr(code) for code in range(0x20000) if not 0xD800 <= code < 0xE000]
    within = [f"a{each}a" for each in characters]
    numbers = text_numbers(characters, within)
    assert numbers.tolist() == numbers_of_keys([*characters, *within])
