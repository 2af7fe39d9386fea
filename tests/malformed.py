"""Tables that are not what they should be: seeded, in every format, damaged in every way."""

import csv
import gzip
import io
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

WORDS = ["we", "saw", "café", "=1+1", '"so"', "it's", "a,b", "c;d", "日本", "\U0001f600", "NA", "0"]
LABELS = ["abuse", "threats", "praise", "x/y", "Ünïcode"]
CELLS: list[Any] = [
    None,
    "",
    " ",
    0,
    -1,
    0.5,
    float("nan"),
    float("inf"),
    10**30,
    True,
    [],
    ["abuse"],
    [None, "x"],
    [[]],
    {},
    {"label": "x"},
    [{"label": "x"}],
    "\x00",
    "\ud800",
    "\x1b[31m",
    "\x1f",
    "\u2028",
    "['a', 'b']",
    "{'a'}",
    '{"choices": ["a", "b"]}',
    "[1, 0",
    "1e400",
    "9" * 5000,
    "long " * 3000,
    "a|b|",
    "|",
    "a;b,c/d",
]
"""What a cell may hold instead of a text or labels."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Malformed:
    """A file.

    Attributes:
        name: with its suffix.
        how: what was done to it.
        data: its bytes.
    """

    name: str
    how: str
    data: bytes

    def __str__(self) -> str:
        return f"{self.name} ({self.how})"


def malformed_tables(seed: int, count: int) -> Iterator[Malformed]:
    """So many files, of all formats in turn."""
    rng = random.Random(seed)
    suffixes = [*WRITERS, *(f"{suffix}.gz" for suffix in (".csv", ".jsonl"))]
    for number in range(count):
        suffix = suffixes[number % len(suffixes)]
        plain = suffix.removesuffix(".gz")
        rows = [_row(rng, index) for index in range(rng.randint(2, 12))]
        told = rng.sample(list(ROW_CHANGES), rng.choice([0, 1, 1, 2]))
        for change in told:
            ROW_CHANGES[change](rows, rng)
        data = WRITERS[plain](rows, rng)
        # a reader of parquet looks no further than a damaged end
        for change in [] if plain == ".parquet" and told else [rng.choice(list(BYTE_CHANGES))]:
            data = BYTE_CHANGES[change](data, rng)
            told.append(change)
        if suffix != plain:
            data = gzip.compress(data)
            if rng.random() < 0.3:
                data = data[: _at(data, rng)]
                told.append("cut off when compressed")
        yield Malformed(f"table-{number}{suffix}", ", ".join(told), data)


def _row(rng: random.Random, index: int) -> Row:
    labels = rng.sample(LABELS, rng.choice([0, 1, 2]))
    return {"id": f"{index}", "text": " ".join(rng.choices(WORDS, k=5)), "labels": "|".join(labels)}


def _odd_cell(rows: list[Row], rng: random.Random) -> None:
    row = rng.choice(rows)
    row[rng.choice(list(row))] = rng.choice(CELLS)


def _odd_column(rows: list[Row], rng: random.Random) -> None:
    column = rng.choice(list(rows[0]))
    for row in rows:
        row[column] = rng.choice(CELLS)


def _lost_column(rows: list[Row], rng: random.Random) -> None:
    column = rng.choice(list(rows[0]))
    for row in rows:
        row.pop(column, None)


def _lost_cell(rows: list[Row], rng: random.Random) -> None:
    row = rng.choice(rows)
    row.pop(rng.choice(list(row)), None)


def _odd_name(rows: list[Row], rng: random.Random) -> None:
    column = rng.choice(list(rows[0]))
    name = rng.choice(["", " ", "text", "a\nb", "\x00", "0", "predicted", "p:abuse", "x" * 9000])
    for row in rows:
        if column in row:
            row[name] = row.pop(column)


def _label_columns(rows: list[Row], rng: random.Random) -> None:
    """Columns of 0 and 1 in place of one of labels, with a cell that is neither."""
    values = rng.choice([[0, 1], ["Y", "N"], ["TRUE", ""], [0, 2], [0.1, 0.7], [-1, 0, 1]])
    for row in rows:
        row.pop("labels", None)
        row.update({label: rng.choice(values) for label in LABELS})
    rng.choice(rows)[rng.choice(LABELS)] = rng.choice(CELLS)


def _same_id(rows: list[Row], rng: random.Random) -> None:
    rows.append(dict(rng.choice(rows)))


def _none(rows: list[Row], rng: random.Random) -> None:
    del rows[1:]
    rows[0].update(dict.fromkeys(rows[0], ""))


ROW_CHANGES: dict[str, Callable[[list[Row], random.Random], None]] = {
    "an odd cell": _odd_cell,
    "an odd column": _odd_column,
    "a column less": _lost_column,
    "a cell less": _lost_cell,
    "an odd name": _odd_name,
    "label columns": _label_columns,
    "a row twice": _same_id,
    "one empty row": _none,
}


def _delimited(delimiter: str, rows: list[Row], rng: random.Random) -> bytes:
    names = list(dict.fromkeys(name for row in rows for name in row))
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter, lineterminator=rng.choice(["\n", "\r\n"]))
    writer.writerow(names)
    for row in rows:
        writer.writerow([row.get(name, "") for name in names])
    return stream.getvalue().encode("utf-8", "surrogatepass")


def _json_lines(rows: list[Row], rng: random.Random) -> bytes:
    ascii_only = rng.choice([True, False])
    lines = [json.dumps(row, ensure_ascii=ascii_only) for row in rows]
    return ("\n".join(lines) + "\n").encode("utf-8", "surrogatepass")


def _json_array(rows: list[Row], rng: random.Random) -> bytes:
    return json.dumps(rng.choice([rows, {"data": rows}, rows])).encode()


def _parquet(rows: list[Row], rng: random.Random) -> bytes:
    names = list(dict.fromkeys(name for row in rows for name in row))
    sink = io.BytesIO()
    pq.write_table(
        pa.table({name: _column([row.get(name) for row in rows]) for name in names}), sink
    )
    return sink.getvalue()


def _column(cells: list[Any]) -> pa.Array:
    """Typed if the cells are of one type, else text."""
    try:
        return pa.array(cells)
    except (pa.ArrowException, OverflowError, UnicodeError):
        texts = [str(cell).encode("utf-8", "surrogatepass") for cell in cells]
        return pa.array(texts, pa.binary()).cast(pa.string(), safe=False)


WRITERS: dict[str, Callable[[list[Row], random.Random], bytes]] = {
    ".csv": partial(_delimited, ","),
    ".tsv": partial(_delimited, "\t"),
    ".jsonl": _json_lines,
    ".json": _json_array,
    ".parquet": _parquet,
}


def _at(data: bytes, rng: random.Random) -> int:
    return rng.randrange(max(1, len(data)))


def _inserted(piece: bytes, data: bytes, rng: random.Random) -> bytes:
    at = _at(data, rng)
    return data[:at] + piece + data[at:]


def _flipped(data: bytes, rng: random.Random) -> bytes:
    at = _at(data, rng)
    return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]


BYTE_CHANGES: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "cut off": lambda data, rng: data[: _at(data, rng)],
    "a piece less": lambda data, rng: data[: _at(data, rng)] + data[_at(data, rng) :],
    "a flipped bit": _flipped,
    "noise": lambda data, rng: _inserted(rng.randbytes(20), data, rng),
    "a quote": partial(_inserted, b'"'),
    "a brace": partial(_inserted, b'{"a":'),
    "a delimiter": lambda data, rng: _inserted(rng.choice([b",", b"\t", b";"]), data, rng),
    "a line end": lambda data, rng: _inserted(rng.choice([b"\n", b"\r", b"\r\n\n"]), data, rng),
    "NUL": partial(_inserted, b"\x00"),
    "a byte that is not UTF-8": partial(_inserted, b"\xe9"),
    "a surrogate in bytes": partial(_inserted, b"\xed\xa0\x80"),
    "deep brackets": partial(_inserted, b"[" * 50_000),
    "deep objects": partial(_inserted, b'{"a":' * 50_000),
    "a BOM": lambda data, rng: b"\xef\xbb\xbf" + data,
    "two BOMs": lambda data, rng: b"\xef\xbb\xbf" * 2 + data,
    "UTF-16": lambda data, rng: data.decode("latin-1").encode("utf-16"),
    "CR alone": lambda data, rng: data.replace(b"\n", b"\r"),
    "sep=;": lambda data, rng: b"sep=;\n" + data,
    "an HTML page": lambda data, rng: b"<!doctype html><html><body>404</body></html>",
    "a zip": lambda data, rng: b"PK\x03\x04" + data,
    "twice": lambda data, rng: data + data,
    "a long line": lambda data, rng: _inserted(b"x" * 300_000, data, rng),
}
