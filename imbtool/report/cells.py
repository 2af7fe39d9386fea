"""How tables on screen show titles, labels, tiers and numbers."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from rich.table import Table
from rich.text import Text

from imbtool.analysis.document import CoOccurrence
from imbtool.evaluation.estimates import is_known
from imbtool.wording import printable

TIER_STYLE = {"severe": "red", "moderate": "yellow", "common": "green"}


def plain_table(title: str, *left: str, right: Iterable[str] = ()) -> Table:
    """A table without lines, its headings aligned as given."""
    # the line break keeps a table apart from what stands above it
    table = Table(title=f"\n{title}", title_justify="left", title_style="bold")
    table.box, table.pad_edge = None, False
    for heading in left:
        table.add_column(heading, overflow="fold")
    for heading in right:
        table.add_column(heading, justify="right")
    return table


def label_text(label: str) -> Text:
    """A label's name, safe to print."""
    return Text(printable(label))


def tier_text(tier: str) -> Text:
    """A tier in its colour."""
    return Text(tier, style=TIER_STYLE[tier])


def ratio_text(ratio: float | None) -> str:
    """Negatives a positive, `120:1`; a dash without positives."""
    if ratio is None:
        return "–"
    return f"{ratio:,.0f}:1" if ratio >= 10 else f"{ratio:.1f}:1"


def number_text(value: float | None) -> str:
    """A share or a score with three digits; a dash where there is none."""
    return f"{value:.3f}" if is_known(value) else "–"


def rarest_together(
    together: CoOccurrence, most: int
) -> tuple[list[str], NDArray[np.int64], NDArray[np.float64]]:
    """The rarest labels, in the order of the document, where related labels are neighbours.

    Returns:
        Their names [K], the texts that two of them share [K, K], and that number's share of the
        texts of the label in the row.
    """
    counts = np.array(together.texts, dtype=np.int64)
    shown = np.sort(np.argsort(counts.diagonal(), kind="stable")[:most])
    counts = counts[np.ix_(shown, shown)]
    shares = counts / np.maximum(counts.diagonal(), 1)[:, None]
    return [together.labels[label] for label in shown], counts, shares
