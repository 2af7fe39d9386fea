"""Predicting a table or lines of text with a checkpoint, chunk by chunk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count, islice
from pathlib import Path
from typing import IO, Protocol, TextIO

import numpy as np
import pandas as pd
import torch

from imbtool.data.tables import CHUNK_ROWS, read_chunks
from imbtool.data.writer import TableWriter
from imbtool.errors import rows_named, user_error
from imbtool.evaluation.calibration import sigmoid
from imbtool.evaluation.predictions import PREDICTED, PROBABILITY_PREFIX, decide
from imbtool.files.stores import Location
from imbtool.files.text_format import text_codec
from imbtool.files.writing import replacing
from imbtool.formats.cells import joined_text, require_columns
from imbtool.formats.lines import MOST_CHARACTERS, UTF8, too_long
from imbtool.formats.sources import table_format
from imbtool.labels.syntax import joined, needs_list
from imbtool.trained.checkpoint import Checkpoint
from imbtool.trained.metadata import CheckpointMeta
from imbtool.types import Floats
from imbtool.wording import as_list, some

MOST_BYTES = 4 * MOST_CHARACTERS
"""Most bytes of a line: what its characters can have in UTF-8."""


class LogitSource(Protocol):
    """A trained model, or what it has computed."""

    @property
    def folder(self) -> Path:
        """The folder of the checkpoint."""

    @property
    def meta(self) -> CheckpointMeta:
        """The metadata of the checkpoint."""

    def logits(self, texts: Sequence[str]) -> Floats:
        """The logit of each text and label [n, L]."""


def predict(
    checkpoint: Checkpoint,
    path: Path,
    text: str | Sequence[str] | None = None,
    calibrated: bool = False,
) -> Iterator[pd.DataFrame]:
    """Yield the frames of a table with the columns `predicted` and `p:LABEL` added.

    Args:
        checkpoint: the trained model.
        path: of the table.
        text: its text columns. Default: those of the training.
        calibrated: whether `p:LABEL` is calibrated; `predicted` is the same either way.

    Raises:
        UserError: the table cannot be read, has no rows, lacks the text column, or has such columns
            already; or calibration is requested and the checkpoint has none.

    Examples:
        >>> from pathlib import Path
        >>> from imbtool import predict, read_checkpoint
        >>> frames = predict(read_checkpoint(Path("runs/first")), Path("test.csv"))
        >>> "predicted" in next(frames).columns
        True
    """
    yield from predicted_frames(checkpoint, path, text, calibrated)


def predicted_frames(
    source: LogitSource, path: Path, text: str | Sequence[str] | None, calibrated: bool
) -> Iterator[pd.DataFrame]:
    """As `predict`, with logits that come from a model or were stored."""
    meta = source.meta
    text = as_list(text or meta.data.text)
    shown = shown_probabilities(source.folder, meta, calibrated)
    frame, before = None, 0
    for frame in read_chunks(path, meta.data.text_format, each_row=True):
        require_usable(frame.columns, text, path)
        with rows_named(numbered(f"{path}: row", before)):
            added = predict_frame(source, frame, joined_text(frame, text), shown)
        yield added
        before += len(frame)
    if frame is None:
        raise user_error(path, "no rows", "a header and at least one row", "check the file")


def predict_lines(
    checkpoint: Checkpoint, stream: TextIO, calibrated: bool = False
) -> Iterator[pd.DataFrame]:
    """Yield frames of `text`, `predicted` and `p:LABEL` for the lines of a stream such as stdin.

    Raises:
        UserError: a line is not text, or calibration is requested and the checkpoint has none.
    """
    shown = shown_probabilities(checkpoint.folder, checkpoint.meta, calibrated)
    lines, before = _lines(stream), 0
    while texts := list(islice(lines, CHUNK_ROWS)):
        frame = pd.DataFrame({"text": texts}, dtype=object)
        with rows_named(numbered("stdin: line", before)):
            added = predict_frame(checkpoint, frame, texts, shown)
        yield added
        before += len(texts)


def numbered(what: str, before: int) -> Callable[[int], str]:
    """How to name the row at an index of a chunk, with `before` rows in earlier chunks."""
    return lambda index: f"{what} {before + index + 1}"


def _lines(stream: TextIO) -> Iterator[str]:
    """The lines of a stream, which end with a line feed, or a carriage return and a line feed."""
    # nobody has chosen ASCII: it is what a terminal without settings has
    codec = text_codec(stream.encoding or UTF8) or UTF8
    codec = UTF8 if codec == "ascii" else codec
    content = stream.buffer
    for number in count(1):
        line = content.readline(MOST_BYTES + 1)
        if not line:
            return
        if len(line) > MOST_BYTES:
            raise too_long(f"stdin:{number}", "line")
        try:
            text = line.decode(codec)
        except UnicodeError:
            found = f"bytes that are not {codec} ({line[:60]!r})"
            fix = "convert the texts, with iconv say"
            raise user_error(f"stdin:{number}", found, f"text in {codec}", fix) from None
        text = text.removeprefix("\ufeff") if number == 1 else text
        yield text.removesuffix("\n").removesuffix("\r")


def write_file(frames: Iterable[pd.DataFrame], output: Location) -> int:
    """Write frames to a file, completely or not at all; return the number of rows."""
    with replacing(output) as temporary:
        return write_frames(frames, temporary, table_format(output))


def write_frames(frames: Iterable[pd.DataFrame], target: Path | IO[str], suffix: str) -> int:
    """Write frames to a path or stream in the format of `suffix`; return the number of rows."""
    with TableWriter(target, suffix) as writer:
        for frame in frames:
            writer.write(frame)
    return writer.rows


def use_gpu(checkpoint: Checkpoint, number: int) -> None:
    """Move the model to a GPU, if there is one.

    Args:
        checkpoint: the trained model.
        number: local rank of this process, which chooses the GPU modulo their number: a launcher
            may show a process only its own GPU, and there may be more processes than GPUs.
    """
    if not torch.cuda.is_available():
        return
    device = torch.device("cuda", number % torch.cuda.device_count())
    # otherwise pinned memory of every process would take memory of the first GPU
    torch.cuda.set_device(device)
    checkpoint.to(device)


def shown_probabilities(
    folder: Path, meta: CheckpointMeta, calibrated: bool
) -> Callable[[Floats], Floats]:
    """The function from logits [n, L] to the probabilities in `p:LABEL`.

    Args:
        folder: of the checkpoint.
        meta: its metadata.
        calibrated: whether the probabilities are calibrated.

    Raises:
        UserError: calibration is requested and the checkpoint has none.
    """
    if not calibrated:
        return sigmoid
    calibration = meta.calibration
    if calibration is None:
        fix = "leave out --calibrated, or train it again: every new checkpoint has one"
        raise user_error(folder, "no calibration in it", "a slope and a bias a label", fix)
    return calibration.probabilities


def predict_frame(
    source: LogitSource,
    frame: pd.DataFrame,
    texts: Sequence[str],
    shown: Callable[[Floats], Floats],
) -> pd.DataFrame:
    """A frame with `predicted` and `p:LABEL` added.

    Args:
        source: of the logits.
        frame: n rows.
        texts: of these rows.
        shown: from logits [n, L] to the probabilities in `p:LABEL`.
    """
    added = added_columns(source.meta, source.logits(texts), shown)
    return pd.concat([frame, added.set_axis(frame.index)], axis=1)


def added_columns(
    meta: CheckpointMeta, logits: Floats, shown: Callable[[Floats], Floats]
) -> pd.DataFrame:
    """The columns `predicted` and `p:LABEL` of n texts.

    Args:
        meta: of the checkpoint.
        logits: of the texts [n, L].
        shown: from logits [n, L] to the probabilities in `p:LABEL`.
    """
    names, separator = meta.label_set.names, meta.separator
    as_list = needs_list(names, separator)
    decided = [joined(labels, separator, as_list) for labels in predicted_labels(meta, logits)]
    columns = [f"{PROBABILITY_PREFIX}{name}" for name in names]
    words = pd.Series(decided, name=PREDICTED, dtype=object)
    return pd.concat([words, pd.DataFrame(shown(logits), columns=columns)], axis=1)


def predicted_labels(meta: CheckpointMeta, logits: Floats) -> list[list[str]]:
    """The names of the labels that each of n texts gets.

    Args:
        meta: of the checkpoint.
        logits: of the texts [n, L].
    """
    names = meta.label_set.names
    decisions = decide(meta.label_set, sigmoid(logits), meta.thresholds, meta.coherence)
    return [[names[label] for label in np.flatnonzero(row)] for row in decisions]


def require_usable(columns: Iterable[object], text: Sequence[str], where: object) -> None:
    """Check that a table has the text columns, and none that predict would add.

    Raises:
        UserError: a text column is missing, or a name is taken.
    """
    known = list(map(str, columns))
    require_columns(known, text, where)
    if taken := [name for name in known if _is_ours(name)]:
        fix = "rename or remove them: predict would write columns of these names"
        raise user_error(
            where, f"columns of the names {some(taken)}", "no `predicted` and no `p:...`", fix
        )


def _is_ours(name: str) -> bool:
    return name == PREDICTED or name.startswith(PROBABILITY_PREFIX)
