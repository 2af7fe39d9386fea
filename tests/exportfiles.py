"""Exports of annotation tools as files, and what is read of them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from imbtool.data.corpus import read_train
from imbtool.data.proposal import propose_profile
from imbtool.data.tables import Table, read_arrow, read_chunks
from imbtool.errors import UserError

UNKNOWN = None
"""For `targets`: nobody knows."""


def write_lines(folder: Path, rows: Sequence[Any], name: str = "train.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


def write_array(folder: Path, rows: Sequence[Any], name: str = "train.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(rows, indent=1))
    return path


def learnt(path: Path) -> tuple[list[str], dict[str, list[float | None]]]:
    """The texts and each label's targets that a profile made by `init` gives."""
    labels, split = read_train(propose_profile(path).profile)
    targets = split.targets.T
    return split.texts, {
        name: [None if np.isnan(value) else float(value) for value in column]
        for name, column in zip(labels.names, targets, strict=True)
    }


def table(path: Path) -> Table:
    """The table, after a look that reading by chunks gives the same cells."""
    whole = read_arrow(path)
    rows = [row for frame in read_chunks(path, rows=2) for row in frame.to_dict("records")]
    plain_rows = [{name: plain(cell) for name, cell in row.items()} for row in rows]
    assert plain_rows == whole.data.to_pylist()
    return whole


def plain(cell: Any) -> Any:
    """A cell with lists for arrays, and nothing where a value is missing."""
    if isinstance(cell, np.ndarray):
        return cell.tolist()
    return None if cell is pd.NA else cell


def refusal(path: Path) -> str:
    """What is said of a file; both ways to read it say the same."""
    told = []
    for read in (read_arrow, lambda path: list(read_chunks(path))):
        with pytest.raises(UserError) as caught:
            read(path)
        told.append(str(caught.value))
    assert told[0] == told[1]
    return told[0]
