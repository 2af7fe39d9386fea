"""Which columns of a table hold its labels, and how: a guess with its reason, or a question."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from imbtool.columns import ZERO_AND_ONE, Column
from imbtool.errors import counted, fail, some
from imbtool.labelcells import shown_cell
from imbtool.labelquestions import (
    set_option,
    which_column,
    which_separator,
    which_threshold,
    which_values,
)
from imbtool.labelsyntax import NOBODY_KNOWS
from imbtool.separators import MARKS, guess_separator

FIRM_NAMES = ("labels", "label", "tags", "tag", "annotations", "annotation", "choices", "choice")
"""Names of label columns that outdo columns of 0 and 1 beside them."""
LABEL_NAMES = (
    *FIRM_NAMES,
    *("categories", "category", "classes", "class", "topics", "topic", "target", "targets"),
)
METADATA = re.compile(
    r"(.*[_ ])?(ids?|u?uid|index|hash|url|link|date|time|timestamp|at|year|month|day|hour)"
    r"|unnamed.*|annotators?.*|users?|author.*|source|split|fold|lang(uage)?|locale|country"
    r"|platform|subreddit|domain|confidence|agreement|version|status|created.*|updated.*"
    r"|(n|num|len|count)[_ ].*|(.*[_ ])?(count|length|score|time)|",
    re.IGNORECASE,
)
"""Names of columns that say something of a text, but hardly its labels."""
MOST_LEVELS = 3
"""Different numbers up to which a column is like those of 0 and 1 beside it."""
MOST_VALUES = 6
"""Different cells up to which columns that share them look like one label each."""


@dataclass(frozen=True)
class LabelGuess:
    """Where the labels stand.

    Attributes:
        source: the profile's `data.labels`.
        reason: why; empty where all of it was known.
        notes: what was understood in a way that changes its meaning, one sentence each.
    """

    source: dict[str, Any]
    reason: str
    notes: tuple[str, ...] = ()


def guess_labels(
    columns: Sequence[Column], where: Path, known: Mapping[str, str] | None = None
) -> LabelGuess:
    """Find the label columns of a table.

    Args:
        columns: those beside texts and ids.
        where: the table, for messages.
        known: what is given of `data.labels` beside its columns: `separator`, `threshold`, ...

    Raises:
        UserError: there are none, or it cannot be told which they are or what their cells mean.
    """
    return _Guesser(columns, where, known or {}).guess()


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
    source: dict[str, Any] = {"column": column.name}
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
    source: dict[str, Any] = {"columns": names}
    holders = "its column holds" if len(names) == 1 else f"{len(names)} columns hold"
    scores = [column for column in columns if column.is_score]
    if scores and "threshold" not in known:
        raise which_threshold(scores, where)
    notes = list(_minus_notes(columns))
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


@dataclass(frozen=True)
class _Guesser:
    columns: Sequence[Column]
    where: Path
    known: Mapping[str, str] = field(default_factory=dict)

    def guess(self) -> LabelGuess:
        if not self.columns:
            mend = "add a column of labels, or one column of 0 and 1 a label"
            raise fail(self.where, "no column besides text and id", "labels", mend)
        named = self._by_name(LABEL_NAMES)
        firm = self._by_name(FIRM_NAMES)
        if firm and not (firm.is_flag or firm.is_score):
            self._refuse_another(firm)
            return read_named(firm, self.where, self.known, "by its name")
        telling = [each for each in self._likely if each.is_flag or each.is_score]
        others = [each for each in self._likely if each not in telling and each.may_hold_names]
        if len(telling) > 1 or (telling and not others):
            self._refuse_lookalikes(telling)
            absent = [each for each in self._likely if each.is_absent]
            taken = [each for each in self._likely if each in (*telling, *absent)]
            found = read_flags(taken, self.where, self.known)
            return LabelGuess(found.source, found.reason, (*found.notes, *_absent_notes(absent)))
        if named:
            read = read_flags([named], self.where, self.known) if named in telling else None
            return read or read_named(named, self.where, self.known, "by its name")
        return self._unnamed()

    @property
    def _likely(self) -> list[Column]:
        """Columns whose names do not say that they hold something else."""
        likely = [each for each in self.columns if not METADATA.fullmatch(each.name.strip())]
        return likely or list(self.columns)

    def _by_name(self, names: Sequence[str]) -> Column | None:
        by_name = {each.name.strip().lower(): each for each in reversed(self.columns)}
        return next((by_name[name] for name in names if name in by_name), None)

    def _refuse_another(self, named: Column) -> None:
        """A second column with the same labels would be lost without a word."""
        for other in self._likely:
            shared = set(other.values) & set(named.values)
            if other is not named and len(shared) > 1 and 2 * len(shared) >= len(other.values):
                cell = next(cell for cell in other.values if cell in shared)
                raise fail(
                    f"{self.where}: {named.name}, {other.name}",
                    f"two columns with the same labels, {shown_cell(cell)} in row "
                    f"{other.row_of(cell)} of {other.name!r}",
                    "all labels of a text in one column",
                    "join those of a text, or name the one that counts: "
                    + set_option("data.labels.column", named.name),
                )

    def _unnamed(self) -> LabelGuess:
        """A column of lists, or the only one whose cells recur."""
        lists = [each for each in self._likely if each.has_lists]
        among = lists or [each for each in self._likely if each.may_hold_names]
        if len(self.columns) == 1:
            among = list(self.columns)
        self._refuse_lookalikes(among)
        if len(among) != 1:
            raise which_column(among or self.columns, self.where)
        why = "no other column of lists" if lists else "no other column has cells that recur so"
        return read_named(among[0], self.where, self.known, why)

    def _refuse_lookalikes(self, among: Sequence[Column]) -> None:
        """Columns with the same few values are one label each, whatever the values mean."""
        for each in self._likely:
            others = [
                other
                for other in {column.name: column for column in (*among, *self._likely)}.values()
                if other is not each and _alike(each, other)
            ]
            known = each.is_flag or each.is_score or each.is_absent or each.holds_lists
            if others and not known:
                raise which_values([each, *others], self.where)


def _alike(one: Column, other: Column) -> bool:
    """Whether two columns hold the same few values; those of a class each differ from others'."""
    values = set(one.values), set(other.values)
    if any(each.is_flag or each.is_score for each in (one, other)):
        # a third value, or 2 for 1, beside columns of 0 and 1
        both = bool(one.numbers and other.numbers) and "0" in values[0] & values[1]
        return both and all(len(each) <= MOST_LEVELS for each in values)
    few = all(1 < len(each) <= MOST_VALUES for each in values)
    return few and (values[0] <= values[1] or values[1] <= values[0])


