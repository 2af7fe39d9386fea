"""A checkpoint as a function of batches, which engines such as Ray Data send to their workers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from imbtool.errors import rows_named
from imbtool.formats.cells import joined_text
from imbtool.inference.predict import (
    added_columns,
    require_usable,
    shown_probabilities,
    use_gpu,
)
from imbtool.trained.checkpoint import Checkpoint, checkpoint_folder, read_checkpoint
from imbtool.trained.metadata import CheckpointMeta, read_meta
from imbtool.types import Floats
from imbtool.wording import as_list

Batch = TypeVar("Batch", dict[str, NDArray[Any]], pd.DataFrame, pa.Table)
WHERE = "batch"
"""What messages call the rows that they are about: a worker does not know the table."""


class Predictor:
    """Adds `predicted` and `p:LABEL` to batches of rows, as `imbtool predict` does to tables.

    A batch is a dict of columns as numpy arrays, a pandas DataFrame or a pyarrow Table, and what
    is returned is of the same kind. A predictor can be pickled: the model stays behind, and each
    process loads it once, at its first batch.

    Args:
        checkpoint: its folder, or the run folder around it, by a path that all workers have.
        text: the text columns; default: those of the training tables.
        calibrated: whether `p:LABEL` is calibrated; `predicted` is the same either way.
        trust_remote_code: whether to run code that comes with the model.

    Attributes:
        folder: of the checkpoint.
        text: the text columns.
        shown: from logits [n, L] to the probabilities in `p:LABEL`.

    Raises:
        UserError: there is no checkpoint, or calibration is requested and the checkpoint has none.

    Examples:
        >>> import pandas as pd
        >>> from imbtool import Predictor
        >>> predictor = Predictor("runs/first")
        >>> batch = predictor(pd.DataFrame({"text": ["one text", "another"]}))
        >>> list(batch.columns[:2])
        ['text', 'predicted']
    """

    def __init__(
        self,
        checkpoint: Path | str,
        text: str | Sequence[str] | None = None,
        calibrated: bool = False,
        trust_remote_code: bool = False,
    ) -> None:
        self.folder = checkpoint_folder(Path(checkpoint)).absolute()
        meta = read_meta(self.folder)
        self.text = as_list(text or meta.data.text)
        self.shown = shown_probabilities(self.folder, meta, calibrated)
        self._trust_remote_code = trust_remote_code
        self._loaded: Checkpoint | None = None

    def __call__(self, batch: Batch) -> Batch:
        """The batch with the columns of the predictions behind its own.

        Args:
            batch: n rows with the text columns.

        Raises:
            UserError: a text column is missing, a name is taken, or a text cannot be read.
        """
        if isinstance(batch, dict):
            require_usable(batch, self.text, WHERE)
            added = self._added(pd.DataFrame({name: list(batch[name]) for name in self.text}))
            return batch | {str(name): cells.to_numpy() for name, cells in added.items()}
        if isinstance(batch, pd.DataFrame):
            added = self._added(batch)
            return pd.concat([batch, added.set_axis(batch.index)], axis=1)
        require_usable(batch.column_names, self.text, WHERE)
        texts = batch.select(self.text).to_pandas(types_mapper=pd.ArrowDtype)
        columns = pa.Table.from_pandas(self._added(texts), preserve_index=False)
        for name in columns.column_names:
            batch = batch.append_column(name, columns[name])
        return batch

    def logits(self, frame: pd.DataFrame) -> Floats:
        """The logits [n, L] of n rows with the text columns.

        Raises:
            UserError: a text cannot be read.
        """
        if frame.empty:  # engines try a function on no rows to learn the columns
            return np.empty((0, len(self.meta.label_set)))
        with rows_named(lambda index: f"{WHERE}: row {index + 1}"):
            return self._checkpoint.logits(joined_text(frame, self.text))

    def _added(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The columns `predicted` and `p:LABEL` of n rows."""
        require_usable(frame.columns, self.text, WHERE)
        return added_columns(self.meta, self.logits(frame), self.shown)

    @property
    def meta(self) -> CheckpointMeta:
        """The metadata of the checkpoint."""
        return self._checkpoint.meta

    @property
    def _checkpoint(self) -> Checkpoint:
        if self._loaded is None:
            self._loaded = read_checkpoint(self.folder, self._trust_remote_code)
            use_gpu(self._loaded, 0)
        return self._loaded

    def __getstate__(self) -> dict[str, object]:
        """What is pickled: all but the model."""
        return {**self.__dict__, "_loaded": None}
