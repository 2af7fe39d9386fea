"""The files that an evaluation writes into a folder."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from imbtool.data.writer import TableWriter
from imbtool.errors import user_error
from imbtool.evaluation.document import Evaluation
from imbtool.evaluation.mistakes import mistakes_frame
from imbtool.events import Event
from imbtool.files.json_text import write_json
from imbtool.files.writing import replacing
from imbtool.report.figures.evaluation import (
    draw_comparison,
    draw_f1_by_positives,
    draw_intervals,
    draw_reliability,
)
from imbtool.report.figures.figure import write_png
from imbtool.report.figures.training import draw_training
from imbtool.report.html.evaluation import write_evaluation_page
from imbtool.report.markdown import write_markdown
from imbtool.report.ownership import our_document, require_ours

FIGURES: dict[str, Callable[[Evaluation], Figure | None]] = {
    "f1": draw_f1_by_positives,
    "intervals": draw_intervals,
    "reliability": draw_reliability,
    "comparison": draw_comparison,
}
TEXTS = (("report", ".html"), ("report", ".md"), ("errors", ".csv"))
"""Names of the other files, and how they end."""


def result_suffix(split: str, table: Path | None) -> str:
    """What tells the files of other splits and tables from those of the test split."""
    if table is not None:
        return "-" + re.sub(r"[^\w.+-]+", "-", table.stem)
    return "" if split == "test" else f"-{split}"


def write_evaluation(
    evaluation: Evaluation, events: Sequence[Event], folder: Path, suffix: str = ""
) -> Path:
    """Write the JSON, the page, the Markdown report, the figures and the errors to read.

    Files of an earlier evaluation of the same name that this one does not have, such as texts that
    are now withheld, are removed.

    Args:
        evaluation: what to write.
        events: of the run that trained the checkpoint; none if they are not at hand.
        folder: where to.
        suffix: of the files' names.

    Returns:
        The page.
    """
    page, errors = folder / f"report{suffix}.html", folder / f"errors{suffix}.csv"
    pictures = {name: folder / "plots" / f"{name}{suffix}.png" for name in FIGURES}
    drawn = {name: draw(evaluation) for name, draw in FIGURES.items()}
    figures = {name: figure for name, figure in drawn.items() if figure}
    # before the document that says which files it has made
    for path in (errors, *pictures.values()):
        path.unlink(missing_ok=True)
    write_json(folder / f"evaluation{suffix}.json", evaluation)
    course = {"training": draw_training(events)} if events else {}
    write_evaluation_page(evaluation, events, figures | course, page)
    write_markdown(evaluation, folder / f"report{suffix}.md")
    for name, figure in figures.items():
        write_png(figure, pictures[name])
    if evaluation.mistakes is not None:
        with replacing(errors) as draft, TableWriter(draft, ".csv") as writer:
            writer.write(mistakes_frame(evaluation.mistakes))
    return page


def require_unwritten(folder: Path, suffix: str = "", only: str | None = None) -> None:
    """Check that a folder has no file that an evaluation would replace but did not write.

    The document evaluation.json says which files an evaluation has written.

    Args:
        folder: where the evaluation is to go.
        suffix: of the files' names.
        only: the name of the checkpoint whose results may be replaced. Default: any.

    Raises:
        UserError: it has, or its name is not UTF-8.
    """
    marker = f"evaluation{suffix}.json"
    others = [f"{name}{suffix}{end}" for name, end in TEXTS]
    pictures = {name: f"plots/{name}{suffix}.png" for name in FIGURES}
    document = our_document(folder / marker, _is_evaluation)
    if document and only is not None and Path(document["data"]["checkpoint"]).name != only:
        found = f"results of the checkpoint {document['data']['checkpoint']}"
        raise user_error(folder / marker, found, f"those of {only}, or none", "name a folder by -o")
    names = [marker, *others, *pictures.values()]
    ours = set(names) if document else set()
    if document and document.get("mistakes") is None:
        ours.discard(f"errors{suffix}.csv")
    if document and document.get("comparison") is None:
        ours.discard(pictures["comparison"])
    require_ours(folder, names, ours)


def _is_evaluation(document: Any) -> bool:
    return "checkpoint" in document["data"] and isinstance(document["labels"], dict)
