"""What is known of the data before training, as rich tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from imbtool.report.cells import label_text, plain_table, ratio_text, tier_text
from imbtool.report.order import rarest_first

Document = dict[str, Any]

SEVERITY_STYLE = {"blocks": "bold red", "warns": "yellow", "note": "dim"}


def analysis_views(document: Document) -> Iterator[RenderableType]:
    """Tables of analysis.json: labels rarest first, splits, co-occurrence, findings."""
    yield _label_counts(document["labels"])
    yield _splits(document["splits"])
    yield _pairs(document["co_occurrence"])
    yield from _findings(document["findings"])


def weight_views(labels: Document) -> Iterator[RenderableType]:
    """The weight of each label, rarest first, with tier and reason."""
    table = plain_table(
        "Weights", "label", "tier", right=("positives", "ratio", "weight", "eff. number")
    )
    table.add_column("why")
    for name, row in rarest_first(labels):
        table.add_row(
            label_text(name),
            tier_text(row["tier"]),
            f"{row['positives']:,}",
            ratio_text(row["ratio"]),
            Text(f"{row['weight']:.3g}", style="bold"),
            f"{row['effective_number_weight']:.2f}",
            Text(row["reason"]),
        )
    yield table


def _label_counts(labels: Document) -> Table:
    table = plain_table("Labels, rarest first", "label", "under", "tier")
    for heading in ("train", "validation", "test", "ratio", "weight"):
        table.add_column(heading, justify="right")
    for name, row in rarest_first(labels):
        counts = (f"{row['splits'][split]:,}" for split in ("train", "validation", "test"))
        table.add_row(
            label_text(name),
            label_text(row["parent"] or ""),
            tier_text(row["tier"]),
            *counts,
            ratio_text(row["ratio"]),
            f"{row['weight']:.3g}",
        )
    return table


def _splits(splits: Document) -> Table:
    right = ("texts", "labels a text", "unlabelled", "duplicates")
    table = plain_table("Splits", "split", right=right)
    for name, row in splits.items():
        table.add_row(
            name,
            f"{row['texts']:,}",
            f"{row['mean_labels']:.2f}",
            f"{row['unlabelled_share']:.0%}",
            f"{row['duplicates']:,}",
        )
    return table


def _pairs(co_occurrence: Document, most: int = 8) -> RenderableType:
    names, texts = co_occurrence["labels"], co_occurrence["texts"]
    pairs = [
        (texts[a][b], names[a], names[b])
        for a in range(len(names))
        for b in range(a)
        if texts[a][b]
    ]
    table = plain_table("Labels that stand together most", "label", "with", right=("texts",))
    for count, first, second in sorted(pairs, reverse=True)[:most]:
        table.add_row(label_text(first), label_text(second), f"{count:,}")
    return table if pairs else Text("No text has two labels.")


def _findings(findings: Iterable[Document]) -> Iterator[RenderableType]:
    listed = list(findings)
    yield Text(f"Findings: {len(listed)}" if listed else "No findings.", style="bold")
    for row in listed:
        mark = Text(f"{row['severity']:<6} ", style=SEVERITY_STYLE[row["severity"]])
        yield Padding(
            mark + label_text(f"{row['id']}: {row['message']}; {row['mend']}"), (0, 0, 0, 2)
        )
