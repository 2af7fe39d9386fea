"""Two systems are compared on the same texts, and the difference is never surer than they show."""

from dataclasses import replace

import numpy as np
import pytest
from binormal import binormal
from numpy.typing import NDArray
from predicted import predicted

from imbtool.data.imbalance import Tier
from imbtool.errors import UserError
from imbtool.evaluation import intervals
from imbtool.evaluation.comparison import compare
from imbtool.evaluation.document import METRICS, Comparison, Difference
from imbtool.evaluation.estimates import SplitMetrics
from imbtool.evaluation.intervals import exact_interval, paired_interval, shared_correlation
from imbtool.evaluation.metrics import mean_defined, measure
from imbtool.evaluation.predictions import Predictions

NAMES = ("a", "b", "c", "never")
TIERS: tuple[Tier, ...] = ("severe", "moderate", "moderate", "head")


@pytest.fixture(autouse=True)
def fewer_resamples(monkeypatch):
    monkeypatch.setattr(intervals, "RESAMPLES", 300)


def judged(scores: NDArray, names: tuple[str, ...] = NAMES, cut: float = 1.5) -> Predictions:
    return predicted(scores >= cut, scores, names)


def sample(texts: int = 400, seed: int = 0) -> tuple[Predictions, Predictions, NDArray]:
    """Ours, theirs, which hears less of three of four labels, and targets; one has no positives."""
    rng = np.random.default_rng(seed)
    targets = (rng.random((texts, 4)) < [0.1, 0.2, 0.3, 0.0]).astype(np.float32)
    noise = rng.normal(size=(3, texts, 4))
    ours = noise[0] + noise[1] + 3 * targets
    return judged(ours), judged(noise[0] + noise[2] + targets), targets


def compared(ours: Predictions, theirs: Predictions, targets: NDArray) -> Comparison:
    return compare(SplitMetrics(ours, targets), theirs, targets, TIERS, "other.csv")


def is_nothing(difference: Difference) -> bool:
    return {value for _, value in difference} == {None}


def test_a_difference_is_ours_less_theirs_as_the_metrics_have_them():
    ours, theirs, targets = sample()
    result = compared(ours, theirs, targets)
    values = [measure(of.decisions, of.probabilities, targets).by_name() for of in (ours, theirs)]
    for name in METRICS:
        mine, others = (mean_defined(of[name]) for of in values)
        row = result.overall["macro"].metric(name)
        assert [row.ours, row.theirs] == pytest.approx([mine, others])
        assert row.value == pytest.approx(mine - others)
        assert row.low < row.value < row.high
        assert result.labels["a"].metric(name).ours == pytest.approx(values[0][name][0])
    assert set(result.overall) == {"macro", "micro", "severe", "moderate", "head"}
    assert set(dict(result.overall["micro"])) == {"precision", "recall", "f1"}
    assert result.overall["severe"].f1 == result.labels["a"].f1
    assert (result.against, result.texts, result.has_scores) == ("other.csv", 400, True)
    assert (result.decided_by, result.left_out) == ("its thresholds", [])


def test_the_verdict_is_that_of_the_interval_and_all_are_counted():
    ours, theirs, targets = sample()
    result = compared(ours, theirs, targets)
    verdicts = {name: row.verdict for name, row in result.labels.items()}
    assert verdicts == {"a": "better", "b": "better", "c": "better", "never": "cannot be told"}
    assert result.counts == {"better": 3, "worse": 0, "cannot be told": 1}
    turned = compared(theirs, ours, targets)
    assert turned.counts == {"better": 0, "worse": 3, "cannot be told": 1}
    there, back = result.labels["b"].f1, turned.labels["b"].f1
    assert [back.low, back.high] == pytest.approx([-there.high, -there.low])


def test_a_difference_that_chance_could_have_made_is_no_verdict():
    ours, _, targets = sample()
    noise = np.random.default_rng(1).normal(size=targets.shape)
    theirs = judged(ours.probabilities + noise / 2)
    for first, second in ((ours, theirs), (theirs, ours)):
        row = compared(first, second, targets).labels["c"]
        assert row.f1.value != 0
        assert row.f1.low < 0 < row.f1.high
        assert row.verdict == "cannot be told"


