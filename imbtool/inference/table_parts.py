"""Parts of large tables, whose logits are computed apart and stored until their table is written.

A table is cut into blocks of equally many rows. Of n parts, part k has the blocks k, k + n, k + 2n
and so on, so that the parts of a text file are known without counting its rows. Of a parquet file
each part is one block, and only the row groups around it are read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from imbtool.data.tables import CHUNK_ROWS, is_export, read_chunks, read_parquet_rows
from imbtool.errors import UserError, rows_named, user_error
from imbtool.exports.recognition import is_parquet_export
from imbtool.files.copies import local_copy
from imbtool.files.json_text import to_json
from imbtool.files.stores import Location, StorePath, version_of
from imbtool.files.text_format import TextFormat
from imbtool.files.writing import replacing
from imbtool.formats.arrow import parquet_shape
from imbtool.formats.cells import joined_text
from imbtool.inference.output_folder import PARTS, FolderManifest
from imbtool.inference.predict import numbered, require_usable
from imbtool.trained.checkpoint import Checkpoint
from imbtool.trained.metadata import CheckpointMeta
from imbtool.types import Floats

BLOCK_ROWS = 16 * CHUNK_ROWS
"""Most rows that are predicted at once and lost at a stop; a multiple of the rows of a chunk, so
that each text is computed together with the same others as in a table that is predicted whole."""
ENOUGH_PARTS = 16
"""So many parts keep a few workers busy to the end; smaller ones would be read more often."""
MOST_TEXT_PARTS = 8
"""Most parts of a text file: a worker reads the whole file to find its rows."""
TEXT_PART_BYTES = 1 << 21
STREAMED = (".csv", ".tsv", ".jsonl")
"""Text files that are read without being held in memory."""


@dataclass(frozen=True)
class Parts:
    """How a table is cut.

    Attributes:
        count: number of parts.
        block: rows of a block.
    """

    count: int
    block: int

    def part_of(self, row: int) -> int:
        """The number (from 0) of the part that a row (from 0) is in."""
        return row // self.block % self.count


def plan_parts(path: Location, text: Sequence[str], text_format: TextFormat) -> Parts:
    """The parts that a table is predicted in; a single one where it cannot be used as it is.

    Args:
        path: of the table.
        text: its text columns.
        text_format: of csv, tsv and jsonl.
    """
    kind, count, block = path.suffix.lower(), 1, min(BLOCK_ROWS, CHUNK_ROWS)
    try:
        # the rows of an export are not those of the file; and of a text file in a store each worker
        # would have to copy the whole
        if kind in STREAMED and isinstance(path, Path) and not is_export(path, text_format):
            count = min(MOST_TEXT_PARTS, path.stat().st_size // TEXT_PART_BYTES)
        elif kind == ".parquet" and not is_parquet_export(path):
            columns, rows = parquet_shape(path)
            require_usable(columns, text, path)
            chunks = -(-rows // (ENOUGH_PARTS * CHUNK_ROWS))
            block = min(BLOCK_ROWS, chunks * CHUNK_ROWS)
            count = -(-rows // block)
    except (UserError, OSError):
        pass  # who predicts the table whole says what is wrong with it
    return Parts(max(1, count), block)


def predict_part(
    checkpoint: Checkpoint, path: Location, text: Sequence[str], parts: Parts, number: int
) -> Floats:
    """The logits [n, L] of the rows of a part, in the order of the table.

    Args:
        checkpoint: the trained model.
        path: of the table.
        text: its text columns.
        parts: of the table.
        number: of the part.

    Raises:
        UserError: as `predict`.
    """
    logits = [np.empty((0, len(checkpoint.labels.names)))]
    for before, frame in _frames(path, checkpoint.meta.data.text_format, text, parts, number):
        require_usable(frame.columns, text, path)
        with rows_named(numbered(f"{path}: row", before)):
            logits.append(checkpoint.logits(joined_text(frame, text)))
    return np.concatenate(logits)


def _frames(
    path: Location, text_format: TextFormat, text: Sequence[str], parts: Parts, number: int
) -> Iterator[tuple[int, pd.DataFrame]]:
    """The chunks of a part, each with the number of rows before it in the table."""
    if isinstance(path, StorePath) or path.suffix.lower() == ".parquet":
        before = number * parts.block
        frames = read_parquet_rows(path, range(before, before + parts.block), text)
    else:
        before, frames = 0, read_chunks(path, text_format, each_row=True)
    for frame in frames:
        if parts.part_of(before) == number:
            yield before, frame
        before += len(frame)


def parts_folder(
    folder: Location, manifest: FolderManifest, source: Location, parts: Parts
) -> Location:
    """Where the logits of a table's parts are stored.

    The name depends on all that they depend on: the job, the table as it is now, and the parts.

    Args:
        folder: of the outputs.
        manifest: of the job.
        source: the table.
        parts: of the table.
    """
    size, changed = version_of(source)
    known = {
        "job": manifest.model_dump(),
        "table": str(source),
        "bytes": size,
        "changed": changed,
        "parts": asdict(parts),
    }
    return folder / PARTS / hashlib.sha256(to_json(known).encode()).hexdigest()[:32]


def part_file(folder: Location, number: int) -> Location:
    """The file of a part's logits."""
    return folder / f"{number:06}.npy"


def store_part(folder: Location, number: int, logits: Floats) -> None:
    """Write the logits of a part, completely or not at all."""
    with replacing(part_file(folder, number)) as temporary, temporary.open("wb") as stream:
        np.save(stream, logits, allow_pickle=False)


@contextmanager
def local_parts(folder: Location, parts: Parts) -> Iterator[list[Path]]:
    """Give the files of all parts of a table on this machine, in their order."""
    with ExitStack() as stack:
        files = (part_file(folder, number) for number in range(parts.count))
        yield [stack.enter_context(local_copy(file)) for file in files]


class StoredLogits:
    """The logits of a table's parts, in the place of the model that has computed them.

    Attributes:
        folder: of the checkpoint that they come from.
        meta: its metadata.
    """

    def __init__(
        self, checkpoint: Path, meta: CheckpointMeta, files: Sequence[Path], parts: Parts
    ) -> None:
        """Read the parts of a table from the files that they are stored in, in their order."""
        self.folder, self.meta = checkpoint, meta
        self._logits = [np.load(file, mmap_mode="r", allow_pickle=False) for file in files]
        self._parts, self._row = parts, 0

    def logits(self, texts: Sequence[str]) -> Floats:
        """The logits [n, L] of the next n texts of the table."""
        rows = np.arange(self._row, self._row + len(texts))
        self._row += len(texts)
        blocks, within = np.divmod(rows, self._parts.block)
        places = blocks // self._parts.count * self._parts.block + within
        result = np.empty((len(rows), len(self.meta.labels)))
        for number in np.unique(blocks % self._parts.count):
            chosen, stored = blocks % self._parts.count == number, self._logits[number]
            if places[chosen].max() >= len(stored):
                raise self._changed()
            result[chosen] = stored[places[chosen]]
        return result

    def require_all_read(self) -> None:
        """Check that the table had a text for each of the logits.

        Raises:
            UserError: it has changed since.
        """
        if self._row != sum(map(len, self._logits)):
            raise self._changed()

    def _changed(self) -> UserError:
        found, fix = "another number of rows than before", "give the same command again"
        return user_error("table", found, "a table that stays as it is while it is read", fix)
