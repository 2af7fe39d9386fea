"""A monitored stream as rich tables: the verdict, the alarms, what to expect of each label."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from imbtool.evaluation.estimates import estimate_text
from imbtool.monitoring.monitor_document import Monitored
from imbtool.report.cells import label_text, plain_table
from imbtool.report.monitor import monitor_verdict, share_text
from imbtool.wording import counted, printable


def monitor_views(monitored: Monitored) -> Iterator[RenderableType]:
    """Three sentences, then what to expect of each label."""
    first, then = (counted(texts, "text") for texts in (monitored.texts, monitored.reference_texts))
    yield Text(printable(f"{first} of {monitored.source}, beside {then} of {monitored.reference}."))
    for about, sentence in monitor_verdict(monitored).items():
        yield Text(f"\n{about}: ", style="bold").append(printable("".join(sentence)), style="none")
    yield _labels(monitored)
    yield Text(
        "\nA figure has its 95% interval. Without answers it assumes that texts of a label look as "
        "on validation, however many there are."
    )


def _labels(monitored: Monitored) -> Table:
    right = ["validation", "stream", "flagged", "recall", "precision", "F1"]
    adapts = any(row.adapted for row in monitored.labels.values())
    right += ["new threshold"] * adapts
    table = plain_table("Prevalence and what to expect, rarest first", "label", right=right)
    for name, row in monitored.rarest_first():
        cells = [
            f"{row.validation_prevalence:.1%}",
            share_text(row.prevalence),
            f"{row.flagged:,}",
            *(estimate_text(figure) for figure in (row.recall, row.precision, row.f1)),
        ]
        cells += [f"{row.adapted.threshold:.2g}" if row.adapted else "the same"] * adapts
        table.add_row(label_text(name), *cells)
    return table
