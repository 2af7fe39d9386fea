"""A checkpoint applied to many tables, file by file; files that exist already are skipped.

Several processes share the files: those that a launcher has started, or those that this process
starts.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Literal

from imbtool.data.datasets import is_dataset
from imbtool.distributed.launch import processes_to_start, visible_devices
from imbtool.distributed.process_info import ProcessInfo
from imbtool.distributed.workers import failures_to_report, run_workers
from imbtool.errors import UserError, user_error
from imbtool.files.json_text import to_json
from imbtool.files.locks import Lock, Member, locked
from imbtool.files.paths import real_path
from imbtool.files.writing import sha256
from imbtool.formats.sources import separate_files, written_name
from imbtool.inference.output_folder import (
    FolderManifest,
    claim_folder,
    read_claim,
    require_claimable,
)
from imbtool.inference.precision import (
    have_rows,
    require_precision,
    tell_precision,
    with_precision,
)
from imbtool.inference.predict import predict, shown_probabilities, use_gpu, write_file
from imbtool.model.checkpoint import Checkpoint, checkpoint_folder, read_checkpoint
from imbtool.model.metadata import read_meta
from imbtool.wording import as_list

CARD = "README.md"


@dataclass(frozen=True)
class PredictionJob:
    """What the outputs depend on.

    Attributes:
        checkpoint: folder of the checkpoint.
        sha256: digest of the files that decide the predictions.
        source: the folder or glob of the tables.
        text: their text columns.
        calibrated: whether `p:LABEL` is calibrated.
        trust_remote_code: whether to run code that comes with the model.
        precision: that the model computes in, or `auto` while that is not decided.
    """

    checkpoint: Path
    sha256: str
    source: Path
    text: list[str]
    calibrated: bool
    trust_remote_code: bool
    precision: str

    @property
    def manifest(self) -> FolderManifest:
        """The content of the output folder's manifest."""
        return FolderManifest(
            checkpoint=self.sha256,
            input=str(self.source.absolute()).encode(errors="backslashreplace").decode(),
            text=self.text,
            calibrated=self.calibrated,
            precision=self.precision,
        )


@dataclass(frozen=True)
class Shard:
    """One of many tables.

    Attributes:
        source: the table.
        output: the file that its predictions are written to.
    """

    source: Path
    output: Path


@dataclass(frozen=True)
class FileResult:
    """The result for one file.

    Attributes:
        shard: the file.
        state: `skipped` if the output existed already.
        texts: number of predicted texts.
        error: why it failed.
    """

    shard: Shard
    state: Literal["done", "skipped", "failed"]
    texts: int = 0
    error: UserError | None = None


Engine = Callable[[PredictionJob, Sequence[Shard], Path], Iterator[FileResult]]
"""What schedules the files of a job, given the folder of the outputs."""


@dataclass(frozen=True)
class FolderResult:
    """The result for all files of this process, or of the processes that it has started.

    Attributes:
        counts: number of files by `FileResult.state`.
        exit_codes: of the processes that were started; empty if there were none.
    """

    counts: Counter[str]
    exit_codes: Sequence[int] = ()

    def exit_code(self) -> int:
        """The exit code of this process; to be called once everything else has been reported."""
        if self.exit_codes:
            return max(2, *self.exit_codes) if any(self.exit_codes) else 0
        return 2 if failures_to_report(self.counts["failed"], os.environ) else 0


def make_job(
    checkpoint: Path,
    source: Path,
    text: Sequence[str] | None,
    calibrated: bool = False,
    trust_remote_code: bool = False,
    precision: str = "fp32",
) -> PredictionJob:
    """Gather what the outputs depend on, without loading the model.

    Args:
        checkpoint: its folder, or the run folder around it.
        source: the folder or glob of the tables.
        text: their text columns; default: those of the training tables.
        calibrated: whether `p:LABEL` is to be calibrated.
        trust_remote_code: whether to run code that comes with the model.
        precision: that the model computes in, or `auto`; see `with_precision`.

    Raises:
        UserError: there is no checkpoint, or calibration is requested and the checkpoint has none.
    """
    require_precision(precision)
    folder = checkpoint_folder(checkpoint)
    meta = read_meta(folder)
    shown_probabilities(folder, meta, calibrated)
    trained_on = meta.data.text
    columns = text or as_list(trained_on)
    return PredictionJob(
        folder, fingerprint(folder), source, list(columns), calibrated, trust_remote_code, precision
    )


def predict_folder(
    job: PredictionJob,
    folder: Path,
    process: ProcessInfo,
    processes: int | None,
    start_over: bool,
    arguments: Sequence[str],
    tell: Callable[[FileResult, str], None],
    engine: Engine | None = None,
) -> FolderResult:
    """Predict the files of a job into a folder, alone, with other processes, or by an engine.

    Args:
        job: what to predict, and how.
        folder: of the outputs.
        process: this process among those that a launcher has started.
        processes: number of processes that the user requests; None means one for each GPU.
        start_over: whether to delete outputs that exist.
        arguments: of the command line that this process was started with; the processes that it
            starts get the same ones.
        tell: called with each result of this process and its number, such as `2/5`.
        engine: that schedules the files; None shares them among processes.

    Raises:
        UserError: the checkpoint, the tables or the folder cannot be used, or another command
            writes to the folder.
    """
    several = 0
    if engine is None:
        several = processes_to_start(processes, os.environ, visible_devices())
    shards = plan_shards(job.source, folder)
    if start_over and process.processes > 1:
        found = f"--force in {process.processes} processes"
        fix = "delete the folder first, and leave out --force"
        raise user_error("launch", found, "one that deletes before the others begin", fix)
    require_claimable(folder)
    member = Member(_job_name(job, process.processes), process.rank)
    with locked(folder, member if process.processes > 1 else None) as lock:
        model = _Model(job, shards, process.local_rank)
        job = model.decide_precision(None if start_over else read_claim(folder))
        claim_folder(folder, job.manifest, {shard.output for shard in shards}, start_over)
        if several:
            return _predict_in_workers(several, shards, arguments, lock)
        sizes = [shard.source.stat().st_size for shard in shards]
        mine = [shards[at] for at in assign_shards(sizes, process.processes)[process.rank]]
        results = _predict_shards(model, mine) if engine is None else engine(job, mine, folder)
        counts: Counter[str] = Counter()
        for result in results:
            counts[result.state] += 1
            tell(result, f"{counts.total()}/{len(mine)}")
        return FolderResult(counts)


