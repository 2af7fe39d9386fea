"""Each diagnosis comes with its numbers, and is acted on only if chance does not explain it."""

import math
from typing import Any

import pytest
from finishedruns import epoch, finished, found, incoherent, rising, swinging, with_label

from imbtool.tuning.diagnosis import Diagnosis, FinishedRun, is_healthy, not_finite


def verdict(run: FinishedRun, name: str, label: str | None = "rare") -> str | None:
    diagnosis = found(run).get((name, label))
    return diagnosis and diagnosis.verdict


def test_a_healthy_run_has_no_diagnosis() -> None:
    assert found(finished()) == {}
    assert is_healthy([])


# Labels. Verdicts turn where the exact interval does.


@pytest.mark.parametrize(
    ("support", "expected"), [(4, "watch"), (10, "watch"), (11, "act"), (60, "act")]
)
def test_zero_recall_is_acted_on_once_positives_rule_chance_out(
    support: int, expected: str
) -> None:
    diagnosis = found(with_label(recall=0.0, precision=0.0, support=support))["zero-recall", "rare"]
    assert diagnosis.verdict == expected
    assert diagnosis.blocks == (expected == "act")
    assert diagnosis.evidence["support"] == support
    assert diagnosis.evidence["high"] == pytest.approx(1 - 0.025 ** (1 / support))
    assert f"{diagnosis.evidence['high']:.0%}" in diagnosis.reason
    assert diagnosis.epochs == [2]


@pytest.mark.parametrize(
    ("recall", "support", "expected"),
    [(0.05, 20, "act"), (0.05, 8, "watch"), (0.09, 100, "act"), (0.1, 100, None), (0.5, 9, None)],
)
def test_low_recall(recall: float, support: int, expected: str | None) -> None:
    assert verdict(with_label(recall=recall, support=support), "low-recall") == expected
    assert verdict(with_label(recall=recall, support=support), "zero-recall") is None


def test_what_is_healthy_is_the_profiles_to_say() -> None:
    fair = with_label(recall=0.8, precision=0.7, support=100)
    assert found(fair) == {}
    assert found(fair, recall=0.9)["low-recall", "rare"].verdict == "act"
    # 80 of 114: the interval reaches up to 78%
    assert found(fair, precision=0.78)["over-predicted", "rare"].verdict == "watch"
    assert found(fair, precision=0.79)["over-predicted", "rare"].verdict == "act"


@pytest.mark.parametrize(
    ("asked", "name", "state"),
    [
        ("recall >= 0.8", "over-predicted", {"precision": 0.2, "recall": 0.9}),
        ("recall >= 0.8", "threshold-low", {"threshold": 0.001}),
        ("precision >= 0.9", "low-recall", {"recall": 0.01}),
        ("precision >= 0.9", "threshold-high", {"threshold": 0.999}),
        ("flags_per_1000 <= 2", "zero-recall", {"precision": 0.0, "recall": 0.0}),
    ],
)
def test_the_price_of_what_is_required_is_left_alone(
    asked: str, name: str, state: dict[str, Any]
) -> None:
    assert verdict(with_label(**state, support=100), name) == "act"
    diagnosis = found(with_label(**state, support=100, requirement=asked))[name, "rare"]
    assert (diagnosis.verdict, diagnosis.blocks) == ("leave", False)
    assert asked in diagnosis.reason
    opposite = "precision >= 0.9" if asked.startswith("recall") else "recall >= 0.8"
    assert verdict(with_label(**state, support=100, requirement=opposite), name) == "act"


@pytest.mark.parametrize(
    ("precision", "recall", "support", "expected"),
    [
        (0.3, 0.8, 40, "act"),
        (0.55, 0.9, 300, "act"),
        (0.55, 0.9, 20, "watch"),
        (0.3, 0.8, 4, "watch"),
        (0.3, 0.2, 100, "leave"),
        (0.6, 0.9, 300, None),
    ],
)
def test_over_prediction(
    precision: float, recall: float, support: int, expected: str | None
) -> None:
    run = with_label(precision=precision, recall=recall, support=support)
    assert verdict(run, "over-predicted") == expected
    if expected:
        diagnosis = found(run)["over-predicted", "rare"]
        assert diagnosis.blocks == (expected != "watch")
        assert diagnosis.evidence["predicted"] == pytest.approx(recall * support / precision)


def test_a_label_that_is_not_rare_is_left_alone() -> None:
    over = found(with_label("common", precision=0.2, recall=0.9))["over-predicted", "common"]
    assert (over.verdict, over.blocks) == ("leave", False)
    silent = found(with_label("common", precision=0.0, recall=0.0))["zero-recall", "common"]
    assert (silent.verdict, silent.blocks) == ("leave", False)


