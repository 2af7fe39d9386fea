"""Label tables as people and programs write them: one column of labels, or one a label.

Each function draws one table of its kind. The truth is what a careful person takes from the file
alone; where such a person has to ask, the draft says so (`may_refuse`) and how to answer (`needs`).
"""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
from labeldrafts import ANY, DELIMITED, TYPED, Draft, Targets, target_matrix
from labelwords import MOSTLY_ONE, NAMES, SIZES, label_rows, some_names, some_texts

KINDS = tuple(NAMES)
JOINABLE = tuple(kind for kind in KINDS if kind not in ("recurring words", "constants"))
SEPARATORS = (
    *("|", "|", "|", ";", ";", ",", ",", "/", "\t", "; ", ", ", " ", " ", " | ", "#", "\n", "\n"),
    *("&", " + ", "||", "::", " / ", " & ", "+"),
)
SHOWN = {"\t": "a tab", "\n": "a line break", " ": "a blank"}
FLAGS: dict[str, tuple[object, object]] = {
    "0/1": (0, 1),
    "0.0/1.0": (0.0, 1.0),
    "true/false": ("false", "true"),
    "True/False": (False, True),
    "TRUE/FALSE": ("FALSE", "TRUE"),
    "TRUE/blank": (None, "TRUE"),
    "True/blank": (None, "True"),
    "x/blank": (None, "x"),
    "X/blank": (None, "X"),
    "1/blank": (None, 1),
    "1.0/blank": (None, 1.0),
    "yes/blank": (None, "yes"),
    "Y/N": ("N", "Y"),
    "y/n": ("n", "y"),
    "yes/no": ("no", "yes"),
    "Yes/No": ("No", "Yes"),
    "WAHR/FALSCH": ("FALSCH", "WAHR"),
    "VRAI/FAUX": ("FAUX", "VRAI"),
    "t/f": ("f", "t"),
    "T/F": ("F", "T"),
    "ja/nein": ("nein", "ja"),
    "oui/non": ("non", "oui"),
    "✓/blank": (None, "✓"),
}
FLAG_NAMES = ("plain", "plain", "snake", "several words", "punctuated", "unicode", "letters")


def separated(rng: random.Random) -> Draft:
    """One column, several labels a cell, with something between them."""
    sep = rng.choice(SEPARATORS)
    kind = rng.choice(JOINABLE)
    names = some_names(rng, kind, lambda name: _free_of(name, sep))
    if len(names) < 3 or (kind == "numbers" and sep.strip() in ("/", "+", "&", "::")):
        kind, names = "plain", some_names(rng, "plain")
    unsure = sep.strip() in ("", "/", "&", "+", "::")
    count = rng.randint(60, 120) if unsure or len(names) < 5 else rng.randint(30, 120)
    thin = not unsure and rng.random() < 0.2
    sizes = MOSTLY_ONE if thin and rng.random() < 0.5 else SIZES
    rows = label_rows(
        rng,
        names,
        rng.randint(100, 120) if thin else count,
        sizes=sizes,
        empty=0.6 if thin and sizes is SIZES else rng.choice((0.0, 0.1, 0.25)),
    )
    rows = sorted_like(rng, rows)
    padded = rng.choice((f"{sep} ", f" {sep} ")) if _may_be_padded(sep, rng) else sep
    tail = sep.rstrip(" ") if sep.strip() and rng.random() < 0.12 else ""
    around = " " if rng.random() < 0.06 else ""
    gaps = sep in (",", ";") and rng.random() < 0.1
    cells = [
        around + _joined(rng, row, padded, gaps=gaps) + (tail if row else "") + around
        for row in rows
    ]
    shape = f"separated by {SHOWN.get(sep, repr(padded))}, {kind}"
    shape += (", one behind" if tail else "") + (", blanks around" if around else "")
    shape += ", empty parts" if gaps else ""
    form = rng.choice(ANY)
    column = _dictionary(cells) if form == "parquet" and rng.random() < 0.3 else cells
    return one_column(rng, shape, form, rows, column)


