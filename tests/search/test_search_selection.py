"""What a batch is chosen from, and what of it is chosen for which label."""

import numpy as np
import pytest
from batches import batch_of, batch_text, write_batch
from conftest import read_csv, write_csv
from searchproject import KEYS, PROFILE, WordScorer, begin, labels_of, make_project

from imbtool.annotation.batch import read_batch
from imbtool.config.reader import read_profile
from imbtool.errors import UserError
from imbtool.search.pool import random_order
from imbtool.search.selection import MOST_RESERVED, Search, Selection, Wish

DECLARED = (
    f"{PROFILE}labels: {{names: [grief, fraud], descriptions: {{grief: I miss her so much}}}}\n"
)


@pytest.fixture
def profile(tmp_path):
    return make_project(tmp_path)


def rows_of(selection: Selection) -> list[int]:
    return [*(each.row for each in selection.chosen), *selection.drawn.tolist()]


def texts_of(search: Search, selection: Selection) -> list[str]:
    return [search.pool.texts[each.row] for each in selection.chosen]


@pytest.mark.parametrize(("number", "share", "drawn"), [(40, 0.1, 4), (25, 0.5, 12), (30, 0, 0)])
def test_a_batch_has_as_many_texts_as_asked_for_of_which_a_share_is_random(
    profile, number, share, drawn
):
    selection = begin(profile, Wish(number, random_share=share)).select()
    assert len(set(rows_of(selection))) == number
    assert len(selection.drawn) == drawn


def test_all_may_be_random(profile):
    search = begin(profile, Wish(30, random_share=1.0))
    selection = search.select()
    assert (selection.chosen, len(selection.drawn)) == ([], 30)
    assert search.order[selection.drawn].max() < np.sort(search.order)[30]
    assert search.scorer.asked == []


def test_the_label_in_need_gets_the_texts_and_they_have_it(profile):
    search = begin(profile, Wish(20))
    selection = search.select()
    assert [state.name for state in selection.needy] == ["threat"]
    found = [labels_of(text) for text in texts_of(search, selection)]
    assert found.count(["threat"]) >= 16  # of 20 in the pool, of which a few are reserved
    assert [each.rank for each in selection.chosen] == list(range(1, 19))


def test_no_reserved_text_is_chosen_by_score(profile):
    for wish in (Wish(200), Wish(200, labels=["threat"], pattern="[a-z]")):
        search = begin(profile, wish)
        reserved = np.flatnonzero(search.order < search.reserved)
        selection = search.select()
        assert search.reserved == MOST_RESERVED
        assert len(reserved) > 5
        assert not set(reserved.tolist()) & {each.row for each in selection.chosen}


def test_a_small_pool_reserves_no_more_than_its_random_batches_need(profile):
    assert begin(profile, Wish(1, random_share=0.1)).reserved == pytest.approx(20 * 0.1 / 300)
    assert begin(profile, Wish(5, random_share=0)).reserved == 0


def test_what_is_reserved_stays_so_with_later_batches(profile):
    pool = begin(profile, Wish(5)).pool
    batch = batch_of([batch_text("x", "another text")])
    report = batch.pool.model_copy(update={"fingerprint": pool.fingerprint, "reserved": 0.02})
    folder = profile.parent / "batches" / "01"
    write_batch(folder, batch.model_copy(update={"pool": report}))
    assert begin(profile, Wish(200)).reserved == 0.02


def test_scores_are_those_of_the_chosen_texts(profile):
    search = begin(profile, Wish(20))
    selection = search.select()
    for each in selection.chosen[:3]:
        place = selection.scored.tolist().index(each.row)
        assert selection.score(each) == selection.scores[place, each.label]
    ranked = [selection.score(each) for each in selection.chosen]
    assert ranked == sorted(ranked, reverse=True)


