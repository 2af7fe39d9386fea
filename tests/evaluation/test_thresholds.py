"""Thresholds are chosen on validation, each rule judged by rows it was not fitted on."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from imbtool.config.hierarchy import Labels, label_set
from imbtool.evaluation.metrics import confusion, mean_defined
from imbtool.evaluation.thresholds import RULES, ThresholdChoice, choose_thresholds

NAN = np.nan
LOOK = settings(deadline=None, max_examples=60)
FOREST = label_set(["top", "mid", "low", "lone"], [("mid", "top"), ("low", "mid")])


def flat(count: int) -> Labels:
    return label_set([f"label {number}" for number in range(count)], [])


def choose(logits: Any, targets: Any, method: Any, labels: Labels | None = None) -> ThresholdChoice:
    logits, targets = np.asarray(logits, np.float64), np.asarray(targets, np.float32)
    labels = labels or flat(targets.shape[1])
    return choose_thresholds(labels, logits, targets, np.full(len(labels), 0.2), method)


def noisy(rows: int = 120, shift: float = 0.0, seed: int = 0) -> tuple[NDArray, NDArray]:
    """Four labels from frequent to rare, with scores that know something of them."""
    rng = np.random.default_rng(seed)
    targets = (rng.random((rows, 4)) < [0.4, 0.2, 0.1, 0.05]).astype(np.float32)
    targets[0] = 1
    return 2 * targets + rng.normal(size=targets.shape) + shift, targets


def macro_f1(logits: NDArray, thresholds: NDArray | float, targets: NDArray) -> float:
    return mean_defined(confusion(logits >= thresholds, targets).f1)


@st.composite
def small_samples(draw: st.DrawFn) -> tuple[NDArray, NDArray]:
    """A few rows, one to three labels, scores with many ties, some targets unknown."""
    shape = (draw(st.integers(2, 9)), draw(st.integers(1, 3)))
    scores = st.one_of(st.sampled_from([-1.0, 0.0, 0.5]), st.floats(-8, 8, width=16))
    targets = arrays(np.float32, shape, elements=st.sampled_from([0.0, 1.0, NAN]))
    return draw(arrays(np.float64, shape, elements=scores)), draw(targets)


def best_f1_of_any_cut(scores: NDArray, targets: NDArray) -> float:
    known = ~np.isnan(targets)
    cuts = [scores[known] >= cut for cut in scores[known]]
    return max(float(f1_score(targets[known], cut, zero_division=0)) for cut in cuts)


@LOOK
@given(sample=small_samples())
def test_a_label_s_own_threshold_attains_the_best_f1_of_all_cuts(sample):
    logits, targets = sample
    f1 = confusion(logits >= choose(logits, targets, "per-label").logits, targets).f1
    differs = np.nanmax(logits + 0 * targets, axis=0, initial=-99) > np.nanmin(
        logits + 0 * targets, axis=0, initial=99
    )
    for label in np.flatnonzero((targets == 1).any(axis=0) & differs):
        best = best_f1_of_any_cut(logits[:, label], targets[:, label])
        assert f1[label] == pytest.approx(best)


def test_a_threshold_stands_halfway_between_the_last_text_taken_and_the_first_one_left():
    logits, targets = [[3.0], [2.0], [-1.0], [-4.0]], [[1], [1], [0], [0]]
    assert choose(logits, targets, "per-label").logits.tolist() == [0.5]


@LOOK
@given(sample=small_samples())
def test_the_global_threshold_is_one_for_all_and_no_worse_than_a_half(sample):
    logits, targets = sample
    thresholds = choose(logits, targets, "global").logits
    assert len(set(thresholds)) == 1
    if (targets == 1).any():
        assert macro_f1(logits, thresholds, targets) >= macro_f1(logits, 0.0, targets) - 1e-12


@pytest.mark.parametrize("method", ["global", "per-label", "blended", "mean"])
def test_a_label_without_positives_on_validation_gets_the_global_threshold(method: str):
    logits, targets = noisy()
    targets[:, 3] = 0
    own = choose(logits, targets, "blended" if method == "mean" else method)
    assert own.logits[3] == choose(logits, targets, "global").logits[3]
    assert own.positives[3] == 0


@pytest.mark.parametrize(
    ("method", "rests_on"),
    [
        ("0.5", "0.5"),
        ("global", "global"),
        ("per-label", "global (no positives)"),
        ("blended", "global (no positives)"),
        ("calibrated", "calibrated"),
        ("mean", "mean of global and calibrated (no positives)"),
    ],
)
def test_what_a_threshold_rests_on_is_said_of_each_label(method: str, rests_on: str):
    logits, targets = noisy()
    targets[:, 3] = 0
    assert choose(logits, targets, method).rules == [method, method, method, rests_on]


def test_a_half_is_the_threshold_of_the_rule_named_so():
    logits, targets = noisy(shift=-3)
    choice = choose(logits, targets, "0.5")
    assert choice.logits.tolist() == [0.0] * 4
    assert choice.probabilities.tolist() == [0.5] * 4


def test_the_blend_trusts_a_label_s_own_threshold_by_its_positives():
    logits, targets = noisy(shift=-1)
    own, shared, mixed = (
        choose(logits, targets, method).logits for method in ("per-label", "global", "blended")
    )
    share = targets.sum(axis=0) / (targets.sum(axis=0) + 20)
    assert mixed == pytest.approx(share * own + (1 - share) * shared)


def test_the_mean_rule_stands_between_the_blended_and_the_calibrated_one():
    logits, targets = noisy()
    blended, calibrated, both = (
        choose(logits, targets, method).logits for method in ("blended", "calibrated", "mean")
    )
    assert both == pytest.approx((blended + calibrated) / 2)


def test_the_calibrated_rule_takes_fewer_texts_of_a_label_that_is_rarer_in_training():
    logits, targets = noisy()
    taken = []
    for prevalence in (0.3, 0.1, 0.03):
        thresholds = choose_thresholds(
            flat(4), logits, targets, np.full(4, prevalence), "calibrated"
        ).logits
        taken.append(int((logits >= thresholds).sum()))
    assert taken == sorted(taken, reverse=True)
    assert len(set(taken)) == 3


def test_no_row_is_decided_by_thresholds_fitted_on_the_half_it_is_in(
    monkeypatch: pytest.MonkeyPatch,
):
    # column j singles row j out: a rule can tell by it whether row j was in what it was fitted on
    logits = np.eye(12)
    targets = np.random.default_rng(0).integers(0, 2, (12, 12)).astype(np.float32)

    def take_rows_seen(sample: Any) -> NDArray:
        return np.where(sample.logits.max(axis=0) == 1, 0.5, 2.0)

    def take_rows_not_seen(sample: Any) -> NDArray:
        return np.where(sample.logits.max(axis=0) == 1, 2.0, 0.5)

    monkeypatch.setitem(RULES, "0.5", take_rows_seen)
    seen = choose(logits, targets, "0.5").cross_fitted
    monkeypatch.setitem(RULES, "0.5", take_rows_not_seen)
    not_seen = choose(logits, targets, "0.5").cross_fitted
    assert len(seen) > 1
    assert not seen.diagonal(axis1=1, axis2=2).any()
    assert not_seen.diagonal(axis1=1, axis2=2).all()


def test_the_chosen_rule_is_fitted_again_on_all_rows(monkeypatch: pytest.MonkeyPatch):
    sizes = []

    def record(sample: Any) -> NDArray:
        sizes.append(len(sample.logits))
        return np.zeros(4)

    monkeypatch.setitem(RULES, "0.5", record)
    choose(*noisy(rows=100), "0.5")
    assert sizes[-1] == 100
    assert max(sizes[:-1]) < 60


def test_of_rules_with_equal_f1_auto_takes_the_one_with_more_recall(
    monkeypatch: pytest.MonkeyPatch,
):
    # half the positives and nothing else, or all of them and as many others: F1 2/3 both
    scores, truth = [3.0, 2.0, 2.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 1.0, 0.0, 0.0]
    for name in [name for name in RULES if name not in ("0.5", "global")]:
        monkeypatch.delitem(RULES, name)
    monkeypatch.setitem(RULES, "0.5", lambda sample: np.full(1, 2.5))
    monkeypatch.setitem(RULES, "global", lambda sample: np.full(1, 0.5))
    choice = choose([[score] for score in scores], [[target] for target in truth], "auto")
    assert choice.scores == {"0.5": pytest.approx(2 / 3), "global": pytest.approx(2 / 3)}
    assert choice.recalls == {"0.5": 0.5, "global": 1.0}
    assert choice.rule == "global"


def test_auto_takes_the_rule_with_the_best_cross_fitted_score_where_it_is_clear():
    logits, targets = noisy(shift=-4)
    choice = choose(logits, targets, "auto")
    alone = {rule: choose(logits, targets, rule) for rule in RULES}
    assert choice.scores == {rule: each.scores[rule] for rule, each in alone.items()}
    assert choice.micro_scores == {rule: each.micro_scores[rule] for rule, each in alone.items()}
    both = {rule: choice.scores[rule] * choice.micro_scores[rule] for rule in RULES}
    assert both[choice.rule] == max(both.values())
    assert choice.rule != "0.5"
    assert np.array_equal(choice.logits, choose(logits, targets, choice.rule).logits)


def test_a_little_macro_f1_is_given_for_much_micro_f1(monkeypatch: pytest.MonkeyPatch):
    # both are right about a frequent label; one also finds the only text of a rare one among 13
    targets = np.zeros((24, 2), np.float32)
    targets[:12, 0] = targets[0, 1] = 1
    logits = np.column_stack([np.arange(24.0)[::-1], np.arange(24.0)[::-1]])
    for name in [name for name in RULES if name not in ("0.5", "global")]:
        monkeypatch.delitem(RULES, name)
    monkeypatch.setitem(RULES, "0.5", lambda sample: np.array([11.5, 24.0]))
    monkeypatch.setitem(RULES, "global", lambda sample: np.array([11.5, 10.5]))
    choice = choose(logits, targets, "auto")
    assert choice.scores["global"] > choice.scores["0.5"]
    assert choice.micro_scores["0.5"] > choice.micro_scores["global"] + 0.2
    assert choice.rule == "0.5"


def test_much_macro_f1_is_not_given_for_a_little_micro_f1(monkeypatch: pytest.MonkeyPatch):
    # one rule is right about a frequent label and never finds a rare one, the other finds both
    targets = np.zeros((24, 2), np.float32)
    targets[:12, 0] = targets[:3, 1] = 1
    logits = np.column_stack([np.arange(24.0)[::-1], np.arange(24.0)[::-1]])
    for name in [name for name in RULES if name not in ("0.5", "global")]:
        monkeypatch.delitem(RULES, name)
    monkeypatch.setitem(RULES, "0.5", lambda sample: np.array([11.5, 24.0]))
    monkeypatch.setitem(RULES, "global", lambda sample: np.array([13.5, 16.5]))
    choice = choose(logits, targets, "auto")
    assert choice.micro_scores["0.5"] > choice.micro_scores["global"]
    assert choice.scores["global"] > choice.scores["0.5"] + 0.1
    assert choice.rule == "global"


def test_auto_prefers_a_rule_that_generalises_to_one_that_fits(monkeypatch: pytest.MonkeyPatch):
    logits, targets = noisy()

    def fits_only_what_it_saw(sample: Any) -> NDArray:
        everything = len(sample.logits) == len(logits)
        return np.full(4, 0.7 if everything else 99.0)

    monkeypatch.setitem(RULES, "per-label", fits_only_what_it_saw)
    choice = choose(logits, targets, "auto")
    assert choice.scores["per-label"] == 0.0
    assert choice.rule != "per-label"


def test_the_scores_of_a_rule_are_the_f1_of_its_cross_fitted_decisions():
    logits, targets = noisy()
    choice = choose(logits, targets, "per-label")
    each = [mean_defined(confusion(part, targets).f1) for part in choice.cross_fitted]
    assert choice.scores == {"per-label": pytest.approx(np.mean(each))}
    together = [mean_defined(confusion(part, targets).micro().f1) for part in choice.cross_fitted]
    assert choice.micro_scores == {"per-label": pytest.approx(np.mean(together))}


def test_a_method_that_is_asked_for_is_taken_without_a_contest():
    choice = choose(*noisy(), "global")
    assert choice.rule == "global"
    assert list(choice.scores) == ["global"]


@pytest.mark.parametrize("method", ["auto", *RULES])
@pytest.mark.filterwarnings("error")
def test_constant_scores_give_thresholds_too(method: str):
    _, targets = noisy(rows=20)
    assert np.isfinite(choose(np.full((20, 4), 1.5), targets, method).logits).all()


@pytest.mark.parametrize("method", ["auto", *RULES])
@settings(deadline=None, max_examples=15)
@given(sample=small_samples())
def test_few_rows_one_label_and_unknown_targets_give_thresholds_too(method, sample):
    logits, targets = sample
    choice = choose(logits, targets, method)
    assert np.isfinite(choice.logits).all()
    assert choice.cross_fitted.shape[1:] == logits.shape
    assert choice.positives.tolist() == (targets == 1).sum(axis=0).tolist()


@pytest.mark.parametrize("method", RULES)
def test_unknown_rows_of_a_label_do_not_move_its_threshold(method: str):
    logits, targets = noisy(rows=60)
    more = np.vstack([logits, np.full((30, 4), 5.0)])
    unknown = np.vstack([targets, np.full((30, 4), NAN)])
    assert choose(more, unknown, method).logits == pytest.approx(
        choose(logits, targets, method).logits
    )


@pytest.mark.parametrize("positives", [0, 10])
@pytest.mark.parametrize("method", ["auto", *RULES])
def test_a_label_with_the_same_score_for_all_texts_is_given_to_none(method: str, positives: int):
    logits, targets = noisy(rows=400)
    logits[:, 3], targets[:, 3] = -3.0, 0
    targets[:positives, 3] = 1
    choice = choose(logits, targets, method)
    decided = logits >= choice.logits
    assert not decided[:, 3].any()
    assert decided[:, :3].any(axis=0).all()
    if choice.rule not in ("0.5", "global"):
        assert choice.rules[3] == "none (constant scores)"


def test_without_a_forest_no_coherence_is_chosen():
    assert choose(*noisy(), "auto").coherence is None


@LOOK
@given(seed=st.integers(0, 10**6), method=st.sampled_from(["0.5", "per-label", "blended"]))
def test_coherent_decisions_never_have_a_child_without_its_parents(seed, method):
    logits, targets = noisy(rows=20, seed=seed)
    choice = choose(logits, targets, method, FOREST)
    assert choice.coherence is not None
    assert all(FOREST.violation_rate(part) == 0.0 for part in choice.cross_fitted)


def forest_sample() -> NDArray:
    """Coherent targets of FOREST: all of top-mid-low, or nothing."""
    targets = np.zeros((40, 4), np.float32)
    targets[::2, :3] = 1
    targets[::4, 3] = 1
    return targets


def test_coherence_adds_parents_where_the_children_are_right():
    targets = forest_sample()
    logits = np.where(targets == 1, 3.0, -3.0)
    logits[:, 0] = -3.0
    assert choose(logits, targets, "0.5", FOREST).coherence == "add-parents"


def test_coherence_drops_children_where_the_parents_are_right():
    targets = forest_sample()
    logits = np.where(targets == 1, 3.0, -3.0)
    logits[:, 2] = 3.0
    assert choose(logits, targets, "0.5", FOREST).coherence == "drop-children"


def test_the_same_seed_makes_the_same_choice():
    logits, targets = noisy(shift=-1)
    first, again = (choose(logits, targets, "auto", FOREST) for _ in range(2))
    assert (first.rule, first.scores, first.coherence) == (
        again.rule,
        again.scores,
        again.coherence,
    )
    assert np.array_equal(first.logits, again.logits)
    assert np.array_equal(first.cross_fitted, again.cross_fitted)


def test_another_seed_splits_validation_otherwise():
    logits, targets = noisy()
    prevalence = np.full(4, 0.2)
    first, other = (
        choose_thresholds(flat(4), logits, targets, prevalence, "per-label", seed)
        for seed in (0, 100)
    )
    assert not np.array_equal(first.cross_fitted, other.cross_fitted)
    assert np.array_equal(first.logits, other.logits)
