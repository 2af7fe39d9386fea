"""A threshold meets what is required of its label with confidence, or it is said what it does."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binomtest, norm

from imbtool.config.hierarchy import Labels, label_set
from imbtool.config.schema import Requirement
from imbtool.data.splitting import stratified_split
from imbtool.evaluation.document import RequirementResult
from imbtool.evaluation.requirements import RequirementFit, fit_requirement, judge_requirement
from imbtool.evaluation.thresholds import ThresholdChoice, choose_thresholds

NAN = np.nan
FOREST = label_set(["child", "parent"], [("child", "parent")])
PREVALENCE, LIFT = 0.1, 2.0


def fit(scores: Any, targets: Any, **asked: float) -> RequirementFit | None:
    requirement = Requirement(**asked)
    return fit_requirement(requirement, np.asarray(scores, float), np.asarray(targets, np.float32))


def judged(scores: Any, targets: Any, coherent: Any = None, **asked: float) -> RequirementResult:
    requirement, targets = Requirement(**asked), np.asarray(targets, np.float32)
    found = fit_requirement(requirement, np.asarray(scores, float), targets)
    decided = np.asarray(scores) >= (found.threshold if found else 0.0)
    after = decided if coherent is None else np.asarray(coherent, bool)
    return judge_requirement("threats", requirement, found, targets, decided, after)


def surely(hits: int, trials: int, confidence: float = 0.95) -> float:
    """The one-sided exact lower bound of a share."""
    test = binomtest(hits, trials, alternative="greater")
    return float(test.proportion_ci(confidence, method="exact").low)


def ladder(positives: int, negatives: int) -> tuple[NDArray, NDArray]:
    """Positives with whole scores, highest first, and negatives below all of them."""
    scores = np.concatenate([np.arange(positives, 0, -1), -np.arange(negatives)])
    return scores.astype(float), np.repeat([1.0, 0.0], [positives, negatives])


# the threshold


def test_recall_takes_the_highest_threshold_whose_lower_bound_is_at_the_bar():
    scores, targets = ladder(50, 20)
    threshold = fit(scores, targets, recall=0.8).threshold
    found = int((scores[:50] >= threshold).sum())
    assert surely(found, 50) >= 0.8 > surely(found - 1, 50)


def test_precision_takes_the_most_texts_whose_lower_bound_is_at_the_bar():
    # 100 right, then only wrong ones
    scores, targets = ladder(100, 900)
    threshold = fit(scores, targets, precision=0.7).threshold
    taken = int((scores >= threshold).sum())
    shared = 1 - 0.05 / 7
    assert surely(100, taken, shared) >= 0.7 > surely(100, taken + 1, shared)


def test_flags_take_the_lowest_threshold_whose_upper_bound_is_at_the_bar():
    scores, targets = ladder(30, 970)
    threshold = fit(scores, targets, flags_per_1000=20).threshold
    taken = int((scores >= threshold).sum())
    assert 1 - surely(1000 - taken, 1000) <= 0.02 < 1 - surely(1000 - taken - 1, 1000)


@pytest.mark.parametrize(("texts", "least", "most"), [(600, 40, 50), (700, 640, 700)])
def test_tests_of_precision_stop_at_a_failure_and_begin_again_further_down(
    texts: int, least: int, most: int
):
    # 40 right, 60 wrong, then only right ones: from 560 on the share is good enough again
    scores = -np.arange(float(texts))
    targets = np.repeat([1.0, 0.0, 1.0], [40, 60, texts - 100])
    found = fit(scores, targets, precision=0.85)
    assert found.sure
    assert least <= (scores >= found.threshold).sum() <= most


def test_equal_scores_are_decided_together_and_the_threshold_stands_between_two():
    scores = [3.0, 2.0, 2.0, 2.0, 0.0, 0.0]
    targets = [1.0, 1.0, 1.0, 0.0, 0.0, 1.0]
    assert fit(scores, targets, recall=0.5).threshold == 1.0
    assert fit(scores, targets, precision=0.75).threshold == 1.0
    assert fit(scores, targets, flags_per_1000=500).threshold == 2.5


def test_texts_whose_label_nobody_knows_count_for_flags_alone():
    scores, targets = ladder(40, 60)
    more = np.concatenate([scores, np.full(100, 99.0)])
    unknown = np.concatenate([targets, np.full(100, NAN)])
    for asked in ({"recall": 0.8}, {"precision": 0.6}):
        assert fit(more, unknown, **asked) == fit(scores, targets, **asked)
    flagged = fit(more, unknown, flags_per_1000=700)
    assert flagged == fit(more, np.zeros(200), flags_per_1000=700)
    assert (more >= flagged.threshold).sum() > 100


# in how many of many validation sets the true figure misses what was said to be met


def a_label(rng: np.random.Generator) -> tuple[NDArray, NDArray]:
    targets = (rng.random(500) < PREVALENCE).astype(np.float32)
    return rng.normal(size=500) + LIFT * targets, targets


def noise(rng: np.random.Generator) -> tuple[NDArray, NDArray]:
    """Scores that know nothing: precision is the prevalence at every threshold."""
    return rng.normal(size=500), (rng.random(500) < 0.499).astype(np.float32)


def recall(threshold: float) -> float:
    return float(norm.sf(threshold - LIFT))


def decided(threshold: float) -> float:
    return float(PREVALENCE * recall(threshold) + (1 - PREVALENCE) * norm.sf(threshold))


@pytest.mark.parametrize(
    ("asked", "scene", "true", "sets", "least_met"),
    [
        ({"recall": 0.8}, a_label, recall, 1000, 1000),
        ({"precision": 0.6}, a_label, lambda t: PREVALENCE * recall(t) / decided(t), 600, 200),
        ({"precision": 0.5}, noise, lambda t: 0.499, 600, 1),
        ({"flags_per_1000": 50}, a_label, lambda t: -1000 * decided(t), 1000, 1000),
    ],
    ids=["recall", "precision", "precision of noise", "flags"],
)
def test_what_is_said_to_be_met_is_not_met_in_at_most_five_of_a_hundred_sets(
    asked: dict[str, float], scene: Callable, true: Callable, sets: int, least_met: int
):
    rng, met, missed = np.random.default_rng(0), 0, 0
    bar = -50 if "flags_per_1000" in asked else next(iter(asked.values()))
    for _ in range(sets):
        found = fit(*scene(rng), **asked)
        met += found.sure
        missed += found.sure and true(found.threshold) < bar
    assert met >= least_met
    # 2.5 standard errors of a share of 0.05
    assert missed / sets <= 0.05 + 2.5 * (0.05 * 0.95 / sets) ** 0.5


# verdict and sentence


def test_what_is_met_is_said_with_its_confidence_and_counts():
    scores, targets = ladder(54, 100)
    row = judged(scores, targets, recall=0.8)
    assert (row.asked, row.verdict) == ("recall >= 0.8", "met")
    exact = binomtest(49, 54).proportion_ci(0.95, method="exact")
    assert dict(row.validation) == pytest.approx(
        {"value": 49 / 54, "low": exact.low, "high": exact.high}
    )
    assert row.sentence == (
        "recall of threats: at least 0.8 with 95% confidence; "
        "0.91 [.80–.97] on validation, 49 of 54 positives found"
    )


def test_with_few_positives_the_bar_is_reached_there_and_it_is_said_what_they_can_support():
    row = judged(*ladder(6, 100), recall=0.8)
    assert row.verdict == "likely"
    assert row.sentence == (
        "recall of threats: at least 0.8 is likely, not certain; 0.83 [.36–1.00] on validation, "
        "5 of 6 positives found; 6 positives can support 0.60 at best"
    )
    assert surely(6, 6) == pytest.approx(0.607, abs=1e-3)


def test_precision_that_no_threshold_reaches_has_the_best_there_is():
    scores, targets = [5.0, 4.0, 3.0, 2.0, 1.0], [0.0, 1.0, 1.0, 0.0, 0.0]
    row = judged(scores, targets, precision=0.9)
    assert row.verdict == "unmet"
    assert row.sentence.startswith("precision of threats: at least 0.9 is not reached; 0.67 [")
    assert "2 of 3 decided texts right; validation can support 0.00 at best" in row.sentence


def test_flags_are_told_in_a_thousand_texts():
    row = judged(*ladder(30, 970), flags_per_1000=20)
    assert (row.asked, row.verdict) == ("flags_per_1000 <= 20", "met")
    assert row.validation.value == 12
    assert row.sentence.startswith("flags of threats: at most 20 in 1,000 texts with 95%")
    assert row.sentence.endswith("; 12.0 [6.2–20.9] on validation, 12 of 1,000 texts decided")


def test_one_flag_may_be_too_many():
    row = judged(*ladder(3, 57), flags_per_1000=10)
    assert row.verdict == "unmet"
    assert "1 of 60 texts decided; 60 texts can support 76.7 at best" in row.sentence


@pytest.mark.parametrize("asked", [{"recall": 0.5}, {"precision": 0.5}])
def test_a_label_without_positives_cannot_be_judged(asked: dict[str, float]):
    row = judged([1.0, 0.0, -1.0], [0, NAN, 0], **asked)
    assert row.verdict == "unmet"
    assert {value for _, value in row.validation} == {None}
    assert "no positives on validation" in row.sentence


def test_flags_of_a_label_without_positives_can_be_limited():
    assert judged(np.arange(1000.0), np.zeros(1000), flags_per_1000=20).verdict == "met"


def test_a_recall_of_one_is_never_certain():
    row = judged(*ladder(500, 10), recall=1)
    assert (row.verdict, row.validation.value) == ("likely", 1.0)


def test_the_verdict_is_about_decisions_that_fit_the_forest():
    scores, targets = ladder(54, 10)
    kept = np.arange(64) < 44  # 5 of the 49 positives found fall with their parents
    row = judged(scores, targets, kept, recall=0.8)
    assert row.verdict == "likely"
    assert "44 of 54 positives found" in row.sentence
    assert row.sentence.endswith("0.91 [.80–.97] before decisions were made coherent")
    assert judged(scores, targets, kept & (scores > 20), recall=0.8).verdict == "unmet"


def test_decisions_that_all_fall_have_precision_zero():
    row = judged(*ladder(60, 10), np.zeros(70), precision=0.5)
    assert (row.verdict, row.validation.value) == ("unmet", 0.0)


# among the thresholds of all labels


def choose(
    logits: Any, targets: Any, labels: Labels, method: Any = "auto", **require: Requirement
) -> ThresholdChoice:
    logits, targets = np.asarray(logits, float), np.asarray(targets, np.float32)
    prevalence = np.full(len(labels), 0.2)
    return choose_thresholds(labels, logits, targets, prevalence, method, 0, require)


def two_labels(rows: int = 300) -> tuple[NDArray, NDArray]:
    rng = np.random.default_rng(0)
    targets = (rng.random((rows, 2)) < [0.3, 0.2]).astype(np.float32)
    return 2 * targets + rng.normal(size=targets.shape) - 1, targets


FLAT = label_set(["a", "b"], [])


def test_a_requirement_moves_the_threshold_of_its_label_alone():
    logits, targets = two_labels()
    plain = choose(logits, targets, FLAT, "per-label")
    required = choose(logits, targets, FLAT, "per-label", b=Requirement(recall=0.9))
    assert required.logits[0] == plain.logits[0]
    assert required.logits[1] == fit(logits[:, 1], targets[:, 1], recall=0.9).threshold
    assert required.rules == ["per-label", "required recall"]
    assert list(required.requirements) == ["b"]
    assert (plain.rules, plain.requirements) == (["per-label", "per-label"], {})


def test_without_positives_the_threshold_is_the_rule_s():
    logits, targets = two_labels()
    targets[:, 1] = 0
    plain = choose(logits, targets, FLAT, "blended")
    required = choose(logits, targets, FLAT, "blended", b=Requirement(precision=0.9))
    assert np.array_equal(required.logits, plain.logits)
    assert required.rules == ["blended", "global (no positives)"]
    assert required.requirements["b"].verdict == "unmet"


@pytest.mark.parametrize("method", ["auto", "0.5"])
def test_decisions_on_validation_are_by_requirements_fitted_on_the_other_half(method: str):
    logits, targets = two_labels()
    scores, truth = logits[:, 1], targets[:, 1]
    crossed = choose(logits, targets, FLAT, method, b=Requirement(recall=0.9)).cross_fitted
    for number, decisions in enumerate(crossed[:, :, 1]):
        halves = stratified_split(targets, (0.5, 0.5), number)
        for own, other in (halves, halves[::-1]):
            threshold = fit(scores[other], truth[other], recall=0.9).threshold
            assert np.array_equal(decisions[own], scores[own] >= threshold)


def test_every_rule_meets_the_requirements_in_the_contest():
    logits, targets = two_labels()
    require = {name: Requirement(recall=0.9) for name in FLAT.names}
    assert len(set(choose(logits, targets, FLAT, **require).scores.values())) == 1


def children_without_parents() -> tuple[NDArray, NDArray]:
    """Every other parent is missed, and where there is no child it is decided all the same."""
    rng = np.random.default_rng(0)
    targets = np.repeat((rng.random((400, 1)) < 0.3).astype(np.float32), 2, axis=1)
    logits = np.where(targets == 1, 3.0, -3.0) + 0.1 * rng.normal(size=(400, 2))
    logits[np.flatnonzero(targets[:, 0])[::2], 1] = -4
    logits[targets[:, 0] == 0, 0] = 2.95
    return logits, targets


def test_the_way_to_coherence_is_the_one_that_keeps_requirements():
    sample = children_without_parents()
    assert choose(*sample, FOREST, "0.5").coherence == "drop-children"
    choice = choose(*sample, FOREST, "0.5", child=Requirement(recall=0.8))
    assert choice.coherence == "add-parents"
    assert choice.requirements["child"].verdict == "met"


def test_a_child_that_falls_with_its_parent_loses_its_verdict():
    logits, targets = children_without_parents()
    require = {"child": Requirement(recall=0.8), "parent": Requirement(precision=0.8)}
    choice = choose(logits, targets, FOREST, "0.5", **require)
    assert choice.coherence == "drop-children"  # one is kept either way; this way F1 is better
    assert choice.requirements["parent"].verdict == "met"
    row = choice.requirements["child"]
    assert row.verdict == "unmet"
    kept = (logits >= choice.logits).all(axis=1)[targets[:, 0] == 1]
    assert row.validation.value == pytest.approx(kept.mean())
    assert "before decisions were made coherent" in row.sentence


def test_what_is_required_of_a_label_that_training_leaves_out_has_no_effect():
    rng = np.random.default_rng(0)
    targets = (rng.random((60, 2)) < 0.4).astype(np.float32)
    logits, prevalence = rng.normal(size=(60, 2)), np.full(2, 0.4)
    required = {"later": Requirement(recall=0.8)}
    choice = choose_thresholds(FOREST, logits, targets, prevalence, require=required)
    assert choice.requirements == {}
