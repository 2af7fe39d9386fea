"""A training warning comes with its numbers; noise alone gives none."""

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from imbtool.events import EpochEvent, LabelEpochMetrics, WarningEvent
from imbtool.runs.warnings import training_warnings

Floats = NDArray[np.float64]

LENGTHS = (40, 130, 1300, 4000)


def epoch(
    number: int, train: Any, validation: Any, precision: Any = 0.3, **labels: LabelEpochMetrics
) -> EpochEvent:
    return EpochEvent(
        epoch=number,
        train_loss=train,
        validation_loss=validation,
        average_precision_macro=precision,
        labels=labels,
        f1_macro=None,
        step=10 * number,
        best=False,
    )


def label(precision: Any, recall: Any, support: int) -> LabelEpochMetrics:
    return LabelEpochMetrics(precision=precision, recall=recall, f1=None, support=support)


def only(found: list[WarningEvent], name: str) -> WarningEvent:
    (warning,) = found
    assert warning.id == name
    return warning


# The training loss. Trends of one run, from 0 to 1; factors by which batches differ.

TRENDS: dict[str, Callable[[Floats], Floats]] = {
    "plateau": lambda at: 0.1 + 0 * at,
    "slow fall": lambda at: 0.6 * np.exp(-3 * at),
    "steep fall, then a plateau": lambda at: 0.05 + 0.6 * np.exp(-30 * at),
    "a hump after a fitted head": lambda at: 0.06 + 0.1 * np.exp(-(((at - 0.05) / 0.03) ** 2)),
    "a step down at each epoch": lambda at: (
        0.1 * 0.6 ** np.floor(5 * at) * (1 + 0.1 * (5 * at % 1))
    ),
}
NOISES: dict[str, Callable[[np.random.Generator, int], Floats]] = {
    "none": lambda rng, steps: np.ones(steps),
    "a fifth": lambda rng, steps: np.exp(0.2 * rng.standard_normal(steps)),
    "a half": lambda rng, steps: np.exp(0.5 * rng.standard_normal(steps)),
    "skewed": lambda rng, steps: rng.gamma(2, 0.5, steps),
    "growing": lambda rng, steps: np.exp(np.linspace(0.1, 0.8, steps) * rng.standard_normal(steps)),
    "a rare label of weight 4 in 1% of the batches": lambda rng, steps: rare(rng, steps, 0.01),
    "a rare label of weight 4 in 30% of the batches": lambda rng, steps: rare(rng, steps, 0.3),
}


def rare(rng: np.random.Generator, steps: int, share: float) -> Floats:
    base = np.exp(0.2 * rng.standard_normal(steps))
    return base * np.where(rng.random(steps) < share, 4.0, 1.0)


def falling(steps: int, noise: float, seed: int = 0) -> Floats:
    rng = np.random.default_rng(seed)
    at = np.arange(steps) / steps
    return 0.5 * np.exp(-2 * at + noise * rng.standard_normal(steps))


def waves(steps: int, period: float, swing: float) -> Floats:
    """Factors that go up and down by `swing`."""
    return np.exp(math.log(swing) / 2 * np.sin(2 * math.pi * np.arange(steps) / period))


def jumps(steps: int, every: int, length: int, factor: float) -> Floats:
    """1, but `factor` for so many steps in every so many."""
    return np.where(np.arange(steps) % every >= every - length, factor, 1.0)


@pytest.mark.parametrize("trend", TRENDS)
@pytest.mark.parametrize("noise", NOISES)
def test_a_loss_that_falls_or_rests_is_well_however_much_batches_differ(trend, noise):
    for seed in range(5):
        for steps in LENGTHS:
            rng = np.random.default_rng(seed)
            losses = TRENDS[trend](np.arange(steps) / steps) * NOISES[noise](rng, steps)
            assert training_warnings([], losses.tolist()) == [], (seed, steps)


@pytest.mark.parametrize("noise", [0.05, 0.2, 0.4])
@pytest.mark.parametrize(("steps", "period"), [(130, 16), (130, 30), (1300, 20), (1300, 300)])
def test_a_loss_that_swings_by_more_than_its_batches_differ_oscillates(steps, period, noise):
    swing = 2 * math.exp(4 * noise)
    losses = falling(steps, noise) * waves(steps, period, swing)
    warning = only(
        training_warnings([epoch(1, 0.5, 0.5), epoch(2, 0.4, 0.4)], losses.tolist()), "oscillating"
    )
    assert warning.label is None
    assert warning.epochs == [1, 2]
    assert warning.evidence["losses"] == steps
    assert 3 <= warning.evidence["rises"] <= steps / period + 1
    assert swing / 2 < warning.evidence["largest_rise"] < 3 * swing
    assert f"rose {warning.evidence['rises']} times" in warning.message


def test_slow_swings_show_in_much_noise():
    for seed in range(5):
        losses = falling(4000, noise=0.5, seed=seed) * waves(4000, period=800, swing=3)
        assert only(training_warnings([], losses.tolist()), "oscillating").evidence["window"] > 4