def _joined(rng: random.Random, row: Sequence[str], sep: str, *, gaps: bool) -> str:
    parts = [
        part for name in row for part in (("", name) if gaps and rng.random() < 0.2 else (name,))
    ]
    return sep.join(parts)


def _free_of(name: str, sep: str) -> bool:
    return sep.strip() not in name if sep.strip() else len(name.split()) == 1


def _may_be_padded(sep: str, rng: random.Random) -> bool:
    return sep in ("|", ";", ",", "/", "#", "&") and rng.random() < 0.2


def sorted_like(rng: random.Random, rows: list[list[str]]) -> list[list[str]]:
    """The labels of each text in alphabetical order, as most programs write them, or in none."""
    return [sorted(row) for row in rows] if rng.random() < 0.5 else rows


def one_a_row(rng: random.Random) -> Draft:
    """One label a text at most, its name whole whatever marks are in it."""
    kind = rng.choice((*KINDS, "punctuated", "punctuated", "recurring words", "several words"))
    names = some_names(rng, kind)
    empty = rng.choice((0.0, 0.0, 0.15))
    rows = label_rows(rng, names, rng.randint(30, 120), many=False, empty=empty)
    form = rng.choice(ANY)
    cells: list[object] = [row[0] if row else "" for row in rows]
    if kind == "numbers" and not empty and form in TYPED and rng.random() < 0.6:
        cells = [int(row[0]) for row in rows]
    column = _dictionary(cells) if form == "parquet" and rng.random() < 0.4 else cells
    return one_column(rng, f"one label a row, {kind}", form, rows, column)


def _dictionary(cells: Sequence[object]) -> pa.Array:
    return pa.array(cells).dictionary_encode()


def one_column(
    rng: random.Random,
    shape: str,
    form: str,
    rows: Sequence[Sequence[str] | None],
    cells: object,
) -> Draft:
    """A draft of one label column; its labels are those that some row has."""
    names = sorted({name for row in rows for name in row or ()})
    texts = some_texts(rng, len(rows), plain=rng.random() < 0.4)
    return Draft(shape, form, texts, {"": cells}, names, target_matrix(rows, names))


def _python_list(row: Sequence[str]) -> str:
    return str(list(row))


def _list_of_numbers(row: Sequence[str]) -> str:
    return str(list(map(int, row)))


def _set(row: Sequence[str]) -> str:
    return "{" + ", ".join(map(repr, row)) + "}" if row else "set()"


def _numpy(row: Sequence[str]) -> str:
    return str(np.array(list(row), dtype=object))


def _postgres(row: Sequence[str]) -> str:
    plain = [
        name if name.isidentifier() and name.isascii() else json.dumps(name, ensure_ascii=False)
        for name in row
    ]
    return "{" + ",".join(plain) + "}"


def _r_vector(row: Sequence[str]) -> str:
    inner = ", ".join(f'"{name}"' for name in row)
    return f"c({inner})" if len(row) > 1 else inner.strip('"') if row else "character(0)"


LITERALS: dict[str, tuple[int, Callable[[Sequence[str]], str]]] = {
    "Python lists": (24, _python_list),
    "JSON lists": (24, lambda row: json.dumps(row, ensure_ascii=False)),
    "escaped JSON lists": (4, json.dumps),
    "JSON lists without blanks": (6, lambda row: json.dumps(row, separators=(",", ":"))),
    "Python sets": (10, _set),
    "Python tuples": (10, lambda row: str(tuple(row))),
    "numpy arrays": (9, _numpy),
    "numpy array literals": (4, lambda row: f"array({list(row)!r}, dtype=object)"),
    "JSON lists within JSON texts": (5, lambda row: json.dumps(json.dumps(row))),
    "Postgres arrays": (2, _postgres),
    "R vectors": (1, _r_vector),
    "lists without quotes": (1, lambda row: "[" + ", ".join(row) + "]"),
}
UNQUOTED = ("R vectors", "lists without quotes")
MIXABLE = ("Python lists", "JSON lists", "Python sets", "Python tuples")


