"""A queue as rich tables: what people would find of each label, and what they would miss."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from imbtool.evaluation.document import Estimate
from imbtool.evaluation.estimates import estimate_text
from imbtool.monitoring.queue import Queue
from imbtool.report.cells import label_text, number_text, plain_table, tier_text
from imbtool.wording import counted


def queue_views(queue: Queue) -> Iterator[RenderableType]:
    """How much is read, each label, and what more readers would find."""
    yield Text(
        f"{queue.read:,} of {counted(queue.texts, 'text')} are to be read. Today's thresholds flag "
        f"{queue.flagged:,}."
    )
    yield _labels(queue)
    yield _course(queue)
    yield Text(
        "\nRecall has its 95% interval. It rests on the validation texts, and assumes that texts "
        "of a label look as they did."
    )


def _labels(queue: Queue) -> Table:
    right = ("read for it", "recall", "by today's flags", "missed", "threshold")
    table = plain_table("What the queue finds, rarest first", "label", "tier", right=right)
    for name, row in queue.rarest_first():
        table.add_row(
            label_text(name),
            tier_text(row.tier),
            f"{row.asked:,}",
            estimate_text(row.recall),
            estimate_text(row.recall_of_flags),
            _texts(row.missed),
            "–" if row.threshold is None else f"{row.threshold:.2g}",
        )
    return table


def _texts(of: Estimate) -> str:
    if of.value is None or of.low is None or of.high is None:
        return "–"
    return f"{of.value:,.0f} [{of.low:,.0f}–{of.high:,.0f}]"


def _course(queue: Queue) -> Table:
    title = "Mean recall over labels, if more or fewer texts are read"
    table = plain_table(title, right=("texts read", "all labels", "rare labels"))
    for point in queue.course:
        table.add_row(f"{point.texts:,}", number_text(point.recall), number_text(point.rare))
    return table
