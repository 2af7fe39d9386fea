"""Estimates are those of the metrics, and their intervals cover what they should."""

from collections import Counter

import numpy as np
import pytest
from binormal import binormal
from predicted import metrics_of

from imbtool.evaluation import intervals
from imbtool.evaluation.document import METRICS, Estimate
from imbtool.evaluation.estimates import ResampledMetric, estimate, estimate_text
from imbtool.evaluation.intervals import (
    auc_interval,
    exact_interval,
    f1_interval,
    resample,
    resampled_interval,
    unseen_pull,
)
from imbtool.evaluation.metrics import left_out_precision, mean_defined, mean_of_each, measure

NAN = np.nan
TARGETS = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0], [0, 0, NAN], [1, NAN, 0]], np.float32)
SCORES = np.array(
    [[0.9, 0.8, 0.1], [0.3, 0.7, 0.6], [0.2, 0.1, 0.4], [0.6, 0.2, 0.9], [0.8, 0.9, 0.2]]
)
FOUND = metrics_of(SCORES >= 0.5, SCORES, TARGETS)


def ends(of: ResampledMetric) -> tuple[float, float]:
    return of.low, of.high


@pytest.mark.parametrize(
    ("of", "digits", "text"),
    [
        ((2 / 3, 0.3, 0.9), 2, "0.67 [.30–.90]"),
        ((1.0, 0.54, 1.0), 2, "1.00 [.54–1.00]"),
        ((12.0, 0.46, 20.93), 1, "12.0 [.5–20.9]"),
        ((NAN, NAN, NAN), 2, "–"),
    ],
)
def test_a_metric_in_a_sentence_has_its_interval_beside_it(of: tuple, digits: int, text: str):
    assert estimate_text(estimate(*of), digits) == text


def test_an_undefined_metric_has_no_interval():
    nothing = Estimate(value=None, low=None, high=None)
    assert estimate(NAN, 0.0, 1.0) == nothing
    assert estimate_text(nothing) == estimate_text(None) == "–"
    for row in FOUND.label(2).values():
        assert np.isnan(row.ends).all()
        assert row.estimate == nothing


@pytest.mark.parametrize("name", METRICS)
def test_values_are_those_of_the_metrics(name):
    measured = measure(SCORES >= 0.5, SCORES, TARGETS)
    values = measured.by_name()[name]
    for index in range(3):
        assert FOUND.label(index)[name].value == pytest.approx(values[index], nan_ok=True)
    assert FOUND.macro([0, 1, 2])[name].value == pytest.approx(mean_defined(values))
    weighted = mean_of_each(values, measured.counts.support)
    assert FOUND.weighted()[name].value == pytest.approx(weighted)
    if name in FOUND.micro():
        pooled = measured.counts.micro().by_name()[name][0]
        assert FOUND.micro()[name].value == pytest.approx(pooled)


def test_a_label_s_counts_have_exact_intervals():
    # of the texts 1, 4 and 5 that are decided two have the label; text 2 is missed
    row = FOUND.label(0)
    assert ends(row["precision"]) == exact_interval(2, 3)
    assert ends(row["recall"]) == exact_interval(2, 3)
    assert ends(row["f1"]) == f1_interval(2, 2)


def test_a_perfect_ranking_of_few_positives_is_not_certain():
    targets = np.array([[1], [1], [0], [0], [0]], np.float32)
    row = metrics_of(targets == 1, targets.astype(float), targets).label(0)
    exact = exact_interval(2, 2)
    expected = dict.fromkeys(METRICS, exact) | {
        "f1": f1_interval(2, 0),
        "roc_auc": auc_interval(1.0, np.ones(9), 2, unseen_pull(np.ones(1), np.array([2]))),
    }
    for name in METRICS:
        assert row[name].value == 1.0
        assert ends(row[name]) == pytest.approx(expected[name])


