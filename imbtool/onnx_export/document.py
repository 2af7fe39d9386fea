"""What export.json holds: an exported model beside its checkpoint, and whether it was written."""

from __future__ import annotations

from typing import Literal

from imbtool.evaluation.document import Comparison
from imbtool.files.documents import Part
from imbtool.inference.agreement import Agreement
from imbtool.trained.metadata import Precision

ThresholdOrigin = Literal["kept", "chosen again"]
"""Whether a graph has the thresholds of the checkpoint, or others that its own logits give."""


class Candidate(Part):
    """A graph, measured beside the checkpoint.

    In `comparison` the graph is `ours` and the checkpoint is `theirs`.
    """

    precision: Precision
    bytes: int
    seconds: float
    """That the texts took, in batches."""
    thresholds: ThresholdOrigin
    agreement: Agreement
    alone: Agreement | None
    """Of the graph with itself: some texts one by one, and in batches. None for fp32."""
    comparison: Comparison | None
    """Every metric with the paired interval of its difference; None for fp32."""
    lost: list[str]
    """Severe labels whose average precision falls by more than is allowed."""
    uncertain: list[str]
    """Severe labels that may have lost more than is allowed: there are too few positives to say."""
    unmet: list[str]
    """What the graph fails to keep, a sentence each."""


class ExportReport(Part):
    """The content of export.json."""

    checkpoint: str
    source: str
    """The table that the graphs were measured on."""
    split: str
    texts: int
    processor: str
    threads: int
    versions: dict[str, str]
    checkpoint_seconds: float
    """That the texts took with the checkpoint."""
    candidates: list[Candidate]
    written: Precision | None
    """None if no graph was good enough, and nothing was written."""
    accepted: bool
    """Whether a graph was written although it fails to keep something."""

    def candidate(self, precision: Precision) -> Candidate:
        """The graph of a precision."""
        return next(each for each in self.candidates if each.precision == precision)
