"""How a table was cut into training, validation and test, as rich tables."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from imbtool.data.imbalance import rarest_first
from imbtool.data.partition import PartitionReport
from imbtool.report.cells import label_text, plain_table
from imbtool.wording import counted


def split_views(report: PartitionReport) -> Iterator[RenderableType]:
    """The sizes of the parts, their labels rarest first, and what could not be done."""
    yield _sizes(report)
    yield _positives(report)
    yield from _kept_together(report)
    yield from _too_rare(report)


def _sizes(report: PartitionReport) -> Table:
    right = ("requested share", "share", "requested rows", "rows")
    table = plain_table("Parts", "part", right=right)
    for name, part in report.parts.items():
        table.add_row(
            name,
            f"{part.share.asked:.2%}",
            f"{part.share.got:.2%}",
            f"{part.rows.asked:,}",
            f"{part.rows.got:,}",
        )
    return table


def _positives(report: PartitionReport) -> Table:
    table = plain_table("Positives, rarest label first", "label", right=("all", *report.parts))
    for name, row in rarest_first(report.labels):
        counts = (f"{count:,}" for count in row.parts.values())
        table.add_row(label_text(name), f"{row.positives:,}", *counts)
    return table


def _kept_together(report: PartitionReport) -> Iterator[Text]:
    near, group = report.near_duplicates, report.group
    if report.chosen:
        verb = "is" if report.kept_in_training == 1 else "are"
        yield Text(
            f"\nA search chose {counted(report.chosen, 'text')}: "
            f"{counted(report.kept_in_training, 'row')} {verb} in training for that, and shares "
            "are those of the others."
        )
    if near.groups:
        rows = f"{near.rows:,} rows in {counted(near.groups, 'group')}"
        yield Text(f"\nNear duplicates were kept in one part: {rows}.")
    if group:
        rows = f"{group.rows:,} rows in {counted(group.groups, 'group')}"
        yield label_text(f"Rows with the same {group.column} were kept in one part: {rows}.")


def _too_rare(report: PartitionReport) -> Iterator[Text]:
    if report.too_rare:
        least = f"{report.least_positives} positives in each part"
        yield Text(f"\nThese labels do not have {least}:", style="bold")
    for name, why in report.too_rare.items():
        yield label_text(f"  {name}: {why}")
