"""Streams that have not changed give few alarms; those that have give them."""

import numpy as np
import pytest

from imbtool.monitoring import drift
from imbtool.monitoring.drift import (
    SingleTest,
    TextSample,
    classifier_two_sample,
    judge,
    mean_test,
    rank_test,
    share_test,
    unseen_shares,
    words_of,
)
from imbtool.types import Floats

LABELS = 20


def features(rng: np.random.Generator, texts: int, shift: float = 0.0) -> np.ndarray:
    return (rng.normal(size=(texts, 16)) + shift * (np.arange(16) == 3)).astype(np.float32)


@pytest.fixture(autouse=True)
def few_permutations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift, "PERMUTATIONS", 99)


def test_p_values_are_uniform_where_nothing_has_changed():
    rng = np.random.default_rng(0)
    found = [
        classifier_two_sample(features(rng, 60), features(rng, 80), seed).p for seed in range(200)
    ]
    assert np.mean(np.array(found) <= 0.05) <= 0.09
    assert 0.4 < np.mean(found) < 0.6


def test_a_classifier_tells_changed_texts_and_names_those_that_differ():
    rng = np.random.default_rng(0)
    stream = features(rng, 200)
    stream[:40] += 3 * (np.arange(16) == 3)
    found = classifier_two_sample(features(rng, 200), stream, 0)
    assert found.p == 0.01
    assert found.auc > 0.52
    assert (np.argsort(-found.unlike)[:20] < 40).mean() > 0.5


def test_of_100_unchanged_streams_at_most_6_give_an_alarm():
    rng = np.random.default_rng(0)
    alarms = 0
    for seed in range(100):
        apart = classifier_two_sample(features(rng, 50), features(rng, 50), seed)
        flags = rng.binomial(500, 0.03, (2, LABELS)).tolist()
        tests = [
            SingleTest("texts", apart.p),
            SingleTest("lengths", rank_test(rng.normal(size=50), rng.normal(size=50))),
            *(
                SingleTest("frequency", share_test(a, 500, b, 500), str(n))
                for n, (a, b) in enumerate(zip(*flags, strict=True))
            ),
            *(SingleTest("scores", p, str(n)) for n, p in enumerate(rng.random(LABELS).tolist())),
        ]
        alarms += any(test.alarm for test in judge(tests))
    assert alarms <= 6


def test_each_kind_of_test_has_the_same_share_of_the_false_alarms():
    lone, many = (
        SingleTest("texts", 0.01),
        [SingleTest("frequency", 0.01, str(place)) for place in range(20)],
    )
    judged = judge([lone, *many])
    assert judged[0].alarm
    assert judged[0].adjusted == pytest.approx(0.02)
    assert not any(test.alarm for test in judged[1:])


def test_a_surer_test_is_never_adjusted_to_a_larger_p_value():
    rng = np.random.default_rng(1)
    tests = [SingleTest("frequency", p, str(place)) for place, p in enumerate(rng.random(30) ** 4)]
    judged = sorted(judge(tests), key=lambda test: test.p)
    adjusted = [test.adjusted for test in judged]
    assert adjusted == sorted(adjusted)
    assert all(test.adjusted >= test.p for test in judged)


def probabilities(rng: np.random.Generator, count: int, share: float) -> Floats:
    """Of texts of which a share has the label, two standard deviations apart in logits."""
    logits = rng.normal(size=count) + 2 * (rng.random(count) < share)
    return 1 / (1 + np.exp(4 - 2 * logits))


@pytest.mark.parametrize(("before", "now", "share"), [(2_000, 500, 0.01), (300, 300, 0.03)])
def test_the_p_value_of_a_mean_is_that_of_drawing_the_samples_anew(
    before: int, now: int, share: float
):
    rng = np.random.default_rng(3)
    values = probabilities(rng, before + now, share)
    orders = [rng.permutation(before + now) for _ in range(10_000)]
    means = np.array([values[order[before:]].mean() for order in orders])
    ranked = np.argsort(means)
    for tail in (0.005, 0.02, 0.2, 0.8, 0.98, 0.995):
        order = orders[ranked[int(tail * len(orders))]]
        found = mean_test(values[order[:before]], values[order[before:]])
        assert found == pytest.approx(2 * min(tail, 1 - tail), rel=0.25)


def test_a_mean_shows_a_lost_label_that_flags_do_not():
    rng = np.random.default_rng(0)
    pairs = [
        [probabilities(rng, count, share) for count, share in ((2_000, 0.05), (2_000, 0.01))]
        for _ in range(100)
    ]
    by_mean = [mean_test(*pair) < 0.001 for pair in pairs]
    flags = [[int((each >= 0.4).sum()) for each in pair] for pair in pairs]
    by_flags = [share_test(a, 2_000, b, 2_000) < 0.001 for a, b in flags]
    assert sum(by_mean) > sum(by_flags) + 10


def test_values_that_are_all_the_same_show_nothing():
    assert mean_test(np.full(5, 0.2), np.full(7, 0.2)) == 1.0
    assert mean_test(np.zeros(1), np.ones(1)) == 1.0


def test_probabilities_that_are_all_tiny_are_compared_too():
    rng = np.random.default_rng(0)
    pair = [probabilities(rng, 200, share) for share in (0.1, 0.3)]
    tiny = [1e-200 * each for each in pair]
    assert mean_test(*tiny) == pytest.approx(mean_test(*pair))


def test_the_share_of_new_words_leaves_out_case_and_punctuation():
    known = words_of(["The cat, the dog.", "A bird"])
    assert unseen_shares(["the CAT!", "a zebra", "...", "new words only"], known).tolist() == [
        0,
        0.5,
        0,
        1,
    ]


def test_values_that_are_all_the_same_have_not_changed():
    assert rank_test(np.zeros(5), np.zeros(9)) == 1


def test_a_sample_is_the_same_however_the_texts_come_in_chunks(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(drift, "MOST_COMPARED", 10)
    texts = [f"text {row}" for row in range(100)]
    whole, parts = TextSample(3), TextSample(3)
    whole(texts)
    for start in range(0, 100, 7):
        parts(texts[start : start + 7])
    assert whole.texts == parts.texts and whole.rows == parts.rows
    assert [texts[row] for row in whole.rows] == whole.texts
    assert len(set(whole.rows)) == 10 and max(whole.rows) > 50


def test_a_sample_holds_each_text_once():
    sample = TextSample(0)
    sample(["Spam  spam", "other", "spam SPAM"])
    assert sample.distinct().texts == ["Spam  spam", "other"]
    assert sample.distinct().rows == [0, 1]
