"""What a label cell says, however people and tools write it: names, lists, objects, flags."""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from imbtool.formats.cells import ITEM_MARK, OBJECT_MARK, cell_text

Form = Literal["names", "list", "object", "unreadable"]

LITERAL = re.compile(
    r"(?P<maker>[\w.]*)\s*(?P<body>[\[{(].*[\]})])",
    re.DOTALL,
)
"""A list, set, tuple or object as a program prints it, perhaps with what makes it in front."""
MAKERS = {"", "set", "frozenset", "list", "tuple", "array", "np.array", "Index", "dict_keys", "c"}
"""Of Python, NumPy, pandas and R; R writes an empty one as `character(0)`."""
R_NOTHING = "character(0)"
QUOTED = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
DTYPE = re.compile(r",\s*dtype=[^,\]]*\)$")
SCALAR = re.compile(rf"np\.\w+\(((?:{QUOTED})|[\w.+-]+)\)")
"""A single value as NumPy prints it within a list: `np.str_('spam')`."""
CURLY = str.maketrans("‘’“”", "''\"\"")
"""What word processors make of quotes."""
QUOTED_NAMES = re.compile(rf"(?:{QUOTED})(?:\s*[,;|]\s*(?:{QUOTED}))*")
SOME_QUOTED = re.compile(r' *(?:"[^"]+" *|[^",]+)(?:,(?: *"[^"]+" *|[^",]+))+')
"""Names of which those with a comma are quoted, as Airtable writes them."""
QUOTED_CELL = re.compile(r'\s+"[^"]*"\s*')
TAGS = re.compile(r"<[^<>]+>(?:[\s,;|]*<[^<>]+>)*")
"""As Stack Exchange writes tags: `<spam><fraud>`."""
NUMPY_TEXTS = re.compile(rf"\[\s*(?:{QUOTED})(?:\s+(?:{QUOTED}))+\s*\]")
NUMPY_NUMBERS = re.compile(r"\[\s*-?\d+(?:\.\d*)?(?:\s+-?\d+(?:\.\d*)?)+\s*\]")
POSTGRES = re.compile(rf"\{{(?:{QUOTED}|[^\"'{{}},:]+)(?:,(?:{QUOTED}|[^\"'{{}},:]+))*\}}")
"""An array as PostgreSQL prints it: `{spam,"hate speech"}`."""
BEGUN = ("['", '["', "{'", '{"', "[{", "('", '("')
"""How a list or an object begins; where one was cut off, its end is missing."""
LONGEST_LITERAL = 20_000
"""Characters; what is longer is no list of labels, and Python's reader would need gigabytes."""

WHOLE_NUMBER = re.compile(r"(-?\d+)[.,]0+")
"""`1.0`, `1,00`: a whole number with the decimals that some tools write."""
BITS = re.compile("[01]{2,}")
OPENERS = tuple("[{(<\"'")
"""What lists, objects, tags and quoted names begin with."""
NAMING_KEYS = ("choices", "labels", "label", "name", "names", "value", "values")
"""What tools call the only part of an object that holds label names."""

YES = (
    "1 true t yes y x ✓ ✔ ✅ ☑ ● on wahr ja j vrai oui vero verdadero si sí sim verdadeiro waar да"
)
NO = "0 false f no n ✗ ✘ ❌ ☐ off falsch nein faux non falso não nao onwaar nee нет"
NOBODY_KNOWS = r"-1 na n/a #nv nan null none ? #n/a <na> \n"
"""The last one is MySQL's."""
FLAGS = (
    dict.fromkeys(YES.split(), 1.0)
    | dict.fromkeys(NO.split(), 0.0)
    | dict.fromkeys(NOBODY_KNOWS.split(), float("nan"))
)
"""What the cells of a column that is a label mean, in lower case."""


@dataclass(frozen=True)
class Written:
    """What one cell says.

    Attributes:
        names: of the labels, as they stand in it.
        form: how they are written; `unreadable` where they are in a way that is not known.
        keys: of a map from labels to 0 and 1, all its labels.
    """

    names: tuple[str, ...] = ()
    form: Form = "names"
    keys: frozenset[str] | None = None

    @property
    def flags(self) -> int:
        """How many 0 and 1 it is a list of, where it is nothing else; they name no label."""
        if self.form == "names" and len(self.names) == 1 and BITS.fullmatch(self.names[0]):
            return len(self.names[0])
        return len(self.names) if set(self.names) <= {"0", "1"} else 0


