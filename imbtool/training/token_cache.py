"""The token cache: token ids of large splits in a file that all processes and later runs map.

The file holds the ids, the number of ids of each text, and a checksum: int32 [tokens], int32
[texts] and `TRAILER`, little-endian. Its name is a digest of the texts and of everything that
determines their ids, so that runs with the same texts and encoder share it, and it is never stale.
It is written chunk by chunk, so that the ids need not fit in memory.
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
from itertools import accumulate, chain
from pathlib import Path
from typing import BinaryIO, overload

import numpy as np
from numpy.typing import NDArray

from imbtool.config.schema import ModelSection
from imbtool.data.corpus import Split
from imbtool.distributed.collectives import Ranks
from imbtool.errors import rows_named
from imbtool.files.writing import leftovers, replacing
from imbtool.model.encoder import TextModel
from imbtool.model.long_texts import TokenIds
from imbtool.types import Rows
from imbtool.version import __version__

Ids = NDArray[np.int32]

FOLDER = "token-cache"
LEAST_CHARACTERS = 10_000_000
"""Splits with fewer are tokenised anew in each run, which takes seconds."""
TEXTS_AT_ONCE = 4096
BYTES_AT_ONCE = 2**20
ABANDONED = 3600.0
"""Seconds without a write after which an incomplete file is taken for the remains of a kill."""

TRAILER = struct.Struct("<8sQQI")
"""Mark, number of texts, number of tokens, checksum of everything before it."""
MARK = b"imbtok 1"


@dataclass(frozen=True, eq=False)
class TokenTable(Sequence[TokenIds]):
    """The token ids of texts: an item is the list of ids of a text, a slice another table.

    Attributes:
        ids: of all texts, one after the other [tokens].
        starts: index of the first id of each text [n].
        lengths: number of ids of each text [n].
        file: that the ids are mapped from; None if they are in memory.
    """

    ids: Ids
    starts: Rows
    lengths: Rows
    file: Path | None = None

    @classmethod
    def of(cls, ids: Ids, lengths: Ids, file: Path | None = None) -> TokenTable:
        """The table of all texts that `ids` holds, with these lengths."""
        wide = lengths.astype(np.int64)
        return cls(ids, np.cumsum(wide) - wide, wide, file)

    @classmethod
    def joined(cls, first: Sequence[TokenIds], second: Sequence[TokenIds]) -> TokenTable:
        """The texts of both, in memory."""
        both = [_packed(texts) for texts in (first, second)]
        ids, lengths = map(np.concatenate, zip(*both, strict=True))
        return cls.of(ids, lengths)

    def __len__(self) -> int:
        return len(self.lengths)

    @overload
    def __getitem__(self, row: int) -> TokenIds: ...
    @overload
    def __getitem__(self, row: slice) -> TokenTable: ...
    def __getitem__(self, row: int | slice) -> TokenIds | TokenTable:
        if isinstance(row, slice):
            return self._at(row)
        start = self.starts[row]
        ids: TokenIds = self.ids[start : start + self.lengths[row]].tolist()
        return ids

    def take(self, rows: Rows) -> TokenTable:
        """The texts at `rows`, in this order; ids are not copied."""
        return self._at(rows)

    def _at(self, rows: Rows | slice) -> TokenTable:
        return TokenTable(self.ids, self.starts[rows], self.lengths[rows], self.file)


def flattened(encoded: Sequence[TokenIds]) -> tuple[Ids, Ids]:
    """The ids of encoded texts, one after the other, and the number of ids of each text."""
    lengths = np.fromiter(map(len, encoded), dtype="<i4", count=len(encoded))
    ids = np.fromiter(chain.from_iterable(encoded), dtype="<i4", count=int(lengths.sum()))
    return ids, lengths


def _packed(encoded: Sequence[TokenIds]) -> tuple[Ids, Rows | Ids]:
    """As `flattened`, without a copy where a table holds its texts one after the other."""
    if isinstance(encoded, TokenTable) and len(encoded.ids) == encoded.lengths.sum():
        return encoded.ids, encoded.lengths
    return flattened(encoded)


def select_texts(encoded: Sequence[TokenIds], rows: Rows) -> Sequence[TokenIds]:
    """The encoded texts at `rows`, in this order."""
    return encoded.take(rows) if isinstance(encoded, TokenTable) else [encoded[row] for row in rows]


def token_lengths(encoded: Sequence[TokenIds]) -> Rows:
    """Number of tokens of each encoded text [n]."""
    if isinstance(encoded, TokenTable):
        return encoded.lengths
    return np.fromiter(map(len, encoded), np.int64, len(encoded))


def encode_split(
    text_model: TextModel, section: ModelSection, split: Split, folder: Path | None, ranks: Ranks
) -> TokenTable:
    """Tokenise the texts of a split, or read their token ids from the cache of an earlier run.

    The first process writes the cache of a split with at least `LEAST_CHARACTERS`, and all
    processes map it. A process that finds no complete file, because it is on another machine or the
    disk is full, tokenises into memory, as all do with a smaller split. All processes call it.

    Args:
        text_model: that reads the texts.
        section: of the profile, by which the model was loaded.
        split: the texts.
        folder: of the cache; None means that it is neither read nor written.
        ranks: the processes.

    Raises:
        UserError: a text cannot be read; the error names its row.
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
    """The cache file of a split; None if it is not cached.

    A tokenizer that is written in Python is not cached, since its content has no digest.
    """
    backend = getattr(text_model.tokenizer, "backend_tokenizer", None)
    if backend is None or not _is_large(split.texts):
        return None
    kind, tokenizer = type(text_model.tokenizer), json.loads(backend.to_str())
    content = {
        "texts": split.text_fingerprint,
        "model": section.model_dump(mode="json"),
        "max_length": text_model.max_length,
        "truncation_side": text_model.tokenizer.truncation_side,
        "joiner": text_model.joiner,
        "kind": f"{kind.__module__}.{kind.__qualname__}",
        # the settings of the last call do not matter
        "tokenizer": {**tokenizer, "truncation": None, "padding": None},
        "imbtool": __version__,
        "versions": [version(name) for name in ("transformers", "tokenizers")],
    }
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return folder / f"{digest[:32]}.tokens"