class _Model:
    """The model of a job, which is loaded once it is needed.

    Attributes:
        job: what is to be predicted, and how.
    """

    def __init__(self, job: PredictionJob, shards: Sequence[Shard], gpu: int) -> None:
        """The tables of the whole job, and the number of this process on its machine."""
        self.job = job
        self._shards, self._gpu = shards, gpu

    def decide_precision(self, before: FolderManifest | None) -> PredictionJob:
        """The job with its precision; `auto` takes that which the folder was begun with."""
        if self.job.precision == "auto":
            begun = self.job if before is None else replace(self.job, precision=before.precision)
            is_same = begun.manifest == before
            precision = begun.precision if is_same else self.checkpoint.precision
            self.job = replace(self.job, precision=precision)
        return self.job

    @cached_property
    def checkpoint(self) -> Checkpoint:
        """The model in its precision, on its device.

        Raises:
            UserError: the checkpoint is damaged, or cannot have this precision.
        """
        checkpoint = read_checkpoint(self.job.checkpoint, self.job.trust_remote_code)
        use_gpu(checkpoint, self._gpu)
        tables = [shard.source for shard in self._shards]
        are_there = partial(have_rows, tables, checkpoint.meta.data.text_format)
        return with_precision(checkpoint, self.job.precision, are_there)


def _job_name(job: PredictionJob, processes: int) -> str:
    """What distinguishes a job of several processes from other jobs."""
    digest = hashlib.sha256(to_json(job.manifest.model_dump()).encode()).hexdigest()
    return f"a job of {processes} processes, {digest[:16]}"


def _predict_in_workers(
    processes: int, shards: Sequence[Shard], arguments: Sequence[str], lock: Lock
) -> FolderResult:
    """Let several processes share the files; each of them runs `predict_folder` with its rank."""
    before = _count_done(shards)
    codes = run_workers(processes, [each for each in arguments if each != "--force"], lock)
    done = _count_done(shards)
    counts = Counter(done=done - before, skipped=before, failed=len(shards) - done)
    return FolderResult(counts, codes)


def _count_done(shards: Sequence[Shard]) -> int:
    return sum(shard.output.exists() for shard in shards)


def _predict_shards(model: _Model, shards: Sequence[Shard]) -> Iterator[FileResult]:
    """Yield the result of each file; a file that cannot be used does not stop the others.

    Args:
        model: of the job.
        shards: the files of this process.

    Raises:
        UserError: the checkpoint is damaged.
        OSError: the folder cannot be written.
    """
    left = []
    for shard in shards:
        if shard.output.exists():
            yield FileResult(shard, "skipped")
        else:
            left.append(shard)
    for shard in left:
        yield _predict_shard(model.checkpoint, model.job, shard)
    if left:
        tell_precision(model.checkpoint)


def _predict_shard(checkpoint: Checkpoint, job: PredictionJob, shard: Shard) -> FileResult:
    frames = predict(checkpoint, shard.source, job.text, job.calibrated)
    try:
        return FileResult(shard, "done", write_file(frames, shard.output))
    except UserError as error:
        return FileResult(shard, "failed", error=error)


def fingerprint(folder: Path) -> str:
    """sha256 of all files of a checkpoint except its card, which an evaluation rewrites."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.name != CARD and not path.name.startswith("."):
            content = sha256(path, "a file of a checkpoint")
            digest.update(f"{path.name} {content}\n".encode())
    return digest.hexdigest()


def plan_shards(source: Path, folder: Path) -> list[Shard]:
    """The tables of a folder or glob, by name, each with an output of the same name in `folder`.

    Tables that a glob finds in several folders keep their folders, from the first wildcard on.

    Raises:
        UserError: there are no tables, two of them would have one output, or the outputs would
            lie among the inputs.
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


def assign_shards(sizes: Sequence[int], processes: int) -> list[list[int]]:
    """Distribute files over processes so that all have about the same number of bytes.

    The largest remaining file goes to the process with the fewest bytes (Graham 1969: at most a
    third above the optimum). The result depends on the sizes alone, so processes need not
    communicate.

    Args:
        sizes: of the files, in bytes.
        processes: number of processes.

    Returns:
        The indices of the files of each process.
    """
    shares: list[list[int]] = [[] for _ in range(processes)]
    loads = [0] * processes
    for index in sorted(range(len(sizes)), key=lambda each: -sizes[each]):
        least = loads.index(min(loads))
        shares[least].append(index)
        loads[least] += sizes[index] + 1  # so that empty files are distributed, too
    return [sorted(share) for share in shares]


def _refuse_overlap(source: Path, base: Path, folder: Path, reaches_down: bool) -> None:
    """Refuse outputs among the inputs: the next run would read them as inputs."""
    inside, outside = real_path(folder), real_path(base)
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
