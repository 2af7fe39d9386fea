"""What a path names: a file, compressed or not, or a folder or glob of files."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import pyarrow as pa

from imbtool.errors import UserError, user_error
from imbtool.files.stores import Location, StorePath, refuse_store
from imbtool.wording import some

FORMATS = (".csv", ".tsv", ".jsonl", ".parquet")
"""Those that are written."""
READABLE = (".csv", ".tsv", ".jsonl", ".json", ".parquet")
CODECS = {".gz": "gzip", ".zst": "zstd"}
KNOWN = f"{', '.join(READABLE)}, each also with {' or '.join(CODECS)}"

OTHER_SUFFIXES = {
    ".xlsx .xls .xlsm .xlsb .ods .numbers": "open it and save it as CSV UTF-8",
    ".doc .docx .odt .rtf .pdf .html .htm": "put the texts into a spreadsheet, one a row, and "
    "save that as CSV UTF-8",
    ".zip .tar .tgz .7z .rar .bz2 .xz": "unpack it; a single table may be compressed as .gz",
    ".arrow .feather .orc .pkl .pickle .h5 .db .sqlite .sav .dta .rds": "write it as .parquet "
    "with the tool that has made it",
    ".ndjson .ldjson .jsonlines": "rename it to .jsonl",
    ".txt .data .dat .tab .text": "rename it to .csv where commas, semicolons or | stand between "
    "its cells, to .tsv where tabs do; lines of plain text need a header, `text`, as first line",
}
"""What to do with files of other kinds, by suffix."""
SAVE_AS = "save it as one of these, for example as .csv in UTF-8"

FASTTEXT = "__label__"
"""How the labels of fastText begin, each a word at the start of a line."""

Place = TypeVar("Place", Path, StorePath)

UNPACKED_AT_ONCE = 1 << 16
MOST_UNPACKED = 1 << 28
"""Bytes of a compressed file that are read however small it is."""
MOST_RATIO = 50
"""Of the bytes beyond them to those of the file: texts come to 20 or less."""

SPLIT_RECORD = "split.json"
"""What `imbtool split` writes beside its tables."""
GLOB = re.compile(r"[*?\[]")
SPLIT_WORD = re.compile(r"(?<![a-z])(train|valid|val|dev|test)(?:ing|ation)?(?![a-z])")


def table_format(path: Location) -> str:
    """The format to write, by suffix.

    Raises:
        UserError: the suffix is none of those known.
    """
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise user_error(
            path, f"the suffix {suffix!r}", f"one of {', '.join(FORMATS)}", "rename it"
        )
    return suffix


def source_format(path: Path) -> str:
    """The format to read, by the suffix before that of the compression.

    Raises:
        UserError: the suffix is none of those known.
    """
    suffix = _format(path)
    if suffix not in READABLE:
        if path.is_file() and _begins_as_fasttext(path):
            raise fasttext(path)
        fix = next(
            (told for known, told in OTHER_SUFFIXES.items() if suffix in known.split()), SAVE_AS
        )
        raise user_error(path, f"the suffix {suffix!r}", f"one of {KNOWN}", fix)
    return suffix


def fasttext(path: Path) -> UserError:
    """The training data of fastText, which is no table."""
    found = f"lines that begin with {FASTTEXT}, as fastText reads them"
    fix = (
        "make a csv of it with the header `labels,text`: of each line the words behind "
        f'{FASTTEXT} joined by |, a comma, and the rest of the line in quotes: a|b,"the text"'
    )
    return user_error(path, found, "a table", fix)


def _begins_as_fasttext(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(len(FASTTEXT)) == FASTTEXT.encode()


def table_files(path: Path) -> list[Path]:
    """The file, or the files of a folder or glob, sorted by name.

    Raises:
        UserError: there is none, or a folder holds several splits.
    """
    if path.is_file():
        return [path]
    if path.is_dir():
        files = _folder_files(path)
        _refuse_several_splits(path, files)
        return files
    return _matching_files(path)


def separate_files(path: Path) -> tuple[Path, list[Path]]:
    """The tables of a folder or glob, each for itself, and the folder that they have in common.

    That of a glob is what stands before its first wildcard.

    Raises:
        UserError: there is none.
    """
    if path.is_dir():
        return path, _folder_files(path)
    return Path(*takewhile(lambda part: not GLOB.search(part), path.parts)), _matching_files(path)


def stored_tables(folder: StorePath) -> list[StorePath]:
    """The tables of a folder in a store, each for itself; folders below it are not read.

    Raises:
        UserError: there is none, or the store cannot be used.
    """
    return _tables_in(folder, [each.path for each in folder.objects(below=False)])


def names_table(path: Location) -> bool:
    """Whether a name is that of a table, by its suffix."""
    return _format(path) in READABLE or path.suffix.lower() in CODECS


def written_name(path: Path) -> Path:
    """The path of a table in a format that is written: not compressed, lines of JSON for JSON.

    Raises:
        UserError: as `source_format`.
    """
    plain = path.with_suffix("") if path.suffix.lower() in CODECS else path
    return plain if source_format(path) in FORMATS else plain.with_suffix(".jsonl")


def is_there(path: Path) -> bool:
    """Whether a path, which may be a glob, names something."""
    return path.exists() or bool(_matches(path))


def open_bytes(path: Path) -> BinaryIO:
    """A file's bytes, decompressed by its suffix, as a binary stream.

    Raises:
        UserError: an empty file; also while reading one that unpacks to far more than texts do.
    """
    size = path.stat().st_size
    if size == 0:
        raise user_error(path, "an empty file", "a header and at least one row", "check the file")
    # Arrow would encode the name itself, as UTF-8
    source = path.open("rb")
    codec = CODECS.get(path.suffix.lower())
    if codec is None:
        return source
    unpacked = pa.CompressedInputStream(pa.PythonFile(source, "r"), codec)
    return io.BufferedReader(_Unpacked(path, unpacked, size), UNPACKED_AT_ONCE)


class _Unpacked(io.RawIOBase):
    """A compressed file's content, as long as it is in proportion."""

    def __init__(self, path: Path, content: BinaryIO, size: int) -> None:
        self._path, self._content = path, content
        self._left = max(MOST_UNPACKED, MOST_RATIO * size)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        block = self._content.read(len(buffer))
        self._left -= len(block)
        if self._left < 0:
            found = f"a file that unpacks to more than {MOST_RATIO} times its size"
            fix = "unpack it and check what it holds; it is read as it is then"
            raise user_error(self._path, found, "a table", fix)
        buffer[: len(block)] = block
        return len(block)


