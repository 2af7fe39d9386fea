"""A checkpoint applied to many tables, file by file: what is done stays done."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict

from imbtool.data.datasets import is_dataset
from imbtool.errors import UserError, user_error
from imbtool.files.documents import Typed, read_document
from imbtool.files.json_text import to_json, write_json
from imbtool.files.writing import require_utf8, sha256
from imbtool.formats.sources import names_table, separate_files, written_name
from imbtool.inference.predict import predict_table, shown_probabilities, use_gpu, write_file
from imbtool.model.checkpoint import Checkpoint, checkpoint_folder, read_checkpoint
from imbtool.model.metadata import read_meta
from imbtool.wording import as_list, shown, some

MANIFEST = "_predict.json"
"""Who reads the folder as one table passes over it, as over all names that begin so."""
CARD = "README.md"


class Record(Typed):
    """The content of the manifest: what made the outputs of a folder."""

    model_config = ConfigDict(extra="forbid")

    checkpoint: str
    input: str
    text: list[str]
    calibrated: bool


@dataclass(frozen=True)
class Job:
    """What outputs depend on.

    Attributes:
        checkpoint: its folder.
        sha256: of what it decides by.
        source: the folder or glob of the tables.
        text: their text columns.
        calibrated: whether `p:LABEL` is calibrated.
        trust_remote_code: whether to run code that the model brings along.
    """

    checkpoint: Path
    sha256: str
    source: Path
    text: list[str]
    calibrated: bool
    trust_remote_code: bool

    @property
    def record(self) -> Record:
        """The content of the manifest; where the checkpoint stands is none of it."""
        return Record(
            checkpoint=self.sha256,
            input=str(self.source.absolute()).encode(errors="backslashreplace").decode(),
            text=self.text,
            calibrated=self.calibrated,
        )


@dataclass(frozen=True)
class Outcome:
    """What came of one file.

    Attributes:
        shard: the file.
        state: skipped where the output was there already.
        texts: how many were predicted.
        error: why it failed.
    """

    shard: Shard
    state: Literal["done", "skipped", "failed"]
    texts: int = 0
    error: UserError | None = None


def make_job(
    checkpoint: Path,
    source: Path,
    text: Sequence[str] | None,
    calibrated: bool = False,
    trust_remote_code: bool = False,
) -> Job:
    """Gather what outputs depend on, without loading the model.

    Args:
        checkpoint: its folder, or the run folder around it.
        source: the folder or glob of the tables.
        text: their text columns; default: those of the training.
        calibrated: whether `p:LABEL` is to be calibrated.
        trust_remote_code: whether to run code that the model brings along.

    Raises:
        UserError: there is no checkpoint, or it has no calibration and is asked for it.
    """
    folder = checkpoint_folder(checkpoint)
    meta = read_meta(folder)
    shown_probabilities(folder, meta, calibrated)
    trained_on = meta.data.text
    columns = text or as_list(trained_on)
    return Job(folder, _fingerprint(folder), source, list(columns), calibrated, trust_remote_code)


def job_name(job: Job, processes: int) -> str:
    """What tells a job of several processes from others."""
    digest = hashlib.sha256(to_json(job.record.model_dump()).encode()).hexdigest()
    return f"a job of {processes} processes, {digest[:16]}"


def require_claimable(folder: Path) -> None:
    """Check that a folder can be one of outputs, before anything is written to it.

    Raises:
        UserError: it is a file or holds files of which nobody knows where they are from, or its
            name is not UTF-8.
    """
    require_utf8(folder)
    _is_claimed(folder)


def claim_folder(folder: Path, job: Job, shards: Sequence[Shard], start_over: bool) -> None:
    """Make sure that a folder's outputs are all of one job, and write down of which.

    A folder without outputs may be claimed anew. The outputs of another job are deleted before this
    one is written down, so that a kill leaves none that passes for this one's.

    Args:
        folder: of the outputs; it need not be there.
        job: that is to fill it.
        shards: the files that it is to hold.
        start_over: whether to delete what is there of them.

    Raises:
        UserError: it is of another job, or holds files of which nobody knows where they are from.
    """
    before = _record_in(folder) if _is_claimed(folder) else None
    if start_over:
        _clear(folder, shards)
    elif before is not None and before != job.record and _tables(folder):
        raise _other_job(folder, before, job.record)
    if before != job.record:
        write_json(folder / MANIFEST, job.record.model_dump())


def _record_in(folder: Path) -> Record:
    fix = "choose another -o, or delete the folder"
    return read_document(folder / MANIFEST, Record, fix)


def predict_shards(job: Job, shards: Sequence[Shard], gpu: int) -> Iterator[Outcome]:
    """Yield what comes of each file; a file that cannot be used costs no other.

    Args:
        job: what to do.
        shards: the files of this process.
        gpu: number of this process on its machine.

    Raises:
        UserError: the checkpoint is damaged.
        OSError: the folder cannot be written.
    """
    left = []
    for shard in shards:
        if shard.output.exists():
            yield Outcome(shard, "skipped")
        else:
            left.append(shard)
    if left:
        checkpoint = read_checkpoint(job.checkpoint, job.trust_remote_code)
        use_gpu(checkpoint, gpu)
        for shard in left:
            yield _predicted(checkpoint, job, shard)


def count_done(shards: Sequence[Shard]) -> int:
    """How many of the outputs are there."""
    return sum(shard.output.exists() for shard in shards)


def _predicted(checkpoint: Checkpoint, job: Job, shard: Shard) -> Outcome:
    frames = predict_table(checkpoint, shard.source, job.text, job.calibrated)
    try:
        return Outcome(shard, "done", write_file(frames, shard.output))
    except UserError as error:
        return Outcome(shard, "failed", error=error)


def _fingerprint(folder: Path) -> str:
    """sha256 of all files of a checkpoint but its card, which an evaluation rewrites."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.name != CARD and not path.name.startswith("."):
            content = sha256(path, "a file of a checkpoint")
            digest.update(f"{path.name} {content}\n".encode())
    return digest.hexdigest()


