"""All that an analysis leaves in a folder."""

from __future__ import annotations

from pathlib import Path

from imbtool.analysis import Analysis
from imbtool.corpus import Corpus
from imbtool.errors import fail, some
from imbtool.files import replacing, write_json
from imbtool.findings.finding import CATALOGUE, frames, listed_rows
from imbtool.report.inspection import write_inspection
from imbtool.report.plots import plot_co_occurrence, plot_counts, plot_weights
from imbtool.tables import TableWriter

QUOTED = 20
"""Rows of a finding that the page shows; its csv has all."""
ANALYSIS, PAGE = "analysis.json", "analysis.html"
PICTURES = ("counts.png", "weights.png", "co_occurrence.png")


def require_free(folder: Path) -> None:
    """Check that a folder has no file that an analysis would overwrite, unless one has written it.

    Raises:
        UserError: it has.
    """
    there = [name for name in (PAGE, *PICTURES, "findings") if (folder / name).exists()]
    if there and not (folder / ANALYSIS).is_file():
        mend = "choose another folder with -o"
        raise fail(f"-o {folder}", f"{some(there)} that no analysis wrote", "a free folder", mend)


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
    counts, weights, together = (folder / name for name in PICTURES)
    plot_counts(document, counts)
    plot_weights(document["labels"], weights)
    plot_co_occurrence(document, together)
    for kind in CATALOGUE:
        (folder / "findings" / f"{kind}.csv").unlink(missing_ok=True)
    for path, frame in frames(analysis.findings, corpus, texts):
        with replacing(folder / path) as draft, TableWriter(draft, ".csv") as writer:
            writer.write(frame)
