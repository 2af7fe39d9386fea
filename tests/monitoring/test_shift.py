"""Prevalence by scores alone: by hand, over many streams, and where the assumption fails."""

import numpy as np
import pytest
from scoredlabels import scored_label

from imbtool.evaluation.intervals import exact_interval
from imbtool.monitoring.drift import SingleTest, judge
from imbtool.monitoring.shift import (
    CUTS,
    ScoredLabel,
    ShiftedLabel,
    adjusted_count,
    assumption_p_value,
    prior_by_em,
    prior_shift_estimate,
    upper_bound,
)

PRIOR = 60 / 2060
NOISE = np.linspace(0.1, 1.0, 20)


def test_em_ends_where_its_own_step_changes_nothing():
    logits, share = scored_label(0, 0.05).stream, 0.2
    odds = np.exp(logits - np.log(PRIOR / (1 - PRIOR)))
    for _ in range(2000):
        share = np.mean(share * odds / (share * odds + 1 - share))
    assert prior_by_em(logits, PRIOR) == pytest.approx(share, rel=0.01)


def test_em_finds_no_label_where_all_scores_are_low_and_all_where_all_are_high():
    assert prior_by_em(np.full(100, -9.0) + np.arange(100) / 1e3, 0.1) == 0
    assert prior_by_em(np.full(100, 9.0) + np.arange(100) / 1e3, 0.1) == 1


def test_the_adjusted_count_of_decisions_is_the_textbooks():
    # recall 0.8, false alarms 0.1, flagged 0.17: (0.17 - 0.1) / (0.8 - 0.1)
    positive, negative, stream = (
        np.repeat([1.0, 0.0], pair) for pair in ((8, 2), (10, 90), (17, 83))
    )
    assert adjusted_count(positive, negative, stream).value == pytest.approx(0.1)


def test_with_the_class_means_known_the_interval_is_that_of_the_streams_mean():
    """Without variance of the other two, Fieller's interval is Student's."""
    stream = np.repeat([1.0, 0.0], (30, 970))
    found = adjusted_count(np.ones(50), np.zeros(500), stream)
    half = 1.9623 * np.sqrt(stream.var(ddof=1) / 1000)
    assert (found.value, found.low, found.high) == pytest.approx(
        (0.03, 0.03 - half, 0.03 + half), abs=1e-5
    )


def test_scores_that_tell_nothing_bound_nothing():
    rng = np.random.default_rng(0)
    found = adjusted_count(rng.normal(size=8), rng.normal(size=80), rng.normal(size=500))
    assert (found.low, found.high) == (0, 1)


@pytest.mark.parametrize("factor", [0.25, 1, 4])
def test_intervals_cover_the_share_under_prior_shift(factor: float):
    share = factor * PRIOR
    found = [prior_shift_estimate(scored_label(seed, share)) for seed in range(300)]
    covered = np.mean([each.low <= share <= each.high for each in found])
    assert covered >= 0.92
    assert np.mean([each.value for each in found]) == pytest.approx(share, rel=0.08)
    assert all(each.low <= each.value <= each.high for each in found)


def test_few_positives_on_validation_widen_the_interval():
    share = 4 * PRIOR
    widths = [
        np.mean(
            [
                each.high - each.low
                for seed in range(20)
                for each in [prior_shift_estimate(scored_label(seed, share, positives))]
            ]
        )
        for positives in (10, 60, 400)
    ]
    assert widths[0] > 1.3 * widths[1] > 1.3 * widths[2]


def test_the_test_of_the_assumption_rarely_errs_and_finds_texts_that_look_otherwise():
    def rejected(moved: float) -> float:
        labels = [scored_label(seed, 0.1, 200, moved=moved) for seed in range(60)]
        values = [prior_shift_estimate(each).value for each in labels]
        pairs = zip(labels, values, strict=True)
        return float(np.mean([assumption_p_value(*pair, seed=1) < 0.05 for pair in pairs]))

    assert rejected(0.0) <= 0.12
    assert rejected(-1.5) >= 0.9


def test_what_has_surely_changed_is_found_among_many_labels():
    label = scored_label(0, 0.1, 200, moved=-3.0)
    p = assumption_p_value(label, prior_shift_estimate(label).value, seed=1)
    tests = [SingleTest("scores", p, "changed")]
    tests += [SingleTest("scores", 0.5, f"label {number}") for number in range(89)]
    tests += [SingleTest(kind, 0.5) for kind in ("texts", "new words", "lengths", "cut texts")]
    tests += [SingleTest("frequency", 0.5, f"label {number}") for number in range(90)]
    assert [test.label for test in judge(tests) if test.alarm] == ["changed"]


def test_the_upper_bound_holds_when_texts_without_the_label_have_changed():
    for seed in range(50):
        label = scored_label(seed, 0.05)
        changed = np.concatenate([label.stream, label.stream.max() + np.arange(200)])
        assert upper_bound(label.positive, label.stream) >= 0.05
        assert upper_bound(label.positive, changed) >= 0.05 * 4000 / 4200


def test_the_upper_bound_is_flagged_over_recall_each_with_its_share_of_the_tail():
    positive, stream = np.arange(10.0), np.repeat([9.5, -1.0], (100, 900))
    found = {
        cut: exact_interval(float((positive >= cut).sum()), 10, 0.005)[0]
        for cut in np.quantile(positive, CUTS)
    }
    above = exact_interval(100, 1000, 0.005)[1]
    assert upper_bound(positive, stream) == pytest.approx(above / max(found.values()))


def test_without_a_validation_text_there_is_no_bound():
    assert upper_bound(np.zeros(0), np.arange(9.0)) == 1


def test_a_label_has_its_share_and_its_shift_where_the_assumption_holds():
    label = ShiftedLabel.of(scored_label(0, 4 * PRIOR), least=10, seed=0)
    assert label.reason == ""
    assert label.share.low <= 4 * PRIOR <= label.share.high
    assert label.shift == pytest.approx(np.log(4), abs=0.4)


@pytest.mark.parametrize(
    ("scored", "least", "reason"),
    [
        (scored_label(0, PRIOR, positives=9), 10, "Only 9 validation texts with this label of the"),
        (scored_label(0, PRIOR, positives=1), 0, "Only 1 validation text with this label of the 2"),
        (scored_label(0, PRIOR, negatives=9), 10, "Only 9 validation texts without this label"),
        (scored_label(0, 0.1, moved=6.0), 10, "have changed"),
        (ScoredLabel(-NOISE, NOISE, 0.5, NOISE), 10, "does not tell"),
    ],
)
def test_figures_are_withheld_with_the_reason_where_scores_do_not_carry_them(
    scored: ScoredLabel, least: int, reason: str
):
    label = ShiftedLabel.of(scored, least, seed=0)
    assert reason in label.reason
    assert label.shift == 0
