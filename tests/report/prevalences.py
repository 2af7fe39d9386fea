"""Prevalences and samples as the views get them."""

from imbtool.evaluation.document import Estimate
from imbtool.monitoring.prevalence_document import (
    GroupPrevalence,
    LabelPrevalence,
    Method,
    Prevalence,
    Sample,
    SampledLabel,
)


def share(
    value: float | None,
    low: float,
    high: float,
    method: Method = "scores",
    reason: str = "",
    positives: int | None = None,
) -> LabelPrevalence:
    return LabelPrevalence(
        prevalence=Estimate(value=value, low=low, high=high),
        flagged=0.04,
        method=method,
        reason=reason,
        validation_positives=12,
        p_value=0.5,
        positives=positives,
        worth=None,
    )


LABELS = {
    "threat": share(0.0123, 0.004, 0.031),
    "spam": share(None, 0.0, 0.2, "withheld", "Few texts."),
    "rare": share(0.0, 0.0, 0.0004),
}


def prevalence(
    labels: dict[str, LabelPrevalence] = LABELS,
    groups: int = 0,
    answers: int | None = None,
    unanswered: int | None = None,
) -> Prevalence:
    return Prevalence(
        imbtool="0",
        command=[],
        checkpoint="runs/first",
        stream="new.csv",
        fingerprint="",
        texts=1200,
        answers=answers,
        unanswered=unanswered,
        labels=labels,
        by="month" if groups else None,
        groups=[
            GroupPrevalence(value=f"2026-{number + 1:02}", texts=100, labels=labels)
            for number in range(groups)
        ],
    )


def sample(worth: float = 2.0) -> Sample:
    label = SampledLabel(
        flagged=0.04,
        validation_positives=12,
        mean=[0.1, 0.5],
        square=[0.1, 0.5],
        expected=4.25,
        worth=worth,
    )
    return Sample(
        imbtool="0",
        command=[],
        checkpoint="runs/first",
        checkpoint_sha256="",
        stream="new.csv",
        fingerprint="",
        texts=1200,
        seed=0,
        sizes=[1000, 200],
        draws=[10, 10],
        labels={"threat": label},
        sampled=[],
    )
