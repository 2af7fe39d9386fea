"""An exported model beside its checkpoint: its decisions, what rare labels lose, its speed."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from imbtool.evaluation.document import Comparison, Difference
from imbtool.evaluation.estimates import is_known
from imbtool.onnx_export.document import Candidate, ExportReport
from imbtool.report.cells import label_text, plain_table
from imbtool.wording import counted, some

SHOWN = 12
"""Labels shown of an int8 graph, those with the fewest positives."""


def export_views(report: ExportReport) -> Iterator[RenderableType]:
    """What was measured where, each graph, the rarest labels of the last one, the outcome."""
    threads = counted(report.threads, "thread")
    yield Text(
        f"Compared on {counted(report.texts, 'text')} of {report.split} ({report.source}), on "
        f"{report.processor} with {threads}."
    )
    yield _graphs(report)
    shown = report.candidate(report.written) if report.written else report.candidates[-1]
    if shown.comparison is not None:
        yield _labels(shown.comparison, shown.precision)
    yield from (Text(f"\n{line}") for line in _sentences(report, shown))


def _graphs(report: ExportReport) -> Table:
    titles = (
        "size",
        "thresholds",
        "same decisions",
        "labels shared",
        "largest difference",
        "texts/s",
    )
    table = plain_table("Each graph beside the checkpoint", "graph", right=titles)
    rate = report.texts / report.checkpoint_seconds
    table.add_row("checkpoint", "–", "–", "–", "–", "–", f"{rate:,.0f}")
    for each in report.candidates:
        agreement = each.agreement
        table.add_row(
            each.precision,
            f"{each.bytes / 1e6:,.0f} MB",
            each.thresholds,
            f"{agreement.share:.3%}",
            _share(agreement.shared_labels),
            f"{agreement.largest_difference:.1e}",
            f"{report.texts / each.seconds:,.0f}",
        )
    return table


def _labels(comparison: Comparison, precision: str) -> Table:
    """What the rarest labels gain or lose, with paired intervals."""
    title = f"{precision} less the checkpoint: the labels with the fewest positives"
    right = ("positives", "average precision", "F1")
    table = plain_table(title, "label", right=right)
    rarest = sorted(comparison.labels.items(), key=lambda item: item[1].support)
    for name, row in rarest[:SHOWN]:
        numbers = (_difference(row.average_precision), _difference(row.f1))
        table.add_row(label_text(name), f"{row.support:,}", *numbers)
    return table


def _difference(of: Difference) -> str:
    if of.value is None or of.low is None or of.high is None:
        return "–"
    return f"{of.value:+.3f} [{of.low:+.3f}, {of.high:+.3f}]"


def _share(value: float | None) -> str:
    return f"{value:.1%}" if is_known(value) else "–"


def _sentences(report: ExportReport, shown: Candidate) -> Iterator[str]:
    if shown.uncertain:
        yield (
            f"Too few positives to say whether {some(shown.uncertain)} keeps its average "
            "precision: the interval reaches below the 0.01 that may be lost."
        )
    if shown.alone is not None and shown.alone.differing:
        yield (
            "A text that is read alone is decided otherwise than in a batch in "
            f"{counted(shown.alone.differing, 'case')} of {shown.alone.decisions:,}."
        )
    for each in report.candidates:
        yield from (f"{each.precision}: {sentence}" for sentence in each.unmet)
    if report.written is not None:
        yield f"Written: {report.written}."