@pytest.mark.parametrize(
    ("threshold", "support", "name", "expected"),
    [
        (0.01, 40, "threshold-low", "act"),
        (0.99, 40, "threshold-high", "act"),
        (0.99, 5, "threshold-high", "watch"),
        (0.02, 40, "threshold-low", None),
        (0.98, 40, "threshold-high", None),
    ],
)
def test_a_threshold_at_the_edge(
    threshold: float, support: int, name: str, expected: str | None
) -> None:
    run = with_label(threshold=threshold, support=support)
    assert verdict(run, name) == expected
    assert len(found(run)) == (expected is not None)
    assert is_healthy(found(run).values())


@pytest.mark.parametrize(
    ("texts", "decided", "expected"),
    [(30, 60, "act"), (2, 8, "watch"), (6, 60, None), (0, 0, None), (9, 60, "watch")],
)
def test_a_label_decided_without_its_primary(
    texts: int, decided: int, expected: str | None
) -> None:
    run = incoherent(texts, decided)
    assert verdict(run, "incoherent") == expected
    if expected:
        assert "'common'" in found(run)["incoherent", "rare"].message
    assert is_healthy(found(run).values())


@pytest.mark.parametrize("nothing", [None, math.nan])
def test_a_label_without_positives_or_figures_is_no_diagnosis(nothing: Any) -> None:
    empty = {"precision": nothing, "recall": nothing, "f1": nothing, "support": 0}
    run = finished(epochs=[epoch(1), epoch(2, labels={"rare": empty, "common": empty})])
    assert found(run) == {}
    assert run.rare_recall is None


def test_labels_are_judged_by_the_kept_epoch() -> None:
    silent = with_label(recall=0.0, precision=0.0).epochs[-1]
    kept_before = [epoch(1), silent.model_copy(update={"best": False})]
    assert found(finished(epochs=kept_before)) == {}
    assert found(finished(epochs=[silent.model_copy(update={"epoch": 1}), epoch(2)])) == {}


def test_rare_recall_is_the_mean_over_rare_labels() -> None:
    assert with_label("common", recall=0.1).rare_recall == pytest.approx(0.7)
    assert with_label("rare", recall=0.1).rare_recall == pytest.approx(0.1)


# The run.


def test_an_oscillating_loss_is_acted_on() -> None:
    diagnosis = found(swinging())["oscillating", None]
    assert (diagnosis.verdict, diagnosis.blocks) == ("act", True)
    assert diagnosis.evidence["rises"] >= 3


@pytest.mark.parametrize(
    ("kept", "precision_after", "expected"), [(1, 0.4, "act"), (1, 0.6, "leave"), (2, 0.4, "leave")]
)
def test_a_rising_validation_loss(kept: int, precision_after: float, expected: str) -> None:
    diagnosis = found(rising(precision_after, kept))["validation-rising", None]
    assert diagnosis.verdict == expected
    assert diagnosis.evidence["kept_epoch"] == kept
    assert not diagnosis.blocks, "the best epoch is kept anyway"


@pytest.mark.parametrize(
    ("frozen", "expected"), [(0.6, "act"), (0.505, None), (0.3, None), (None, None)]
)
def test_a_run_that_is_worse_than_the_frozen_encoder(
    frozen: float | None, expected: str | None
) -> None:
    run = finished(frozen=frozen)
    assert verdict(run, "worse-than-frozen", None) == expected
    assert is_healthy(found(run).values()) == (expected is None)
    # what is added to the logits afterwards hides nothing
    better = epoch(2, average_precision_macro=0.9)
    run = finished(frozen=frozen, with_additions=better)
    assert verdict(run, "worse-than-frozen", None) == expected


@pytest.mark.parametrize(
    ("f1", "precision", "best", "expected"),
    [
        (0.6, 0.6, True, "act"),
        (0.6, 0.4, True, "watch"),
        (0.51, 0.6, True, None),
        (0.6, 0.6, False, None),
    ],
)
def test_a_run_that_still_improves(
    f1: float, precision: float, best: bool, expected: str | None
) -> None:
    last = epoch(2, f1_macro=f1, average_precision_macro=precision, best=best)
    run = finished(epochs=[epoch(1), last])
    assert verdict(run, "still-improving", None) == expected
    assert is_healthy(found(run).values()), "a steady rise is no fault"


def test_one_epoch_cannot_tell_whether_a_run_improves() -> None:
    assert found(finished(epochs=[epoch(1, f1_macro=0.9)])) == {}


def test_a_loss_that_is_not_finite_is_acted_on() -> None:
    diagnosis = not_finite("loss nan")
    assert isinstance(diagnosis, Diagnosis)
    assert (diagnosis.verdict, diagnosis.blocks, diagnosis.message) == ("act", True, "loss nan")
