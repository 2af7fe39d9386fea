"""All that an evaluation leaves in a folder."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from imbtool.errors import UserError, fail, some
from imbtool.evaluation.mistakes import mistakes_frame
from imbtool.files import read_json, require_utf8, write_json, write_text
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


TEXTS = (("report", ".html"), ("report", ".md"), ("errors", ".csv"))
"""Names of the other files, and how they end."""


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
    page, errors = folder / f"report{suffix}.html", folder / f"errors{suffix}.csv"
    pictures = {name: folder / "plots" / f"{name}{suffix}.png" for name in PLOTS}
    # before the document that says which files it has made
    for path in (errors, *pictures.values()):
        path.unlink(missing_ok=True)
    write_json(folder / f"evaluation{suffix}.json", document)
    write_page(document, events, page)
    write_markdown(document, folder / f"report{suffix}.md")
    for name, plot in PLOTS.items():
        plot(document, pictures[name])
    if document["mistakes"] is not None:
        write_text(errors, mistakes_frame(document["mistakes"]).to_csv(index=False))
    return page


def require_unwritten(folder: Path, suffix: str = "") -> None:
    """Check that a folder has no file that an evaluation would replace, unless one has made it.

    Which one has, evaluation.json says.

    Args:
        folder: where the evaluation is to go.
        suffix: of the files' names.

    Raises:
        UserError: it has, or its name is not UTF-8.
    """
    require_utf8(folder)
    marker = f"evaluation{suffix}.json"
    names = [marker, *(f"{name}{suffix}{end}" for name, end in TEXTS)]
    names += [f"plots/{name}{suffix}.png" for name in PLOTS]
    others = [
        name
        for name in names
        if os.path.lexists(folder / name) and not name.startswith(_made_by(folder / marker))
    ]
    if others:
        found = f"{some(others)} that no evaluation wrote"
        mend = "choose another folder with -o, or move them away"
        raise fail(f"-o {folder}", found, "a folder without files of these names", mend)


def _made_by(marker: Path) -> tuple[str, ...]:
    """How the names of the files begin that the evaluation has made that a document is of."""
    try:
        document = read_json(marker)
        is_ours = "checkpoint" in document["data"] and isinstance(document["labels"], dict)
    except (UserError, KeyError, TypeError):
        return ()
    always = ("evaluation", "report", *(f"plots/{name}" for name in PLOTS if name != "comparison"))
    if_asked = {"errors": "mistakes", "plots/comparison": "comparison"}
    asked = (name for name, key in if_asked.items() if document.get(key) is not None)
    return (*always, *asked) if is_ours else ()