def _blank_means_no(columns: Sequence[Column]) -> bool:
    """Whether nothing but empty cells can mean no."""
    blank = any(len(column.values) < len(column.distinct) for column in columns)
    return blank and not any(
        0.0 in column.flags or any(each < 1 for each in column.numbers) for column in columns
    )


def _minus_notes(columns: Sequence[Column]) -> Sequence[str]:
    counts = {column.name: column.rows_with(["-1", "-1.0"]) for column in columns}
    marked = {name: count for name, count in counts.items() if count}
    if not marked:
        return ()
    told = some(f"{name!r} ({count:,})" for name, count in marked.items())
    return (f"-1 is taken for unknown, in so many rows of these columns: {told}.",)


def _absent_notes(columns: Sequence[Column]) -> Sequence[str]:
    """Labels that no text has yet; or columns that are none."""
    if not columns:
        return ()
    names = some([repr(column.name) for column in columns])
    return (
        f"No text has a 1 in {names}: add texts that have it, or take it out of "
        "data.labels.columns before you train.",
    )


def _unknown_notes(column: Column) -> Sequence[str]:
    """Cells that often mean that nobody knows, and may be names all the same."""
    marks = {*NOBODY_KNOWS.split(), "unknown", "-", "."} - {"-1", "-1.0"}
    found = [cell for cell in column.values if cell.strip().lower() in marks]
    return [
        f"{cell.strip()!r} ({counted(column.rows_with([cell]), 'row')}) is taken for a label; "
        f"{set_option('data.labels.unknown', cell.strip())} makes it mean that the labels are "
        "unknown."
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
        cell for cell, said in zip(column.values, column.read, strict=True) if said.form == "names"
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