def _is_large(texts: Iterable[str]) -> bool:
    return any(characters >= LEAST_CHARACTERS for characters in accumulate(map(len, texts)))


def _encoded(text_model: TextModel, split: Split, start: int) -> list[TokenIds]:
    """The token ids of `TEXTS_AT_ONCE` texts from the one at `start` on."""
    with rows_named(lambda index: split.row_text(start + index)):
        return text_model.encode(split.texts[start : start + TEXTS_AT_ONCE])


def _in_memory(text_model: TextModel, split: Split) -> TokenTable:
    starts = range(0, len(split), TEXTS_AT_ONCE)
    parts = [flattened(_encoded(text_model, split, start)) for start in starts]
    ids, lengths = map(np.concatenate, zip(flattened([]), *parts, strict=True))
    return TokenTable.of(ids, lengths)


def _write_together(path: Path, text_model: TextModel, split: Split, ranks: Ranks) -> None:
    """Let the first process write the cache, if it can, while the others wait."""
    starts = iter(range(0, len(split), TEXTS_AT_ONCE))

    def chunks() -> Iterator[list[TokenIds]]:
        for start in starts:
            encoded = _encoded(text_model, split, start)
            # waiting chunk by chunk avoids the time limit of a collective operation
            ranks.wait()
            yield encoded

    if ranks.first:
        with suppress(OSError):
            _delete_abandoned(path.parent)
            _write(path, chunks())
    for _ in starts:
        ranks.wait()
    ranks.wait()


def _write(path: Path, chunks: Iterable[list[TokenIds]]) -> None:
    """Write a cache file chunk by chunk.

    Raises:
        OSError: it cannot be written; no incomplete file is left.
    """
    checksum, tokens, lengths = 0, 0, bytearray()
    with replacing(path) as temporary, temporary.open("wb") as stream:
        for encoded in chunks:
            ids, counts = flattened(encoded)
            checksum, tokens = zlib.crc32(ids.data, checksum), tokens + len(ids)
            stream.write(ids.data)
            lengths += counts.data
        stream.write(lengths)
        checksum = zlib.crc32(lengths, checksum)
        stream.write(TRAILER.pack(MARK, len(lengths) // 4, tokens, checksum))


def _mapped(path: Path, texts: int) -> TokenTable | None:
    """Map the cache of a split; None if there is none, or if it is not complete."""
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
    """Delete incomplete files that kills have left; those that other runs are writing stay."""
    for half, _ in leftovers(folder):
        # another run may be doing the same
        with suppress(FileNotFoundError):
            if time.time() - half.stat().st_mtime > ABANDONED:
                half.unlink()
