"""Cuts a table into training, validation and test: which rows, what they hold, and the files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from imbtool.config.data_sections import DataSection
from imbtool.config.schema import Profile
from imbtool.data.corpus import Split, read_train, split_column
from imbtool.data.datasets import is_dataset, split_path
from imbtool.data.duplicates import near_duplicate_groups
from imbtool.data.splitting import LEAST_POSITIVES, bound_rows, part_sizes, split_unchosen
from imbtool.data.tables import is_export, read_chunks
from imbtool.data.writer import TableWriter
from imbtool.errors import user_error
from imbtool.files.documents import Typed
from imbtool.files.json_text import write_json
from imbtool.files.locks import locked
from imbtool.files.writing import replacing, require_utf8
from imbtool.formats.sources import FORMATS, source_format, table_files
from imbtool.types import Flags, Rows
from imbtool.version import __version__
from imbtool.wording import counted

REPORT = "split.json"
Parts = Mapping[str, Rows]


class SharePair(Typed):
    """The share of a part that was asked for, and the one that it got."""

    asked: float
    got: float


class RowsPair(Typed):
    """The rows of a part that were asked for, and those that it got."""

    asked: int
    got: int


class PartReport(Typed):
    """The size of a part."""

    share: SharePair
    rows: RowsPair
    fingerprint: str


class GroupSizes(Typed):
    """Rows that were kept in one part: how many groups and rows, and the largest group."""

    groups: int
    rows: int
    largest: int


class _Column(Typed):
    """Stands before the sizes."""

    column: str


class ColumnGroups(GroupSizes, _Column):
    """Rows with the same cell in a column."""


class LabelParts(Typed):
    """The positives of a label in the table and in each part."""

    positives: int
    parts: dict[str, int]


class PartitionReport(Typed):
    """How a table was cut into parts, as split.json holds it."""

    command: list[str]
    imbtool: str
    """The version."""
    source: str
    seed: int
    chosen: int = 0
    """Texts that a search chose: they, and what is kept together with them, are in training."""
    kept_in_training: int = 0
    """How many rows these are; shares are those of all other rows."""
    parts: dict[str, PartReport]
    near_duplicates: GroupSizes
    group: ColumnGroups | None
    labels: dict[str, LabelParts]
    least_positives: int
    """That every part should have of each label."""
    too_rare: dict[str, str]
    """Labels that lack positives in some part, and why."""


def split(
    profile: Profile,
    folder: Path,
    validation: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
    group: str | None = None,
    command: Sequence[str] = (),
) -> tuple[PartitionReport, list[Path]]:
    """Cut the table of a profile into tables of training, validation and test, with split.json.

    Args:
        profile: of which `data.train` is cut.
        folder: for the tables.
        validation: share of the rows; 0 leaves the table out.
        test: share of the rows; 0 leaves the table out.
        seed: the same seed and data give the same tables.
        group: a column; rows with the same cell stay together.
        command: that asked for it, for the report.

    Returns:
        The content of split.json, and the tables.

    Raises:
        UserError: the table cannot be read or cut, or the tables cannot be written.

    Examples:
        >>> from pathlib import Path
        >>> from imbtool import read_profile, split
        >>> report, paths = split(read_profile(Path("profile.yaml")), Path("parts"), test=0.2)
        >>> list(report.parts)
        ['train', 'validation', 'test']
    """
    shares, data = part_shares(validation, test), profile.data
    part_files(data.train, folder, shares, data)
    with locked(folder):
        labels, table = read_train(profile)
        parts, report = partition(table, labels.names, data, shares, seed, group, command)
        paths = write_parts(data.train, data, folder, parts)
        write_json(folder / REPORT, report)
    return report, paths


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
    command: Sequence[str] = (),
) -> tuple[Parts, PartitionReport]:
    """Decide the part of each row; near duplicates and rows of a group stay together.

    Args:
        split: the whole table.
        names: its labels.
        data: how the table is read.
        shares: see `part_shares`.
        seed: the same seed and data give the same parts.
        group: a column; rows with the same cell stay together, rows with an empty cell need not.
        command: that asked for it, for the report.

    Returns:
        The rows of each part, and the report. Texts that a search chose are in training, with all
        rows that stay together with them; shares are those of the other rows.

    Raises:
        UserError: no such column, or a part that would be empty.
    """
    near = near_duplicate_groups(split.texts, seed).tolist()
    cells = [] if group is None else split_column(split, group, data.text_format)
    groups = [cell if cell.strip() else row for row, cell in enumerate(cells)]
    together = near if group is None else _together(near, groups)
    found = split_unchosen(split.label_sets, list(shares.values()), seed, together, split.chosen)
    parts = dict(zip(shares, found, strict=True))
    bound = bound_rows(together, split.chosen)
    for name, rows in parts.items():
        if len(rows) == 0:
            told = f"{counted(len(split), 'row')} in {counted(len(set(together)), 'group')}"
            told += f", {int(bound.sum()):,} of them chosen by a search" * bool(bound.any())
            fix = "larger shares, fewer parts, or more texts"
            raise user_error(
                split.source, f"{told}, too few for {name}", "a row for each part", fix
            )
    report = PartitionReport(
        command=list(command),
        imbtool=__version__,
        source=str(split.source),
        seed=seed,
        chosen=int(split.chosen.sum()),
        kept_in_training=int(bound.sum()),
        parts=_part_reports(split, parts, shares, int(bound.sum())),
        near_duplicates=_group_sizes(near),
        group=None if group is None else ColumnGroups(column=group, **dict(_group_sizes(groups))),
        labels=_positives(split, names, parts),
        least_positives=LEAST_POSITIVES,
        too_rare=_too_rare(split, names, parts, together, bound),
    )
    return parts, report


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


def part_files(source: Path, folder: Path, parts: Collection[str], data: DataSection) -> list[Path]:
    """Where the parts go, one file each, in the format of their source.

    Raises:
        UserError: one of the files, or split.json, is there already; or the folder's name is not
            UTF-8.
    """
    suffix = written_suffix(source, data)
    require_utf8(folder)
    paths = [folder / f"{name}{suffix}" for name in parts]
    for path in (*paths, folder / "split.json"):
        if path.exists():
            raise user_error(path, "a file", "a new name", "choose another folder with -o")
    return paths


def written_suffix(source: Path, data: DataSection) -> str:
    """The format in which rows of a table are written: its own, or the nearest to it.

    An export that is a csv becomes lines of JSON, which tell unknown labels from none.

    Raises:
        UserError: there is no such table.
    """
    own = ".parquet" if is_dataset(source) else source_format(table_files(source)[0])
    is_csv = own in (".csv", ".tsv")
    changes = is_csv and is_export(source, data.text_format)
    return own if own in FORMATS and not changes else ".jsonl"


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


def _group_sizes(keys: Sequence[Hashable]) -> GroupSizes:
    sizes = [size for size in Counter(keys).values() if size > 1]
    return GroupSizes(groups=len(sizes), rows=sum(sizes), largest=max(sizes, default=1))


def _part_reports(
    split: Split, parts: Parts, shares: Mapping[str, float], bound: int
) -> dict[str, PartReport]:
    """The sizes of the parts; so many rows are bound to training, the first of them."""
    free = len(split) - bound
    wanted = part_sizes(free, list(shares.values()))
    fixed = dict.fromkeys(parts, 0) | {next(iter(parts)): bound}
    return {
        name: PartReport(
            share=SharePair(asked=round(shares[name], 12), got=(len(rows) - fixed[name]) / free),
            rows=RowsPair(asked=int(size) + fixed[name], got=len(rows)),
            fingerprint=split.part(name, rows).fingerprint,
        )
        for (name, rows), size in zip(parts.items(), wanted, strict=True)
    }


def _positives(split: Split, names: Sequence[str], parts: Parts) -> dict[str, LabelParts]:
    counts = {name: (split.targets[rows] == 1).sum(axis=0) for name, rows in parts.items()}
    return {
        label: LabelParts(
            positives=int((split.targets[:, column] == 1).sum()),
            parts={name: int(of_labels[column]) for name, of_labels in counts.items()},
        )
        for column, label in enumerate(names)
    }


def _too_rare(
    split: Split,
    names: Sequence[str],
    parts: Parts,
    together: Sequence[int],
    bound: Flags,
) -> dict[str, str]:
    """Labels that lack positives in some part, and why."""
    positive, groups = split.targets == 1, np.array(together)
    return {
        names[column]: _why_rare(positive[:, column], groups, len(parts), bound)
        for column in range(len(names))
        if min((split.targets[rows, column] == 1).sum() for rows in parts.values())
        < LEAST_POSITIVES
    }


def _why_rare(positive: Flags, together: Rows, parts: int, bound: Flags) -> str:
    count, chosen = int(positive.sum()), int((positive & bound).sum())
    groups = len(np.unique(together[positive]))
    if chosen and count - chosen < LEAST_POSITIVES * parts <= count:
        return (
            f"{chosen:,} of its {counted(count, 'positive')} are bound to training, since a search "
            "chose them or texts that are kept together with them"
        )
    if count < LEAST_POSITIVES * parts:
        return f"it has {counted(count, 'positive')}, and {LEAST_POSITIVES * parts} are needed"
    if groups < LEAST_POSITIVES * parts:
        return f"its {count} positives are in {counted(groups, 'group')} of rows kept together"
    return "no way to cut parts of these sizes was found that has more; larger parts may have them"
