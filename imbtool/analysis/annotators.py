"""What the disagreement of annotators costs: labels that it limits, annotators who differ."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from imbtool.analysis.agreement import Agreement, AnnotatorAgreement, measure_agreement
from imbtool.analysis.answers_table import read_ratings
from imbtool.analysis.finding import Finding, found
from imbtool.wording import counted, some

LOW_ALPHA = 0.667
"""Below it answers do not bear even tentative conclusions (Krippendorff, Content Analysis)."""
LEAST_SHARED = 10
"""Texts with two answers or more from which agreement is judged."""


def annotator_findings(path: Path, labels: tuple[str, ...]) -> Iterator[Finding]:
    """The findings of a table of answers.

    Args:
        path: of the table, as `data.answers` names it.
        labels: of the corpus.

    Raises:
        UserError: the table cannot be read.
    """
    ratings = read_ratings(path, labels)
    agreement = measure_agreement(ratings.values, ratings.annotators, ratings.labels)
    yield from agreement_findings(agreement)


def agreement_findings(agreement: Agreement) -> Iterator[Finding]:
    """One finding of the labels about which annotators disagree, one of those who differ."""
    low = {
        label: each
        for label, each in agreement.labels.items()
        if each.texts >= LEAST_SHARED
        and each.alpha.value is not None
        and each.alpha.value < LOW_ALPHA
    }
    if low:
        worst = sorted(low, key=lambda label: low[label].alpha.value or 0)
        told = some(f"{name!r} ({_told(agreement, name)})" for name in worst)
        message = (
            f"Annotators disagree about {counted(len(low), 'label')}: {told}. A model that is "
            "measured by such labels cannot be expected to reach a higher F1 than a person does."
        )
        evidence = {"labels": {name: low[name].model_dump() for name in worst}}
        yield found("annotators-disagree", message, evidence)
    differing = {name: each for name, each in agreement.annotators.items() if each.differs}
    if differing:
        told = some(f"{name!r} ({_difference(each)})" for name, each in differing.items())
        message = f"These annotators answer differently from the others: {told}."
        evidence = {"annotators": {name: each.model_dump() for name, each in differing.items()}}
        yield found("annotator-differs", message, evidence)


def _told(agreement: Agreement, label: str) -> str:
    each = agreement.labels[label]
    ceiling = "" if each.ceiling is None else f", F1 of a person {each.ceiling:.2f}"
    return f"alpha {each.alpha.value:.2f}{ceiling}"


def _difference(each: AnnotatorAgreement) -> str:
    return f"F1 {each.f1.value:.2f} against the others, {each.more} labels more, {each.fewer} fewer"