def test_swings_within_the_noise_of_batches_are_not_told():
    for seed in range(5):
        losses = falling(1300, noise=0.4, seed=seed) * waves(1300, period=100, swing=1.3)
        assert training_warnings([], losses.tolist()) == []


def test_batch_noise_is_measured_whatever_the_trend_and_the_swings():
    losses = falling(1300, noise=0.2) * waves(1300, period=100, swing=6)
    assert only(training_warnings([], losses.tolist()), "oscillating").evidence[
        "noise"
    ] == pytest.approx(0.2, rel=0.1)


def test_one_rise_or_two_are_no_swing_yet():
    for rises, found in ((1, 0), (2, 0), (3, 1)):
        saw = 8.0 ** (np.arange(90 * rises) / 90 % 1)
        losses = falling(90 * rises, noise=0.1) * saw
        assert len(training_warnings([], losses.tolist())) == found


@pytest.mark.parametrize(
    ("steps", "every", "length"), [(400, 50, 5), (1300, 100, 20), (130, 30, 4)]
)
def test_spikes_of_some_steps_oscillate(steps, every, length):
    losses = falling(steps, noise=0.2) * jumps(steps, every, length, factor=6)
    assert only(training_warnings([], losses.tolist()), "oscillating").evidence["rises"] >= 3


def test_spikes_of_one_step_count_from_ten_times_the_loss_before():
    for factor, found in ((5, 0), (25, 1)):
        losses = falling(400, noise=0.2) * jumps(400, every=50, length=1, factor=factor)
        assert len(training_warnings([], losses.tolist())) == found
    warning = only(training_warnings([], losses.tolist()), "oscillating")
    assert warning.evidence["spikes"] == 8
    assert "spikes (in 8 places" in warning.message
    assert "swings" not in warning.message


def test_one_jump_up_is_not_many_spikes():
    losses = falling(400, noise=0.2)
    losses[200:] *= 40
    assert training_warnings([], losses.tolist()) == []


def test_losses_that_are_missing_or_zero_are_left_out():
    losses = (falling(400, noise=0.1) * waves(400, period=50, swing=6)).tolist()
    marred = [*losses[:100], math.nan, None, 0.0, math.inf, *losses[100:]]
    assert training_warnings([], marred) == training_warnings([], losses) != []


def test_swings_need_some_thirty_losses():
    swinging = waves(60, period=10, swing=1 / 50).tolist()  # first down
    assert training_warnings([], swinging[:31]) == []
    assert only(training_warnings([], swinging), "oscillating").evidence["rises"] > 3


@pytest.mark.parametrize("losses", [[], [0.3], [math.nan] * 50, [0.1, 5.0] * 10, [0.0] * 50])
def test_too_few_losses_say_nothing(losses):
    assert training_warnings([], losses) == []


# The validation loss.


@pytest.mark.parametrize(
    ("validation", "seen"),
    [([0.5, 0.4, 0.44], [2, 3]), ([0.5, 0.4, 0.403, 0.406], [2, 3, 4]), ([0.4, 0.43], [1, 2])],
    ids=["at once", "slowly, twice", "from the first epoch"],
)
def test_validation_loss_that_rises_while_training_loss_falls_is_told(validation, seen):
    losses = [0.5, 0.4, 0.3, 0.2][: len(validation)]
    epochs = [epoch(n + 1, losses[n], validation[n]) for n in range(len(validation))]
    warning = only(training_warnings(epochs, []), "validation-rising")
    assert warning.label is None
    assert warning.epochs == seen
    assert warning.evidence["lowest_validation_loss"] == min(validation)
    assert warning.evidence["validation_loss"] == validation[-1]
    assert warning.evidence["train_loss_at_lowest"] == losses[seen[0] - 1]
    assert warning.evidence["train_loss"] == losses[-1]


@pytest.mark.parametrize(
    ("train", "validation"),
    [
        ([0.5, 0.4, 0.3], [0.5, 0.4, 0.39]),
        ([0.5, 0.4, 0.3], [0.5, 0.4, 0.408]),
        ([0.5, 0.4, 0.3, 0.2], [0.5, 0.4, 0.401, 0.402]),
        ([0.5, 0.4, 0.41], [0.5, 0.4, 0.44]),
        ([0.5, 0.4, 0.3, 0.2], [0.5, 0.4, 0.44, 0.41]),
    ],
    ids=["falls", "one slight rise", "rests", "training rises too", "has come down again"],
)
def test_other_validation_losses_are_well(train, validation):
    epochs = [epoch(n + 1, train[n], validation[n]) for n in range(len(train))]
    assert training_warnings(epochs, []) == []


