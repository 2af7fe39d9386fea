"""A table cut into parts: sizes, and the positives of each label, as rich tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from imbtool.report.cells import label_text, plain_table, rarest_first
from imbtool.wording import counted

Document = dict[str, Any]


def split_views(document: Document) -> Iterator[RenderableType]:
    """Tables of split.json: the parts, labels rarest first, and what could not be done."""
    yield _sizes(document["parts"])
    yield _positives(document)
    yield from _kept_together(document)
    yield from _too_rare(document)


def _sizes(parts: Document) -> Table:
    table = plain_table("Parts", "part", right=("share asked", "got", "rows asked", "got"))
    for name, part in parts.items():
        share, rows = part["share"], part["rows"]
        table.add_row(
            name,
            f"{share['asked']:.2%}",
            f"{share['got']:.2%}",
            f"{rows['asked']:,}",
            f"{rows['got']:,}",
        )
    return table


def _positives(document: Document) -> Table:
    table = plain_table("Positives, rarest label first", "label", right=("all", *document["parts"]))
    for name, row in rarest_first(document["labels"]):
        counts = (f"{count:,}" for count in row["parts"].values())
        table.add_row(label_text(name), f"{row['positives']:,}", *counts)
    return table


def _kept_together(document: Document) -> Iterator[Text]:
    near, group = document["near_duplicates"], document["group"]
    if near["groups"]:
        told = f"{counted(near['groups'], 'group')} of near duplicates, {near['rows']:,} rows"
        yield Text(f"\nKept together: {told}.")
    if group:
        told = f"{counted(group['groups'], 'group')} by the column"
        yield label_text(f"Kept together: {told} {group['column']}, {group['rows']:,} rows.")


def _too_rare(document: Document) -> Iterator[Text]:
    if document["too_rare"]:
        least = document["least_positives"]
        yield Text(f"\nLabels without {least} positives in each part:", style="bold")
    for name, why in document["too_rare"].items():
        yield label_text(f"  {name}: {why}")