def test_texts_that_match_a_pattern_come_first_in_upper_or_lower_case(profile):
    search = begin(profile, Wish(20, labels=["spam"], pattern="KNIFE|nothing"))
    selection = search.select()
    matching = [place for place, text in enumerate(texts_of(search, selection)) if "knife" in text]
    assert len(selection.matches) == len(matching)
    assert matching == list(range(len(matching)))
    assert len(matching) >= 15
    ranked = [selection.score(each) for each in selection.chosen[: len(matching)]]
    assert ranked == sorted(ranked, reverse=True)
    # what is left of the batch is chosen by score
    assert all("casino" in text for text in texts_of(search, selection)[len(matching) :])


def test_a_pattern_that_nothing_matches_changes_nothing(profile):
    plain = begin(profile, Wish(20, labels=["spam"])).select()
    none = begin(profile, Wish(20, labels=["spam"], pattern="xyz")).select()
    assert rows_of(plain) == rows_of(none)
    assert not none.matches


def test_labels_that_are_named_are_the_only_ones(profile):
    search = begin(profile, Wish(20, labels=["spam", "billing"]))
    selection = search.select()
    assert {state.name for state in selection.needy} == {"spam", "billing"}
    assert search.scorer.asked[0][0] == ("billing", "spam")


def test_a_label_that_no_text_has_is_searched_for_by_its_description_or_its_name(tmp_path):
    search = begin(make_project(tmp_path, DECLARED), Wish(20))
    selection = search.select()
    assert {"grief", "fraud"} <= {state.name for state in selection.needy}
    assert selection.stand_ins == {"grief": ["I miss her so much"], "fraud": ["fraud"]}
    assert search.scorer.asked[0][1] == selection.stand_ins


def test_examples_of_the_user_stand_for_the_label_beside_its_positives(tmp_path):
    profile = make_project(tmp_path, DECLARED)
    grief = begin(profile, Wish(20, labels=["grief"], like=["so sad", "lost him"])).select()
    assert grief.stand_ins == {"grief": ["so sad", "lost him"]}
    spam = begin(profile, Wish(20, labels=["spam"], like=["win now"])).select()
    assert spam.stand_ins == {"spam": ["win now"]}


def test_a_label_with_positives_has_no_stand_in(profile):
    assert begin(profile, Wish(20)).select().stand_ins == {}


def test_a_label_that_the_model_never_finds_is_known_as_unseen(profile):
    scorer = WordScorer(read_profile(profile), frozenset({"threat"}))
    assert begin(profile, Wish(20), scorer).select().needy[0].unseen


def test_earlier_answers_are_counted_for_their_labels(profile):
    texts = [batch_text("x", "an answered text", ask=["threat"])]
    write_batch(profile.parent / "batches" / "01", batch_of(texts))
    rows = read_csv(profile.parent / "train.csv")
    write_csv(
        profile.parent / "train.csv",
        [*rows, {"id": "x", "text": "an answered text", "labels": "threat"}],
    )
    (state,) = begin(profile, Wish(20)).select().needy
    assert (state.asked, state.yielded, state.positives) == ((1,), (1,), 2)


def test_texts_of_earlier_batches_are_not_chosen_again(profile):
    rows = read_csv(profile.parent / "pool.csv")
    texts = [batch_text(row["id"], row["text"]) for row in rows[:50]]
    write_batch(profile.parent / "batches" / "01", batch_of(texts))
    search = begin(profile, Wish(250))
    assert (len(search.free.rows), search.free.chosen_before) == (250, 50)
    assert min(rows_of(search.select())) == 50


def test_an_exhausted_pool_gives_what_is_left_and_then_an_error(profile):
    selection = begin(profile, Wish(1000)).select()
    assert sorted(rows_of(selection)) == list(range(300))
    rows = read_csv(profile.parent / "pool.csv")
    texts = [batch_text(row["id"], row["text"]) for row in rows]
    write_batch(profile.parent / "batches" / "01", batch_of(texts))
    with pytest.raises(UserError, match="no text that is left"):
        begin(profile, Wish(1))


