"""All that an analysis leaves in a folder."""

from __future__ import annotations

from pathlib import Path

from imbtool.analysis import Analysis
from imbtool.corpus import Corpus
from imbtool.files import replacing, write_json
from imbtool.findings.finding import CATALOGUE, frames, listed_rows
from imbtool.report.inspection import write_inspection
from imbtool.report.plots import plot_co_occurrence, plot_counts, plot_weights
from imbtool.tables import TableWriter

QUOTED = 20
"""Rows of a finding that the page shows; its csv has all."""
ANALYSIS, PAGE = "analysis.json", "analysis.html"


def write_analysis(analysis: Analysis, corpus: Corpus, folder: Path, texts: bool = True) -> None:
    """Write the JSON, the page, the pictures, and a csv for each kind of finding.

    The csv files of an earlier analysis that this one does not have are removed.

    Args:
        analysis: of the corpus.
        corpus: whose texts are quoted.
        folder: where to.
        texts: whether to quote any; they may be private.
    """
    document = analysis.document
    write_json(folder / ANALYSIS, document)
    quoted = [listed_rows(each, corpus, texts, QUOTED) for each in analysis.findings]
    write_inspection(document, quoted, folder / PAGE)
    plot_counts(document, folder / "counts.png")
    plot_weights(document["labels"], folder / "weights.png")
    plot_co_occurrence(document, folder / "co_occurrence.png")
    for kind in CATALOGUE:
        (folder / "findings" / f"{kind}.csv").unlink(missing_ok=True)
    for path, frame in frames(analysis.findings, corpus, texts):
        with replacing(folder / path) as draft, TableWriter(draft, ".csv") as writer:
            writer.write(frame)
