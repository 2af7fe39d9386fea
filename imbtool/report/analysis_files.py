"""All that analyze and weights leave in a folder, and which of its files are theirs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from imbtool.analysis.document import Analysis, Weights
from imbtool.analysis.finding import CATALOGUE, frames, listed_rows
from imbtool.data.corpus import Corpus
from imbtool.data.writer import TableWriter
from imbtool.files.json_text import write_json
from imbtool.files.writing import replacing
from imbtool.report.figures.analysis import draw_co_occurrence, draw_counts, draw_weights
from imbtool.report.figures.figure import write_png
from imbtool.report.html.analysis import write_analysis_page
from imbtool.report.ownership import our_document, require_ours

QUOTED = 20
"""Rows of a finding that the page shows; its csv has all."""
ANALYSIS, PAGE = "analysis.json", "analysis.html"
WEIGHTS, WEIGHTS_PICTURE = "weights.json", "weights.png"
PICTURES = ("counts.png", WEIGHTS_PICTURE, "co_occurrence.png")
OWN = {ANALYSIS: (PAGE, *PICTURES, "findings"), WEIGHTS: (WEIGHTS_PICTURE,)}
"""The document of each command, and the files that it wrote where its document stands."""


def require_free(folder: Path, document: str = ANALYSIS) -> None:
    """Check that a command overwrites no file that imbtool has not written.

    Args:
        folder: where to.
        document: the command's, of `OWN`.

    Raises:
        UserError: it would.
    """
    ours = {
        name
        for each, names in OWN.items()
        if our_document(folder / each, _has_weights)
        for name in (each, *names)
    }
    require_ours(folder, (document, *OWN[document]), ours)


def _has_weights(document: dict[str, Any]) -> bool:
    rows = document["labels"].values()
    return bool(rows) and all("effective_number_weight" in row for row in rows)


def write_weights(weights: Weights, folder: Path) -> None:
    """Write the weights of labels and their picture.

    The document is written first: a stop between the two leaves a folder that is still ours.
    """
    write_json(folder / WEIGHTS, weights)
    write_png(draw_weights(weights.labels), folder / WEIGHTS_PICTURE)


def write_analysis(analysis: Analysis, corpus: Corpus, folder: Path, texts: bool = True) -> None:
    """Write the JSON, the page, the pictures, and a csv for each kind of finding.

    The csv files of an earlier analysis that this one does not have are removed.

    Args:
        analysis: of the corpus.
        corpus: whose texts are quoted.
        folder: where to.
        texts: whether to quote any; they may be private.
    """
    write_json(folder / ANALYSIS, analysis)
    quoted = [listed_rows(each, corpus, texts, QUOTED) for each in analysis.findings]
    write_analysis_page(analysis, quoted, folder / PAGE)
    counts, weights, together = (folder / name for name in PICTURES)
    write_png(draw_counts(analysis.labels), counts)
    write_png(draw_weights(analysis.labels), weights)
    write_png(draw_co_occurrence(analysis.co_occurrence), together)
    for kind in CATALOGUE:
        (folder / "findings" / f"{kind}.csv").unlink(missing_ok=True)
    for path, rows in frames(analysis.findings, corpus, texts):
        with replacing(folder / path) as draft, TableWriter(draft, ".csv") as writer:
            for frame in rows:
                writer.write(frame)