def _matching_files(pattern: Path) -> list[Path]:
    files = [file for file in _matches(pattern) if file.is_file()]
    if not files:
        refuse_store(pattern)
        found = "no file of this pattern" if GLOB.search(str(pattern)) else "no such file"
        raise user_error(pattern, found, f"a table ({KNOWN})", "check the path")
    return files


def _matches(pattern: Path) -> list[Path]:
    if not GLOB.search(str(pattern)):
        return []
    root = Path(pattern.anchor)
    try:
        return sorted(root.glob(str(pattern.relative_to(root))))
    except ValueError as error:
        fix = "write ** as a whole part of a path, for example data/**/*.csv"
        raise user_error(pattern, str(error), "a glob pattern", fix) from None


def _format(path: Location) -> str:
    inner = path.with_suffix("") if path.suffix.lower() in CODECS else path
    return inner.suffix.lower()


def _folder_files(folder: Path) -> list[Path]:
    return _tables_in(folder, [file for file in sorted(folder.iterdir()) if file.is_file()])


def _tables_in(folder: Location, files: Sequence[Place]) -> list[Place]:
    """Those files of a folder that are tables.

    Raises:
        UserError: there is none.
    """
    tables = [
        file
        for file in files
        if _format(file) in READABLE
        and not file.name.startswith((".", "_"))
        and file.name != SPLIT_RECORD
    ]
    if not tables:
        fix = "name a folder of tables, or a file"
        raise user_error(folder, "a folder without tables", f"tables ({KNOWN})", fix)
    return tables


def _refuse_several_splits(folder: Path, files: Sequence[Path]) -> None:
    """Training on a folder that holds the test table too would make every figure worthless."""
    matches = {file.name: SPLIT_WORD.search(file.name.lower()) for file in files}
    splits = {match[1].removesuffix("id") for match in matches.values() if match}
    if len(splits) > 1:
        found = f"files of several splits: {some([file.name for file in files])}"
        fix = f"name one file, or a glob such as {folder / 'train*'}"
        raise user_error(folder, found, "files of one split", fix)
