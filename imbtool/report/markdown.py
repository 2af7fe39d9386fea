"""The evaluation as Markdown of GitHub's flavour, for a pull request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from imbtool.evaluation.document import (
    Comparison,
    DecisionMetrics,
    Estimate,
    Evaluation,
    GateResult,
)
from imbtool.evaluation.estimates import estimate_text
from imbtool.files.writing import write_text
from imbtool.report.verdict import Name, Sentence, verdict
from imbtool.wording import counted, markdown_table, markdown_text

TITLES = {
    "f1": "F1",
    "precision": "precision",
    "recall": "recall",
    "average_precision": "AP",
    "roc_auc": "AUC",
}
"""Of the columns of metrics, in their order."""


def write_markdown(evaluation: Evaluation, path: Path) -> None:
    """Write report.md."""
    write_text(path, render_markdown(evaluation))


def render_markdown(evaluation: Evaluation) -> str:
    """The text of `write_markdown`."""
    return "\n\n".join(_parts(evaluation)) + "\n"


def _parts(evaluation: Evaluation) -> Iterator[str]:
    data = evaluation.data
    yield f"## Evaluation on {markdown_text(data.split)}"
    yield "\n".join(
        f"- **{about}.** {sentence_markdown(it)}" for about, it in verdict(evaluation).items()
    )
    yield from _gates(evaluation.gates)
    yield from _comparison(evaluation.comparison)
    yield _headline(evaluation)
    yield "### Labels, rarest first"
    yield _labels(evaluation)
    few = f"*few*: under {data.min_support} positives here, too few to say."
    yield (
        f"{data.texts_in_words}; metrics with their 95% intervals. {few} "
        f"Checkpoint {markdown_text(data.checkpoint)}, data {data.fingerprint[:12]}."
    )


def sentence_markdown(sentence: Sentence) -> str:
    """A sentence whose names are set apart and escaped."""
    return "".join(
        f"**{markdown_text(piece)}**" if isinstance(piece, Name) else piece for piece in sentence
    )


def _gates(gates: Sequence[GateResult]) -> Iterator[str]:
    if gates:
        yield "### Required metrics"
        rows = (
            (
                markdown_text(gate.of),
                markdown_text(f"{gate.measure} {gate.operator} {gate.bar}"),
                "met" if gate.met else "**not met**",
                estimate_text(gate.figure),
            )
            for gate in gates
        )
        yield markdown_table(("of", "asked", "verdict", "measured"), rows, left=3)


def _comparison(comparison: Comparison | None) -> Iterator[str]:
    if comparison:
        counts = ", ".join(
            f"**{counted(count, 'label')}** {verdict}"
            for verdict, count in comparison.counts.items()
        )
        yield f"Against {markdown_text(comparison.against)}: {counts}."


def _headline(evaluation: Evaluation) -> str:
    groups: dict[str, DecisionMetrics[Estimate]] = {
        "macro": evaluation.overall.macro,
        "micro": evaluation.overall.micro,
        **{f"{name} ({row.labels})": row for name, row in evaluation.tiers.items()},
    }
    rows = ((name, *_metrics(row)) for name, row in groups.items())
    return markdown_table(("labels", *TITLES.values()), rows)


def _labels(evaluation: Evaluation) -> str:
    rows = (
        (
            markdown_text(name),
            row.tier,
            f"{row.training_positives:,}",
            f"{row.support:,}{' *few*' if row.few else ''}",
            *_metrics(row),
        )
        for name, row in evaluation.rarest_first()
    )
    titles = ("label", "tier", "training +", "positives", *TITLES.values())
    return markdown_table(titles, rows, left=2)


def _metrics(row: DecisionMetrics[Estimate]) -> list[str]:
    return [estimate_text(row.metric(name)) for name in TITLES]
