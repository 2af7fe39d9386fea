"""How the labels stand in columns that are known to hold them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from imbtool.labels.cells import shown_cell
from imbtool.labels.columns import ZERO_AND_ONE, Column
from imbtool.labels.questions import set_option, which_separator, which_threshold
from imbtool.labels.separators import MARKS, guess_separator
from imbtool.labels.syntax import NOBODY_KNOWS, unquoted
from imbtool.wording import counted, some

FIRM_NAMES = ("labels", "label", "tags", "tag", "annotations", "annotation", "choices", "choice")
"""Names of label columns that outdo columns of 0 and 1 beside them."""
LABEL_NAMES = (
    *FIRM_NAMES,
    *("categories", "category", "classes", "class", "topics", "topic", "target", "targets"),
)


@dataclass(frozen=True)
class LabelGuess:
    """Where the labels stand.

    Attributes:
        source: the profile's `data.labels`.
        reason: why; empty where all of it was known.
        notes: what was understood in a way that changes its meaning, one sentence each.
    """

    source: dict[str, object]
    reason: str
    notes: tuple[str, ...] = ()


def read_labels(
    columns: Sequence[Column], where: Path, known: Mapping[str, str], why: str
) -> LabelGuess:
    """How the labels stand in columns of which the file says that they hold them.

    Raises:
        UserError: as `read_named` and `read_flags`.
    """
    only = columns[0]
    if len(columns) == 1 and (only.holds_lists or not only.values):
        found = read_named(only, where, known)
    else:
        used = [column for column in columns if column.is_flag or column.is_score]
        found = read_flags(used or columns, where, {"empty": "unknown", **known})
    return LabelGuess(found.source, why, found.notes)


def read_named(column: Column, where: Path, known: Mapping[str, str], why: str = "") -> LabelGuess:
    """How the labels stand in a column that is known to hold them.

    Args:
        column: that holds the names of all labels of a text.
        where: the table, for messages.
        known: as `guess_labels`.
        why: this column was taken.

    Raises:
        UserError: it cannot be told what separates the names.
    """
    notes = tuple(_unknown_notes(column)) if "unknown" not in known else ()
    source: dict[str, object] = {"column": column.name}
    because = f"{why}; " * bool(why)
    if column.holds_lists:
        told = "its cells are lists" if column.is_list else "its cells are lists or objects as text"
        return LabelGuess(source, f"{because}{told}{_tool(column)}", notes)
    if "separator" in known:
        return LabelGuess(source, why, notes)
    separator, reason = _separator(column, where)
    if any(written.form != "names" for written in column.read):
        reason += "; some cells are lists or objects as text, which are read too"
    source["separator"] = separator
    return LabelGuess(source, f"{because}{reason}{_tool(column)}", notes)


def read_flags(columns: Sequence[Column], where: Path, known: Mapping[str, str]) -> LabelGuess:
    """How columns say which label a text has, one column for each label.

    Args:
        columns: at least one.
        where: the table, for messages.
        known: as `guess_labels`.

    Raises:
        UserError: they hold scores, and nobody has said which of them mean yes.
    """
    names = [column.name for column in columns]
    source: dict[str, object] = {"columns": names}
    holders = "its column holds" if len(names) == 1 else f"{len(names)} columns hold"
    scores = [column for column in columns if column.is_score]
    if scores and "threshold" not in known:
        raise which_threshold(scores, where)
    notes = [*_minus_notes(columns), *_blank_notes(columns, known)]
    if "empty" not in known and _blank_means_no(columns):
        source["empty"] = "negative"
        notes.append(
            "Empty cells of the label columns are taken to mean no, since none of these columns "
            "has a 0; --set data.labels.empty=unknown takes them for unknown."
        )
    if scores:
        return LabelGuess(source, f"{holders} scores, cut at the threshold", tuple(notes))
    words = {cell for column in columns for cell in column.values}
    if all(word.strip().lower() in ZERO_AND_ONE for word in words) and "empty" not in source:
        return LabelGuess(source, f"{holders} only 0 and 1", tuple(notes))
    told = some(sorted(map(repr, words)), 6)
    return LabelGuess(source, f"{holders} words for yes and no: {told}", tuple(notes))


def _blank_means_no(columns: Sequence[Column]) -> bool:
    """Whether nothing but empty cells can mean no."""
    blank = any(len(column.values) < len(column.distinct) for column in columns)
    return blank and not any(
        0.0 in column.flags or any(each < 1 for each in column.numbers) for column in columns
    )


def _blank_notes(columns: Sequence[Column], known: Mapping[str, str]) -> Sequence[str]:
    """Columns without a 0 of their own, beside others that have one."""
    if "empty" in known or _blank_means_no(columns):
        return ()
    marked = [each for each in columns if each.flags == {1.0} and "" in each.distinct]
    if not marked:
        return ()
    names = some([repr(each.name) for each in marked])
    return (
        f"Empty cells of {names} are taken for unknown, though these columns have no 0, since "
        "other label columns have one; --set data.labels.empty=negative takes empty cells for no.",
    )


def _minus_notes(columns: Sequence[Column]) -> Sequence[str]:
    counts = {column.name: column.rows_with(["-1", "-1.0"]) for column in columns}
    marked = {name: count for name, count in counts.items() if count}
    if not marked:
        return ()
    told = some(f"{name!r} ({count:,})" for name, count in marked.items())
    return (f"-1 is taken for unknown, in so many rows of these columns: {told}.",)


def _unknown_notes(column: Column) -> Sequence[str]:
    """Cells that often mean that nobody knows, and may be names all the same."""
    marks = {*NOBODY_KNOWS.split(), "unknown", "-", "."}
    found = [cell for cell in column.values if cell.strip().lower() in marks]
    return [
        f"{cell.strip()!r} ({counted(column.rows_with([cell]), 'row')}) is taken for a label. If "
        "it means that nobody knows the labels of the text: "
        f"{set_option('data.labels.unknown', cell.strip())}; if it means that there are none, "
        "leave the cell empty."
        for cell in found
    ]


def _tool(column: Column) -> str:
    choices = any('"choices"' in cell for cell in column.values)
    is_object = any(written.form == "object" for written in column.read)
    return ", objects as Label Studio writes them" * (choices and is_object)


def _separator(column: Column, where: Path) -> tuple[str, str]:
    """What separates the names of a column, and why.

    Raises:
        UserError: a mark may separate names or be part of them.
    """
    plain = {
        unquoted(cell)
        for cell, said in zip(column.values, column.read, strict=True)
        if said.form == "names"
    }
    guess = guess_separator(plain)
    free = next(
        (mark for mark in ("|", "||", *MARKS) if not any(mark in cell for cell in plain)), "|"
    )
    if guess.unclear:
        mark, example = guess.unclear
        raise which_separator(column, where, mark, example, guess.separator or free)
    if guess.separator:
        parts = {part.strip() for cell in plain for part in cell.split(guess.separator)} - {""}
        return guess.separator, f"{guess.separator!r} splits its cells into {len(parts)} labels"
    reason = "no cell seems to hold more than one label"
    if guess.within:
        mark, example = guess.within
        reason += (
            f" ({mark!r}, as in {shown_cell(example)}, is taken for part of names; "
            f"{set_option('data.labels.separator', mark)} splits there)"
        )
    return free, reason
