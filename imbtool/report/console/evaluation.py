"""An evaluation as rich tables and sentences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from imbtool.evaluation.gates import gate_sentence
from imbtool.evaluation.measures import is_known
from imbtool.report.cells import figure, interval, label_text, plain_table, rarest_first, tier_text
from imbtool.wording import printable, some

Document = dict[str, Any]

MEASURES = ("precision", "recall", "f1", "average_precision", "roc_auc")
VERDICT_STYLE = {"better": "green", "worse": "red", "cannot be told": "dim"}
MOST_SLICES = 20
"""Of more slices the worst are shown; all are in the document and on the page."""


def evaluation_views(document: Document) -> Iterator[RenderableType]:
    """Labels rarest first, the aggregates, what else was wanted, and what to know about it."""
    yield _measured_labels(document)
    yield _aggregates(document)
    if document["slices"]:
        yield _slices(document["slices"])
    if document["comparison"]:
        yield _compared_labels(document)
        yield Text.assemble(*_comparison_lines(document["comparison"]))
    yield Text.assemble(*_closing_lines(document))
    for entry in document["gates"]:
        yield Text(printable(gate_sentence(entry)), style="green" if entry["met"] else "bold red")


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
    for name, row in {**groups, **tiers}.items():
        table.add_row(name, *(interval(row[key]) if key in row else "–" for key in MEASURES))
    return table


def _slices(slices: Document) -> Table:
    rows = slices["slices"]
    title = f"By {printable(slices['column'])}, worst macro-F1 first"
    if len(rows) > MOST_SLICES:
        title += f": {MOST_SLICES} of {len(rows)}"
    right = ("texts", "precision", "recall", "F1", "AP", "AUC")
    table = plain_table(title, "slice", right=right)
    for row in rows[:MOST_SLICES]:
        table.add_row(
            label_text(row["value"]),
            Text.assemble(("few ", "dim") if row["few"] else "", f"{row['texts']:,}"),
            *(interval(row["macro"][key]) for key in MEASURES),
        )
    return table


def _compared_labels(document: Document) -> Table:
    comparison = document["comparison"]
    right = ("support", "F1", "theirs", "difference")
    table = plain_table("Against the other, labels rarest first", "label", right=right)
    table.add_column("")
    for name, _ in rarest_first(document["labels"]):
        if (row := comparison["labels"].get(name)) is None:
            continue
        table.add_row(
            label_text(name),
            f"{row['support']:,}",
            *_difference(row["f1"]),
            Text(row["verdict"], style=VERDICT_STYLE[row["verdict"]]),
        )
    for name, row in comparison["overall"].items():
        table.add_row(Text(name, style="bold"), "", *_difference(row["f1"]))
    return table


def _difference(of: Document) -> tuple[str, str, Text]:
    """Ours, theirs, and ours less theirs with its interval, `+0.05 [-.01–.11]`."""
    pair = figure(of["ours"]), figure(of["theirs"])
    if not is_known(of["value"]):
        return (*pair, Text("–"))
    low, high = (f"{of[end]:+.2f}" for end in ("low", "high"))
    return (*pair, Text.assemble(f"{of['value']:+.2f} ", (f"[{low} to {high}]", "dim")))


def _comparison_lines(comparison: Document) -> Iterator[str]:
    counts = ", ".join(f"{count} {verdict}" for verdict, count in comparison["counts"].items())
    yield f"against {printable(comparison['against'])}, decided by {comparison['decided_by']}: "
    yield f"{counts} (F1, paired 95% intervals)"
    if not comparison["has_scores"]:
        yield "\nit has no probabilities: average precision and AUC cannot be compared"
    if comparison["left_out"]:
        yield f"\nlabels that only one of the two has: {some(comparison['left_out'])}"


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
    yield from _calibration_lines(document["calibration"]["overall"])
    for row in thresholds["labels"].values():
        if row["requirement"]:
            yield f"\nrequired: {printable(row['requirement']['sentence'])}"
    if document["mistakes"]:
        suspects = len(document["mistakes"]["suspects"])
        yield f"\nerrors to read: in the report and as csv, {suspects} of them "
        yield "likely mistakes of annotation" if suspects != 1 else "a likely mistake of annotation"
    if document["data"]["seen_in_training"]:
        yield "\nthese texts were used in training: the figures are too good"


def _calibration_lines(overall: Document) -> Iterator[str]:
    raw, calibrated = overall["raw"], overall["calibrated"]
    yield f"\nprobabilities are off by {figure(raw['ece'])} on average (ECE)"
    yield f", Brier {figure(raw['brier']['value'])}"
    if calibrated:
        yield f"; calibrated by {figure(calibrated['ece'])}, {figure(calibrated['brier']['value'])}"
