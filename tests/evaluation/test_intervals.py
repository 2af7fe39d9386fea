"""Intervals hold the truth as often as they say; a resample has the metrics of its texts."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import beta, binomtest, bootstrap

from imbtool.evaluation import intervals
from imbtool.evaluation.intervals import (
    RESAMPLES,
    as_wide_as_splits,
    auc_interval,
    draw_weights,
    exact_interval,
    f1_interval,
    mean_trials,
    resample,
    resampled_interval,
    unseen_pull,
)
from imbtool.evaluation.metrics import MetricArrays, confusion, mean_of_each, measure


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [
        (0, 10, 0.0, 0.3085),
        (10, 10, 0.6915, 1.0),
        (1, 10, 0.0025, 0.4450),
        (15, 50, 0.1786, 0.4461),
    ],
)
def test_agrees_with_published_tables(hits: int, trials: int, low: float, high: float) -> None:
    assert exact_interval(hits, trials) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("trials", [1, 2, 7, 40])
def test_is_the_exact_interval_of_scipy(trials: int) -> None:
    for hits in range(trials + 1):
        theirs = binomtest(hits, trials).proportion_ci(0.95, method="exact")
        assert exact_interval(hits, trials) == pytest.approx((theirs.low, theirs.high))


def test_a_bound_on_one_side_leaves_all_it_may_out_there() -> None:
    for side, alternative in enumerate(("greater", "less")):
        theirs = binomtest(5, 6, alternative=alternative).proportion_ci(0.95, method="exact")
        assert exact_interval(5, 6, 0.05)[side] == pytest.approx((theirs.low, theirs.high)[side])


def test_nothing_tried_says_nothing() -> None:
    assert exact_interval(0, 0) == (0.0, 1.0)
    assert f1_interval(0, 0) == (0.0, 1.0)


def test_hits_need_not_be_whole() -> None:
    low, high = exact_interval(2.5, 10)
    assert exact_interval(2, 10)[0] < low < exact_interval(3, 10)[0]
    assert exact_interval(2, 10)[1] < high < exact_interval(3, 10)[1]


def test_f1_has_the_interval_of_the_share_it_rises_with() -> None:
    theirs = binomtest(12, 20).proportion_ci(0.95, method="exact")
    expected = [2 * share / (1 + share) for share in (theirs.low, theirs.high)]
    assert f1_interval(12, 8) == pytest.approx(expected)


def test_f1_at_its_ends_is_not_certain() -> None:
    assert f1_interval(0, 20) == pytest.approx((0.0, 0.288), abs=1e-3)
    assert f1_interval(20, 0) == pytest.approx((0.908, 1.0), abs=1e-3)


def test_the_interval_of_a_share_that_is_resampled_is_the_exact_one() -> None:
    resamples = np.random.default_rng(0).binomial(50, 0.3, size=200_000) / 50
    assert resampled_interval(0.3, resamples, 50) == pytest.approx(exact_interval(15, 50), abs=5e-3)


def test_what_resampling_adds_to_a_figure_is_taken_off_it() -> None:
    spread = np.random.default_rng(0).normal(0.5, 0.05, size=20_000)
    low, high = resampled_interval(0.5, spread, 100)
    shifted_low, shifted_high = resampled_interval(0.5, spread + 0.03, 100)
    assert shifted_low == pytest.approx(low - 0.03, abs=3e-3)
    assert shifted_high == pytest.approx(high - 0.03, abs=3e-3)


def test_a_figure_stays_in_its_interval_whatever_its_resamples_say() -> None:
    low, high = resampled_interval(0.5, np.full(100, 0.8) + np.linspace(0, 1e-3, 100), 20)
    assert low <= 0.5 <= high


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_resamples_that_do_not_differ_leave_the_exact_interval_of_the_trials(value: float) -> None:
    resamples = np.full(100, value)
    assert resampled_interval(value, resamples, 20) == pytest.approx(exact_interval(20 * value, 20))


def test_undefined_resamples_are_left_out_and_an_undefined_figure_has_no_interval() -> None:
    resamples = np.array([0.2, 0.4, 0.3, 0.5])
    with_holes = np.append(resamples, [np.nan, np.nan])
    assert resampled_interval(0.3, with_holes, 9) == resampled_interval(0.3, resamples, 9)
    assert np.isnan(resampled_interval(np.nan, resamples, 9)).all()
    assert np.isnan(resampled_interval(0.3, np.full(3, np.nan), 9)).all()


def test_a_mean_rests_on_the_trials_that_give_its_variance() -> None:
    trials, shares = np.array([4, 20, 100]), np.array([1, 1, 1])
    variance = (1 / trials).sum() / 9
    assert mean_trials(trials, shares) == pytest.approx(1 / variance)
    # weighted by themselves they are pooled
    assert mean_trials(trials, trials) == pytest.approx(trials.sum())


def test_a_known_bias_takes_the_place_of_that_of_resamples() -> None:
    resamples = 0.3 + np.random.default_rng(0).normal(0, (0.3 * 0.7 / 50) ** 0.5, 4_000)
    told = resampled_interval(0.3, resamples, 50, centre=0.2)
    low, high = exact_interval(10, 50)
    assert told == pytest.approx((low, high), abs=5e-3)
    assert resampled_interval(0.3, resamples, 50, centre=0.05)[1] == 0.3


def test_resamples_of_few_trials_vary_as_much_as_other_splits_would() -> None:
    rng = np.random.default_rng(0)
    splits = rng.random((5, 20_000))
    drawn = rng.integers(5, size=(100, 5))
    narrow = splits[drawn].mean(axis=1)
    wide = as_wide_as_splits(narrow, np.full(20_000, 5.0))
    expected = splits.mean(axis=0).var()
    assert narrow.var(axis=0, ddof=1).mean() < 0.85 * expected
    assert wide.var(axis=0, ddof=1).mean() == pytest.approx(expected, rel=0.05)


def test_widening_keeps_the_mean_of_resamples_and_what_is_undefined() -> None:
    resamples = np.array([[0.2, np.nan, np.nan], [0.4, 0.5, np.nan]])
    wide = as_wide_as_splits(resamples, np.array([2.0, 0.0, 1.0]))
    assert wide[:, 0] == pytest.approx([0.3 - 0.1 * 2**0.5, 0.3 + 0.1 * 2**0.5])
    assert np.array_equal(np.isnan(wide), np.isnan(resamples))
    assert wide[1, 1] == 0.5


def test_an_auc_reckons_with_half_a_positive_that_ranks_like_any_negative():
    assert unseen_pull(np.array([0.9, 0.5, 0.3]), np.array([19.5, 3, 1.5])) == pytest.approx(
        [0.4 * 0.5 / 20, 0.0, -0.2 * 0.5 / 2]
    )


def test_without_unseen_positives_an_auc_has_jeffreys_interval():
    # the quantiles of half a hit and half a miss more than 3 of 10 show
    resamples = 0.3 + np.array([-1, 1]) * (0.3 * 0.7 / 10) ** 0.5
    ends = auc_interval(0.3, resamples, 10, np.zeros(1))
    assert ends == pytest.approx(beta(3.5, 7.5).ppf([0.025, 0.975]))


@pytest.mark.parametrize("value", [0.9, 0.1])
def test_the_unseen_positives_move_and_widen_only_the_end_towards_one_half(value: float) -> None:
    resamples = value + np.random.default_rng(0).normal(0, 0.02, size=4_000)
    plain = auc_interval(value, resamples, 20, np.zeros(1))
    doubted = auc_interval(value, resamples, 20, unseen_pull(np.array([value]), np.array([20])))
    inner, outer = (0, 1) if value > 0.5 else (1, 0)
    assert doubted[outer] == plain[outer]
    pull = unseen_pull(np.array([value]), np.array([20]))[0]
    assert abs(doubted[inner] - plain[inner]) > abs(pull)


def test_the_pulls_of_several_labels_add_up_as_deviations_do() -> None:
    resamples = 0.9 + np.random.default_rng(0).normal(0, 0.02, size=4_000)
    of_two = auc_interval(0.9, resamples, 40, np.array([0.03, 0.04]))
    assert of_two == pytest.approx(auc_interval(0.9, resamples, 40, np.array([0.05])))


def test_a_label_below_one_half_pulls_at_the_other_end() -> None:
    resamples = 0.6 + np.random.default_rng(0).normal(0, 0.02, size=4_000)
    low, high = auc_interval(0.6, resamples, 40, np.array([0.03, -0.04]))
    assert low == pytest.approx(auc_interval(0.6, resamples, 40, np.array([0.03]))[0])
    assert high == pytest.approx(auc_interval(0.6, resamples, 40, np.array([-0.04]))[1])


def test_a_perfect_auc_of_few_positives_is_not_certain():
    pulls = unseen_pull(np.ones(1), np.array([2.0]))
    low, high = auc_interval(1.0, np.ones(50), 2, pulls)
    assert 0.3 < low < 0.7
    assert high == 1.0
    few, many = (
        auc_interval(1.0, np.ones(50), n, unseen_pull(np.ones(1), np.array([n])))[0]
        for n in (5, 50)
    )
    assert low < few < many


def test_an_auc_that_is_undefined_has_no_interval():
    assert np.isnan(auc_interval(np.nan, np.ones(3), 2, np.zeros(1))).all()
    assert np.isnan(auc_interval(0.7, np.full(3, np.nan), 2, np.zeros(1))).all()


NAN = np.nan


def sample(texts: int = 60, seed: int = 0) -> tuple[NDArray, NDArray, NDArray]:
    """Decisions, scores with ties, and targets [texts, 4]: one label rare, one with none."""
    rng = np.random.default_rng(seed)
    targets = (rng.random((texts, 4)) < [0.4, 0.2, 0.0, 0.0]).astype(np.float32)
    targets[7, 2] = 1
    targets[rng.random((texts, 4)) < 0.1] = NAN
    targets[7, 2] = 1
    scores = np.round(rng.normal(size=(texts, 4)) + np.nan_to_num(targets), 1)
    return scores > 0.7, scores, targets


def weights_of(texts: int, seed: int = 0) -> NDArray:
    """All weights at once, [texts, RESAMPLES]."""
    return np.concatenate(list(draw_weights(texts, seed)), axis=1)


def same(first: MetricArrays, second: MetricArrays) -> bool:
    """Whether all metrics are the same, NaN where the other is NaN."""
    others = second.by_name()
    return all(np.array_equal(v, others[k], equal_nan=True) for k, v in first.by_name().items())


def test_a_resample_takes_as_many_texts_as_there_are_each_as_often_as_any():
    weights = weights_of(50)
    assert weights.shape == (50, RESAMPLES)
    assert (weights.sum(axis=0) == 50).all()
    assert weights.var() == pytest.approx(1 - 1 / 50, abs=0.02)
    # a mean of 2,000 draws of variance 1: five standard errors
    assert np.abs(weights.mean(axis=1) - 1).max() < 5 / RESAMPLES**0.5


def test_the_measures_of_a_resample_are_those_of_the_texts_it_took():
    decisions, scores, targets = sample()
    resampled, weights = resample(decisions, scores, targets).by_name(), weights_of(len(targets))
    for number in range(0, RESAMPLES, 100):
        taken = np.repeat(np.arange(len(targets)), weights[:, number].astype(int))
        expected = measure(decisions[taken], scores[taken], targets[taken]).by_name()
        for name, values in expected.items():
            assert resampled[name][number] == pytest.approx(values, nan_ok=True), name


def test_counts_of_a_resample_are_those_of_the_texts_it_took():
    decisions, scores, targets = sample()
    counts, weights = resample(decisions, scores, targets).counts, weights_of(len(targets))
    taken = np.repeat(np.arange(len(targets)), weights[:, 3].astype(int))
    expected = confusion(decisions[taken], targets[taken])
    assert counts.true_positives[3].tolist() == expected.true_positives.tolist()
    assert counts.false_positives[3].tolist() == expected.false_positives.tolist()
    assert counts.false_negatives[3].tolist() == expected.false_negatives.tolist()


def test_a_label_with_one_positive_is_undefined_in_the_resamples_that_miss_it():
    decisions, scores, targets = sample()
    resampled = resample(decisions, scores, targets).by_name()
    missed = weights_of(len(targets))[7] == 0
    assert missed.mean() == pytest.approx(np.exp(-1), abs=0.05)
    for name, values in resampled.items():
        assert np.isnan(values[:, 2])[missed].all(), name
        assert not np.isnan(values[:, 2])[~missed].any(), name


def test_a_label_without_positives_is_undefined_in_every_resample():
    for name, values in resample(*sample()).by_name().items():
        assert np.isnan(values[:, 3]).all(), name


def test_unknown_targets_take_no_part():
    decisions, scores, targets = sample()
    unknown = np.isnan(targets)
    others = resample(decisions ^ unknown, np.where(unknown, 99.0, scores), targets)
    assert same(resample(decisions, scores, targets), others)


def test_the_same_seed_gives_the_same_resamples_and_another_one_others():
    assert same(resample(*sample()), resample(*sample()))
    assert not same(resample(*sample()), resample(*sample(), seed=1))


def test_small_parts_are_as_good_as_one(monkeypatch):
    monkeypatch.setattr(intervals, "MOST_WEIGHTS", 60 * 64)
    parts = list(draw_weights(60, 0))
    assert [part.shape[1] for part in parts] == [64] * 31 + [16]
    values = resample(*sample()).by_name()
    assert all(value.shape == (RESAMPLES, 4) for value in values.values())


@pytest.mark.parametrize("name", ["f1", "average_precision", "roc_auc"])
def test_the_spread_of_a_macro_mean_is_that_of_scipy_s_bootstrap(name):
    decisions, scores, targets = (part[:, :2] for part in sample(texts=120))

    def macro(rows: NDArray) -> float:
        taken = rows.astype(int)
        values = measure(decisions[taken], scores[taken], targets[taken]).by_name()[name]
        return float(mean_of_each(values, np.ones(2)))

    theirs = bootstrap(
        (np.arange(120),), macro, n_resamples=250, method="percentile", vectorized=False, rng=0
    )
    ours = mean_of_each(resample(decisions, scores, targets).by_name()[name], np.ones(2))
    assert ours.std() == pytest.approx(theirs.standard_error, rel=0.15)
    ends = (theirs.confidence_interval.low, theirs.confidence_interval.high)
    assert np.quantile(ours, [0.025, 0.975]) == pytest.approx(ends, abs=0.02)
