"""The token ids of a large set of texts, kept in a file for all processes and for the next run.

The file holds the ids, how many each text has, and a checksum: int32 [tokens], int32 [texts] and
`TRAILER`, little-endian. Its name is a digest of the texts and of all that decides their ids, so it
serves any run with the same texts and encoder, and is never out of date.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import BinaryIO, overload

import numpy as np
from numpy.typing import NDArray

from imbtool.config.schema import ModelSection
from imbtool.data.corpus import Split
from imbtool.distributed.collectives import Ranks
from imbtool.errors import rows_named
from imbtool.files.writing import leftovers, replacing
from imbtool.model.encoder import TextModel, Tokens
from imbtool.version import __version__

FOLDER = "token-cache"
LEAST_CHARACTERS = 10_000_000
"""Texts of fewer in all are tokenised anew, in seconds, and nothing is written."""
TEXTS_AT_ONCE = 4096
BYTES_AT_ONCE = 2**20
ABANDONED = 3600.0
"""Seconds without a write after which a half file is what a kill has left."""

TRAILER = struct.Struct("<8sQQI")
"""Mark, number of texts, number of tokens, checksum of all before it."""
MARK = b"imbtok 1"


def encoded_split(
    text_model: TextModel, section: ModelSection, split: Split, folder: Path | None, ranks: Ranks
) -> TokenTable:
    """Tokenise the texts of a split, or take them from the cache of a run before.

    A set of at least `LEAST_CHARACTERS` is written by the first process and mapped by all. One that
    finds no whole file afterwards, on another machine or where the disk is full, tokenises for
    itself into memory, as all do with a smaller set. All processes call it.

    Args:
        text_model: that tokenises.
        section: of the profile, that it was loaded by.
        split: whose texts are meant.
        folder: for the cache; None: nothing is read or written.
        ranks: the processes.

    Raises:
        UserError: a text cannot be read, naming its row.
    """
    path = None if folder is None else _cache_file(text_model, section, split, folder)
    if path is None:
        return _in_memory(text_model, split)
    found = _mapped(path, len(split)) if ranks.first else None
    if ranks.from_first(lambda: found is None):
        _write_together(path, text_model, split, ranks)
    table = found or _mapped(path, len(split))
    return table or _in_memory(text_model, split)


def _cache_file(
    text_model: TextModel, section: ModelSection, split: Split, folder: Path
) -> Path | None:
    """Where the tokens of a split are kept; None: they are not.

    A tokenizer in Python cannot be told from another by what it is made of.
    """
    backend = getattr(text_model.tokenizer, "backend_tokenizer", None)
    if backend is None or sum(map(len, split.texts)) < LEAST_CHARACTERS:
        return None
    kind, tokenizer = type(text_model.tokenizer), json.loads(backend.to_str())
    made_of = {
        "texts": split.text_fingerprint,
        "model": section.model_dump(mode="json"),
        "max_length": text_model.max_length,
        "truncation_side": text_model.tokenizer.truncation_side,
        "joiner": text_model.joiner,
        "kind": f"{kind.__module__}.{kind.__qualname__}",
        # what the last call has set is no part of it
        "tokenizer": {**tokenizer, "truncation": None, "padding": None},
        "imbtool": __version__,
        "versions": [version(name) for name in ("transformers", "tokenizers")],
    }
    digest = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()
    return folder / f"{digest[:32]}.tokens"


def _encoded(text_model: TextModel, split: Split, start: int) -> list[Tokens]:
    """The tokens of the next `TEXTS_AT_ONCE` texts from one on."""
    with rows_named(lambda place: split.row_text(start + place)):
        return text_model.encode(split.texts[start : start + TEXTS_AT_ONCE])


def _in_memory(text_model: TextModel, split: Split) -> TokenTable:
    starts = range(0, len(split), TEXTS_AT_ONCE)
    parts = [flat(_encoded(text_model, split, start)) for start in starts]
    ids, lengths = map(np.concatenate, zip(flat([]), *parts, strict=True))
    return TokenTable.of(ids, lengths)


def _write_together(path: Path, text_model: TextModel, split: Split, ranks: Ranks) -> None:
    """Let the first process write the cache, if it can, and the others wait for it."""
    starts = iter(range(0, len(split), TEXTS_AT_ONCE))

    def chunks() -> Iterator[list[Tokens]]:
        for start in starts:
            encoded = _encoded(text_model, split, start)
            # a process that waits for one answer too long ends the run: each waits chunk by chunk
            ranks.wait()
            yield encoded

    if ranks.first:
        with suppress(OSError):
            _delete_abandoned(path.parent)
            _write(path, chunks())
    for _ in starts:
        ranks.wait()
    ranks.wait()


def _write(path: Path, chunks: Iterable[list[Tokens]]) -> None:
    """Write a cache file, a chunk at a time.

    Raises:
        OSError: it cannot be written; nothing is left of it.
    """
    checksum, tokens, lengths = 0, 0, bytearray()
    with replacing(path) as temporary, temporary.open("wb") as stream:
        for encoded in chunks:
            ids, counts = flat(encoded)
            checksum, tokens = zlib.crc32(ids.data, checksum), tokens + len(ids)
            stream.write(ids.data)
            lengths += counts.data
        stream.write(lengths)
        checksum = zlib.crc32(lengths, checksum)
        stream.write(TRAILER.pack(MARK, len(lengths) // 4, tokens, checksum))


def _mapped(path: Path, texts: int) -> TokenTable | None:
    """The cache of so many texts; None where there is none, or it is not whole."""
    try:
        with path.open("rb") as stream:
            stream.seek(-TRAILER.size, os.SEEK_END)
            end = stream.tell()
            mark, rows, tokens, checksum = TRAILER.unpack(stream.read())
            if (mark, rows, 4 * (tokens + rows)) != (MARK, texts, end):
                return None
            if _checksum(stream, end) != checksum:
                return None
            ids = np.asarray(np.memmap(stream, "<i4", "r", shape=(tokens,)))
            stream.seek(4 * tokens)
            return TokenTable.of(ids, np.fromfile(stream, "<i4", count=rows), path)
    except (OSError, ValueError):
        return None


def _checksum(stream: BinaryIO, end: int) -> int:
    checksum = 0
    stream.seek(0)
    for start in range(0, end, BYTES_AT_ONCE):
        checksum = zlib.crc32(stream.read(min(BYTES_AT_ONCE, end - start)), checksum)
    return checksum


def _delete_abandoned(folder: Path) -> None:
    """Delete what kills have left; a half file that another run is writing stays."""
    for half, _ in leftovers(folder):
        # another run may be doing the same
        with suppress(FileNotFoundError):
            if time.time() - half.stat().st_mtime > ABANDONED:
                half.unlink()


Ids = NDArray[np.int32]
Numbers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class TokenTable(Sequence[Tokens]):
    """Texts as token ids; a row is a list, a slice another table.

    Attributes:
        ids: of all texts, one behind the other [tokens].
        starts: where each text begins among them [n].
        lengths: how many are its own [n].
        file: that the ids are mapped from, if they are.
    """

    ids: Ids
    starts: Numbers
    lengths: Numbers
    file: Path | None = None

    @classmethod
    def of(cls, ids: Ids, lengths: Ids, file: Path | None = None) -> TokenTable:
        """All texts that `ids` holds."""
        wide = lengths.astype(np.int64)
        return cls(ids, np.cumsum(wide) - wide, wide, file)

    def __len__(self) -> int:
        return len(self.lengths)

    @overload
    def __getitem__(self, row: int) -> Tokens: ...
    @overload
    def __getitem__(self, row: slice) -> TokenTable: ...
    def __getitem__(self, row: int | slice) -> Tokens | TokenTable:
        if isinstance(row, slice):
            return self._at(row)
        start = self.starts[row]
        ids: Tokens = self.ids[start : start + self.lengths[row]].tolist()
        return ids

    def take(self, rows: Numbers) -> TokenTable:
        """Some texts, in the order of `rows`; no id is copied."""
        return self._at(rows)

    def _at(self, rows: Numbers | slice) -> TokenTable:
        return TokenTable(self.ids, self.starts[rows], self.lengths[rows], self.file)


def flat(encoded: Sequence[Tokens]) -> tuple[Ids, Ids]:
    """The ids of encoded texts, one behind the other, and how many each text has."""
    lengths = np.fromiter(map(len, encoded), dtype="<i4", count=len(encoded))
    ids = np.fromiter(chain.from_iterable(encoded), dtype="<i4", count=int(lengths.sum()))
    return ids, lengths


def taken(encoded: Sequence[Tokens], rows: Numbers) -> Sequence[Tokens]:
    """Some encoded texts, in the order of `rows`."""
    return encoded.take(rows) if isinstance(encoded, TokenTable) else [encoded[row] for row in rows]


def token_counts(encoded: Sequence[Tokens]) -> list[int]:
    """How many tokens each encoded text has [n]."""
    if isinstance(encoded, TokenTable):
        counts: list[int] = encoded.lengths.tolist()
        return counts
    return [len(ids) for ids in encoded]
