"""Data sets of the `datasets` library, saved to disk or on the hub; the library is an extra."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from imbtool.config.data_sections import HUB, is_hub
from imbtool.errors import user_error
from imbtool.formats.cells import require_text_bytes
from imbtool.formats.classes import classes_in, with_names
from imbtool.wording import did_you_mean, some

SPLIT_NAMES = {"validation": ("validation", "valid", "val", "dev"), "test": ("test",)}
"""What the splits beside training are called, in a data set and as files."""


def is_dataset(path: Path) -> bool:
    """Whether a path names a hub data set, or a folder that `save_to_disk` has written."""
    return is_hub(path) or _is_saved(path) or (path / "dataset_dict.json").is_file()


def dataset_splits(path: Path) -> list[str]:
    """The names of a data set's splits; none where the path names a single table.

    Raises:
        UserError: as `dataset_table`.
    """
    if not is_dataset(path) or _is_saved(path) or (is_hub(path) and _hub_name(path)[2]):
        return []
    return list(_load(path))


def split_among(splits: Sequence[str], split: str) -> str | None:
    """What a split is called among others; validation has several names."""
    return next((name for name in SPLIT_NAMES.get(split, (split,)) if name in splits), None)


def split_path(path: Path, split: str) -> Path:
    """The path of one split of a data set that has several, any other path as it is.

    Raises:
        UserError: the data set has no such split.
    """
    splits = dataset_splits(path)
    name = split_among(splits, split)
    if splits and name is None:
        found = f"no split {split!r}; the splits are {some(splits)}"
        raise user_error(path, found, f"a split {split!r}", did_you_mean(split, splits))
    return path / name if name else path


def dataset_table(path: Path) -> pa.Table:
    """A data set's table, the numbers of its classes as their names; -1 is a missing value.

    Raises:
        UserError: the library is not installed, the data set cannot be had, or has several splits,
            or a class has no name.
    """
    splits = dataset_splits(path)
    if len(splits) > 1:
        fix = f"name one of them: {path / splits[0]}"
        raise user_error(path, f"several splits: {some(splits)}", "one split", fix)
    data = _load(path / splits[0] if splits else path)
    table: pa.Table = data.with_format("arrow")[:]
    require_text_bytes(path, table)
    return with_names(path, table, classes_in(data.features.to_dict()))


def _is_saved(path: Path) -> bool:
    return (path / "state.json").is_file() and (path / "dataset_info.json").is_file()


def _load(path: Path) -> Any:
    """A `Dataset`, or a `DatasetDict` where the path names no split."""
    library = _library(path)
    try:
        name, config, split = _hub_name(path) if is_hub(path) else (None, None, None)
        found = _from_hub(name, config) if name else library.load_from_disk(str(path))
    except (
        *(library.exceptions.DatasetsError, OSError, ValueError, RuntimeError),
        *(LookupError, TypeError),  # of its own files, where they are damaged
    ) as error:
        found = (str(error).strip() or type(error).__name__).splitlines()[0]
        if isinstance(error, IndexError):  # a data set that was saved without rows
            found = "no rows"
        fix = "check the name and the network; hf:owner/name:config names a configuration"
        raise user_error(
            path, found, "a data set", fix if is_hub(path) else "save it anew"
        ) from None
    if found == {}:
        raise user_error(path, "no split", "a data set with texts", "save it anew")
    if split and split not in found:
        fix = did_you_mean(split, found)
        raise user_error(path, f"no split {split!r}", f"one of {some(found)}", fix)
    return found[split] if split else found


@lru_cache(maxsize=1)
def _from_hub(name: str, config: str | None) -> Any:
    return _library(Path(f"{HUB}{name}")).load_dataset(name, config)


def _library(path: Path) -> Any:
    try:
        library = importlib.import_module("datasets")
    except ImportError:
        found = "the package datasets is not installed"
        fix = "pip install 'imbtool[hub]'"
        raise user_error(path, found, "the library that reads it", fix) from None
    if not sys.stderr.isatty():
        library.disable_progress_bars()
    return library


def _hub_name(path: Path) -> tuple[str, str | None, str | None]:
    """`hf:owner/name[:config][/split]` in its parts."""
    parts = str(path).removeprefix(HUB).split("/")
    if len(parts) not in (2, 3) or not all(parts):
        expected = f"{HUB}owner/name, {HUB}owner/name:config or {HUB}owner/name/split"
        raise user_error(path, f"{len(parts)} parts", expected, "name the owner and the data set")
    name, _, config = parts[1].partition(":")
    return f"{parts[0]}/{name}", config or None, parts[2] if len(parts) == 3 else None