def literals(rng: random.Random) -> Draft:
    """Lists, sets and tuples written as text, in all cells or beside plain names."""
    how = rng.choices(list(LITERALS), [weight for weight, _ in LITERALS.values()])[0]
    mixed = how in MIXABLE and rng.random() < 0.3
    kind = "plain" if how in UNQUOTED else rng.choice(JOINABLE)
    names = some_names(rng, kind)
    rows = label_rows(rng, names, rng.randint(30, 110), empty=rng.choice((0.0, 0.15)))
    write = LITERALS[how][1]
    if kind == "numbers" and how in ("Python lists", "JSON lists") and rng.random() < 0.6:
        write = _list_of_numbers
    cells = [
        row[0] if mixed and len(row) == 1 and rng.random() < 0.8 else write(row) for row in rows
    ]
    shape = f"{how} as text{' beside plain names' if mixed else ''}, {kind}"
    return one_column(rng, shape, rng.choice((*DELIMITED, *DELIMITED, *TYPED)), rows, cells)


def choices(rng: random.Random) -> Draft:
    """Label Studio's csv and JSON-MIN: the plain name of one choice, an object for several."""
    names = some_names(rng, rng.choice(("plain", "several words", "punctuated", "unicode")))
    rows = label_rows(rng, names, rng.randint(30, 100))
    form = rng.choice(("csv", "csv", "json", "parquet"))
    objects: list[object] = [row[0] if len(row) == 1 else {"choices": row} for row in rows]
    as_text = form != "json"
    cells = [json.dumps(cell) if as_text and isinstance(cell, dict) else cell for cell in objects]
    draft = one_column(rng, f"choices beside plain names, {form}", form, rows, cells)
    count = range(len(rows))
    columns = {
        "annotation_id": [row + 1 for row in count],
        "annotator": [1 + row % 2 for row in count],
        "created_at": [f"2024-03-01T10:{row % 60:02}:11.123456Z" for row in count],
        "id": [row + 11 for row in count],
        "lead_time": [round(rng.uniform(1, 30), 3) for _ in count],
        rng.choice(("labels", "sentiment", "topic", "choice")): cells,
        "text": draft.texts,
        "updated_at": [f"2024-03-02T10:{row % 60:02}:11.123456Z" for row in count],
    }
    return replace(draft, cells=columns, whole=True)


def maps(rng: random.Random) -> Draft:
    """An object a text that says of each label whether it applies."""
    names = some_names(rng, rng.choice(("plain", "snake", "several words", "punctuated")))
    rows = label_rows(rng, names, rng.randint(30, 100), empty=rng.choice((0.0, 0.2)))
    no, yes = rng.choice(((0, 1), (False, True), (0.0, 1.0)))
    objects = [{name: yes if name in row else no for name in names} for row in rows]
    form = rng.choice(("csv", "csv", "tsv", "jsonl", "jsonl", "json", "parquet"))
    as_text = form in DELIMITED
    write: Callable[[object], str] = json.dumps if rng.random() < 0.6 else str
    cells = [write(cell) for cell in objects] if as_text else objects
    return one_column(rng, f"maps of {no}/{yes}{' as text' if as_text else ''}", form, rows, cells)


