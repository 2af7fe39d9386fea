"""A graph measured beside the checkpoint that it comes from, on the same labelled texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from imbtool.data.corpus import Split
from imbtool.evaluation.calibration import sigmoid
from imbtool.evaluation.document import Comparison
from imbtool.evaluation.predictions import Predictions
from imbtool.inference.agreement import (
    Agreement,
    Measured,
    agreement_of,
    compared,
    decided,
    loses,
    measure,
)
from imbtool.onnx_export.document import Candidate, ThresholdOrigin
from imbtool.trained.checkpoint import Checkpoint
from imbtool.trained.metadata import Precision
from imbtool.wording import counted, some

MOST_DIFFERENCE = 1e-4
"""Largest difference of two probabilities in fp32."""
LEAST_AGREEMENT = 0.995
"""Least share of the decisions that an int8 graph leaves as they are."""
MOST_LOST = 0.01
"""Most average precision that an int8 graph may lose on a severe label."""
TEXTS_ALONE = 500
"""So many texts are also read one by one."""


@dataclass(frozen=True)
class Reference:
    """A checkpoint and what it gives for the texts that its graphs are measured on.

    Attributes:
        checkpoint: of torch, on the CPU.
        split: the texts and their targets.
    """

    checkpoint: Checkpoint
    split: Split

    @cached_property
    def measured(self) -> Measured:
        """What the checkpoint gives."""
        return measure(self.checkpoint, self.split)

    def fp32(self, graph: Checkpoint, path: Path) -> Candidate:
        """Measure the graph in fp32, which should decide as the checkpoint does.

        Args:
            graph: the checkpoint with the graph in the place of its model.
            path: of the graph.
        """
        ours = measure(graph, self.split)
        agreement = agreement_of(ours.predictions, self.measured.predictions)
        return Candidate(
            precision="fp32",
            bytes=path.stat().st_size,
            seconds=ours.seconds,
            thresholds="kept",
            agreement=agreement,
            alone=None,
            comparison=None,
            lost=[],
            uncertain=[],
            unmet=list(_unmet_in_fp32(agreement)),
        )

    def int8(
        self, kept: Checkpoint, chosen: Checkpoint, path: Path, precision: Precision
    ) -> tuple[Checkpoint, Candidate]:
        """Measure a graph in 8-bit numbers, which should lose no severe label.

        It gets the thresholds that agree more with the checkpoint's decisions: a threshold that is
        chosen again can move far for a small change of the logits where positives are few.

        Args:
            kept: the checkpoint with the graph in the place of its model.
            chosen: the same with thresholds that the graph's logits give.
            path: of the graph.
            precision: of the graph.

        Returns:
            The one of the two with the better thresholds, and what was measured of it.
        """
        measured = measure(kept, self.split)
        both: dict[ThresholdOrigin, tuple[Checkpoint, Measured]] = {
            "kept": (kept, measured),
            "chosen again": (chosen, measured.decided_by(chosen)),
        }
        agreements = {
            origin: agreement_of(each.predictions, self.measured.predictions)
            for origin, (_, each) in both.items()
        }
        origin = max(both, key=lambda each: agreements[each].share)
        graph, ours = both[origin]
        agreement = agreements[origin]
        tiers, theirs = self.checkpoint.meta.tiers, self.measured.predictions
        comparison = compared(ours.predictions, theirs, self.checkpoint, self.split)
        severe = [
            name for name, tier in zip(comparison.labels, tiers, strict=True) if tier == "severe"
        ]
        lost = [name for name in severe if loses(comparison, name, MOST_LOST)]
        return graph, Candidate(
            precision=precision,
            bytes=path.stat().st_size,
            seconds=ours.seconds,
            thresholds=origin,
            agreement=agreement,
            alone=_alone(graph, self.split, ours.predictions),
            comparison=comparison,
            lost=lost,
            uncertain=[name for name in severe if name not in lost and _may_lose(comparison, name)],
            unmet=list(_unmet_in_int8(agreement, lost)),
        )


def _alone(graph: Checkpoint, split: Split, together: Predictions) -> Agreement:
    """Texts read one by one, beside the same texts in batches."""
    rows = np.arange(min(len(split), TEXTS_ALONE))
    logits = np.concatenate([graph.logits([split.texts[row]]) for row in rows])
    return agreement_of(decided(graph, sigmoid(logits)), together.of_texts(rows))


def _may_lose(comparison: Comparison, name: str) -> bool:
    """Whether the interval of what a label loses reaches beyond what it may lose."""
    low = comparison.labels[name].average_precision.low
    return low is None or low < -MOST_LOST


def _cases(agreement: Agreement) -> str:
    return f"{counted(agreement.differing, 'case')} of {agreement.decisions:,}"


def _unmet_in_fp32(agreement: Agreement) -> Iterator[str]:
    if agreement.differing:
        yield (f"It decides otherwise than the checkpoint in {_cases(agreement)}; it never should.")
    if not agreement.largest_difference <= MOST_DIFFERENCE:
        yield (
            f"A probability differs by {agreement.largest_difference:.2g} from the checkpoint's; "
            f"at most {MOST_DIFFERENCE:g} is allowed."
        )


def _unmet_in_int8(agreement: Agreement, lost: Sequence[str]) -> Iterator[str]:
    if agreement.share < LEAST_AGREEMENT:
        yield (
            f"{agreement.share:.2%} of the decisions are those of the checkpoint; at least "
            f"{LEAST_AGREEMENT:.1%} should be."
        )
    if lost:
        yield (
            f"The average precision of {some(lost)} falls by more than {MOST_LOST}, and the tier "
            "is severe."
        )
