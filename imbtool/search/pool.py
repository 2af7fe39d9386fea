"""The pool: texts that nobody has labelled, what of it can be chosen, and its random order."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from imbtool.config.data_sections import DataSection
from imbtool.data.duplicates import near_to, text_key, text_keys
from imbtool.data.tables import read_chunks
from imbtool.data.unlabelled import require_texts
from imbtool.errors import user_error
from imbtool.formats.cells import cell_text, joined_text, require_columns
from imbtool.types import Floats, Rows

ID = "id"


@dataclass(frozen=True)
class Pool:
    """The texts of a table that may be labelled.

    Attributes:
        source: the table.
        texts: n texts; `COLUMN_MARK` stands between several columns.
        ids: a name of each, unique.
        fingerprint: sha256 over ids and texts, in order.
    """

    source: Path
    texts: list[str]
    ids: list[str]
    fingerprint: str

    def __len__(self) -> int:
        return len(self.texts)


def read_pool(path: Path, data: DataSection) -> Pool:
    """Read the texts of a table, whatever else is in it.

    Names come from the profile's id column, or a column `id`; a table without either gets names
    that are made of the text.

    Raises:
        UserError: the table cannot be read, has no rows, lacks the text column, holds a row without
            a text, or a name twice.
    """
    texts: list[str] = []
    ids: list[str] = []
    for frame in read_chunks(path, data.text_format, each_row=True):
        require_columns(frame, data.text_columns, path)
        texts += joined_text(frame, data.text_columns)
        column = data.id if data.id in frame else ID
        if column in frame:
            ids += map(cell_text, frame[column].tolist())
    require_texts(path, texts)
    names = _names(path, ids, texts)
    digest = hashlib.sha256()
    for name, text in zip(names, texts, strict=True):
        digest.update(f"{name}\0{text}\0".encode("utf-8", "surrogatepass"))
    return Pool(path, texts, names, digest.hexdigest())


def _names(path: Path, ids: list[str], texts: Sequence[str]) -> list[str]:
    """The ids of the table, or names made of the texts, which a repeated text shares."""
    if not ids:
        return [f"t{_digest(text)[:16]}" for text in texts]
    if len(ids) < len(texts) or not all(map(str.strip, ids)):
        row = next((row for row, name in enumerate(ids, 1) if not name.strip()), len(ids) + 1)
        raise user_error(path, f"no id in row {row}", "an id in every row", "add what is missing")
    if len(set(ids)) < len(ids):
        seen: set[str] = set()
        twice = next(name for name in ids if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        fix = "make them unique, or name another column in data.id"
        raise user_error(path, f"the id {twice!r} twice", "each id once", fix)
    return ids


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def random_order(texts: Sequence[str], seed: int, salt: str = "") -> Floats:
    """A number from 0 to 1 of each text [n], drawn by its words, the seed and the salt alone.

    Sorted by it, texts are in random order, which is the same whatever else is in the pool and
    however often it is asked for: the texts at its front are a simple random sample (permanent
    random numbers; Ohlsson, Coordination of samples using permanent random numbers, 1995).
    """
    own = seed.to_bytes(8, "little") + salt.encode()
    numbers = (
        int.from_bytes(
            hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8, key=own).digest(),
            "little",
        )
        for key in text_keys(texts)
    )
    return np.fromiter(numbers, dtype=np.float64, count=len(texts)) / 2.0**64


@dataclass(frozen=True)
class Candidates:
    """What of a pool can be chosen.

    Attributes:
        rows: of the texts in the pool that are neither labelled, asked before nor repeated.
        labelled: texts left out since they, or texts nearly the same, are labelled.
        chosen_before: texts left out since they, or texts nearly the same, are in earlier batches.
        repeated: texts left out since they repeat another one of the pool.
    """

    rows: Rows
    labelled: int
    chosen_before: int
    repeated: int


def candidates(
    pool: Pool, labelled: Sequence[str], asked: Sequence[str], known_ids: Collection[str] = ()
) -> Candidates:
    """Leave out texts that need not be read, because they have been read, or nearly.

    Args:
        pool: the texts.
        labelled: texts that are labelled, in any split.
        asked: texts of earlier batches, answered or not.
        known_ids: names of texts that are labelled or asked.
    """
    earlier = {text_key(text) for text in asked}
    first: dict[str, int] = {}
    for row, key in enumerate(text_keys(pool.texts)):
        first.setdefault(key, row)
    # the keys of a pool are many, and are needed no longer
    distinct = np.fromiter(first.values(), dtype=np.int64, count=len(first))
    del first
    before, near = near_to([asked, labelled], [pool.texts[row] for row in distinct])
    near &= ~before
    if known_ids:
        names = set(known_ids)
        by_name = np.array([pool.ids[row] in names for row in distinct], dtype=bool)
        asked_now = np.array([text_key(pool.texts[row]) in earlier for row in distinct], dtype=bool)
        near |= by_name & ~asked_now & ~before
    free = distinct[~near & ~before]
    return Candidates(free, int(near.sum()), int(before.sum()), len(pool) - len(distinct))


def cells_of(pool: Pool, rows: Rows, data: DataSection) -> dict[int, dict[str, str]]:
    """The text columns of some texts, as they stand in the table.

    Args:
        pool: that was read from the table.
        rows: of the texts.
        data: how the table is read.
    """
    if len(data.text_columns) == 1:
        return {row: {data.text_columns[0]: pool.texts[row]} for row in rows.tolist()}
    wanted, found, before = set(rows.tolist()), dict[int, dict[str, str]](), 0
    for frame in read_chunks(pool.source, data.text_format, each_row=True):
        for row in sorted(wanted & set(range(before, before + len(frame)))):
            line = frame.iloc[row - before : row - before + 1]
            found[row] = {name: joined_text(line, name)[0] for name in data.text_columns}
        before += len(frame)
    return found
