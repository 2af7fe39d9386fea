"""How frequent labels are in a stream, and what a sample of it is expected to say, as tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.console import RenderableType
from rich.text import Text

from imbtool.monitoring.prevalence_document import LabelPrevalence, Prevalence, Sample
from imbtool.monitoring.sample import NO_GAIN
from imbtool.report.cells import label_text, plain_table
from imbtool.wording import counted

ASSUMED = (
    "These figures rest on the scores alone. They assume that texts with a label, and texts "
    "without it, are scored as they were on validation; this was tested for each label."
)
DESIGNED = (
    "These figures rest on the answers to a random sample, whatever the model scores: they assume "
    "nothing of the texts."
)


def prevalence_views(document: Prevalence) -> Iterator[RenderableType]:
    """The prevalence of each label, then of each group of texts, and what it rests on."""
    yield Text(f"The stream has {counted(document.texts, 'text')}.{_answered(document)}")
    yield _table("Prevalence with 95% intervals", document.labels, document.answers is not None)
    for group in document.groups:
        title = f"{document.by} = {group.value} ({counted(group.texts, 'text')})"
        yield _table(title, group.labels, with_answers=False)
    yield Text(f"\n{ASSUMED if document.answers is None else DESIGNED}")


def _answered(document: Prevalence) -> str:
    if document.answers is None:
        return ""
    told = f" {counted(document.answers, 'text')} of the sample were answered."
    if document.unanswered:
        told += (
            f" {counted(document.unanswered, 'text')} were not; they are taken to be like the "
            "answered texts with similar scores."
        )
    return told


def _table(title: str, labels: Mapping[str, LabelPrevalence], with_answers: bool) -> RenderableType:
    columns = ["prevalence", "95% interval", "flagged"]
    table = plain_table(title, "label", right=[*columns, *["positives"] * with_answers])
    table.add_column("note", overflow="fold")
    for name, label in labels.items():
        share = label.prevalence
        value = "withheld" if share.value is None else percent(share.value)
        interval = f"{percent(share.low or 0.0)} to {percent(share.high or 0.0)}"
        if share.value is None:
            is_bounded = share.high is not None and share.high < 1
            interval = f"at most {percent(share.high or 0.0)}" if is_bounded else "no bound"
        cells = [value, interval, percent(label.flagged)]
        if with_answers:
            cells.append("–" if label.positives is None else f"{label.positives:,}")
        table.add_row(label_text(name), *cells, label.reason)
    return table


def percent(share: float) -> str:
    """A share as a percentage with as many digits as a rare one needs."""
    return f"{share:.1%}" if share >= 0.1 else f"{share:.2%}" if share >= 0.001 else f"{share:.3%}"


def sample_views(sample: Sample) -> Iterator[RenderableType]:
    """How many texts were drawn, and what their answers are expected to say of each label."""
    strata = len(sample.sizes)
    yield Text(
        f"The sample has {counted(len(sample.sampled), 'text')} of the "
        f"{counted(sample.texts, 'text')} of the stream, drawn from {counted(strata, 'stratum')} "
        "of texts with like scores.".replace("stratums", "strata")
    )
    right = ("expected positives", "an answer is worth")
    table = plain_table("What the answers are expected to say", "label", right=right)
    for name, label in sample.labels.items():
        table.add_row(label_text(name), f"{label.expected:.1f}", f"{label.worth:.1f} random ones")
    yield table
    unhelped = [name for name, label in sample.labels.items() if label.worth < NO_GAIN]
    if unhelped:
        yield Text(
            f"\nFor {counted(len(unhelped), 'label')} the sample gains nothing over as many random "
            f"texts: {', '.join(unhelped)}."
        )
