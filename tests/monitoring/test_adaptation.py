"""Thresholds for another prevalence are better there, and keep what was required."""

import numpy as np
import pytest

from imbtool.config.schema import Requirement
from imbtool.evaluation.calibration import sigmoid
from imbtool.monitoring.adaptation import adapted_requirement, adapted_threshold, has_changed
from imbtool.monitoring.shift import ScoredLabel, ShareEstimate, ShiftedLabel

PRIOR = 0.05


def draw(rng: np.random.Generator, texts: int, share: float):
    """Logits that are calibrated at `PRIOR`, and targets."""
    targets = (rng.random(texts) < share).astype(np.float32)
    scores = rng.normal(size=texts) + 2 * targets
    return 2 * scores - 2 + np.log(PRIOR / (1 - PRIOR)), targets


def f1(logits: np.ndarray, targets: np.ndarray, threshold: float) -> float:
    decided = sigmoid(logits) >= threshold
    return 2 * (decided & (targets == 1)).sum() / (decided.sum() + targets.sum())


def shifted(logits: np.ndarray, targets: np.ndarray, stream: np.ndarray, share: float):
    scored = ScoredLabel(logits[targets == 1], logits[targets == 0], PRIOR, stream)
    return ShiftedLabel(scored, ShareEstimate(share, share / 1.3, share * 1.3), 1.0, "")


@pytest.mark.parametrize("times", [0.25, 4])
def test_a_new_threshold_has_nearly_the_best_f1_in_the_stream(times: float):
    rng = np.random.default_rng(0)
    logits, targets = draw(rng, 5_000, PRIOR)
    stream, truth = draw(rng, 20_000, PRIOR * times)
    label = shifted(logits, targets, stream, PRIOR * times)
    new = adapted_threshold(1.0, 0.0, label)
    old = max(np.linspace(0.01, 0.99, 99), key=lambda cut: f1(logits, targets, cut))
    best = max(f1(stream, truth, cut) for cut in np.linspace(0.01, 0.99, 99))
    assert f1(stream, truth, new.threshold) > f1(stream, truth, old)
    assert f1(stream, truth, new.threshold) > best - 0.02
    assert new.shift == pytest.approx(np.log(times), abs=0.25)


def test_a_required_precision_is_kept_where_the_label_has_become_rarer():
    rng = np.random.default_rng(0)
    validation = draw(rng, 60_000, PRIOR)
    stream, truth = draw(rng, 50_000, PRIOR / 4)
    share = ShareEstimate(PRIOR / 4, PRIOR / 5, PRIOR / 3)
    asked = Requirement(precision=0.4)
    new = adapted_requirement("threats", asked, validation, stream, share)
    assert new.requirement.verdict == "met"
    decided = sigmoid(stream) >= new.threshold
    assert truth[decided].mean() >= 0.4
    old = adapted_requirement("threats", asked, validation, stream, ShareEstimate(PRIOR, PRIOR, 1))
    assert truth[sigmoid(stream) >= old.threshold].mean() < 0.4
    assert new.requirement.asked == "precision >= 0.4"
    assert "as 0.4 at the prevalence of the stream" in new.requirement.sentence


def test_a_limit_of_flags_is_kept_on_the_stream_itself():
    rng = np.random.default_rng(0)
    stream, _ = draw(rng, 20_000, 4 * PRIOR)
    asked = Requirement(flags_per_1000=30)
    share = ShareEstimate(0.2, 0.15, 0.25)
    new = adapted_requirement("threats", asked, draw(rng, 2_000, PRIOR), stream, share)
    assert 20 < 1000 * (sigmoid(stream) >= new.threshold).mean() <= 30
    assert new.requirement.verdict == "met"
    assert "on this stream" in new.requirement.sentence
    unknown = adapted_requirement("threats", asked, draw(rng, 2_000, PRIOR), stream, None)
    assert (unknown.threshold, unknown.shift) == (new.threshold, 0)


def test_a_required_recall_keeps_its_threshold():
    rng = np.random.default_rng(0)
    validation, share = draw(rng, 500, PRIOR), ShareEstimate(0.2, 0.15, 0.25)
    asked = Requirement(recall=0.8)
    assert adapted_requirement("threats", asked, validation, validation[0], share) is None


def test_a_prevalence_has_changed_if_the_intervals_are_apart():
    assert has_changed(ShareEstimate(0.2, 0.15, 0.25), 50, 1_000)
    assert has_changed(ShareEstimate(0.01, 0.005, 0.02), 50, 1_000)
    assert not has_changed(ShareEstimate(0.08, 0.04, 0.12), 50, 1_000)
    assert not has_changed(ShareEstimate(0.2, 0.15, 0.25), 5, 30)
