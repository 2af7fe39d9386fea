"""What was merged, and how far annotators agree, as rich tables."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from imbtool.analysis.agreement import Agreement
from imbtool.analysis.annotators import agreement_findings
from imbtool.annotation.merge import MergeReport
from imbtool.data.imbalance import rarest_first
from imbtool.evaluation.document import Estimate
from imbtool.report.cells import label_text, number_text, plain_table
from imbtool.wording import counted


def merge_views(report: MergeReport) -> Iterator[RenderableType]:
    """The texts of each split, the labels rarest first, and the agreement of annotators."""
    yield _batches(report)
    yield _labels(report)
    yield from _left_out(report)
    if report.agreement is not None:
        yield _agreement(report.agreement)
        yield _annotators(report.agreement)
        for finding in agreement_findings(report.agreement):
            yield label_text(f"\n{finding.message} {finding.fix}")


def _batches(report: MergeReport) -> Table:
    table = plain_table("Answered texts", "batch", right=("texts", "answered"))
    for batch in report.batches:
        table.add_row(label_text(batch.folder), f"{batch.texts:,}", f"{batch.answered:,}")
    return table


def _labels(report: MergeReport) -> Table:
    splits = [name for name, texts in report.texts.items() if texts]
    right = ("before", *(f"added to {name}" for name in splits), "known", "tied")
    table = plain_table("Positives, rarest label first", "label", right=right)
    for name, label in rarest_first(report.labels):
        added = (f"{label.added[split]:,}" for split in splits)
        title = label_text(name)
        if label.is_new:
            title.append(" (new)", style="bold")
        table.add_row(title, f"{label.positives:,}", *added, f"{label.known:,}", f"{label.tied:,}")
    return table


def _left_out(report: MergeReport) -> Iterator[Text]:
    added = ", ".join(f"{count:,} to {name}" for name, count in report.texts.items())
    yield Text(f"\nAnswered texts were added: {added}. A search chose {report.chosen:,} of them.")
    if report.unknown:
        left_out = counted(report.unknown, "answered text")
        yield Text(f"Left out: {left_out} of which no label is known, because annotators tie.")
    if any(label.tied for label in report.labels.values()):
        yield Text("A label is tied, and unknown, where as many annotators give it as do not.")


def _agreement(agreement: Agreement) -> Table:
    table = plain_table(
        "Agreement of annotators",
        "label",
        right=("shared texts", "positive", "differing", "alpha", "95% interval", "F1 of a person"),
    )
    for name, label in agreement.labels.items():
        table.add_row(
            label_text(name),
            f"{label.texts:,}",
            f"{label.positives:,}",
            f"{label.split:,}",
            number_text(label.alpha.value),
            _interval(label.alpha),
            number_text(label.ceiling),
        )
    return table


def _annotators(agreement: Agreement) -> Table:
    table = plain_table(
        "Annotators against the majority of the others",
        "annotator",
        right=("texts", "shared", "F1", "95% interval", "labels more", "fewer", ""),
    )
    for name, each in agreement.annotators.items():
        table.add_row(
            label_text(name),
            f"{each.texts:,}",
            f"{each.compared:,}",
            number_text(each.f1.value),
            _interval(each.f1),
            f"{each.more:,}",
            f"{each.fewer:,}",
            "differs" if each.differs else "",
        )
    return table


def _interval(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return "–"
    return f"{estimate.low:.3f} to {estimate.high:.3f}"
