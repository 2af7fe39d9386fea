"""The tables of a folder, each with the file it becomes, shared out over processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from imbtool.data.datasets import is_dataset
from imbtool.errors import fail
from imbtool.formats.sources import separate_files, written_name


@dataclass(frozen=True)
class Shard:
    """One file of many.

    Attributes:
        source: a table.
        output: the file that it becomes.
    """

    source: Path
    output: Path


def plan_shards(source: Path, folder: Path) -> list[Shard]:
    """The tables of a folder or glob, by name, and the files of the same names in another folder.

    What a glob finds in several folders keeps its folders, from the first wildcard on.

    Raises:
        UserError: there are none, two would become one file, or outputs would stand among inputs.
    """
    if is_dataset(source):
        mend = "name a file, `-o OUT.parquet` say, which takes it whole"
        raise fail(source, "a data set", "a folder or glob of tables", mend)
    base, files = separate_files(source)
    reaches_down = source.is_dir() or "**" in source.parts
    _refuse_overlap(source, base, folder, reaches_down)
    shards = [Shard(file, folder / written_name(file.relative_to(base))) for file in files]
    _refuse_collisions(shards)
    return shards


def shared_out(sizes: Sequence[int], processes: int) -> list[list[int]]:
    """Which files each process takes, so that all have about as many bytes.

    The largest file that is left goes to the process with the least (Graham 1969: at most a third
    over the best there is). It depends on the sizes alone, so processes need not talk about it.

    Args:
        sizes: of the files, in bytes.
        processes: how many there are.
    """
    shares: list[list[int]] = [[] for _ in range(processes)]
    loads = [0] * processes
    for index in sorted(range(len(sizes)), key=lambda each: -sizes[each]):
        least = loads.index(min(loads))
        shares[least].append(index)
        loads[least] += sizes[index] + 1  # empty files are work too
    return [sorted(share) for share in shares]


def _refuse_overlap(source: Path, base: Path, folder: Path, reaches_down: bool) -> None:
    """Where outputs stand among inputs, the next run would take them for inputs."""
    inside, outside = folder.resolve(), base.resolve()
    if inside == outside or (reaches_down and outside in inside.parents):
        found = f"a folder among the tables of {source}"
        raise fail(f"-o {folder}", found, "a folder apart", "choose another -o")


def _refuse_collisions(shards: Sequence[Shard]) -> None:
    becomes: dict[Path, Path] = {}
    for shard in shards:
        other = becomes.setdefault(shard.output, shard.source)
        if other != shard.source:
            found = f"two tables that would become {shard.output}: {other} beside it"
            mend = "rename one, or take them apart with a glob"
            raise fail(shard.source, found, "one table for each name", mend)
