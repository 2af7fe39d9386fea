"""What a search chose and why, and what the pool still holds, as rich tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from imbtool.annotation.batch import Batch, ChosenBy
from imbtool.report.cells import label_text, plain_table
from imbtool.search.stopping import advice
from imbtool.wording import counted

HOW: dict[ChosenBy, str] = {
    "score": "chosen by score",
    "similar": "chosen by likeness to an example, a description or a name",
    "pattern": "chosen by the pattern",
    "random": "drawn at random",
}
"""How a text was chosen, in words."""
NARROWER = (
    "The bounds rest on these random texts alone, so they are wide while there are few; each batch "
    "adds more, and --random sets how many."
)


def find_views(batch: Batch) -> Iterator[RenderableType]:
    """The pool, the labels in need, what the pool still holds, and whether to go on."""
    yield _pool(batch)
    yield _needs(batch)
    yield _expected(batch)
    if batch.remaining:
        yield _remaining(batch)
        yield Text(f"\n{NARROWER}")
    yield Text(f"\n{advice(batch)}")


def _pool(batch: Batch) -> Text:
    pool = batch.pool
    left_out = [
        f"{number:,} {why}"
        for number, why in (
            (pool.labelled, "labelled already, or nearly the same as a labelled text"),
            (pool.chosen_before, "in an earlier batch, or nearly the same as a text in one"),
            (pool.repeated, "repeated in the pool"),
        )
        if number
    ]
    told = f" These are left out: {'; '.join(left_out)}." if left_out else ""
    how = Counter[str](text.chosen_by for text in batch.texts)
    shares = [f"{how[name]:,} {words}" for name, words in HOW.items() if how[name]]
    if not how["random"]:
        shares.append(f"none {HOW['random']}")
    chosen = f"{counted(len(batch.texts), 'text')}: {', '.join(shares)}."
    return Text(f"The pool has {counted(pool.texts, 'text')}.{told}\nThe batch has {chosen}")


def _needs(batch: Batch) -> Table:
    right = ("in training", "texts chosen", "expected", "at random")
    title = "Labels that the batch searches for, with their positives"
    table = plain_table(title, "label", right=right)
    table.add_column("why", overflow="fold")
    for need in batch.needs:
        numbers = (
            f"{need.positives:,}",
            f"{need.texts:,}",
            f"{need.expected:.1f}",
            f"{need.at_random:.1f}",
        )
        table.add_row(label_text(need.label), *numbers, need.why)
    return table


def _expected(batch: Batch) -> Text:
    expected = sum(need.expected for need in batch.needs)
    at_random = sum(need.at_random for need in batch.needs)
    return Text(
        f"\nThe batch is expected to hold about {expected:.0f} positives of these labels. As many "
        f"random texts are expected to hold {at_random:.1f}."
    )


def _remaining(batch: Batch) -> Table:
    sample = max(row.sample for row in batch.remaining)
    title = f"Positives in the pool, by {counted(sample, 'random text')} (exact 95% bounds)"
    right = ("found so far", "not yet found", "recall of the search")
    table = plain_table(title, "label", right=right)
    searched = {need.label for need in batch.needs}
    for row in batch.remaining:
        if row.label in searched:
            table.add_row(
                label_text(row.label),
                f"{row.found:,}",
                f"{row.low:,} to {row.high:,}",
                f"{row.recall_low:.1%} to {row.recall_high:.1%}",
            )
    return table
