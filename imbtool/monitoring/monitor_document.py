"""What `imbtool monitor` finds, as monitor.json holds it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from imbtool.data.imbalance import Tier
from imbtool.evaluation.document import Estimate, RequirementResult
from imbtool.files.documents import Part

Kind = Literal["texts", "new words", "lengths", "cut texts", "frequency", "scores"]
"""Of tests: whether a classifier tells the texts apart; the share of words that training lacks;
tokens of a text; the share of texts that are too long; the mean calibrated probability of a label;
whether the scores of a label are those of texts with and without it."""
Basis = Literal["validation", "answers", "withheld"]


class DriftTest(Part):
    """A test of whether the stream differs from the reference."""

    kind: Kind
    label: str | None
    reference: float | None
    stream: float | None
    """Of texts both are the AUC (0.5 is no difference); of cut texts the share of texts; of
    words the mean share; of lengths the median; of frequency the mean. Scores have none."""
    p: float
    adjusted: float
    """The p value, adjusted for all tests of the stream."""
    alarm: bool


class UnlikeText(Part):
    """A text of the stream that is least like those of the reference."""

    row: int
    """In the stream, from 1."""
    text: str | None


class AdaptedThreshold(Part):
    """The threshold that a label would have at the prevalence of the stream."""

    threshold: float
    rule: str
    shift: float
    """Added to the calibrated logits, so that probabilities hold at that prevalence."""
    requirement: RequirementResult | None


class MonitoredLabel(Part):
    """A label in the stream, and what to expect of the model's decisions about it."""

    tier: Tier
    threshold: float
    validation_positives: int
    validation_prevalence: float
    prevalence: Estimate
    reference_flagged: int
    """Texts of the reference that have its flag."""
    flagged: int
    """Texts of the stream that have its flag."""
    precision: Estimate
    recall: Estimate
    f1: Estimate
    basis: Basis
    reason: str
    """What the figures rest on, or why there are none."""
    adapted: AdaptedThreshold | None
    """None where the threshold may stay."""
    broken: bool = Field(False, exclude_if=lambda broken: not broken)
    """Whether answers show that what is required of it is not kept. Else the key is absent."""


class Monitored(Part):
    """A stream beside what the model was validated on."""

    imbtool: str
    """The version."""
    checkpoint: str
    source: str
    fingerprint: str
    texts: int
    reference: str
    reference_texts: int
    compared: tuple[int, int]
    """Texts of the reference and of the stream, drawn at random, that the tests of texts read."""
    answers: int
    """Answered texts that were used."""
    seed: int
    tests: list[DriftTest]
    unlike: list[UnlikeText]
    labels: dict[str, MonitoredLabel]

    @property
    def alarms(self) -> list[DriftTest]:
        """The tests that say that something has changed, the surest first."""
        return sorted((test for test in self.tests if test.alarm), key=lambda test: test.adjusted)

    @property
    def unmet(self) -> list[str]:
        """Labels whose requirement the stream does not let them keep, as far as it can be said."""
        return [
            name
            for name, label in self.labels.items()
            if label.broken
            or (
                label.adapted
                and label.adapted.requirement
                and label.adapted.requirement.verdict == "unmet"
            )
        ]

    def rarest_first(self) -> list[tuple[str, MonitoredLabel]]:
        """The labels, those with the fewest positives on validation first."""
        return sorted(self.labels.items(), key=lambda item: item[1].validation_positives)
