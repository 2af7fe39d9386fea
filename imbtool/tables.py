"""Tables as files: csv, tsv, jsonl and parquet, read in chunks with every cell as it stands.

pandas alone would turn `001` into 1, `NA` into a missing value and a long row into an index.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any, Self

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from imbtool.errors import UserError, counted, did_you_mean, fail, some

CHUNK_ROWS = 4096
FORMATS = (".csv", ".tsv", ".jsonl", ".parquet")


def read_table(path: Path, encoding: str = "utf-8") -> pd.DataFrame:
    """Read a whole table; see `read_chunks`.

    Raises:
        UserError: as `read_chunks`; also where the table has no rows.
    """
    frames = list(read_chunks(path, encoding))
    if not frames:
        raise fail(path, "no rows", "a header and at least one row", "check the file")
    return pd.concat(frames, ignore_index=True)


def read_chunks(
    path: Path, encoding: str = "utf-8", rows: int = CHUNK_ROWS
) -> Iterator[pd.DataFrame]:
    """Yield a table's rows in frames of `rows`: text cells for csv and tsv, else typed values.

    Raises:
        UserError: missing or empty file, unknown suffix, broken encoding, ragged rows,
            broken quoting, a line that is no JSON object, a damaged parquet file.
    """
    if not path.is_file():
        found = "a folder" if path.is_dir() else "no such file"
        raise fail(path, found, f"a table ({', '.join(FORMATS)})", "check the path")
    if path.stat().st_size == 0:
        raise fail(path, "an empty file", "a header and at least one row", "check the file")
    match table_format(path):
        case ".parquet":
            yield from _parquet_chunks(path, rows)
        case ".jsonl":
            yield from _text_chunks(path, encoding, rows, _json_rows)
        case _:
            yield from _text_chunks(path, encoding, rows, _csv_rows)


def table_format(path: Path) -> str:
    """The format by suffix.

    Raises:
        UserError: the suffix is none of those known.
    """
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise fail(path, f"the suffix {suffix!r}", f"one of {', '.join(FORMATS)}", "rename it")
    return suffix


def require_columns(frame: pd.DataFrame, names: Iterable[str], where: object) -> None:
    """Check that the columns are there.

    Raises:
        UserError: one that is not, with the nearest that is.
    """
    columns = [str(name) for name in frame.columns]
    for name in names:
        if name not in columns:
            found = f"no column {name!r}; the columns are {some(columns, 12)}"
            raise fail(where, found, f"a column {name!r}", did_you_mean(name, columns))


def cell_text(value: Any) -> str:
    """A cell as text; true and false as 1 and 0, 1.0 as 1, a missing value as nothing."""
    if value is None or value is pd.NA or value != value:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def neutralised(cell: str) -> str:
    """A cell for people to open: a spreadsheet would run one that starts like a formula.

    An apostrophe before `=`, `+`, `-`, `@`, a tab or a carriage return makes it text (OWASP, CSV
    Injection).
    """
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


class TableWriter:
    """Appends frames to a csv, tsv, jsonl or parquet file; the first one decides the columns."""

    def __init__(self, target: Path | IO[str], suffix: str) -> None:
        """Write to a file, or to an open text stream, in the format of `suffix`."""
        self.rows = 0
        self._suffix = suffix
        self._target = target
        self._parquet: pq.ParquetWriter | None = None
        self._stream: IO[str] | None = None if isinstance(target, Path) else target

    def __enter__(self) -> Self:
        """Open the file."""
        if isinstance(self._target, Path) and self._suffix != ".parquet":
            self._stream = self._target.open("w", encoding="utf-8", newline="")
        return self

    def __exit__(self, *_: object) -> None:
        """Finish the file; a stream that was given stays open."""
        if self._parquet is not None:
            self._parquet.close()
        if self._stream is not None and isinstance(self._target, Path):
            self._stream.close()

    def write(self, frame: pd.DataFrame) -> None:
        """Append a frame."""
        if self._stream is None:
            self._write_parquet(frame)
        elif self._suffix == ".jsonl":
            self._write_json(frame, self._stream)
        else:
            self._write_csv(frame, self._stream)
        self.rows += len(frame)

    def _write_json(self, frame: pd.DataFrame, stream: IO[str]) -> None:
        known = frame.astype(object).where(frame.notna(), None)
        for row in known.to_dict(orient="records"):
            stream.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")

    def _write_csv(self, frame: pd.DataFrame, stream: IO[str]) -> None:
        delimiter = "\t" if self._suffix == ".tsv" else ","
        plain = csv.writer(stream, delimiter=delimiter, lineterminator="\n")
        # left to itself, Python 3.11 does not quote a lone carriage return
        careful = csv.writer(
            stream, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL
        )
        if self.rows == 0:
            plain.writerow(frame.columns)
        known = frame.astype(object).where(frame.notna(), "")
        for row in known.itertuples(index=False, name=None):
            has_return = any("\r" in cell for cell in row if isinstance(cell, str))
            (careful if has_return else plain).writerow(row)

    def _write_parquet(self, frame: pd.DataFrame) -> None:
        if self._parquet is None:
            self._parquet = pq.ParquetWriter(self._target, _schema(frame))
        try:
            table = pa.Table.from_pandas(frame, self._parquet.schema, preserve_index=False)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            mend = "write .jsonl, which takes any value"
            raise fail(self._target, str(error), "one type a column", mend) from None
        self._parquet.write_table(table)


def _schema(frame: pd.DataFrame) -> pa.Schema:
    """The types of a frame, text where the first rows hold nothing."""
    schema = pa.Schema.from_pandas(frame, preserve_index=False)
    fields = [
        field.with_type(pa.string()) if pa.types.is_null(field.type) else field for field in schema
    ]
    # without pandas' metadata, whose names of list types pandas cannot read back
    return pa.schema(fields)


def _text_chunks(path: Path, encoding: str, rows: int, parse: Any) -> Iterator[pd.DataFrame]:
    # utf-8-sig also reads files without the mark that spreadsheets put in front
    codec = "utf-8-sig" if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else encoding
    try:
        with path.open(encoding=codec, newline="") as stream:
            columns, cells = parse(path, stream)
            while block := list(islice(cells, rows)):
                yield pd.DataFrame(block, columns=columns, dtype=object)
    except UnicodeDecodeError:
        raise _broken_encoding(path, codec) from None


def _broken_encoding(path: Path, encoding: str) -> UserError:
    name = encoding.removesuffix("-sig")
    mend = "save it as UTF-8, or name its encoding: `data.encoding: cp1252`, say"
    content = path.read_bytes()
    try:
        content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].decode(encoding, "replace").count("\n") + 1
        found = f"bytes that are not {name} ({content[error.start : error.start + 4]!r})"
        return fail(f"{path}:{line}", found, f"text in {name}", mend)
    return fail(path, f"bytes that are not {name}", f"text in {name}", mend)


def _csv_rows(path: Path, stream: IO[str]) -> tuple[list[str], Iterator[list[str]]]:
    csv.field_size_limit(sys.maxsize)
    delimiter = _delimiter(path, stream.readline())
    stream.seek(0)
    reader = csv.reader(stream, delimiter=delimiter, strict=True)
    header = next(_checked(path, reader, None), [])
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        found = f"the column {repeated[0]!r} twice"
        raise fail(f"{path}:1", found, "each column once", "rename one of the two")
    return header, _checked(path, reader, len(header))


def _delimiter(path: Path, header: str) -> str:
    """Tab for .tsv; for .csv the comma, semicolon or tab that gives the header most cells."""
    if path.suffix.lower() == ".tsv":
        return "\t"
    return max(",;\t", key=lambda mark: len(next(csv.reader([header], delimiter=mark), [])))


def _checked(path: Path, reader: Any, width: int | None) -> Iterator[list[str]]:
    line = reader.line_num + 1
    try:
        for row in reader:
            if row and width is not None and len(row) != width:
                mend = "quote cells that hold the delimiter or a line break; complete short rows"
                found = f"{counted(len(row), 'cell')}, beginning with {row[0][:60]!r}"
                raise fail(
                    f"{path}:{line}", found, f"{counted(width, 'cell')}, as in the header", mend
                )
            if row:
                yield row
            line = reader.line_num + 1
    except csv.Error as error:
        mend = 'close every quote, and write a quote inside a quoted cell twice ("")'
        raise fail(f"{path}:{line}", str(error), "CSV", mend) from None


def _json_rows(path: Path, stream: IO[str]) -> tuple[None, Iterator[dict[str, Any]]]:
    return None, _json_objects(path, stream)


def _json_objects(path: Path, stream: IO[str]) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(stream, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            found = str(error).partition(":")[0]
            raise fail(f"{path}:{number}", found, "JSON", "mend the line") from None
        if not isinstance(row, dict):
            found = f"a JSON {type(row).__name__}"
            raise fail(f"{path}:{number}", found, "one JSON object a line", "mend the line")
        yield row


def _parquet_chunks(path: Path, rows: int) -> Iterator[pd.DataFrame]:
    try:
        for batch in pq.ParquetFile(path).iter_batches(rows):
            yield batch.to_pandas(types_mapper=pd.ArrowDtype)
    except (OSError, ValueError) as error:
        raise fail(path, str(error).splitlines()[0], "a parquet file", "write it anew") from None
