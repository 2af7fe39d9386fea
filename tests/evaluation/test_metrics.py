"""Every figure is scikit-learn's, over the known rows; what is undefined is NaN, never 0."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from sklearn.metrics import (
    average_precision_score,
    f1_score,
    precision_score,
    recall_score,
    roc_auc_score,
)

from imbtool.evaluation.metrics import (
    average_precision,
    confusion,
    left_out_precision,
    mean_defined,
    mean_of_each,
    roc_auc,
)

NAN = np.nan
SKLEARN = {"precision": precision_score, "recall": recall_score, "f1": f1_score}
LOOK = settings(deadline=None, max_examples=80)


@st.composite
def samples(
    draw: st.DrawFn, unknown: bool = True, fewest: int = 1
) -> tuple[NDArray, NDArray, NDArray]:
    """Decisions, scores with ties, and targets [n, L]."""
    shape = (draw(st.integers(1, 12)), draw(st.integers(fewest, 4)))
    values = [0.0, 1.0, NAN] if unknown else [0.0, 1.0]
    targets = draw(arrays(np.float32, shape, elements=st.sampled_from(values)))
    scores = draw(arrays(np.float64, shape, elements=st.sampled_from([-2.0, -0.5, 0.0, 0.5, 3.0])))
    return scores >= 0, scores, targets


def averaged(name: str, average: str, decisions: NDArray, targets: NDArray) -> float:
    """What scikit-learn says of the labels that have positives."""
    labels = np.flatnonzero(targets.any(axis=0)).tolist()
    if not labels:
        return NAN
    figure = SKLEARN[name]
    return figure(targets, decisions, average=average, labels=labels, zero_division=0)


@pytest.mark.parametrize("name", SKLEARN)
@LOOK
@given(sample=samples())
def test_a_figure_of_a_label_is_that_of_sklearn_over_its_known_rows(name, sample):
    decisions, _, targets = sample
    figures = getattr(confusion(decisions, targets), name)
    for label in range(targets.shape[1]):
        known = ~np.isnan(targets[:, label])
        truth = targets[known, label]
        if truth.any():
            theirs = SKLEARN[name](truth, decisions[known, label], zero_division=0)
            assert figures[label] == pytest.approx(theirs)
        else:
            assert np.isnan(figures[label])


@pytest.mark.parametrize("name", SKLEARN)
@LOOK
@given(sample=samples(unknown=False, fewest=2))
def test_the_macro_mean_is_that_of_sklearn_over_the_labels_with_positives(name, sample):
    decisions, _, targets = sample
    ours = mean_defined(getattr(confusion(decisions, targets), name))
    assert ours == pytest.approx(averaged(name, "macro", decisions, targets), nan_ok=True)


@pytest.mark.parametrize("name", SKLEARN)
@LOOK
@given(sample=samples())
def test_micro_figures_are_those_of_sklearn_over_all_known_elements(name, sample):
    decisions, _, targets = sample
    ours = getattr(confusion(decisions, targets).micro(), name)[0]
    known = ~np.isnan(targets)
    if (targets == 1).any():
        theirs = SKLEARN[name](targets[known], decisions[known], zero_division=0)
        assert ours == pytest.approx(theirs)
    else:
        assert np.isnan(ours)


@pytest.mark.parametrize("name", SKLEARN)
@LOOK
@given(sample=samples(unknown=False, fewest=2))
def test_the_weighted_mean_is_that_of_sklearn(name, sample):
    decisions, _, targets = sample
    counts = confusion(decisions, targets)
    ours = mean_of_each(getattr(counts, name), counts.support)
    assert ours == pytest.approx(averaged(name, "weighted", decisions, targets), nan_ok=True)


@LOOK
@given(sample=samples())
def test_average_precision_is_that_of_sklearn_with_ties_over_the_known_rows(sample):
    _, scores, targets = sample
    ours = average_precision(scores, targets)
    for label in range(targets.shape[1]):
        known = ~np.isnan(targets[:, label])
        if (targets[known, label] == 1).any():
            theirs = average_precision_score(targets[known, label], scores[known, label])
            assert ours[label] == pytest.approx(theirs)
        else:
            assert np.isnan(ours[label])


@LOOK
@given(sample=samples())
def test_auc_is_that_of_sklearn_and_undefined_unless_both_classes_occur(sample):
    _, scores, targets = sample
    ours = roc_auc(scores, targets)
    for label in range(targets.shape[1]):
        known = ~np.isnan(targets[:, label])
        truth = targets[known, label]
        if truth.any() and not truth.all():
            assert ours[label] == pytest.approx(roc_auc_score(truth, scores[known, label]))
        else:
            assert np.isnan(ours[label])


@pytest.mark.parametrize("positives", [9, 20, 21, 43])
def test_average_precision_of_a_perfect_ranking_is_one_and_no_digit_more(positives):
    targets = np.repeat([1.0, 0.0], [positives, 50])[:, None]
    scores = np.linspace(1, 0, len(targets))[:, None]
    assert average_precision(scores, targets).tolist() == [1.0]


def test_average_precision_takes_tied_scores_together():
    targets = np.array([[1], [0], [0], [1]], np.float32)
    # both of the top two at once: R = 1/2 at P = 1/2, then R = 1 at P = 2/4
    tied = average_precision(np.array([[2.0], [2.0], [1.0], [1.0]]), targets)
    assert tied.tolist() == [0.5]
    assert average_precision(np.zeros((4, 1)), targets).tolist() == [0.5]


def test_a_positive_that_others_judge_has_no_say_at_its_own_score():
    targets = np.array([[1], [0], [1], [0], [1], [np.nan]], dtype=np.float32)
    scores = np.array([[6.0], [5.0], [4.0], [3.0], [2.0], [9.0]])
    # two others stand for three positives: 0 of 0, 1 of 2, 2 of 4 texts become 1, 1.5 / 2.5, 3 / 5
    assert left_out_precision(scores, targets) == pytest.approx([(1 + 0.6 + 0.6) / 3])
    assert average_precision(scores, targets) == pytest.approx([(1 + 2 / 3 + 3 / 5) / 3])


def test_tied_positives_judge_each_other():
    targets = np.array([[1], [1], [0], [0]], dtype=np.float32)
    assert left_out_precision(np.zeros((4, 1)), targets) == pytest.approx([0.5])


def test_a_single_positive_has_its_average_precision_and_none_has_none():
    targets = np.array([[1, 0], [0, 0], [0, 0]], dtype=np.float32)
    scores = np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 0.0]])
    single, none = left_out_precision(scores, targets)
    assert single == 0.5
    assert np.isnan(none)


def test_the_average_precision_of_chance_is_the_prevalence_once_others_judge():
    rng = np.random.default_rng(0)
    targets = (rng.random((200, 400)) < 0.05).astype(np.float32)
    scores = rng.random(targets.shape)
    assert np.nanmean(left_out_precision(scores, targets)) == pytest.approx(0.05, abs=0.01)
    assert np.nanmean(average_precision(scores, targets)) > 0.07


def test_counts_leave_unknown_rows_out_label_by_label():
    targets = np.array([[1, NAN], [0, 1], [NAN, 1], [1, 0]], np.float32)
    decisions = np.array([[1, 1], [1, 0], [1, 1], [0, 1]], np.bool_)
    counts = confusion(decisions, targets)
    assert counts.true_positives.tolist() == [1, 1]
    assert counts.false_positives.tolist() == [1, 1]
    assert counts.false_negatives.tolist() == [1, 1]
    assert counts.support.tolist() == [2, 2]


def test_several_decisions_of_the_same_rows_are_pooled():
    targets = np.array([[1], [0], [NAN]], np.float32)
    decisions = np.array([[[1], [1], [1]], [[0], [0], [1]]], np.bool_)
    counts = confusion(decisions, targets)
    assert [counts.true_positives[0], counts.false_positives[0], counts.false_negatives[0]] == [
        1,
        1,
        1,
    ]


def test_without_positives_everything_is_undefined_even_where_something_was_decided():
    counts = confusion(np.ones((3, 1), np.bool_), np.zeros((3, 1), np.float32))
    for figures in (counts.precision, counts.recall, counts.f1):
        assert np.isnan(figures).all()


def test_precision_is_zero_where_positives_exist_and_nothing_was_decided():
    counts = confusion(np.zeros((3, 1), np.bool_), np.ones((3, 1), np.float32))
    assert (counts.precision[0], counts.recall[0], counts.f1[0]) == (0.0, 0.0, 0.0)


def test_undefined_values_stay_out_of_means():
    assert mean_defined(np.array([0.2, NAN, 0.6])) == pytest.approx(0.4)
    assert mean_of_each(np.array([0.2, NAN, 0.6]), np.array([3, 0, 1])) == pytest.approx(0.3)
    assert np.isnan(mean_defined(np.array([NAN])))
    assert np.isnan(mean_of_each(np.array([NAN]), np.array([0])))