def flag_of(cell: str) -> float | None:
    """What a cell of a 0/1 column means: 1, 0, or NaN for unknown; None: it is no such cell.

    An empty cell is unknown too; `data.labels.empty` may say otherwise.
    """
    word = cell.strip().lower()
    if match := WHOLE_NUMBER.fullmatch(word):
        word = match[1]
    return FLAGS.get(word) if word else float("nan")


def names_in(cell: object, separator: str) -> list[str]:
    """The label names of a cell, those of one that cannot be read left out; see `read_cell`."""
    return list(read_cell(cell, separator).names)


def read_cell(cell: object, separator: str) -> Written:
    """Read a cell: a list, text with a separator between names, or a list or object as text.

    Args:
        cell: of a table; lists may stand as text with `ITEM_MARK` behind each item.
        separator: between the names of a cell that is neither a list nor an object.
    """
    if not isinstance(cell, str | list | tuple | dict) and hasattr(cell, "tolist"):
        cell = cell.tolist()  # of numpy
    if isinstance(cell, list | tuple | dict):
        return _of_value(cell)
    text = cell_text(cell)
    if text.endswith(ITEM_MARK):
        return _of_value([_item(item) for item in text.split(ITEM_MARK)[:-1]])
    if text.startswith(OBJECT_MARK):
        return _of_value(_item(text))
    text = unquoted(text)
    return _of_literal(text.strip()) or Written(
        tuple(name for part in text.split(separator) if (name := part.strip()))
    )


def unquoted(cell: str) -> str:
    """A cell without the quotes that a csv with a blank behind each delimiter leaves around it."""
    is_quoted = cell[:1].isspace() and QUOTED_CELL.fullmatch(cell)
    return cell.strip()[1:-1] if is_quoted else cell


def joined(names: Sequence[str], separator: str, as_list: bool) -> str:
    """Label names as one cell that `read_cell` gives back.

    Args:
        names: of the labels of one text.
        separator: between them.
        as_list: whether to write a JSON list, as `needs_list` says.
    """
    return json.dumps(list(names), ensure_ascii=False) if as_list else separator.join(names)


def needs_list(names: Iterable[str], separator: str) -> bool:
    """Whether some of these names cannot be read back from cells with this separator."""
    return any(name[:1] in OPENERS or names_in(name, separator) != [name] for name in names)


def _listed(names: Iterable[str]) -> Written:
    return Written(tuple(name for each in names if (name := each.strip())), "list")


def _item(text: str) -> object:
    """An item of a list as the table's reader writes it."""
    return json.loads(text[len(OBJECT_MARK) :]) if text.startswith(OBJECT_MARK) else text


def _of_literal(text: str) -> Written | None:
    """What a list or object that was written as text says; None where it is neither."""
    if len(text) > LONGEST_LITERAL:
        return UNREADABLE if text.startswith(OPENERS) else None
    if text == R_NOTHING:
        return Written(form="list")
    if TAGS.fullmatch(text):
        return _listed(re.findall(r"<([^<>]+)>", text))
    inner = _json_text(text)
    match = LITERAL.fullmatch(text if inner is None else inner)
    if match is None or match["maker"] not in MAKERS:
        if QUOTED_NAMES.fullmatch(text):
            return _listed(each[1:-1] for each in re.findall(QUOTED, text))
        if '"' in text and SOME_QUOTED.fullmatch(text):
            return _listed(each.strip(' "') for each in re.findall(r'"[^"]+"|[^",]+', text))
        return UNREADABLE if text.startswith(BEGUN) else None
    body = match["body"]
    value = _value_of(match["maker"], body)
    if value is not None:
        return _of_value(value)
    # a name may stand in parentheses, hardly ever in brackets or braces
    return None if body.startswith("(") and "'" not in body and '"' not in body else UNREADABLE


UNREADABLE = Written(form="unreadable")


def _json_text(text: str) -> str | None:
    """The text within JSON that was written as JSON once more."""
    if not (text.startswith('"') and text.endswith('"')):
        return None
    try:
        inner = json.loads(text)
    except ValueError:
        return None
    return inner.strip() if isinstance(inner, str) else None