@pytest.mark.parametrize(
    ("precisions", "meaning"),
    [
        ([0.30, 0.35, 0.36], "still improves (0.350 to 0.360)"),
        ([0.30, 0.36, 0.35], "no longer improves (0.360 to 0.350)"),
        ([0.36, 0.30, 0.35], "no longer improves (0.360 to 0.350)"),
        ([0.30, 0.35, math.nan], "not known"),
        ([None, None, 0.36], "not known"),
    ],
)
def test_mean_average_precision_tells_overconfidence_from_overfitting(precisions, meaning):
    losses = ((0.5, 0.5), (0.4, 0.4), (0.3, 0.44))
    epochs = [epoch(n + 1, *losses[n], precisions[n]) for n in range(3)]
    warning = only(training_warnings(epochs, []), "validation-rising")
    assert meaning in warning.message
    assert ("overconfident" in warning.message) == ("still" in meaning)
    assert ("average_precision" in warning.evidence) == ("known" not in meaning)


def test_epochs_without_a_loss_are_passed_over():
    epochs = [epoch(1, 0.5, 0.4), epoch(2, 0.4, None), epoch(3, 0.3, 0.5), epoch(4, math.nan, 0.3)]
    assert only(training_warnings(epochs, []), "validation-rising").epochs == [1, 3]


# The labels.


def test_a_label_without_a_hit_is_told_with_the_recall_that_is_still_possible():
    few, many = training_warnings(
        [epoch(1, 0.5, 0.5, few=label(0, 0, 4), many=label(0, 0, 40))], []
    )
    assert (few.id, few.label, few.epochs) == ("zero-recall", "few", [1])
    assert few.evidence == {"support": 4, "recall_at_most": pytest.approx(0.602, abs=1e-3)}
    assert "none of 4" in few.message
    assert "too few to say" in few.message
    assert "60%" in few.message
    assert many.evidence == {"support": 40, "recall_at_most": pytest.approx(0.088, abs=1e-3)}
    assert "above 9% is ruled out" in many.message


@pytest.mark.parametrize(
    "row",
    [
        label(0.9, 0.1, 10),
        label(0.0, 0.0, 0),
        label(None, None, 0),
        label(math.nan, math.nan, 0),
        label(None, None, 9),
    ],
)
def test_a_label_with_a_hit_or_of_which_nothing_is_known_is_well(row):
    assert training_warnings([epoch(1, 0.5, 0.5, some=row)], []) == []


def test_a_label_that_is_surely_more_often_wrong_than_right_is_told_with_its_counts():
    row = label(precision=15 / 60, recall=15 / 20, support=20)
    warning = only(training_warnings([epoch(3, 0.5, 0.5, vain=row)], []), "over-predicted")
    assert (warning.label, warning.epochs) == ("vain", [3])
    assert warning.evidence == {
        "precision": 0.25,
        "precision_at_least": pytest.approx(0.147, abs=1e-3),
        "precision_at_most": pytest.approx(0.379, abs=1e-3),
        "predicted": pytest.approx(60),
        "true_positives": pytest.approx(15),
        "support": 20,
    }
    assert "predicted 60 times, 15 of them rightly, for 20 positives" in warning.message


@pytest.mark.parametrize(("right", "predicted"), [(3, 10), (45, 100), (60, 100), (8, 8)])
def test_a_precision_that_may_be_a_half_is_not_told(right, predicted):
    row = label(right / predicted, recall=right / 80, support=80)
    assert training_warnings([epoch(1, 0.5, 0.5, some=row)], []) == []


def test_counts_may_be_means_over_half_splits():
    row = label(precision=0.05, recall=0.01, support=40)
    warning = only(training_warnings([epoch(1, 0.5, 0.5, some=row)], []), "over-predicted")
    assert warning.evidence["predicted"] == pytest.approx(8)


def test_labels_are_judged_by_the_last_epoch():
    poor, good = label(0, 0, 20), label(0.9, 0.9, 20)
    assert (
        training_warnings([epoch(1, 0.5, 0.5, some=poor), epoch(2, 0.4, 0.4, some=good)], []) == []
    )


# All together.


def test_warnings_come_in_one_order_and_go_through_json():
    rows = {"b": label(0.1, 0.5, 40), "a": label(0, 0, 20), "fine": label(0.9, 0.9, 20)}
    epochs = [epoch(1, 0.5, 0.4), epoch(2, 0.4, 0.5, **rows)]
    losses = (falling(400, noise=0.1) * waves(400, period=50, swing=6)).tolist()
    found = training_warnings(epochs, losses)
    assert [(warning.id, warning.label) for warning in found] == [
        ("oscillating", None),
        ("validation-rising", None),
        ("over-predicted", "b"),
        ("zero-recall", "a"),
    ]
    for warning in found:
        assert json.loads(json.dumps(warning.model_dump(), allow_nan=False)) == warning.model_dump()


@pytest.mark.parametrize("epochs", [[], [epoch(1, 0.5, 0.5)], [epoch(1, None, math.nan, None)]])
def test_the_beginning_of_a_run_is_well(epochs):
    assert training_warnings(epochs, [0.5]) == []
