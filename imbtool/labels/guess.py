"""Which columns of a table hold its labels, and how: a guess with its reason, or a question."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from imbtool.errors import user_error
from imbtool.labels.columns import Column
from imbtool.labels.layout import (
    FIRM_NAMES,
    LABEL_NAMES,
    LabelGuess,
    read_flags,
    read_named,
)
from imbtool.labels.questions import (
    set_option,
    which_column,
    which_kind,
    which_known,
    which_of_two,
    which_values,
    which_word,
)
from imbtool.wording import some

FLAG_METADATA = re.compile(
    r"(is[_ ])?(train|test|val(id(ation)?)?|dev|duplicate|deleted|verified|reviewed|annotated)"
    r"|ids?|index|split|fold|unnamed.*|version|status|year|month|day|hour|.*_pred(icted)?|",
    re.IGNORECASE,
)
"""Those of columns of 0 and 1."""
METADATA = re.compile(
    r"(.*[_ ])?(ids?|u?uid|index|hash|url|link|date|time|timestamp|at|year|month|day|hour)"
    r"|unnamed.*|annotators?.*|users?|author.*|source|split|fold|lang(uage)?|locale|country"
    r"|platform|subreddit|domain|confidence|agreement|version|status|created.*|updated.*"
    r"|(n|num|len|count)[_ ].*|(.*[_ ])?(count|length|score|time)|",
    re.IGNORECASE,
)
"""Names of columns that say something of a text, but hardly its labels."""
LABEL_WORD = re.compile(r"label|categor|topic|tag|class", re.IGNORECASE)
"""What the name of a second column of labels holds: subcategory, label_text."""
FEW_ROWS = 10
"""Of so few nothing recurs."""
MOST_LEVELS = 3
"""Different numbers up to which a column is like those of 0 and 1 beside it."""
MOST_VALUES = 6
"""Different cells up to which columns that share them look like one label each."""


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


@dataclass(frozen=True)
class _Guesser:
    columns: Sequence[Column]
    where: Path
    known: Mapping[str, str] = field(default_factory=dict)

    def guess(self) -> LabelGuess:
        """The best evidence wins: a firm name, then columns of yes and no, then a usual name.

        Only where there is none of them do the cells of all columns decide. A second column that
        could hold labels is refused at each step, since its labels would be lost.
        """
        if not self.columns:
            fix = "add a column of labels, or one column of 0 and 1 a label"
            raise user_error(self.where, "no column besides text and id", "labels", fix)
        named = self._by_name(LABEL_NAMES)
        firm = self._by_name(FIRM_NAMES)
        telling = [each for each in self._likely if each.is_flag or each.is_score]
        if firm and not (firm.is_flag or firm.is_score):
            self._refuse_another(firm, telling)
            found = read_named(firm, self.where, self.known, "by its name")
            left = telling if len(telling) > 1 else []
            return replace(found, notes=(*found.notes, *_left_notes(left, [firm])))
        others = [each for each in self._likely if each not in telling and each.may_hold_names]
        if len(telling) > 1 and named and named in others:
            raise which_kind(named, telling, self.where)
        if len(telling) > 1 or (telling and not others):
            return self._in_columns(telling)
        if named:
            self._refuse_another(named, [])
            read = read_flags([named], self.where, self.known) if named in telling else None
            return read or read_named(named, self.where, self.known, "by its name")
        return self._unnamed()

    def _in_columns(self, telling: Sequence[Column]) -> LabelGuess:
        """One column for each label, also for those that no text has yet."""
        self._refuse_lookalikes(telling)
        absent = [each for each in self._likely if each.is_absent]
        taken = [each for each in self._likely if each in (*telling, *absent)]
        for other in self._likely:
            if other not in taken and (odd := other.odd_flag) is not None:
                raise which_word(other, odd, taken, self.where)
        found = read_flags(taken, self.where, self.known)
        left = [each for each in self.columns if each not in taken and each.may_be_label]
        notes = (*found.notes, *_absent_notes(absent), *_left_notes(left, taken))
        return LabelGuess(found.source, found.reason, notes)

    @property
    def _likely(self) -> list[Column]:
        """Columns whose names do not say that they hold something else."""
        aside = self.known.get("known")
        others = [each for each in self.columns if each.name != aside]
        likely = [each for each in others if not _is_metadata(each)]
        return likely or list(self.columns)

    def _by_name(self, names: Sequence[str]) -> Column | None:
        by_name = {each.name.strip().lower(): each for each in reversed(self.columns)}
        return next((by_name[name] for name in names if name in by_name), None)

    def _refuse_another(self, named: Column, telling: Sequence[Column]) -> None:
        """A second column of labels would be lost without a word."""
        if len(telling) > 1 and {each.name for each in telling} <= set(named.values):
            raise which_kind(named, telling, self.where)
        for other in self._likely:
            if other is not named and not (other.is_flag or other.is_score):
                shared = set(other.values) & set(named.values)
                is_same = len(shared) > 1 and 2 * len(shared) >= len(other.values)
                is_named = LABEL_WORD.search(other.name) and other.may_hold_names
                if is_same and other.name.lower().endswith("known"):
                    raise which_known(named, other, self.where)
                if is_same or (is_named and not named.tells_the_same(other)):
                    raise which_of_two(named, other, self.where)

    def _unnamed(self) -> LabelGuess:
        """A column of lists, or the only one whose cells recur."""
        lists = [each for each in self._likely if each.has_lists]
        among = lists or [each for each in self._likely if each.may_hold_names]
        few = len(self.columns) == 1 and len(self.columns[0].cells) < FEW_ROWS
        among = list(self.columns) if few else among
        self._refuse_lookalikes(among)
        measures = [each for each in among if each.numbers and len(each.values) > MOST_LEVELS]
        if len(measures) > 1:
            raise which_values(measures, self.where)
        marks = [each for each in self._likely if len(each.values) == 1 and "" in each.distinct]
        if len(marks) > 1:
            raise which_values(marks, self.where)
        if len(among) != 1:
            raise which_column(among, self.columns, self.where)
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
            if others and not known and len(each.values) > 1:
                raise which_values([each, *others], self.where)


def _is_metadata(column: Column) -> bool:
    names = FLAG_METADATA if column.is_flag or column.is_absent else METADATA
    return names.fullmatch(column.name.strip()) is not None


def _left_notes(left: Sequence[Column], taken: Sequence[Column]) -> Sequence[str]:
    """Columns that may be labels all the same."""
    if not left:
        return ()
    names = some([repr(column.name) for column in left])
    columns = [column.name for column in (*taken, *left) if column.is_flag]
    return (
        f"Not taken as labels: {names}. If they are: {set_option('data.labels.columns', columns)}.",
    )


def _alike(one: Column, other: Column) -> bool:
    """Whether two columns hold the same few values; those of a class each differ from others'."""
    values = set(one.values), set(other.values)
    if any(each.is_flag or each.is_score for each in (one, other)):
        # a third value, or 2 for 1, beside columns of 0 and 1
        both = bool(one.numbers and other.numbers) and "0" in values[0] & values[1]
        return both and all(len(each) <= MOST_LEVELS for each in values)
    few = all(1 < len(each) <= MOST_VALUES for each in values)
    return few and (values[0] <= values[1] or values[1] <= values[0])


def _absent_notes(columns: Sequence[Column]) -> Sequence[str]:
    """Labels that no text has yet; or columns that are none."""
    if not columns:
        return ()
    names = some([repr(column.name) for column in columns])
    return (
        f"No text has a 1 in {names}: add texts that have it, or take it out of "
        "data.labels.columns before you train.",
    )