def test_a_mean_auc_reckons_with_unseen_positives_of_each_of_its_labels():
    rng = np.random.default_rng(0)
    targets = (rng.random((600, 3)) < [0.01, 0.02, 0.1]).astype(np.float32)
    scores = rng.normal(size=targets.shape) + 2 * targets
    metrics = metrics_of(scores >= 2, scores, targets)
    found = [metrics.label(index)["roc_auc"] for index in range(3)]
    values, trials = (np.array([getattr(of, key) for of in found]) for key in ("value", "trials"))
    assert trials.tolist() == targets.sum(axis=0).tolist()
    for of, parts in (
        (metrics.macro(range(3))["roc_auc"], np.full(3, 1 / 3)),
        (metrics.weighted()["roc_auc"], trials / trials.sum()),
    ):
        pulls = parts * unseen_pull(values, trials)
        assert (of.low, of.high) == auc_interval(of.value, of.resamples, of.trials, pulls)


def test_a_group_that_is_never_found_is_not_surely_at_zero():
    targets = np.zeros((100, 2), np.float32)
    targets[:10] = 1
    nothing = metrics_of(np.zeros((100, 2), np.bool_), np.zeros((100, 2)), targets)
    assert ends(nothing.macro([0, 1])["recall"]) == pytest.approx(exact_interval(0, 20))
    assert ends(nothing.micro()["recall"]) == pytest.approx(exact_interval(0, 20))
    # F1 is a share of the mean of positives and decided: of 20 and none
    assert ends(nothing.micro()["f1"]) == pytest.approx(exact_interval(0, 10))


def test_a_label_that_decides_nothing_leaves_the_mean_precision_open():
    targets = np.tile(np.eye(2, dtype=np.float32), (200, 1))
    decisions = np.column_stack([np.arange(400) < 300, np.zeros(400, dtype=bool)])
    precision = metrics_of(decisions, decisions.astype(float), targets).macro([0, 1])["precision"]
    assert precision.value == 0.25
    assert precision.high > 0.75, "the silent label's precision could be 1"
    assert precision.low > 0.2


def test_nothing_is_known_of_no_labels():
    for row in FOUND.macro([]).values():
        assert np.isnan(row.ends).all()


def test_an_average_precision_stands_where_it_is_when_other_texts_judge_each_positive():
    rng = np.random.default_rng(0)
    targets = (rng.random((600, 3)) < 0.04).astype(np.float32)
    scores = rng.normal(size=targets.shape) + targets
    metrics = metrics_of(scores >= 2, scores, targets)
    left_out = left_out_precision(scores, targets)
    for found, centre in (
        (metrics.label(1), left_out[1]),
        (metrics.macro(range(3)), left_out.mean()),
    ):
        of = found["average_precision"]
        expected = resampled_interval(of.value, of.resamples, of.trials, centre=centre)
        assert (of.low, of.high) == pytest.approx(expected)


def test_intervals_of_25_positives_cover_as_often_as_they_say(monkeypatch):
    monkeypatch.setattr(intervals, "RESAMPLES", 300)
    rng, splits, labels, texts = np.random.default_rng(0), 200, 4, 500
    truth, covered = binormal(25 / texts, 3.0, 2.2), Counter()
    for _ in range(splits):
        targets = (rng.random((texts, labels)) < 25 / texts).astype(np.float32)
        scores = rng.normal(size=(texts, labels)) + 3 * targets
        found = metrics_of(scores >= 2.2, scores, targets)
        groups = {"macro": found.macro(range(labels)), "weighted": found.weighted()}
        groups |= {f"label {index}": found.label(index) for index in range(labels)}
        for group, row in groups.items():
            for name, value in row.items():
                low, high = ends(value)
                covered[group.split()[0], name] += low <= truth[name] <= high
    for (group, name), times in covered.items():
        share = times / splits / (labels if group == "label" else 1)
        # less two standard errors of the simulation
        assert share > 0.92 - 0.03, (group, name, share)


def test_estimates_rest_on_resamples_that_vary_as_other_splits_would():
    rng = np.random.default_rng(0)
    targets = (rng.random((400, 2)) < 0.03).astype(np.float32)
    scores = rng.normal(size=targets.shape) + targets
    decisions = scores >= 1
    found = metrics_of(decisions, scores, targets).label(1)
    raw = resample(decisions, scores, targets).by_name()
    for name in ("recall", "f1", "average_precision"):
        of = found[name]
        expected = np.nanvar(raw[name][:, 1]) * of.trials / (of.trials - 1)
        assert np.nanvar(of.resamples) == pytest.approx(expected)
