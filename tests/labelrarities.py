"""Label tables in shapes that are seen now and then: any of them may be somebody's only export."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
from labeldrafts import ANY, DELIMITED, ODDITIES, TYPED, Draft
from labelshapes import (
    columns_draft,
    drawn_flags,
    hidden_flags,
    one_column,
    sorted_like,
)
from labelwords import label_rows, some_names

SEPARATORS = (
    "~",
    "^",
    "•",
    " · ",
    "、",
    " - ",
    "<br>",
    " and ",
    "\r\n",
    ";;",
    "//",
    ":",
    "|;|",
    "*",
)


def rare_separator(rng: random.Random) -> Draft:
    """Something between the labels that few people would choose."""
    sep = rng.choice(SEPARATORS)
    names = some_names(rng, rng.choice(("plain", "letters", "unicode", "codes")))
    rows = sorted_like(rng, label_rows(rng, names, rng.randint(60, 120), empty=0.1))
    cells = [sep.join(row) for row in rows]
    return one_column(rng, f"separated by {sep!r}", rng.choice(ANY), rows, cells)


def odd_file(rng: random.Random) -> Draft:
    """An ordinary column of labels in a file that has an oddity."""
    oddity, form = rng.choice(list(ODDITIES.items()))
    names = some_names(rng, rng.choice(("plain", "several words", "unicode")))
    rows = label_rows(rng, names, rng.randint(40, 90), empty=0.1)
    sep = rng.choice((",", ";"))
    draft = one_column(rng, oddity, form, rows, [sep.join(row) for row in rows])
    return replace(draft, oddity=oddity)


def _quoted(row: Sequence[str]) -> str:
    return ", ".join(map(repr, row))


LITERALS: dict[str, Callable[[Sequence[str]], str]] = {
    "numpy strings in lists": lambda row: f"[{', '.join(f'np.str_({name!r})' for name in row)}]",
    "Python 2 lists": lambda row: f"[{', '.join(f'u{name!r}' for name in row)}]",
    "frozen sets": lambda row: f"frozenset({{{_quoted(row)}}})" if row else "frozenset()",
    "angle brackets": lambda row: "".join(f"<{name}>" for name in row),
    "bars on both sides": lambda row: f"|{'|'.join(row)}|" if row else "",
    "quoted names": _quoted,
    "quoted names, double": lambda row: ", ".join(f'"{name}"' for name in row),
    "dict_keys": lambda row: f"dict_keys({list(row)!r})",
    "lists with curly quotes": lambda row: f"[{', '.join(f'‘{name}’' for name in row)}]",
    "pandas Index": lambda row: f"Index({list(row)!r}, dtype='object')",
    "sets without quotes": lambda row: "{" + ", ".join(row) + "}",
}


def rare_literal(rng: random.Random) -> Draft:
    """Lists as programs of other kinds write them."""
    how = rng.choice(list(LITERALS))
    names = some_names(rng, rng.choice(("plain", "snake", "unicode")))
    rows = label_rows(rng, names, rng.randint(50, 100), empty=rng.choice((0.0, 0.1)))
    cells = [LITERALS[how](row) for row in rows]
    return one_column(rng, f"{how} as text", rng.choice((*DELIMITED, *TYPED)), rows, cells)


def marked_gaps(rng: random.Random) -> Draft:
    """Two-valued columns of R and of databases, whose gaps are words."""
    names, targets = drawn_flags(rng)
    hidden = hidden_flags(rng, targets)
    no, yes = rng.choice(((0, 1), ("FALSE", "TRUE"), ("f", "t"), ("no", "yes")))
    gap = rng.choice(("NA", "NA", "NULL", "\\N", "nan", "None", "null", "?"))
    columns: dict[str, list[object]] = {
        name: [gap if np.isnan(value) else yes if value else no for value in hidden[:, place]]
        for place, name in enumerate(names)
    }
    return columns_draft(rng, f"columns of {no}/{yes} or {gap}", columns, hidden, DELIMITED)


def flags_without_positives(rng: random.Random) -> Draft:
    """Two-valued columns, one of which has no positive yet: a label all the same."""
    names, targets = drawn_flags(rng)
    targets[:, -1] = 0
    no, yes = rng.choice(((0, 1), (0, 1), ("N", "Y"), (False, True)))
    columns: dict[str, list[object]] = {
        name: [yes if value else no for value in targets[:, place]]
        for place, name in enumerate(names)
    }
    return columns_draft(rng, f"columns of {no}/{yes}, one all {no}", columns, targets)


def untidy_flags(rng: random.Random) -> Draft:
    """Two-valued columns as people type them: case and blanks vary, floats have a comma."""
    names, targets = drawn_flags(rng)
    no, yes = rng.choice(
        (
            (("no", "No", "NO"), ("yes", "Yes", "YES")),
            (("N", "n"), ("Y", "y")),
            (("no ", "no"), (" yes", "yes")),
            (("False", "FALSE"), ("True", "TRUE")),
            (("0,0",), ("1,0",)),
            ((None,), ("x", "X")),
            (("0", "0.0"), ("1", "1.0")),
        )
    )
    columns: dict[str, list[object]] = {
        name: [rng.choice(yes if value else no) for value in targets[:, place]]
        for place, name in enumerate(names)
    }
    shape = f"untidy columns of {no[0]}/{yes[0]}"
    return columns_draft(rng, shape, columns, targets, DELIMITED)


def rare_objects(rng: random.Random) -> Draft:
    """One object a text that names its label; maps of yes and no, of null, of Arrow's kind."""
    names = some_names(rng, rng.choice(("plain", "several words")))
    many = rng.random() < 0.6
    rows = label_rows(rng, names, rng.randint(40, 90), many=many)
    cells: object
    if not many:
        form, cells = "jsonl", [{"label": row[0]} for row in rows]
        return one_column(rng, "one label object a row", form, rows, cells)
    if rng.random() < 0.5:
        form = "jsonl"
        cells = [{name: "yes" if name in row else "no" for name in names} for row in rows]
        return one_column(rng, "maps of yes and no", form, rows, cells)
    items = [[(name, int(name in row)) for name in names] for row in rows]
    cells = pa.array(items, type=pa.map_(pa.string(), pa.int64()))
    return one_column(rng, "Arrow maps", "parquet", rows, cells)


def arrow_lists(rng: random.Random) -> Draft:
    """Lists of parquet in the types that writers choose."""
    names = some_names(rng, rng.choice(("plain", "punctuated", "unicode")))
    rows = label_rows(rng, names, rng.randint(30, 90), empty=0.1)
    kind = rng.choice(
        (
            pa.large_list(pa.large_string()),
            pa.list_(pa.dictionary(pa.int32(), pa.string())),
            pa.list_(pa.large_string()),
            pa.list_(pa.string()),
        )
    )
    return one_column(rng, f"{kind}", "parquet", rows, pa.array(rows, type=kind))
