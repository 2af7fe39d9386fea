"""A table is cut into training, validation and test: which rows, what they hold, and the files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from imbtool.config.schema import DataSection
from imbtool.data.corpus import Split, split_column
from imbtool.data.datasets import is_dataset, split_path
from imbtool.data.duplicates import near_duplicate_groups
from imbtool.data.splitting import LEAST_POSITIVES, part_sizes, stratified_split
from imbtool.data.tables import is_export, read_chunks
from imbtool.data.writer import TableWriter
from imbtool.errors import user_error
from imbtool.files.writing import replacing, require_utf8
from imbtool.formats.sources import FORMATS, source_format, table_files
from imbtool.types import Rows
from imbtool.version import __version__
from imbtool.wording import counted

Parts = Mapping[str, Rows]
Document = dict[str, Any]


def part_shares(validation: float, test: float) -> dict[str, float]:
    """The share of each part that is asked for; a part of share 0 is left out.

    Raises:
        UserError: a share outside 0 to 1, nothing to split off, or nothing left to train on.
    """
    for name, share in (("--validation", validation), ("--test", test)):
        if not 0 <= share < 1:
            raise user_error(name, f"{share:g}", "a share of the rows, 0 to 1", "0.1 is a tenth")
    if not 0 < validation + test < 1:
        found = f"--validation {validation:g} and --test {test:g}"
        fix = "leave both out for a tenth each"
        raise user_error("shares", found, "something for training and for another part", fix)
    shares = {"train": 1 - validation - test, "validation": validation, "test": test}
    return {name: share for name, share in shares.items() if share > 0}


def partition(
    split: Split,
    names: Sequence[str],
    data: DataSection,
    shares: Mapping[str, float],
    seed: int,
    group: str | None = None,
) -> tuple[Parts, Document]:
    """Decide the part of each row; near duplicates and rows of a group stay together.

    Args:
        split: the whole table.
        names: its labels.
        data: how the table is read.
        shares: see `part_shares`.
        seed: the same seed and data give the same parts.
        group: a column; rows with the same cell stay together, an empty cell binds nothing.

    Returns:
        The rows of each part, and the document of split.json.

    Raises:
        UserError: no such column, or a part that would be empty.
    """
    near = near_duplicate_groups(split.texts, seed).tolist()
    cells = split_column(split, group, data.text_format) if group else []
    bound = [cell or row for row, cell in enumerate(cells)]
    together = _together(near, bound) if group else near
    found = stratified_split(split.targets, list(shares.values()), seed, together)
    parts = dict(zip(shares, found, strict=True))
    for name, rows in parts.items():
        if len(rows) == 0:
            told = f"{counted(len(split), 'row')} in {counted(len(set(together)), 'group')}"
            fix = "larger shares, fewer parts, or more texts"
            raise user_error(
                split.source, f"{told}, too few for {name}", "a row for each part", fix
            )
    document = {
        "imbtool": __version__,
        "source": str(split.source),
        "seed": seed,
        "parts": _described(split, parts, shares),
        "near_duplicates": _repeated(near),
        "group": {"column": group, **_repeated(bound)} if group else None,
        "labels": _positives(split, names, parts),
        "least_positives": LEAST_POSITIVES,
        "too_rare": _too_rare(split, names, parts, together),
    }
    return parts, document


def write_parts(source: Path, data: DataSection, folder: Path, parts: Parts) -> list[Path]:
    """Write the rows of each part to a table of its own, cells unchanged and in their order.

    Raises:
        UserError: a file that stands there already, or a table that cannot be read or written.
    """
    source = split_path(source, "train")
    paths = part_files(source, folder, parts, data)
    places = list(parts.values())
    part_of_row = np.empty(sum(map(len, places)), dtype=np.int64)
    for number, rows in enumerate(places):
        part_of_row[rows] = number
    with ExitStack() as stack:
        drafts = [stack.enter_context(replacing(path)) for path in paths]
        writers = [stack.enter_context(TableWriter(draft, paths[0].suffix)) for draft in drafts]
        start = 0
        for frame in read_chunks(source, data.text_format):
            here = part_of_row[start : start + len(frame)]
            for number, writer in enumerate(writers):
                if (here == number).any():
                    writer.write(frame[here == number])
            start += len(frame)
    return paths


def part_files(
    source: Path, folder: Path, parts: Mapping[str, Any], data: DataSection
) -> list[Path]:
    """Where the parts go, one file each, in the format of their source.

    An export that is a csv becomes lines of JSON, which tell unknown labels from none.

    Raises:
        UserError: one of the files, or split.json, is there already; or the folder's name is not
            UTF-8.
    """
    own = ".parquet" if is_dataset(source) else source_format(table_files(source)[0])
    is_csv = own in (".csv", ".tsv")
    changes = is_csv and is_export(source, data.text_format)
    suffix = own if own in FORMATS and not changes else ".jsonl"
    require_utf8(folder)
    paths = [folder / f"{name}{suffix}" for name in parts]
    for path in (*paths, folder / "split.json"):
        if path.exists():
            raise user_error(path, "a file", "a new name", "choose another folder with -o")
    return paths


def _together(*relations: Sequence[Hashable]) -> list[int]:
    """Numbers of the groups that are left when rows alike in any relation are one group."""
    n = len(relations[0])
    first = np.concatenate([_first_alike(relation) for relation in relations])
    links = coo_array((np.ones(len(first)), (np.arange(len(first)) % n, first)), shape=(n, n))
    groups: list[int] = connected_components(links, directed=False)[1].tolist()
    return groups


def _first_alike(keys: Sequence[Hashable]) -> Rows:
    first: dict[Hashable, int] = {}
    return np.array([first.setdefault(key, row) for row, key in enumerate(keys)], dtype=np.int64)


def _repeated(keys: Sequence[Hashable]) -> Document:
    sizes = [size for size in Counter(keys).values() if size > 1]
    return {"groups": len(sizes), "rows": sum(sizes), "largest": max(sizes, default=1)}


def _described(split: Split, parts: Parts, shares: Mapping[str, float]) -> Document:
    wanted = part_sizes(len(split), list(shares.values()))
    return {
        name: {
            "share": {"asked": round(shares[name], 12), "got": len(rows) / len(split)},
            "rows": {"asked": int(size), "got": len(rows)},
            "fingerprint": split.part(name, rows).fingerprint,
        }
        for (name, rows), size in zip(parts.items(), wanted, strict=True)
    }


def _positives(split: Split, names: Sequence[str], parts: Parts) -> Document:
    counts = {name: (split.targets[rows] == 1).sum(axis=0) for name, rows in parts.items()}
    return {
        label: {
            "positives": int((split.targets[:, column] == 1).sum()),
            "parts": {name: int(of_labels[column]) for name, of_labels in counts.items()},
        }
        for column, label in enumerate(names)
    }


def _too_rare(
    split: Split, names: Sequence[str], parts: Parts, together: Sequence[int]
) -> dict[str, str]:
    """Labels that lack positives in some part, and why."""
    return {
        names[column]: _why_rare(split.targets[:, column] == 1, np.array(together), len(parts))
        for column in range(len(names))
        if min((split.targets[rows, column] == 1).sum() for rows in parts.values())
        < LEAST_POSITIVES
    }


def _why_rare(positive: NDArray[np.bool_], together: Rows, parts: int) -> str:
    count, groups = int(positive.sum()), len(np.unique(together[positive]))
    if count < LEAST_POSITIVES * parts:
        return f"{counted(count, 'positive')}, of which {LEAST_POSITIVES * parts} are needed"
    if groups < count:
        return f"its {count} positives stand in {counted(groups, 'group')} of rows kept together"
    return "no cut of these sizes was found that has more; try another --seed"