def label_objects(rng: random.Random) -> Draft:
    """Lists of objects that name a label each; in jsonl at times beside plain lists."""
    names = some_names(rng, rng.choice(("plain", "several words", "punctuated", "unicode")))
    rows = label_rows(rng, names, rng.randint(30, 100), empty=rng.choice((0.0, 0.15)))
    key = rng.choice(("label", "label", "name"))
    form = rng.choice(("jsonl", "jsonl", "json", "parquet", "csv"))
    mixed = form in ("jsonl", "json") and rng.random() < 0.5
    objects = [
        row if mixed and rng.random() < 0.5 else [{key: name} for name in row] for row in rows
    ]
    cells = [json.dumps(cell) for cell in objects] if form == "csv" else objects
    shape = f"lists of {{{key}}} objects{' beside plain lists' if mixed else ''}, {form}"
    return one_column(rng, shape, form, rows, cells)


def nested(rng: random.Random) -> Draft:
    """An object around the list: {"labels": [...]}."""
    names = some_names(rng, rng.choice(("plain", "several words", "snake")))
    rows = label_rows(rng, names, rng.randint(30, 100), empty=0.1)
    form = rng.choice(("jsonl", "json", "csv"))
    objects = [{"labels": row} for row in rows]
    cells = [json.dumps(cell) for cell in objects] if form == "csv" else objects
    return one_column(rng, f"objects around lists, {form}", form, rows, cells)


def native(rng: random.Random) -> Draft:
    """Real lists of jsonl, json and parquet: of names or numbers, null for unknown."""
    form = rng.choice(TYPED)
    kind = rng.choice((*KINDS, "numbers"))
    names = some_names(rng, kind)
    drawn = label_rows(rng, names, rng.randint(30, 120), empty=rng.choice((0.0, 0.2)))
    some_null = rng.random() < 0.35
    keep = {next(at for at, row in enumerate(drawn) if name in row) for name in names}
    rows: list[list[str] | None] = [
        None if some_null and at not in keep and rng.random() < 0.12 else row
        for at, row in enumerate(drawn)
    ]
    numbers = kind == "numbers" and rng.random() < 0.7
    cells: list[object] = [
        row if row is None or not numbers else [int(name) for name in row] for row in rows
    ]
    single = form != "parquet" and not numbers and rng.random() < 0.3
    if single:
        cells = [row[0] if row and len(row) == 1 else row for row in rows]
    shape = f"lists of {'numbers' if numbers else kind}, {form}"
    shape += (", null" if None in rows else "") + (", plain names beside" if single else "")
    draft = one_column(rng, shape, form, rows, cells)
    return replace(draft, sparse=form != "parquet" and rng.random() < 0.25)


def one_or_null(rng: random.Random) -> Draft:
    """A text column of jsonl, json or parquet: null is unknown, an empty text no label."""
    names = some_names(rng, rng.choice(("plain", "several words", "punctuated")))
    drawn = label_rows(rng, names, rng.randint(40, 100), many=False, empty=0.1)
    seen: set[str] = set()
    rows: list[list[str] | None] = []
    for row in drawn:
        lost = bool(row) and row[0] in seen and rng.random() < 0.15
        seen.update(row)
        rows.append(None if lost else row)
    cells = [None if row is None else row[0] if row else "" for row in rows]
    form = rng.choice(TYPED)
    return one_column(rng, f"one name or null, {form}", form, rows, cells)


def flag_columns(rng: random.Random) -> Draft:
    """One two-valued column a label; where one value is blank, blank is no."""
    written = rng.choice(("0/1", "0/1", *FLAGS))
    names, targets = drawn_flags(rng)
    no, yes = FLAGS[written]
    columns = {
        name: [yes if value else no for value in targets[:, place]]
        for place, name in enumerate(names)
    }
    return columns_draft(rng, f"columns of {written}", columns, targets)


