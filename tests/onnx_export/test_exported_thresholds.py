"""Thresholds of an exported graph: chosen again on its own logits, by the rule of the training."""

from pathlib import Path

import pytest

from imbtool.onnx_export.thresholds import read_training_data, with_new_thresholds
from imbtool.trained.checkpoint import Checkpoint, read_checkpoint


@pytest.fixture(scope="module")
def checkpoint(trained: Path) -> Checkpoint:
    return read_checkpoint(trained / "runs" / "first")


@pytest.fixture(scope="module")
def chosen_again(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint as if it were a graph, whose logits are the same."""
    return with_new_thresholds(checkpoint, read_training_data(checkpoint))


def test_the_same_logits_give_the_same_thresholds_calibration_and_figures(
    checkpoint: Checkpoint, chosen_again: Checkpoint
) -> None:
    before, after = checkpoint.meta, chosen_again.meta
    assert after.labels == before.labels
    assert after.coherence == before.coherence
    assert after.validation == before.validation


def test_scores_are_those_of_the_rule_that_won_in_training_and_of_no_other(
    checkpoint: Checkpoint, chosen_again: Checkpoint
) -> None:
    before, after = checkpoint.meta, chosen_again.meta
    rule = before.threshold_rule
    for kind in ("threshold_scores", "threshold_micro_scores", "threshold_recalls"):
        scores = getattr(after, kind)
        assert list(scores) == [rule], kind
        if rule in getattr(before, kind):
            assert scores[rule] == getattr(before, kind)[rule], kind
