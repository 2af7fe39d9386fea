"""An evaluation as rich tables and sentences."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from imbtool.evaluation.document import (
    METRICS,
    Comparison,
    DecisionMetrics,
    Difference,
    Estimate,
    Evaluation,
    ReliabilityPair,
    Slices,
    Verdict,
)
from imbtool.evaluation.estimates import estimate_text
from imbtool.evaluation.gates import gate_sentence
from imbtool.report.cells import label_text, number_text, plain_table, tier_text
from imbtool.report.verdict import used_in_words
from imbtool.wording import counted, printable, some

VERDICT_STYLE: dict[Verdict, str] = {"better": "green", "worse": "red", "cannot be told": "dim"}
MOST_SLICES = 20
"""Of more slices the worst are shown; all are in the document and on the page."""


def evaluation_views(evaluation: Evaluation) -> Iterator[RenderableType]:
    """Labels rarest first, the aggregates, what else was wanted, and what to know about it."""
    yield _labels(evaluation)
    yield _groups(evaluation)
    if evaluation.slices:
        yield _slices(evaluation.slices)
    if evaluation.comparison:
        yield _compared_labels(evaluation, evaluation.comparison)
        yield Text.assemble(*_comparison_lines(evaluation.comparison))
    yield Text.assemble(*_closing_lines(evaluation))
    for gate in evaluation.gates:
        yield Text(printable(gate_sentence(gate)), style="green" if gate.met else "bold red")


def _labels(evaluation: Evaluation) -> Table:
    data = evaluation.data
    title = f"{data.split}: {data.texts_in_words}, labels rarest first, [95% interval]"
    right = ("train +", "support", "threshold", "precision", "recall", "F1", "AP")
    table = plain_table(title, "label", "tier", right=right)
    table.collapse_padding = True  # with intervals in 120 columns, room for names is scarce
    for name, row in evaluation.rarest_first():
        table.add_row(
            label_text(name),
            tier_text(row.tier),
            f"{row.training_positives:,}",
            Text.assemble(("few ", "dim") if row.few else "", f"{row.support:,}"),
            f"{row.threshold:.3f}",
            *(_interval(of) for of in (row.precision, row.recall, row.f1)),
            number_text(row.average_precision.value),
        )
    return table


def _groups(evaluation: Evaluation) -> Table:
    right = ("precision", "recall", "F1", "AP", "AUC")
    table = plain_table("Together", "labels", right=right)
    tiers = {f"tier {name} ({row.labels})": row for name, row in evaluation.tiers.items()}
    for name, row in {**evaluation.overall.groups, **tiers}.items():
        table.add_row(name, *_metrics(row))
    return table


def _slices(slices: Slices) -> Table:
    rows = slices.slices
    title = f"By {printable(slices.column)}, worst macro-F1 first"
    if len(rows) > MOST_SLICES:
        title += f": {MOST_SLICES} of {len(rows)}"
    right = ("texts", "precision", "recall", "F1", "AP", "AUC")
    table = plain_table(title, "slice", right=right)
    for row in rows[:MOST_SLICES]:
        table.add_row(
            label_text(row.value),
            Text.assemble(("few ", "dim") if row.few else "", f"{row.texts:,}"),
            *_metrics(row.macro),
        )
    return table


def _metrics(row: DecisionMetrics[Estimate]) -> Iterator[Text]:
    return (_interval(row.metric(name)) for name in METRICS)


def _interval(of: Estimate | None) -> Text:
    """A metric with its 95% interval, `0.67 [.30–.90]`; a dash where there is none."""
    value, _, ends = estimate_text(of).partition(" ")
    return Text.assemble(value, (f" {ends}", "dim") if ends else "")


def _compared_labels(evaluation: Evaluation, comparison: Comparison) -> Table:
    right = ("support", "F1", "theirs", "difference")
    table = plain_table("Against the other, labels rarest first", "label", right=right)
    table.add_column("")
    for name, _ in evaluation.rarest_first():
        if (row := comparison.labels.get(name)) is None:
            continue
        table.add_row(
            label_text(name),
            f"{row.support:,}",
            *_difference(row.f1),
            Text(row.verdict, style=VERDICT_STYLE[row.verdict]),
        )
    for name, group in comparison.overall.items():
        table.add_row(Text(name, style="bold"), "", *_difference(group.f1))
    return table


def _difference(of: Difference) -> tuple[str, str, Text]:
    """Ours, theirs, and ours less theirs with its interval, `+0.05 [-.01–.11]`."""
    pair = number_text(of.ours), number_text(of.theirs)
    if of.value is None:
        return (*pair, Text("–"))
    return (
        *pair,
        Text.assemble(f"{of.value:+.2f} ", (f"[{of.low:+.2f} to {of.high:+.2f}]", "dim")),
    )


def _comparison_lines(comparison: Comparison) -> Iterator[str]:
    counts = ", ".join(f"{count} {verdict}" for verdict, count in comparison.counts.items())
    yield f"against {printable(comparison.against)}, decided by {comparison.decided_by}: "
    yield f"{counts} (F1, paired 95% intervals)"
    if not comparison.has_scores:
        yield "\nit has no probabilities: average precision and AUC cannot be compared"
    if comparison.left_out:
        yield f"\nlabels that only one of the two has: {some(comparison.left_out)}"


def _closing_lines(evaluation: Evaluation) -> Iterator[str]:
    overall, hierarchy = evaluation.overall, evaluation.hierarchy
    rules = len(evaluation.thresholds.scores)
    why = f"chosen of {rules} on validation" if rules > 1 else "as the profile asks"
    yield f"thresholds: rule '{evaluation.thresholds.rule}', {why}\n"
    if any(row.few for row in evaluation.labels.values()):
        yield f"few: under {evaluation.data.min_support} positives here, too few to say\n"
    yield f"labels at zero recall: {overall.labels_at_zero_recall}"
    if overall.labels_without_positives:
        yield f"; without positives here, so left out: {overall.labels_without_positives}"
    if hierarchy.edges:
        yield (
            f"\ntexts with a child but not its parent: {hierarchy.violation_rate_before:.1%}, "
            f"{hierarchy.violation_rate_after:.1%} after {hierarchy.coherence}"
        )
    yield from _calibration_lines(evaluation.calibration.overall)
    for requirement in evaluation.requirements.values():
        yield f"\nrequired: {printable(requirement.sentence)}"
    if evaluation.mistakes:
        suspects = counted(len(evaluation.mistakes.suspects), "suspected label error")
        yield f"\nerrors to read: in the report and as csv, among them {suspects}"
    if used := used_in_words(evaluation.data):
        yield f"\n{used}: the metrics are better than on new texts"
    if evaluation.data.chosen:
        yield "\na search chose texts among these: the metrics do not hold for texts as they come"


def _calibration_lines(overall: ReliabilityPair) -> Iterator[str]:
    raw, calibrated = overall.raw, overall.calibrated
    yield f"\nprobabilities are off by {number_text(raw.ece)} on average (ECE)"
    yield f", Brier {number_text(raw.brier.value)}"
    if calibrated:
        brier = number_text(calibrated.brier.value)
        yield f"; calibrated by {number_text(calibrated.ece)}, {brier}"
