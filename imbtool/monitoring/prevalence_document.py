"""How frequent labels are in a stream, as prevalence.json and sample.json hold it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from imbtool.evaluation.document import Estimate
from imbtool.files.documents import Count, Number, Share, Typed, read_document

PREVALENCE, SAMPLE = "prevalence.json", "sample.json"
Method = Literal["scores", "answers", "withheld"]
"""By the model's scores alone, by answers to a sample, or not at all."""


class LabelPrevalence(Typed):
    """How frequent a label is."""

    prevalence: Estimate
    """The share of the texts with its 95% interval. A withheld one has no value; its upper end
    still holds as long as the model finds as large a share of the label's texts as on validation.
    """
    flagged: Share
    """The share of the texts to which the model gives the label."""
    method: Method
    reason: str
    """Why it is withheld or what to bear in mind, in whole sentences; may be empty."""
    validation_positives: Count
    p_value: Share | None
    """Of the test that the stream's scores are as those of validation but for the share."""
    positives: Count | None
    """Among the answered texts; None without answers."""
    worth: Number | None
    """How many random texts each answered one was worth; None where no positive was found."""


class GroupPrevalence(Typed):
    """The same of the texts with one value of a column."""

    value: str
    texts: Count
    labels: dict[str, LabelPrevalence]


class Prevalence(Typed):
    """The content of prevalence.json."""

    imbtool: str
    """The version."""
    command: list[str]
    checkpoint: str
    stream: str
    fingerprint: str
    """sha256 over the texts, in order."""
    texts: Count
    answers: Count | None
    """Texts of the sample that were answered; None without a sample."""
    unanswered: Count | None
    labels: dict[str, LabelPrevalence]
    by: str | None
    groups: list[GroupPrevalence]


class SampledLabel(Typed):
    """A label in the strata of a sample."""

    flagged: Share
    validation_positives: Count
    mean: list[Share]
    """The mean probability of the texts of each stratum."""
    square: list[Share]
    """The mean of the squares of the probabilities of the texts of each stratum."""
    expected: Number
    """Positives that the sample is expected to hold."""
    worth: Number
    """How many random texts each answer is expected to be worth."""


class SampledText(Typed):
    """A text of a sample."""

    id: str
    row: Count
    """In the stream, from 0."""
    stratum: Count
    probabilities: list[Share]
    """Of each label."""


class Sample(Typed):
    """The content of sample.json: what the answers to a batch are to be weighted with."""

    imbtool: str
    command: list[str]
    checkpoint: str
    checkpoint_sha256: str
    stream: str
    fingerprint: str
    texts: Count
    seed: Count
    sizes: list[Count]
    """Texts of the stream in each stratum."""
    draws: list[Count]
    """Texts of the sample in each stratum."""
    labels: dict[str, SampledLabel]
    sampled: list[SampledText]


def read_sample(folder: Path) -> Sample:
    """The sample in a folder.

    Raises:
        UserError: it has none, or a damaged one.
    """
    fix = "draw the sample anew with `imbtool prevalence --sample`"
    return read_document(folder / SAMPLE, Sample, fix)
