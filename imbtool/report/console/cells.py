"""How tables on screen show titles, labels, tiers and numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rich.table import Table
from rich.text import Text

from imbtool.errors import printable
from imbtool.evaluation.measures import figure_text, is_known

TIER_STYLE = {"severe": "red", "moderate": "yellow", "head": "green"}


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


def ratio_text(ratio: float) -> str:
    """Negatives a positive, `120:1`."""
    return f"{ratio:,.0f}:1" if ratio >= 10 else f"{ratio:.1f}:1"


def figure(value: float | None) -> str:
    """A share or a score with three digits; a dash where there is none."""
    return f"{value:.3f}" if is_known(value) else "–"


def interval(of: Mapping[str, float | None]) -> Text:
    """A figure with its 95% interval, `0.67 [.30–.90]`; a dash where there is none."""
    value, _, ends = figure_text(of).partition(" ")
    return Text.assemble(value, (f" {ends}", "dim") if ends else "")
