"""All that an evaluation leaves in a folder."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from imbtool.evaluation.mistakes import mistakes_frame
from imbtool.files import write_json, write_text
from imbtool.report.markdown import write_markdown
from imbtool.report.page import write_page
from imbtool.report.plots import plot_f1_by_positives
from imbtool.report.ranges import plot_comparison, plot_intervals, plot_reliability

Document = dict[str, Any]

PLOTS: dict[str, Callable[[Document, Path], None]] = {
    "f1": plot_f1_by_positives,
    "intervals": plot_intervals,
    "reliability": plot_reliability,
    "comparison": plot_comparison,
}


def result_suffix(split: str, table: Path | None) -> str:
    """What tells the files of other splits and tables from those of the test split."""
    if table is not None:
        return "-" + re.sub(r"[^\w.+-]+", "-", table.stem)
    return "" if split == "test" else f"-{split}"


def write_bundle(
    document: Document, events: Sequence[Document], folder: Path, suffix: str = ""
) -> Path:
    """Write the JSON, the page, the markdown, the plots and the errors to read.

    What an earlier evaluation of the same name left and this one does not have, such as texts that
    are now withheld, is removed.

    Args:
        document: the evaluation document.
        events: of the run that trained the checkpoint; none if they are not at hand.
        folder: where to.
        suffix: of the files' names.

    Returns:
        The page.
    """
    page = folder / f"report{suffix}.html"
    write_json(folder / f"evaluation{suffix}.json", document)
    write_page(document, events, page)
    write_markdown(document, folder / f"report{suffix}.md")
    for name, plot in PLOTS.items():
        path = folder / "plots" / f"{name}{suffix}.png"
        path.unlink(missing_ok=True)
        plot(document, path)
    _write_errors(document, folder / f"errors{suffix}.csv")
    return page


def _write_errors(document: Document, path: Path) -> None:
    if document["mistakes"] is None:
        path.unlink(missing_ok=True)
        return
    write_text(path, mistakes_frame(document["mistakes"]).to_csv(index=False))