def test_two_systems_that_never_differ_are_one_and_their_difference_is_nothing():
    ours, _, targets = sample()
    row = compared(ours, ours, targets).labels["a"]
    for name in METRICS:
        assert [getattr(row.metric(name), key) for key in ("value", "low", "high")] == [0, 0, 0]
    assert row.verdict == "cannot be told"


def test_other_thresholds_leave_the_ranking_the_same():
    ours, _, targets = sample()
    row = compared(ours, judged(ours.probabilities, cut=0.5), targets).labels["a"]
    assert [row.roc_auc.low, row.roc_auc.high] == [0, 0]
    assert row.recall.low < row.recall.high


@pytest.mark.parametrize("found", [6, 3, 0])
def test_two_systems_that_agree_on_all_six_positives_may_still_differ(found):
    ours, _, targets = sample()
    targets[:, 0] = np.arange(400) < 6
    scores = ours.probabilities.copy()
    scores[:, 0] = np.where(np.arange(400) < found, 9, -9) - np.arange(400) / 1e4
    ours, theirs = judged(scores), judged(scores + np.array([0, 0.5, 0, 0]))
    row = compared(ours, theirs, targets).labels["a"]
    # Bonett and Price's interval for no pair of six that differs is 0 +- 0.35
    assert row.recall.value == 0
    assert row.recall.low < -0.2
    assert row.recall.high > 0.2
    for name in METRICS:
        assert row.metric(name).low < 0 < row.metric(name).high
    assert row.verdict == "cannot be told"


def test_what_they_share_is_no_part_of_the_difference():
    rng = np.random.default_rng(3)
    targets = (rng.random((600, 4)) < 0.1).astype(np.float32)
    shared, first, second = rng.normal(size=(3, 600, 4))
    alike = [judged(shared + part / 3 + 2 * targets) for part in (first, second)]
    apart = [judged(part + 2 * targets) for part in (first, second)]
    widths = []
    for ours, theirs in (alike, apart):
        row = compared(ours, theirs, targets).overall["macro"].f1
        widths.append(row.high - row.low)
    assert widths[0] < 0.7 * widths[1]


def test_without_their_scores_ranking_is_undefined_and_the_rest_is_not():
    ours, theirs, targets = sample()
    result = compared(
        ours, replace(predicted(theirs.decisions, None, NAMES), decided_by="0/1 columns"), targets
    )
    assert not result.has_scores
    assert result.decided_by == "0/1 columns"
    rows = [result.overall["macro"], result.labels["a"]]
    for row in rows:
        assert is_nothing(row.average_precision)
        assert is_nothing(row.roc_auc)
        assert row.f1.value > 0
    assert result.counts["better"] == 3


def test_a_label_without_positives_has_no_difference():
    row = compared(*sample()).labels["never"]
    assert all(is_nothing(row.metric(name)) for name in METRICS)
    assert row.support == 0


def test_only_labels_that_both_have_are_compared_and_the_others_are_named():
    ours, theirs, targets = sample()
    full = compared(ours, theirs, targets)
    other = predicted(
        theirs.decisions[:, [3, 2, 0]], theirs.probabilities[:, [3, 2, 0]], ("d", "c", "a")
    )
    result = compared(ours, other, targets)
    assert result.left_out == ["b", "never", "d"]
    assert list(result.labels) == ["a", "c"]
    assert result.labels["c"] == full.labels["c"]
    assert set(result.overall) == {"macro", "micro", "severe", "moderate"}


def test_no_label_in_common_is_said_with_the_nearest():
    ours, theirs, targets = sample()
    other = predicted(theirs.decisions, theirs.probabilities, ("NEVER", "x", "y", "z"))
    with pytest.raises(UserError, match=r"other.csv\n.*none of our labels: NEVER, x, y, z"):
        compared(ours, other, targets)
    with pytest.raises(UserError, match="did you mean 'never'"):
        compared(
            ours,
            predicted(theirs.decisions, theirs.probabilities, ("nevr", "x", "y", "z")),
            targets,
        )


