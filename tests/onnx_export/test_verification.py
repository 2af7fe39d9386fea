"""What a graph may lose beside its checkpoint, and what too few positives cannot say."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from imbtool.data.corpus import Split
from imbtool.evaluation.calibration import sigmoid
from imbtool.formats.texts import Texts
from imbtool.inference.evaluate import table_split
from imbtool.onnx_export.document import Candidate
from imbtool.onnx_export.verification import Reference
from imbtool.trained.checkpoint import Checkpoint, read_checkpoint
from imbtool.types import Floats

RARE = 1
"""Column of the label that is severe here."""


class Scored(Checkpoint):
    """A checkpoint whose logits are given, text by text."""

    def give(self, split: Split, logits: Floats) -> "Scored":
        object.__setattr__(self, "given", dict(zip(split.texts, logits, strict=True)))
        return self

    def logits(self, texts: list[str]) -> Floats:  # type: ignore[override]
        given: dict[str, Floats] = self.given  # type: ignore[attr-defined]
        return np.array([given[text] for text in texts])


@pytest.fixture
def truth(project: Path) -> Split:
    """Texts of which 60 have known labels, each another text."""
    split = table_split(read_checkpoint(project / "runs" / "first"), Path("test.csv"))
    texts = Texts.of(f"{number} {text}" for number, text in enumerate(split.texts))
    return replace(split, texts=texts)


def scored(split: Split, logits: Floats) -> Scored:
    """A model without hierarchy, in which one label is severe and thresholds are 0.5."""
    model = read_checkpoint(Path("runs/first"))
    labels = {
        name: label.model_copy(
            update={
                "tier": "severe" if column == RARE else "common",
                "threshold": 0.5,
                "parent": None,
            }
        )
        for column, (name, label) in enumerate(model.meta.labels.items())
    }
    meta = model.meta.model_copy(update={"labels": labels, "coherence": None})
    return Scored(model.folder, model.text_model, meta).give(split, logits)


def good_logits(split: Split) -> Floats:
    """High where a text has a label, with some noise."""
    noise = np.random.default_rng(0).normal(size=split.targets.shape)
    return np.asarray(4 * split.targets - 2 + noise, dtype=np.float64)


def int8(split: Split, before: Floats, after: Floats) -> Candidate:
    path = Path("model.onnx")
    path.write_bytes(b"graph")
    reference = Reference(scored(split, before), split)
    graph = scored(split, after)
    return reference.int8(graph, graph, path, "int8-static")[1]


def fp32(split: Split, before: Floats, after: Floats) -> Candidate:
    path = Path("model.onnx")
    path.write_bytes(b"graph")
    return Reference(scored(split, before), split).fp32(scored(split, after), path)


def test_the_same_logits_lose_nothing(truth: Split) -> None:
    logits = good_logits(truth)
    same = int8(truth, logits, logits)
    assert (same.lost, same.uncertain, same.unmet) == ([], [], [])
    assert (same.agreement.share, same.agreement.shared_labels) == (1.0, 1.0)
    assert fp32(truth, logits, logits).unmet == []


def test_a_severe_label_that_ranks_worse_is_lost(truth: Split) -> None:
    before = good_logits(truth)
    after = before.copy()
    positives = np.flatnonzero(truth.targets[:, RARE] == 1)
    # decided as before, but behind the texts that have not the label
    negatives = before[truth.targets[:, RARE] == 0, RARE]
    after[positives[0], RARE] = negatives.min() - 1
    found = int8(truth, before, after)
    name = list(found.comparison.labels)[RARE] if found.comparison else ""
    assert found.lost == [name]
    assert found.unmet == [
        f"The average precision of {name} falls by more than 0.01, and the tier is severe."
    ]


def test_a_label_of_another_tier_may_lose(truth: Split) -> None:
    before = good_logits(truth)
    after = before.copy()
    column = RARE + 1
    positives = np.flatnonzero((truth.targets[:, column] == 1) & (before[:, column] < 0))
    column_logits = after[:, column]
    column_logits[positives] -= 10
    assert int8(truth, before, after).lost == []


def test_few_positives_cannot_say_that_nothing_is_lost(truth: Split) -> None:
    before = good_logits(truth)
    after = before + np.random.default_rng(1).normal(scale=0.3, size=before.shape)
    after[:, RARE] = np.where(truth.targets[:, RARE] == 1, after[:, RARE] + 0.2, after[:, RARE])
    found = int8(truth, before, after)
    assert found.comparison is not None
    name = list(found.comparison.labels)[RARE]
    difference = found.comparison.labels[name].average_precision
    assert difference.value is not None
    assert difference.value > -0.01
    assert difference.low is not None
    assert difference.low < -0.01
    assert (found.lost, found.uncertain) == ([], [name])


def test_one_decision_in_a_hundred_is_too_many(truth: Split) -> None:
    before = good_logits(truth)
    after = before.copy()
    after[:4, 2] = -after[:4, 2]
    found = int8(truth, before, after)
    assert found.agreement.differing == 4
    assert found.unmet[0].startswith("98.89% of the decisions are those of the checkpoint")


@pytest.mark.parametrize(("shift", "decides"), [(1e-3, False), (1e-6, True)])
def test_fp32_keeps_probabilities(shift: float, decides: bool, truth: Split) -> None:
    logits = np.full(truth.targets.shape, 0.5)
    found = fp32(truth, logits, logits + shift)
    assert (found.unmet == []) is decides
    assert found.agreement.differing == 0
    difference = float(sigmoid(np.array(0.5 + shift)) - sigmoid(np.array(0.5)))
    assert found.agreement.largest_difference == pytest.approx(difference)


def test_fp32_decides_every_text_alike(truth: Split) -> None:
    logits = np.zeros(truth.targets.shape)
    after = logits.copy()
    after[0, 0] = -1e-6
    assert fp32(truth, logits, after).unmet == [
        "It decides otherwise than the checkpoint in 1 case of 360; it never should."
    ]


def test_a_graph_gets_the_thresholds_that_agree_more(truth: Split) -> None:
    before = good_logits(truth)
    reference, path = Reference(scored(truth, before), truth), Path("model.onnx")
    path.write_bytes(b"graph")
    same = scored(truth, before)
    labels = {
        name: label.model_copy(update={"threshold": 0.9})
        for name, label in same.meta.labels.items()
    }
    other = Scored(
        same.folder, same.text_model, same.meta.model_copy(update={"labels": labels})
    ).give(truth, before)
    for kept, chosen, origin in ((same, other, "kept"), (other, same, "chosen again")):
        graph, candidate = reference.int8(kept, chosen, path, "int8-blocks")
        assert (graph, candidate.thresholds) == (same, origin)
        assert candidate.agreement.differing == 0
