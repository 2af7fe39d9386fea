"""What an encoder makes of each text of a pool: computed once, kept in a file that is mapped."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from imbtool.errors import rows_named
from imbtool.files.json_text import read_json, write_json
from imbtool.files.locks import locked

CACHE = ".features"
TEXTS_AT_ONCE = 2048
LINE_EVERY = 30.0
"""Seconds between two lines of progress, at least."""
LARGEST = float(np.finfo(np.float16).max)

Features = NDArray[np.float16]
Mapped = np.memmap[Any, np.dtype[np.float16]]
Compute = Callable[[Sequence[str]], NDArray[np.float32]]
"""Of texts; returns a row for each."""
Tell = Callable[[str], None]


@dataclass(frozen=True)
class FeatureFile:
    """A file of features, which may be half written: a killed search goes on where it was.

    Attributes:
        folder: of all such files.
        key: a digest of what determines the features: the texts, and what computes them.
    """

    folder: Path
    key: str

    @property
    def path(self) -> Path:
        """Where the features are once they are complete."""
        return self.folder / f"{self.key}.npy"

    @property
    def _draft(self) -> Path:
        return self.folder / f"{self.key}.part.npy"

    @property
    def _progress(self) -> Path:
        return self.folder / f"{self.key}.part.json"

    def read(self, texts: Sequence[str], width: int, compute: Compute, tell: Tell) -> Features:
        """The features [n, width] of texts, mapped from the file, which is written if need be.

        Raises:
            UserError: a text cannot be read by the encoder; another process writes such files here.
        """
        shape = (len(texts), width)
        if (features := _mapped(self.path, shape)) is None:
            with locked(self.folder):
                self._write(texts, shape, compute, tell)
            features = open_memmap(self.path, mode="r")
        return features

    def _write(
        self, texts: Sequence[str], shape: tuple[int, int], compute: Compute, tell: Tell
    ) -> None:
        done = self._rows_done()
        draft = _mapped(self._draft, shape, "r+") if 0 < done <= len(texts) else None
        if draft is None:
            done = 0
            draft = open_memmap(self._draft, mode="w+", dtype=np.float16, shape=shape)
        said = time.monotonic()
        for start in range(done, len(texts), TEXTS_AT_ONCE):
            end = min(start + TEXTS_AT_ONCE, len(texts))
            with rows_named(partial(_row_of_pool, start)):
                rows = compute(texts[start:end])
            draft[start:end] = np.clip(rows, -LARGEST, LARGEST)
            now = time.monotonic()
            if now - said >= LINE_EVERY or end == len(texts):
                said = now
                draft.flush()
                write_json(self._progress, {"rows": end})
                tell(f"the encoder has read {end:,} of {len(texts):,} texts")
        draft.flush()
        del draft
        self._draft.replace(self.path)
        self._progress.unlink(missing_ok=True)

    def _rows_done(self) -> int:
        """How many rows of a draft are there; none where nothing says so."""
        if not self._progress.is_file():
            return 0
        rows = read_json(self._progress).get("rows")
        return rows if isinstance(rows, int) else 0


def _mapped(path: Path, shape: tuple[int, int], mode: Literal["r", "r+"] = "r") -> Mapped | None:
    """The features in a file; None where it is not there, or is damaged and to be written anew."""
    try:
        features: Mapped = open_memmap(path, mode=mode)
    except (OSError, ValueError):
        return None
    return features if features.shape == shape and features.dtype == np.float16 else None


def _row_of_pool(before: int, row: int) -> str:
    return f"row {before + row + 1} of the pool"


def feature_key(*parts: object) -> str:
    """A digest of what determines features, as the name of their file."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]


def blocks(features: Features, rows: int = 1 << 16) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """The features in fp32, so many rows at once: all of them might not fit in memory."""
    for start in range(0, len(features), rows):
        place = slice(start, min(start + rows, len(features)))
        yield place, np.asarray(features[place], dtype=np.float32)
