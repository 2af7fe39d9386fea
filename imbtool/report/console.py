"""Result documents as rich tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from imbtool.report.cells import (
    figure,
    interval,
    label_text,
    plain_table,
    ratio_text,
    tier_text,
)
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


def evaluation_views(document: Document) -> Iterator[RenderableType]:
    """Tables of evaluation.json: labels rarest first, then the aggregates and the hierarchy."""
    yield _measured_labels(document)
    yield _aggregates(document)
    yield Text.assemble(*_closing_lines(document))


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


def _measured_labels(document: Document) -> Table:
    data = document["data"]
    title = f"{data['split']}: {data['texts']:,} texts, labels rarest first, [95% interval]"
    right = ("train +", "support", "threshold", "precision", "recall", "F1", "AP")
    table = plain_table(title, "label", "tier", right=right)
    table.collapse_padding = True  # with intervals in 120 columns, room for names is scarce
    for name, row in rarest_first(document["labels"]):
        table.add_row(
            label_text(name),
            tier_text(row["tier"]),
            f"{row['training_positives']:,}",
            Text.assemble(("few ", "dim") if row["few"] else "", f"{row['support']:,}"),
            f"{row['threshold']:.3f}",
            *(interval(row[key]) for key in ("precision", "recall", "f1")),
            figure(row["average_precision"]["value"]),
        )
    return table


def _aggregates(document: Document) -> Table:
    right = ("precision", "recall", "F1", "AP", "AUC")
    table = plain_table("Together", "labels", right=right)
    overall = document["overall"]
    groups = {name: row for name, row in overall.items() if isinstance(row, dict)}
    tiers = {f"tier {name} ({row['labels']})": row for name, row in document["tiers"].items()}
    keys = ("precision", "recall", "f1", "average_precision", "roc_auc")
    for name, row in {**groups, **tiers}.items():
        table.add_row(name, *(interval(row[key]) if key in row else "–" for key in keys))
    return table


def _closing_lines(document: Document) -> Iterator[str]:
    overall, hierarchy = document["overall"], document["hierarchy"]
    thresholds = document["thresholds"]
    rivals = len(thresholds["scores"])
    why = f"chosen of {rivals} on validation" if rivals > 1 else "as the profile asks"
    yield f"thresholds: rule '{thresholds['rule']}', {why}\n"
    few = sum(row["few"] for row in document["labels"].values())
    if few:
        yield f"few: under {document['data']['min_support']} positives here, too few to say\n"
    yield f"labels at zero recall: {overall['labels_at_zero_recall']}"
    if overall["labels_without_positives"]:
        yield f"; without positives here, so left out: {overall['labels_without_positives']}"
    if hierarchy["edges"]:
        yield (
            f"\ntexts with a child but not its parent: {hierarchy['violation_rate_before']:.1%}, "
            f"{hierarchy['violation_rate_after']:.1%} after {hierarchy['coherence']}"
        )
    if document["data"]["seen_in_training"]:
        yield "\nthese texts were used in training: the figures are too good"