def flags_or_unknown(rng: random.Random) -> Draft:
    """Two-valued columns with a third value for unknown: blank, null or -1."""
    names, targets = drawn_flags(rng)
    hidden = hidden_flags(rng, targets)
    written = rng.choice(
        ("0/1", "0/1", "0.0/1.0", "Y/N", "yes/no", "True/False", "TRUE/FALSE", "-1", "-1")
    )
    if written == "0/1":
        return _as_pandas_writes(rng, names, targets, hidden)
    no, yes = FLAGS.get(written, (0, 1))
    unknown = -1 if written == "-1" else None
    columns = {
        name: [unknown if np.isnan(value) else yes if value else no for value in hidden[:, place]]
        for place, name in enumerate(names)
    }
    shape = "columns of 0/1 or -1" if written == "-1" else f"columns of {written} or nothing"
    return columns_draft(rng, shape, columns, hidden)


def _as_pandas_writes(
    rng: random.Random, names: Sequence[str], targets: Targets, hidden: Targets
) -> Draft:
    """A column with a gap becomes one of floats; half of the columns have none."""
    mixed, columns = hidden.copy(), {}
    for place, name in enumerate(names):
        if place % 2:
            mixed[:, place] = targets[:, place]
        values = mixed[:, place]
        whole = not np.isnan(values).any()
        columns[name] = [None if np.isnan(v) else int(v) if whole else float(v) for v in values]
    return columns_draft(rng, "columns of 0/1 and of 0.0/1.0 or nothing", columns, mixed)


def hidden_flags(rng: random.Random, targets: Targets) -> Targets:
    """Some values made unknown; each column keeps its first 1 and its first 0."""
    hidden = targets.copy()
    for column in range(targets.shape[1]):
        kept = {int(np.argmax(targets[:, column] == value)) for value in (0, 1)}
        for row in range(len(targets)):
            if row not in kept and rng.random() < 0.1:
                hidden[row, column] = np.nan
    return hidden


def drawn_flags(rng: random.Random, most: int = 120) -> tuple[list[str], Targets]:
    """Names of label columns and a target matrix that has both values of each."""
    prefix = rng.choice(("", "", "", "label_", "is_", "labels: "))
    kind = rng.choice(FLAG_NAMES) if not prefix else "snake"
    names = [prefix + name for name in some_names(rng, kind)]
    rows = label_rows(rng, names, rng.randint(30, most), empty=0.25)
    return names, target_matrix(rows, names)


def columns_draft(
    rng: random.Random,
    shape: str,
    columns: dict[str, list[object]],
    targets: Targets | None,
    forms: Sequence[str] = (*DELIMITED, *DELIMITED, *DELIMITED, *TYPED),
) -> Draft:
    """A draft of label columns in one of the formats."""
    texts = some_texts(rng, len(next(iter(columns.values()))), plain=rng.random() < 0.4)
    form = rng.choice(forms)
    cells = {name: _typed(rng, form, values) for name, values in columns.items()}
    return Draft(f"{shape}, {form}", form, texts, cells, list(columns), targets)


def _typed(rng: random.Random, form: str, values: list[object]) -> object:
    """Cells of a column as its format has them: parquet in one of the types that hold them."""
    if form != "parquet":
        return values
    kinds = {type(value) for value in values if value is not None}
    if kinds == {int}:
        return pa.array(values, type=rng.choice((pa.int64(), pa.int8(), pa.float32())))
    if kinds == {float}:
        return pa.array(values, type=rng.choice((pa.float32(), pa.float64())))
    array = pa.array(values)
    return array.dictionary_encode() if kinds == {str} and rng.random() < 0.5 else array


def one_flag(rng: random.Random) -> Draft:
    """A single two-valued column: one label of that column's name."""
    written = rng.choice(("0/1", "0/1", "True/False", "yes/no", "0.0/1.0", "Y/N", "TRUE/FALSE"))
    name = rng.choice(("toxic", "is_spam", "label", "hateful", "urgent"))
    rows = label_rows(rng, [name], rng.randint(30, 100), empty=0.7)
    targets = target_matrix([*rows[:-1], []], [name])
    no, yes = FLAGS[written]
    cells = [yes if value else no for value in targets[:, 0]]
    return columns_draft(rng, f"one column of {written}", {name: cells}, targets)