def test_near_duplicates_are_not_filled_up_with_but_random_texts_are(profile):
    """Where scores can give fewer texts than wished for, the rest is drawn at random."""
    pool = profile.parent / "pool.csv"
    rows = read_csv(pool)[:30]
    same = [{"id": f"s{row}", "text": f"{rows[0]['text']}{'!' * row}"} for row in range(1, 30)]
    write_csv(pool, [*rows, *same])
    search = begin(profile, Wish(1000))
    selection = search.select()
    assert sorted(rows_of(selection)) == search.free.rows.tolist()
    chosen = {search.pool.texts[each.row].rstrip("!") for each in selection.chosen}
    assert len(chosen) == len(selection.chosen) <= 30


@pytest.mark.parametrize("seed", [None, 7])
def test_earlier_batches_give_the_seed(profile, seed):
    batch = batch_of([batch_text("x", "another text")]).model_copy(update={"seed": 7})
    write_batch(profile.parent / "batches" / "01", batch)
    search = begin(profile, Wish(20, seed=seed))
    assert search.seed == 7
    assert read_batch(profile.parent / "batches" / "01").seed == 7


@pytest.mark.parametrize("seed", [0, 8])
def test_a_second_seed_is_refused(profile, seed):
    batch = batch_of([batch_text("x", "another text")]).model_copy(update={"seed": 7})
    write_batch(profile.parent / "batches" / "01", batch)
    with pytest.raises(UserError, match="drawn with seed 7"):
        begin(profile, Wish(20, seed=seed))


def test_another_seed_draws_other_texts(profile):
    first, second = (begin(profile, Wish(20, seed=seed)).select() for seed in (1, 2))
    assert set(first.drawn.tolist()) != set(second.drawn.tolist())
    again = begin(profile, Wish(20, seed=1)).select()
    assert rows_of(again) == rows_of(first)


def test_random_texts_of_all_batches_together_are_the_front_of_the_order(profile):
    search = begin(profile, Wish(20))
    first = search.select()
    texts = [batch_text(search.pool.ids[row], search.pool.texts[row]) for row in rows_of(first)]
    batch = batch_of(texts)
    pool = batch.pool.model_copy(update={"fingerprint": search.pool.fingerprint})
    write_batch(profile.parent / "batches" / "01", batch.model_copy(update={"pool": pool}))
    second = begin(profile, Wish(20)).select()
    front = np.argsort(search.order)
    drawn = [*first.drawn.tolist(), *second.drawn.tolist()]
    assert drawn == front[: len(drawn)].tolist()


def test_of_a_grown_pool_old_and_new_texts_are_drawn_alike(profile):
    """In the order of the pool before, the old texts at the front have been read."""
    search = begin(profile, Wish(20, random_share=0.5))
    half = search.pool.texts[: len(search.pool) // 2]
    order = random_order(half, search.seed)
    read = np.argsort(order)[: len(half) // 2]
    texts = [batch_text(search.pool.ids[row], half[row], "random") for row in read.tolist()]
    write_batch(profile.parent / "batches" / "01", batch_of(texts))
    drawn = begin(profile, Wish(60, random_share=1.0)).select().drawn
    # a third of what is left is old
    assert 10 <= (drawn < len(half)).sum() <= 30


def test_labels_of_the_pool_are_those_of_the_keys():
    assert labels_of("a knife at the casino") == ["spam", "threat"]
    assert set(KEYS) == {"billing", "spam", "threat"}


def test_random_texts_beyond_the_reserve_are_said_to_come_from_what_scores_left(profile):
    wish = Wish(60, random_share=0.5)
    search = begin(profile, wish)
    first = search.select()
    assert search.beyond_reserve(first.drawn) == 0  # scores have taken nothing yet
    texts = [
        batch_text(search.pool.ids[row], search.pool.texts[row], how)
        for rows, how in ((first.drawn, "random"), ([each.row for each in first.chosen], "score"))
        for row in rows
    ]
    batch = batch_of(texts)
    pool = batch.pool.model_copy(update={"fingerprint": search.pool.fingerprint, "reserved": 0.05})
    write_batch(profile.parent / "batches" / "01", batch.model_copy(update={"pool": pool}))
    second = begin(profile, wish)
    drawn = second.select().drawn
    assert second.beyond_reserve(drawn) == (second.order[drawn] >= 0.05).sum() > 0
