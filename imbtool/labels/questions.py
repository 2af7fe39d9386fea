"""What init asks where a table does not tell: each question with the options that answer it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

from imbtool.errors import UserError, user_error
from imbtool.labels.cells import shown_cell
from imbtool.labels.columns import Column
from imbtool.labels.syntax import flag_of
from imbtool.wording import counted, some


def set_option(key: str, value: str | Sequence[str]) -> str:
    """The option that sets a profile key, as it is typed into a shell."""
    is_plain = isinstance(value, str) and value == value.strip() and value[:1] not in ("", *"[{\"'")
    text = value if is_plain and str(value).isprintable() else json.dumps(value, ensure_ascii=False)
    return f"--set {shlex.quote(f'{key}={text}')}"


def which_column(among: Sequence[Column], columns: Sequence[Column], where: Path) -> UserError:
    """Several columns could hold the labels, or none of all could."""
    among = [each for each in among if each.name]
    names = [repr(each.name) for each in among or columns]
    if not among:
        last = columns[-1].name or columns[0].name
        return user_error(
            f"{where}: line 1",
            f"no column whose cells recur as label names do; the columns are {some(names, 8)}",
            "a column of labels, or one column of 0 and 1 for each label",
            f"add it, or name it: {set_option('data.labels.column', last)}",
        )
    return user_error(
        f"{where}: line 1",
        f"{counted(len(names), 'column')} that could hold the labels: {some(names, 8)}",
        "one column named labels, tags or the like, or an option that names it",
        f"{set_option('data.labels.column', among[0].name)}, or for one 0/1 column a label "
        f"{set_option('data.labels.columns', [each.name for each in among[:2]])}",
    )


def which_values(columns: Sequence[Column], where: Path) -> UserError:
    """Columns with the same few values, of which it cannot be told which mean yes."""
    first = columns[0]
    odd = next((cell for cell in first.values if flag_of(cell) is None), first.values[0])
    values = some(map(repr, sorted(first.values)))
    names = [each.name for each in columns]
    advice = "write 1 and 0; if the values are labels, join those of a text into one column"
    if first.numbers and len(first.numbers) > 1:
        middle = sorted(first.numbers)[len(first.numbers) // 2]
        advice += (
            f"; if they are scores: {set_option('data.labels.columns', names)} "
            f"--set data.labels.threshold={middle:g}"
        )
    return user_error(
        f"{where}: {some(names, 8)}",
        f"columns that look like one label each, with the values {values} ({shown_cell(odd)} in "
        f"row {first.row_of(odd)}): it cannot be told which of them mean yes",
        "two values that mean yes and no, such as 1 and 0, in each label column",
        f"{advice}; or name the one column that holds the labels: "
        f"{set_option('data.labels.column', first.name)}",
    )


def which_word(column: Column, odd: str, beside: Sequence[Column], where: Path) -> UserError:
    """A cell that means neither yes nor no, in a column beside those of 0 and 1."""
    names = [each.name for each in beside]
    return user_error(
        f"{where}: {column.name}",
        f"{shown_cell(odd)} in row {column.row_of(odd)}, where most cells mean yes or no",
        "one word for yes and one for no in a label column, or nothing where nobody knows",
        "correct these cells, or take the other columns alone: "
        f"{set_option('data.labels.columns', names)}",
    )


def which_kind(named: Column, telling: Sequence[Column], where: Path) -> UserError:
    """A column of names beside columns of 0 and 1, each of which could be the labels."""
    names = [each.name for each in telling]
    return user_error(
        f"{where}: line 1",
        f"a column {named.name!r} of names beside columns of 0 and 1: {some(names, 8)}",
        "an option that says which columns hold the labels",
        f"{set_option('data.labels.column', named.name)}, or "
        f"{set_option('data.labels.columns', names)}",
    )


def which_of_two(named: Column, other: Column, where: Path) -> UserError:
    """Two columns hold labels, of which one alone would be read."""
    cell = other.values[0]
    return user_error(
        f"{where}: {named.name}, {other.name}",
        f"two columns of labels, {shown_cell(cell)} in row {other.row_of(cell)} of {other.name!r}",
        "all labels of a text in one column",
        "join those of a text, or name the one that counts: "
        f"{set_option('data.labels.column', named.name)}, or "
        f"{set_option('data.labels.column', other.name)}",
    )


def which_known(named: Column, other: Column, where: Path) -> UserError:
    """A second column of labels may list those that are known of a text."""
    return user_error(
        f"{where}: {named.name}, {other.name}",
        f"two columns of labels, of which {other.name!r} may list those that are known of a text",
        "an option that says what they hold",
        f"{set_option('data.labels.known', other.name)} if all others are unknown of it, "
        f"{set_option('data.labels.column', named.name)} if {other.name!r} does not count",
    )


def which_separator(column: Column, where: Path, mark: str, example: str, other: str) -> UserError:
    """A mark may stand between two labels or be part of a name."""
    cell = next(cell for cell in column.values if example in cell)
    return user_error(
        f"{where}: {column.name}",
        f"{shown_cell(cell)} in row {column.row_of(cell)}: {mark!r} may stand between two labels "
        "or be part of a name",
        "an option that says what the mark is",
        f"{set_option('data.labels.separator', mark)} if it separates labels, "
        f"{set_option('data.labels.separator', other)} if it is part of names",
    )


def which_threshold(scores: Sequence[Column], where: Path) -> UserError:
    """Scores, and nobody has said which of them mean yes."""
    first = scores[0]
    cell = next(cell for cell in first.values if 0 < float(cell) < 1)
    return user_error(
        f"{where}: {some([each.name for each in scores], 8)}",
        f"scores between 0 and 1, {cell} in row {first.row_of(cell)} of {first.name!r}",
        "0 and 1, or the score from which on a text has the label",
        "--set data.labels.threshold=0.5 gives a text the labels whose score is 0.5 or more",
    )