def _value_of(maker: str, body: str) -> object:
    """The value that a literal stands for; None where it is none that holds names."""
    body = SCALAR.sub(r"\1", DTYPE.sub(")", body) if maker else body)
    if maker:  # set(), array([...]), c("a", "b")
        inside = body[1:-1].strip().rstrip(",")
        body = inside if inside[:1] in ("[", "{", "(") else f"[{inside}]"
    if NUMPY_TEXTS.fullmatch(body):
        return [ast.literal_eval(item) for item in re.findall(QUOTED, body)]
    if NUMPY_NUMBERS.fullmatch(body):
        return [float(item) for item in body[1:-1].split()]
    value = _parsed(body)
    if value is None and body != (straight := body.translate(CURLY)):
        return _parsed(straight)
    if value is None and POSTGRES.fullmatch(body):
        items = re.findall(rf"{QUOTED}|[^,]+", body[1:-1])
        return [_postgres_item(item.strip()) for item in items]
    return value


def _postgres_item(item: str) -> str:
    """An item as it was before it was quoted, if it is: within, a backslash keeps what follows."""
    return re.sub(r"\\(.)", r"\1", item[1:-1]) if item[:1] in ("'", '"') else item


def _parsed(body: str) -> object:
    """A literal of JSON or Python as a list or dict; None where it is neither."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        # Python takes two quoted texts side by side for one, and a name would be made up
        if _has_neighbours(body):
            return None
        try:
            with warnings.catch_warnings(action="ignore"):  # of escapes that Python does not know
                value = ast.literal_eval(body)
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            return None
    if isinstance(value, str):
        return [value]
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    return list(value) if isinstance(value, tuple) else value if _is_nest(value) else None


def _has_neighbours(body: str) -> bool:
    """Whether a quoted text stands directly behind another."""
    quoted = [len(token) > 1 for token in re.findall(rf"{QUOTED}|\S", body)]
    return any(one and other for one, other in pairwise(quoted))


def _is_nest(value: object) -> bool:
    return isinstance(value, list | dict)


def _of_value(value: object) -> Written:
    """What a list or an object says."""
    if isinstance(value, dict):
        return _of_object(value)
    if not isinstance(value, list | tuple):
        return UNREADABLE
    names: list[str] = []
    for item in value:
        if isinstance(item, dict):
            name = _only_name(item)
            if name is None:
                return UNREADABLE
            item = name
        elif isinstance(item, list | tuple | set):
            return UNREADABLE
        names += [text] if (text := cell_text(item).strip()) else []
    return Written(tuple(names), "object" if any(map(_is_nest, value)) else "list")


def _only_name(item: dict[object, object]) -> str | None:
    """The name in an object that holds nothing else: `{"label": "spam"}`."""
    if len(item) != 1:
        return None
    ((key, name),) = item.items()
    return name if key in NAMING_KEYS and isinstance(name, str) else None


def _of_object(value: dict[Any, object]) -> Written:
    """Names in the only part of an object, or a map from labels to 0 and 1.

    Parts that are null are taken for parts that are not there: the reader of a table makes no
    difference.
    """
    if not value:
        return Written(form="list")
    value = {key: inner for key, inner in value.items() if inner is not None}
    if not value:
        return UNREADABLE  # nothing of it is known
    if len(value) == 1 and next(iter(value)) in NAMING_KEYS:
        (inner,) = value.values()
        inner = [inner] if isinstance(inner, str) else inner
        if isinstance(inner, list) and all(isinstance(item, str) for item in inner):
            return Written(tuple(item.strip() for item in inner if item.strip()), "object")
    flags = {key: _flag(inner) for key, inner in value.items()}
    if all(isinstance(key, str) for key in value) and None not in flags.values():
        names = tuple(key.strip() for key, flag in flags.items() if flag)
        return Written(names, "object", frozenset(value))
    return UNREADABLE


def _flag(value: object) -> bool | None:
    """Whether a value of a map means yes or no; None where it means neither."""
    meaning = flag_of(cell_text(value)) if isinstance(value, str | int | float) else None
    return None if meaning is None or meaning != meaning else bool(meaning)