def _is_claimed(folder: Path) -> bool:
    """Whether a folder has a manifest; if it has none, it must be empty."""
    if not folder.exists():
        return False
    if not folder.is_dir():
        raise user_error(f"-o {folder}", "a file", "a folder", "choose another -o")
    names = [path.name for path in folder.iterdir() if not path.name.startswith(".")]
    if names and MANIFEST not in names:
        found = f"files, and no {MANIFEST} that says what made them: {some(sorted(names))}"
        expected = "a new folder, or one that predict has written"
        raise user_error(f"-o {folder}", found, expected, "choose another -o")
    return bool(names)


def _other_job(folder: Path, before: Record, now: Record) -> UserError:
    known = before.model_dump()
    changed = [
        f"{key} ({shown(known[key])} -> {shown(value)})"
        for key, value in now.model_dump().items()
        if known[key] != value
    ]
    return user_error(
        f"-o {folder}",
        f"outputs made with another {', another '.join(changed)}",
        "the checkpoint, input and options that it was begun with",
        "choose another -o, or --force to delete them and start over",
    )


def _clear(folder: Path, shards: Sequence[Shard]) -> None:
    outputs = {shard.output for shard in shards}
    others = [path for path in _tables(folder) if path not in outputs]
    if others:
        found = f"tables that this input does not give: {some(others)}"
        fix = "move them away, or choose another -o"
        raise user_error(f"-o {folder}", found, "none but those to be written anew", fix)
    for output in outputs:
        output.unlink(missing_ok=True)


def _tables(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if names_table(path) and not path.name.startswith((".", "_")) and path.is_file()
    )


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
        fix = "name a file, `-o OUT.parquet` say, which takes it whole"
        raise user_error(source, "a data set", "a folder or glob of tables", fix)
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
        raise user_error(f"-o {folder}", found, "a folder apart", "choose another -o")


def _refuse_collisions(shards: Sequence[Shard]) -> None:
    becomes: dict[Path, Path] = {}
    for shard in shards:
        other = becomes.setdefault(shard.output, shard.source)
        if other != shard.source:
            found = f"two tables that would become {shard.output}: {other} beside it"
            fix = "rename one, or take them apart with a glob"
            raise user_error(shard.source, found, "one table for each name", fix)
