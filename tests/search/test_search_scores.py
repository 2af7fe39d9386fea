"""Scores: a label that is there to be found is ranked first, and what is unknown has no part."""

import random

import numpy as np
import pytest

from imbtool.search.scores import (
    ANCESTORS,
    Examples,
    HashedWords,
    Scale,
    fit_linear,
    joined_rows,
    score_pool,
    standardised,
    with_ancestors,
)

RNG = np.random.default_rng(0)
FILLERS = [f"word{number}" for number in range(60)]


def pool_of(number: int, positives: int) -> tuple[np.ndarray, list[str]]:
    """Features of which the third tells positives apart, and texts in which `knife` does."""
    rng = random.Random(1)
    features = RNG.normal(size=(number, 6)).astype(np.float16)
    features[:positives, 2] += 6
    texts = [" ".join(rng.choices(FILLERS, k=6)) for _ in range(number)]
    return features, [
        f"{text} knife" if row < positives else text for row, text in enumerate(texts)
    ]


def test_a_scale_gives_features_mean_0_and_alike_deviations():
    features = (RNG.normal(size=(4000, 3)) * [1, 10, 0.1] + [5, 0, -3]).astype(np.float16)
    scaled = Scale.of(features)(features.astype(np.float32))
    assert np.abs(scaled.mean(axis=0)).max() < 0.02
    assert np.ptp(scaled.std(axis=0)) < 0.05


def test_directions_in_which_a_pool_varies_much_count_less():
    common = RNG.normal(size=(4000, 1))
    own = 0.3 * RNG.normal(size=(4000, 3))
    features = (common + own).astype(np.float16)
    along, across = np.eye(3)[0] - np.eye(3)[1], np.ones(3)
    matrix = Scale.of(features).matrix
    of = {
        name: np.std(features.astype(np.float32) @ matrix @ direction)
        / np.std(features.astype(np.float32) @ direction)
        for name, direction in (("along", along), ("across", across))
    }
    assert of["along"] > 1.2 * of["across"]


def test_features_that_never_vary_do_no_harm():
    features = np.ones((50, 3), dtype=np.float16)
    assert np.isfinite(Scale.of(features)(features.astype(np.float32))).all()


def test_unknown_targets_have_no_part_in_a_head():
    features = RNG.normal(size=(60, 4)).astype(np.float32)
    target = (features[:, :1] > 0.5).astype(np.float32)
    more = np.concatenate([features, 9 + RNG.normal(size=(40, 4)).astype(np.float32)])
    unknown = np.concatenate([target, np.full((40, 1), np.nan, dtype=np.float32)])
    alone, beside = fit_linear(features, target), fit_linear(more, unknown)
    assert np.allclose(alone[0], beside[0], atol=1e-3)
    assert np.allclose(alone[1], beside[1], atol=1e-3)


def test_labels_are_fitted_each_for_itself():
    features = RNG.normal(size=(80, 4)).astype(np.float32)
    targets = (features[:, :2] > 0.4).astype(np.float32)
    both = fit_linear(features, targets)[0]
    alone = fit_linear(features, targets[:, 1:])[0]
    assert np.allclose(both[:, 1], alone[:, 0], atol=1e-2)
    assert np.abs(both).argmax(axis=0).tolist() == [0, 1]


def test_a_head_without_any_example_finds_all_texts_alike():
    weight, bias = fit_linear(np.empty((0, 4), np.float32), np.empty((0, 2), np.float32))
    assert (weight == 0).all()
    assert np.isfinite(bias).all()


def test_rows_of_words_have_length_1_and_rare_words_count_more():
    texts = ["we saw a knife", "we saw it", "we saw them", "!!!"]
    words = HashedWords(texts)
    squares = np.asarray(words.rows.multiply(words.rows).sum(axis=1)).ravel()
    assert squares.tolist() == pytest.approx([1, 1, 1, 0], abs=1e-5)
    common, rare = words.of(["we"]), words.of(["knife"])
    row = words.rows[[0]]
    assert float((row @ rare.T).sum()) > float((row @ common.T).sum()) > 0


def test_joined_rows_stand_below_each_other():
    words = HashedWords(["a knife", "a table"])
    assert joined_rows([words.rows, words.of(["a chair"])]).shape == (3, words.rows.shape[1])


@pytest.mark.parametrize("rows", [np.arange(10, 200), np.arange(199, 9, -1)])
def test_texts_of_a_planted_label_are_ranked_first(rows):
    features, texts = pool_of(200, 30)
    target = np.full((40, 2), np.nan, dtype=np.float32)
    target[:10, 0], target[10:, 0] = 1, 0
    labelled = np.concatenate([np.arange(10), np.arange(170, 200)])
    scale, words = Scale.of(features), HashedWords(texts)
    examples = Examples(scale(features[labelled].astype(np.float32)), words.rows[labelled], target)
    scores = score_pool(features, scale, words.rows, examples, rows)
    assert scores.shape == (190, 2)
    best = rows[np.argsort(-scores[:, 0])[:20]]
    assert sorted(best.tolist()) == list(range(10, 30))
    # of the other label nothing is known
    assert np.abs(scores[:, 1]).max() == 0


def test_words_find_what_the_encoder_does_not_see():
    _, texts = pool_of(100, 20)
    features = np.ones((100, 4), dtype=np.float16)
    target = np.array([[1.0]] * 8 + [[0.0]] * 30, dtype=np.float32)
    labelled = np.concatenate([np.arange(8), np.arange(70, 100)])
    scale, words = Scale.of(features), HashedWords(texts)
    examples = Examples(scale(features[labelled].astype(np.float32)), words.rows[labelled], target)
    scores = score_pool(features, scale, words.rows, examples, np.arange(100))[:, 0]
    assert scores[8:20].mean() > scores[20:70].mean() + 0.1


def test_scores_are_the_same_in_blocks(monkeypatch):
    features, texts = pool_of(50, 10)
    scale, words = Scale.of(features), HashedWords(texts)
    target = np.array([[1.0]] * 5 + [[0.0]] * 5, dtype=np.float32)
    labelled = np.r_[0:5, 45:50]
    examples = Examples(scale(features[labelled].astype(np.float32)), words.rows[labelled], target)
    whole = score_pool(features, scale, words.rows, examples, np.arange(50))
    monkeypatch.setattr("imbtool.search.scores.ROWS_AT_ONCE", 7)
    assert np.allclose(whole, score_pool(features, scale, words.rows, examples, np.arange(50)))


def test_scores_of_the_labels_above_are_added_with_less_weight():
    scores = np.array([[1.0, 10.0, 100.0]], dtype=np.float32)
    found = with_ancestors(scores, [[0, 1, 2], [1, 2], [2]])
    assert found.tolist() == [pytest.approx([1 + ANCESTORS * 110, 10 + ANCESTORS * 100, 100])]


def test_standardised_scores_of_one_value_are_0():
    assert standardised(np.full(4, 7.0)).tolist() == [0, 0, 0, 0]
    found = standardised(np.array([1.0, 2.0, 3.0]))
    assert (found.mean(), found.std()) == pytest.approx((0, 1))
