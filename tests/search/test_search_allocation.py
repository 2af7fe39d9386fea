"""A batch is shared out over labels by what each needs and by what searching for it yields."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imbtool.config.schema import WeightsSection
from imbtool.data.imbalance import LabelCount
from imbtool.search.allocation import (
    FLOOR,
    LabelState,
    allot,
    expected_prevalence,
    labels_in_need,
)

RULES = WeightsSection()
SEVERE = RULES.severe.ratio


def state(name: str = "a", positives: int = 5, prevalence: float = 0.004, **more) -> LabelState:
    return LabelState(name, positives, prevalence, more.pop("known", 500), **more)


def searched(name: str, asked: int, yielded: int, **more) -> LabelState:
    return state(name, asked=(asked,), yielded=(yielded,), **more)


def shares(*states: LabelState, texts: int = 1000) -> list[int]:
    return allot(states, texts).tolist()


def test_labels_that_are_alike_get_the_same():
    assert shares(state("a"), state("b"), texts=10) == [5, 5]


def test_a_label_with_fewer_positives_gets_more():
    none, few, many = shares(state(positives=0), state(positives=5), state(positives=50))
    assert none > few > many
    # beside the floor, one of none gets twice as much as one of five
    floor = 1000 * FLOOR / 3
    assert none - floor == pytest.approx(2 * (few - floor), abs=2)


def test_a_label_that_yields_more_gets_more():
    rich, poor = shares(searched("a", 50, 25), searched("b", 50, 1))
    assert rich > 2 * poor


def test_no_label_is_given_up():
    barren = state("a", positives=1000, asked=(500,) * 9, yielded=(0,) * 9)
    rich = searched("b", 50, 50, positives=0)
    assert shares(barren, rich)[0] >= 1000 * FLOOR / 2 - 1


def test_a_label_that_the_model_never_finds_gets_more():
    assert shares(state(unseen=True), state())[0] > 600


@given(
    st.lists(
        st.builds(
            lambda positives, asked, part: state(
                "a", positives, asked=(asked,), yielded=(int(asked * part),)
            ),
            st.integers(0, 1000),
            st.integers(1, 200),
            st.floats(0, 1),
        ),
        min_size=1,
        max_size=12,
    ),
    st.integers(0, 3000),
)
def test_all_texts_are_shared_out_and_no_more(states, texts):
    found = allot(states, texts)
    assert int(found.sum()) == texts
    assert (found >= 0).all()


def test_a_yield_begins_at_one_in_ten_and_follows_what_was_found():
    assert state().expected_yield == pytest.approx(0.1)
    assert searched("a", 100, 50).expected_yield == pytest.approx(0.45, abs=0.03)
    assert searched("a", 100, 0).expected_yield == pytest.approx(0.015, abs=0.005)


def test_later_batches_count_more_than_earlier_ones():
    rising = state(asked=(50, 50), yielded=(0, 30)).expected_yield
    falling = state(asked=(50, 50), yielded=(30, 0)).expected_yield
    assert rising > falling


def test_the_rarest_tier_that_any_label_has_is_in_need():
    severe, moderate = state("severe", prevalence=0.005), state("moderate", prevalence=0.05)
    common = state("common", prevalence=0.3, positives=200)
    assert labels_in_need([common, moderate, severe], RULES) == [severe]
    assert labels_in_need([common, moderate], RULES) == [moderate]


def test_where_no_label_is_rare_those_with_few_positives_are_in_need():
    few, many = state("few", 10, prevalence=0.3), state("many", 200, prevalence=0.4)
    assert labels_in_need([many, few], RULES) == [few]
    assert labels_in_need([many], RULES) == [many]


@pytest.mark.parametrize("known", [0, 1, 20, int(SEVERE), 5000])
def test_a_label_without_a_positive_is_severe_however_few_texts_are_known(known):
    prevalence = expected_prevalence(LabelCount(0, known, 7), RULES)
    unknown = state("unknown", 0, prevalence, known=known)
    rare = state("rare", prevalence=0.005)
    assert labels_in_need([rare, unknown], RULES) == [rare, unknown]
    assert prevalence < 1 / SEVERE


def test_the_prevalence_of_a_label_with_positives_is_their_share():
    assert expected_prevalence(LabelCount(30, 70, 0), RULES) == pytest.approx(30.5 / 101)
