"""A stream of new texts, scored by a checkpoint: the texts pass by, their logits stay."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imbtool.config.data_sections import DataSection
from imbtool.data.corpus import SPLITS
from imbtool.data.tables import read_chunks
from imbtool.errors import rows_named, user_error
from imbtool.files.model_folder import is_file
from imbtool.formats.cells import cell_text, joined_text, require_columns
from imbtool.inference.evaluate import own_split
from imbtool.inference.predict import use_gpu
from imbtool.runs.manifest import MANIFEST
from imbtool.trained.checkpoint import Checkpoint
from imbtool.types import Floats, Rows, Targets
from imbtool.wording import counted

Logits = NDArray[np.float32]
Tell = Callable[[str], None]
Visit = Callable[[Sequence[str]], None]
"""Sees the texts of each chunk as they pass by, in order."""

LINE_EVERY = 30.0
"""Seconds between two lines of progress, at least."""
VALIDATION = SPLITS[1]
MOST_GROUPS = 60
"""Values of the column `by`: more of them make no readable picture."""


@dataclass(frozen=True)
class Stream:
    """What is kept of a stream of n texts.

    Attributes:
        source: the table, folder or glob.
        data: how it was read.
        logits: [n, L]; they lie in a file that is mapped and has no name.
        fingerprint: sha256 over the texts, in order.
        by: the column that groups the texts, if any.
        groups: its values, sorted.
        group: of each text, as a place in `groups` [n]; empty without `by`.
    """

    source: Path
    data: DataSection
    logits: Logits
    fingerprint: str
    by: str | None
    groups: list[str]
    group: Rows

    def __len__(self) -> int:
        return len(self.logits)

    def cells_of(self, rows: Rows) -> dict[int, dict[str, str]]:
        """The text columns of some texts, as they stand in the table, by row (from 0)."""
        wanted, found, before = np.sort(rows), dict[int, dict[str, str]](), 0
        for frame in read_chunks(self.source, self.data.text_format, each_row=True):
            low, high = np.searchsorted(wanted, (before, before + len(frame)))
            for row in wanted[low:high].tolist():
                line = frame.iloc[row - before : row - before + 1]
                found[row] = {name: joined_text(line, name)[0] for name in self.data.text_columns}
            before += len(frame)
        return found


def read_stream(
    checkpoint: Checkpoint,
    path: Path,
    by: str | None = None,
    tell: Tell = lambda _: None,
    visit: Visit = lambda _: None,
) -> Stream:
    """Read a stream chunk by chunk, and score its texts.

    Args:
        checkpoint: the trained model, which moves to a GPU if there is one.
        path: of a table, or of a folder or glob of them.
        by: a column whose values group the texts.
        tell: called with a line of progress now and then.
        visit: called with the texts of each chunk.

    Raises:
        UserError: the stream cannot be read, has no rows, or lacks a column; the column `by` has
            too many values; a text cannot be read by the model.
    """
    use_gpu(checkpoint, 0)
    data = checkpoint.meta.data_section(path)
    width, rows, said = len(checkpoint.labels), 0, time.monotonic()
    digest, groups = hashlib.sha256(), dict[str, int]()
    group: list[Rows] = []
    with tempfile.TemporaryFile() as file:
        for frame in read_chunks(path, data.text_format, each_row=True):
            require_columns(frame, [*data.text_columns, *([by] if by else [])], path)
            texts = joined_text(frame, data.text_columns)
            with rows_named(lambda place, before=rows: f"{path}: row {before + place + 1}"):  # type: ignore[misc]
                file.write(checkpoint.logits(texts).astype(np.float32).tobytes())
            digest.update(_hashed(texts))
            visit(texts)
            if by:
                group.append(_codes(path, by, frame[by].tolist(), groups))
            rows += len(texts)
            if time.monotonic() - said >= LINE_EVERY:
                said = time.monotonic()
                tell(f"the model has read {rows:,} texts")
        if not rows:
            raise user_error(path, "no rows", "a header and at least one row", "check the file")
        file.flush()
        logits = np.memmap(file, np.float32, "r", shape=(rows, width))
    names = sorted(groups)
    order = np.array([names.index(name) for name in groups], dtype=np.int64)
    places = order[np.concatenate(group)] if by else np.zeros(0, np.int64)
    return Stream(path, data, logits, digest.hexdigest(), by, names, places)


def stream_fingerprint(path: Path, data: DataSection) -> str:
    """The fingerprint of a stream, without scoring it.

    Raises:
        UserError: it cannot be read, or lacks a text column.
    """
    digest = hashlib.sha256()
    for frame in read_chunks(path, data.text_format, each_row=True):
        require_columns(frame, data.text_columns, path)
        digest.update(_hashed(joined_text(frame, data.text_columns)))
    return digest.hexdigest()


def _hashed(texts: Sequence[str]) -> bytes:
    return "\0".join([*texts, ""]).encode("utf-8", "surrogatepass")


def _codes(path: Path, by: str, cells: Sequence[Any], groups: dict[str, int]) -> Rows:
    """The group of each cell, as its place in `groups`, to which new ones are added."""
    codes = [groups.setdefault(cell_text(cell), len(groups)) for cell in cells]
    if len(groups) > MOST_GROUPS:
        found = f"more than {MOST_GROUPS} values in the column {by!r}"
        fix = "name a column with fewer, for example the month instead of the day"
        raise user_error(path, found, f"at most {MOST_GROUPS}", fix)
    return np.array(codes, dtype=np.int64)


@dataclass(frozen=True)
class LabelledScores:
    """The logits [n, L] of n labelled texts and their targets [n, L], NaN unknown."""

    logits: Floats
    targets: Targets


def validation_scores(checkpoint: Checkpoint, tell: Tell = lambda _: None) -> LabelledScores:
    """Score the validation texts of the run around a checkpoint.

    Texts that a search chose are left out: they do not look as texts do that come.

    Raises:
        UserError: there is no run around the checkpoint, or its validation data have changed.
    """
    if not is_file(checkpoint.folder.parent / MANIFEST):
        found = f"no run around {checkpoint.folder}"
        expected = "a run folder, whose validation texts show how the model scores each label"
        fix = "give the run folder that `imbtool train` named at its end"
        raise user_error(checkpoint.folder, found, expected, fix)
    use_gpu(checkpoint, 0)
    split = own_split(checkpoint, VALIDATION).unchosen()
    tell(f"the model reads {counted(len(split), 'validation text')}")
    with rows_named(split.row_text):
        logits = checkpoint.logits(split.texts)
    return LabelledScores(logits, split.targets)
