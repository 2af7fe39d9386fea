"""What is read of a text that is too long: its head and tail, or windows that leave nothing out."""

from collections.abc import Iterator
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
from encoders import KINDS, make_encoder
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from imbtool.model.long_texts import (
    MOST_WINDOWS,
    SpecialTokens,
    cheapest_groups,
    count_windows,
    grouped,
    head_tail,
    in_windows,
    most_read,
    padded_tokens,
    special_tokens_of,
    windows_of,
)

START, END = -1, -2
FRAMES = {
    "both": SpecialTokens([START], [END]),
    "start alone": SpecialTokens([START], []),
    "end alone": SpecialTokens([], [END]),
    "none": SpecialTokens([], []),
}
BOTH = FRAMES["both"]

lengths = st.integers(0, 400)
widths = st.integers(8, 40)
frames = st.sampled_from(list(FRAMES.values()))


def words(count: int) -> list[int]:
    """Tokens of a text: each tells its place."""
    return list(range(count))


def parts(ids: list[int], width: int, frame: SpecialTokens) -> list[list[int]]:
    """The text's own tokens in each window; every window has its frame."""
    windows = windows_of(ids, width)
    assert all(window == frame.around(frame.inside(window)) for window in windows)
    return [frame.inside(window) for window in windows]


@given(lengths, widths, frames)
def test_a_text_that_fits_stays_as_it_is(length: int, width: int, frame: SpecialTokens):
    ids = frame.around(words(length))
    if len(ids) <= width:
        assert head_tail(ids, width, frame) == in_windows(ids, width, frame) == ids
        assert windows_of(ids, width) == [ids]


def test_of_a_long_text_the_first_quarter_and_the_last_three_are_kept():
    kept = head_tail(BOTH.around(words(1000)), 10, BOTH)
    assert kept == [START, 0, 1, 994, 995, 996, 997, 998, 999, END]
    # the paper has 128 and 382
    of_510 = BOTH.inside(head_tail(BOTH.around(words(1000)), 512, BOTH))
    assert of_510 == [*range(127), *range(1000 - 383, 1000)]


@given(lengths, widths, frames)
def test_windows_leave_no_token_out_and_all_but_the_last_are_full(
    length: int, width: int, frame: SpecialTokens
):
    ids = in_windows(frame.around(words(length)), width, frame)
    windows = windows_of(ids, width)
    assert all(len(window) == width for window in windows[:-1])
    assert len(windows) == count_windows([len(ids)], width)[0]
    assert set().union(*parts(ids, width, frame)) == set(words(length))


@given(lengths, widths, frames)
def test_a_window_begins_with_the_last_quarter_of_the_one_before_and_goes_on(
    length: int, width: int, frame: SpecialTokens
):
    ids = in_windows(frame.around(words(length)), width, frame)
    shared = (width - len(frame)) // 4
    texts = parts(ids, width, frame)
    for before, after in pairwise(texts):
        assert before[len(before) - shared :] == after[:shared]
        assert len(after) > shared


@given(st.integers(0, 3000), widths, frames)
def test_the_tokens_that_may_be_read_whole_are_those_that_the_most_windows_hold(
    length: int, width: int, frame: SpecialTokens
):
    most = most_read("windows", width, frame)
    ids = frame.around(words(length))
    kept = in_windows(head_tail(ids, most, frame), width, frame)
    assert len(windows_of(kept, width)) <= MOST_WINDOWS
    whole = set().union(*parts(kept, width, frame)) == set(words(length))
    assert whole == (len(ids) <= most)
    if not whole:
        assert len(kept) == MOST_WINDOWS * width
        assert set(words(length)[-width:]) <= set(kept)


def test_without_windows_no_more_is_read_whole_than_at_once():
    assert most_read("truncate", 64, BOTH) == most_read("head-tail", 64, BOTH) == 64


@pytest.mark.parametrize("kind", KINDS)
def test_the_frame_is_what_the_tokenizer_puts_around_a_text(kind: str, tmp_path: Path):
    folder = make_encoder(kind, tmp_path / "encoder", corpus=["a knife", "the people"])
    tokenizer = AutoTokenizer.from_pretrained(folder)
    frame = special_tokens_of(tokenizer)
    assert frame == SpecialTokens([tokenizer.cls_token_id], [tokenizer.sep_token_id])
    text = f"people {tokenizer.sep_token} knife"
    own = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert frame.around(own) == tokenizer(text)["input_ids"]


@pytest.mark.parametrize("kind", KINDS)
def test_windows_are_those_of_the_tokenizers_own_overflow(kind: str, tmp_path: Path):
    folder = make_encoder(kind, tmp_path / "encoder", corpus=["a knife", "the people"])
    tokenizer = AutoTokenizer.from_pretrained(folder)
    text = "the people with a knife " * 9
    frame, width = special_tokens_of(tokenizer), 22
    overflow = tokenizer(
        text,
        truncation=True,
        max_length=width,
        stride=(width - len(frame)) // 4,
        return_overflowing_tokens=True,
    )["input_ids"]
    ours = windows_of(in_windows(tokenizer(text)["input_ids"], width, frame), width)
    assert len(ours) > 2
    # it may end with a window in which nothing is new
    assert ours == [ids for ids in overflow if len(ids) > len(frame) + (width - len(frame)) // 4]


def test_padding_is_counted_by_windows():
    assert padded_tokens([5, 8], 10) == 16
    assert padded_tokens([10, 25], 10) == 40


def test_a_group_is_as_large_as_may_be():
    assert grouped([2, 3, 1, 9, 1], 5) == [slice(0, 2), slice(2, 3), slice(3, 4), slice(4, 5)]
    assert grouped([], 5) == [slice(0, 0)]


@given(st.lists(st.integers(1, 16), max_size=40), st.integers(1, 20))
def test_groups_hold_every_text_once_and_no_more_windows_than_allowed(
    windows: list[int], most: int
):
    groups = [windows[places] for places in grouped(windows, most)]
    assert [count for group in groups for count in group] == windows
    assert all(sum(group) <= most or len(group) == 1 for group in groups)
    if sum(windows) <= most:
        assert len(groups) == 1


def groupings(count: int) -> Iterator[list[slice]]:
    """Every way to cut so many texts into groups."""
    for cuts in product([False, True], repeat=max(0, count - 1)):
        edges = [0, *(place for place, cut in enumerate(cuts, start=1) if cut), count]
        yield [slice(*edge) for edge in pairwise(edges)]


@given(st.lists(st.integers(0, 30), min_size=1, max_size=8), st.integers(1, 90), st.integers(0, 60))
def test_no_other_groups_of_texts_cost_less(lengths: list[int], most: int, cost: int):
    tokens = sorted(lengths, reverse=True)

    def total(groups: list[slice]) -> int:
        return sum(cost + max(1, tokens[each.start]) * len(tokens[each]) for each in groups)

    def fits(each: slice) -> bool:
        size = len(tokens[each])
        return size == 1 or size * max(1, tokens[each.start]) <= most

    found = cheapest_groups(np.array(tokens), most, cost)
    assert [text for each in found for text in range(len(tokens))[each]] == [*range(len(tokens))]
    assert all(map(fits, found))
    allowed = (groups for groups in groupings(len(tokens)) if all(map(fits, groups)))
    assert total(found) == min(map(total, allowed))


def test_no_texts_are_no_groups():
    assert cheapest_groups(np.array([], np.int64), 100, 10) == []