def test_an_unknown_target_counts_for_neither():
    ours, theirs, targets = sample()
    unknown = np.arange(400) % 3 == 0
    targets[unknown, 1] = np.nan
    row = compared(ours, theirs, targets).labels["b"]
    known = [of.decisions[~unknown, 1] for of in (ours, theirs)]
    recalls = [of[targets[~unknown, 1] == 1].mean() for of in known]
    assert [row.recall.ours, row.recall.theirs] == pytest.approx(recalls)


def test_square_and_add_is_that_of_independent_shares_where_nothing_is_shared():
    # Newcombe (Statistics in Medicine 17, 1998, 873-890), table II: 56/70 less 48/80, from Wilson's
    # intervals of the two
    ours, theirs = (0.8, 0.6915, 0.8769), (0.6, 0.4905, 0.7001)
    assert paired_interval(ours, theirs, 0) == pytest.approx((0.0524, 0.3339), abs=5e-4)
    low, high = paired_interval(ours, theirs, 0.8)
    assert 0.0524 < low < 0.2 < high < 0.3339


def test_a_correlation_is_less_sure_with_few_trials_and_none_where_nothing_moves():
    rng = np.random.default_rng(0)
    first = rng.normal(size=1_000)
    second = first + rng.normal(size=1_000)
    expected = np.corrcoef(first, second)[0, 1]
    assert shared_correlation(first, second, 1e9) == pytest.approx(expected)
    assert shared_correlation(first, second, 6) == pytest.approx(expected * 6 / 8)
    assert shared_correlation(first, np.ones(1_000), 6) == 0
    first[:500] = np.nan
    expected = np.corrcoef(first[500:], second[500:])[0, 1]
    assert shared_correlation(first, second, 1e9) == pytest.approx(expected)
    assert shared_correlation(np.empty(0), np.empty(0), 0) == 0


@pytest.mark.parametrize("correlation", [0.0, 0.9])
def test_intervals_of_a_difference_hold_it_in_at_least_92_of_100_simulated_splits(correlation):
    labels, texts, prevalence, cut = 150, 1_000, 0.02, 2.0
    rng = np.random.default_rng(1)
    targets = (rng.random((texts, labels)) < prevalence).astype(np.float32)
    shared, first, second = rng.normal(size=(3, texts, labels))
    scores = [
        correlation**0.5 * shared + (1 - correlation) ** 0.5 * own + distance * targets
        for own, distance in ((first, 3), (second, 2))
    ]
    names = tuple(map(str, range(labels)))
    ours, theirs = (judged(part, names, cut) for part in scores)
    found = compare(SplitMetrics(ours, targets), theirs, targets, ["head"] * labels, "")
    truth = [binormal(prevalence, distance, cut) for distance in (3, 2)]
    for name in ("precision", "recall", "f1"):
        true = truth[0][name] - truth[1][name]
        rows = [row.metric(name) for row in found.labels.values()]
        held = np.mean([row.low <= true <= row.high for row in rows])
        assert held >= 0.92, name
        # and they are not so wide that nothing can be told
        assert np.mean([row.high - row.low for row in rows]) < 0.6
        assert np.mean([row.low > 0 for row in rows]) > 0.2, name


def test_a_label_s_own_figures_are_what_the_difference_is_made_of():
    ours, theirs, targets = sample()
    # both find all of "a": nothing moves, so each may move as far as its exact interval goes
    found = targets[:, 0] == 1
    for of in (ours, theirs):
        of.decisions[found, 0] = True
    row = compared(ours, theirs, targets).labels["a"].recall
    low, _ = exact_interval(found.sum(), found.sum())
    assert [row.low, row.high] == pytest.approx([low - 1, 1 - low])


def test_our_own_side_is_bootstrapped_once(monkeypatch):
    ours, theirs, targets = sample()
    metrics, seen = SplitMetrics(ours, targets), []

    def resample(decisions, *rest):
        seen.append(decisions)
        return intervals.resample(decisions, *rest)

    monkeypatch.setattr("imbtool.evaluation.estimates.resample", resample)
    found = compare(metrics, theirs, targets, TIERS, "other.csv")
    assert [decisions.tolist() for decisions in seen] == [theirs.decisions.tolist()]
    for index, name in enumerate(NAMES[:3]):
        assert found.labels[name].f1.ours == metrics.label(index)["f1"].value
