"""The evaluation as Markdown of GitHub's flavour, for a pull request."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from imbtool.evaluation.measures import figure_text
from imbtool.files.json_text import as_filed
from imbtool.files.writing import write_text
from imbtool.report.cells import rarest_first
from imbtool.report.verdict import Name, Sentence, verdict
from imbtool.wording import counted, markdown_table, markdown_text

Document = dict[str, Any]

MEASURES = {
    "f1": "F1",
    "precision": "precision",
    "recall": "recall",
    "average_precision": "AP",
    "roc_auc": "AUC",
}


def write_markdown(evaluation: Document, path: Path) -> None:
    """Write report.md.

    Args:
        evaluation: the evaluation document.
        path: of the file.
    """
    write_text(path, render_markdown(evaluation))


def render_markdown(evaluation: Document) -> str:
    """The text of `write_markdown`."""
    return "\n\n".join(_parts(as_filed(evaluation))) + "\n"


def _parts(document: Document) -> Iterator[str]:
    data = document["data"]
    yield f"## Evaluation on {markdown_text(data['split'])}"
    yield "\n".join(f"- **{about}.** {_said(it)}" for about, it in verdict(document).items())
    yield from _gates(document["gates"])
    yield from _comparison(document["comparison"])
    yield _headline(document)
    yield "### Labels, rarest first"
    yield _labels(document)
    few = f"*few*: under {data['min_support']} positives here, too few to say."
    yield (
        f"{counted(data['texts'], 'text')}; figures with their 95% intervals. {few} "
        f"Checkpoint {markdown_text(data['checkpoint'])}, data {data['fingerprint'][:12]}."
    )


def _said(sentence: Sentence) -> str:
    return "".join(
        f"**{markdown_text(piece)}**" if isinstance(piece, Name) else piece for piece in sentence
    )


def _gates(gates: list[Document]) -> Iterator[str]:
    if gates:
        yield "### Required figures"
        rows = (
            (
                markdown_text(gate["of"]),
                markdown_text(f"{gate['measure']} {gate['operator']} {gate['bar']}"),
                "met" if gate["met"] else "**not met**",
                figure_text(gate["figure"]),
            )
            for gate in gates
        )
        yield markdown_table(("of", "asked", "verdict", "measured"), rows, left=3)


def _comparison(comparison: Document | None) -> Iterator[str]:
    if comparison:
        counts = ", ".join(
            f"**{counted(count, 'label')}** {verdict}"
            for verdict, count in comparison["counts"].items()
        )
        yield f"Against {markdown_text(comparison['against'])}: {counts}."


def _headline(document: Document) -> str:
    overall = document["overall"]
    groups = {
        "macro": overall["macro"],
        "micro": overall["micro"],
        **{f"{name} ({row['labels']})": row for name, row in document["tiers"].items()},
    }
    rows = ((name, *_figures(row)) for name, row in groups.items())
    return markdown_table(("labels", *MEASURES.values()), rows)


def _labels(document: Document) -> str:
    rows = (
        (
            markdown_text(name),
            row["tier"],
            f"{row['training_positives']:,}",
            f"{row['support']:,}{' *few*' if row['few'] else ''}",
            *_figures(row),
        )
        for name, row in rarest_first(document["labels"])
    )
    titles = ("label", "tier", "training +", "positives", *MEASURES.values())
    return markdown_table(titles, rows, left=2)


def _figures(row: Document) -> list[str]:
    return [figure_text(row[key]) if key in row else "–" for key in MEASURES]
