"""A checkpoint applied to many tables, file by file; those with newer outputs are skipped.

This process predicts them one after the other, or an engine has others do it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Literal

import pandas as pd

from imbtool import notes
from imbtool.data.datasets import is_dataset
from imbtool.errors import UserError, user_error
from imbtool.files.copies import local_copy
from imbtool.files.locks import locked
from imbtool.files.paths import real_path
from imbtool.files.stores import Location, StoreError, StorePath, version_of
from imbtool.files.writing import sha256
from imbtool.formats.sources import separate_files, stored_tables, written_name
from imbtool.inference.output_folder import (
    FolderManifest,
    claim_folder,
    read_claim,
    require_claimable,
    whole_files,
)
from imbtool.inference.precision import (
    have_rows,
    require_precision,
    tell_precision,
    with_precision,
)
from imbtool.inference.predict import predict, shown_probabilities, use_gpu, write_file
from imbtool.trained.checkpoint import Checkpoint, checkpoint_folder, read_checkpoint
from imbtool.trained.metadata import read_meta
from imbtool.wording import as_list, some

CARD = "README.md"
Tables = list[tuple[Location, Path]]
"""Tables, each with its path below the folder that all are in."""


@dataclass(frozen=True)
class PredictionJob:
    """What the outputs depend on.

    Attributes:
        checkpoint: where the checkpoint is.
        sha256: digest of the files that decide the predictions.
        source: the folder or glob of the tables.
        text: their text columns.
        calibrated: whether `p:LABEL` is calibrated.
        trust_remote_code: whether to run code that comes with the model.
        precision: that the model computes in, or `auto` while that is not decided.
    """

    checkpoint: Location
    sha256: str
    source: Location
    text: tuple[str, ...]
    calibrated: bool
    trust_remote_code: bool
    precision: str

    @property
    def manifest(self) -> FolderManifest:
        """The content of the output folder's manifest."""
        return FolderManifest(
            checkpoint=self.sha256,
            input=str(self.source.absolute()).encode(errors="backslashreplace").decode(),
            text=list(self.text),
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

    source: Location
    output: Location


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


Engine = Callable[[PredictionJob, Sequence[Shard], Location], Iterator[FileResult]]
"""What predicts those files of a job whose outputs are missing, given the folder of the outputs."""


def make_job(
    checkpoint: Location,
    source: Location,
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
        checkpoint if isinstance(checkpoint, StorePath) else folder,
        fingerprint(folder),
        source,
        tuple(columns),
        calibrated,
        trust_remote_code,
        precision,
    )


def predict_folder(
    job: PredictionJob,
    folder: Location,
    start_over: bool,
    tell: Callable[[FileResult, str], None],
    engine: Engine | None = None,
) -> Counter[str]:
    """Predict the files of a job into a folder.

    Args:
        job: what to predict, and how.
        folder: of the outputs.
        start_over: whether to delete outputs that exist.
        tell: called with each result and its number, such as `2/5`.
        engine: that has other processes predict the files; None does it in this one.

    Returns:
        The number of files by `FileResult.state`.

    Raises:
        UserError: the checkpoint, the tables or the folder cannot be used, or another command
            writes to the folder.
    """
    shards = plan_shards(job.source, folder)
    require_claimable(folder)
    # a store has no locks: there it is up to the user to give one command at a time
    with nullcontext() if isinstance(folder, StorePath) else locked(folder):
        model = _Model(job, shards)
        job = model.decide_precision(None if start_over else read_claim(folder))
        outputs = {shard.output for shard in shards}
        claim_folder(folder, job.manifest, outputs, start_over)
        left = _shards_left(job.source, folder, shards)
        results = _predict_shards(model, left) if engine is None else engine(job, left, folder)
        counts: Counter[str] = Counter(skipped=len(shards) - len(left))
        for result in results:
            counts[result.state] += 1
            tell(result, f"{counts.total()}/{len(shards)}")
        return counts


def _shards_left(source: Location, folder: Location, shards: Sequence[Shard]) -> list[Shard]:
    """The tables without an output, and those that were written after it."""
    outputs = whole_files(folder, [shard.output for shard in shards])
    tables = whole_files(source, [shard.source for shard in shards])
    left, newer = [], []
    for shard in shards:
        if shard.output not in outputs:
            left.append(shard)
        elif outputs[shard.output] < tables.get(shard.source, 0):
            left.append(shard)
            newer.append(shard.source)
    if newer:
        notes.tell([f"predicted again, since written after their outputs: {some(newer)}"])
    return left


def load_model(job: PredictionJob, gpu: int) -> Checkpoint:
    """The model of a job whose precision is decided, for a process of an engine.

    Args:
        job: what it predicts.
        gpu: number of the GPU that it is moved to, if there are any.

    Raises:
        UserError: the checkpoint is damaged, or cannot have this precision.
    """
    checkpoint = read_checkpoint(job.checkpoint, job.trust_remote_code)
    use_gpu(checkpoint, gpu)
    return with_precision(checkpoint, job.precision)


class _Model:
    """The model of a job, which is loaded once it is needed.

    Attributes:
        job: what is to be predicted, and how.
    """

    def __init__(self, job: PredictionJob, shards: Sequence[Shard]) -> None:
        """The job and all its tables."""
        self.job = job
        self._shards = shards

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
        use_gpu(checkpoint, 0)
        tables = [shard.source for shard in self._shards]
        are_there = partial(have_rows, tables, checkpoint.meta.data.text_format)
        return with_precision(checkpoint, self.job.precision, are_there)


def _predict_shards(model: _Model, shards: Sequence[Shard]) -> Iterator[FileResult]:
    """Yield the result of each file; a file that cannot be used does not stop the others.

    Raises:
        UserError: the checkpoint is damaged, or a store cannot be used.
        OSError: the folder cannot be written.
    """
    for shard in shards:
        yield predict_shard(model.checkpoint, model.job, shard)
    if shards:
        tell_precision(model.checkpoint)


def predict_shard(checkpoint: Checkpoint, job: PredictionJob, shard: Shard) -> FileResult:
    """Predict one file of a job, and write its output.

    Raises:
        StoreError: the store that it is in cannot be used.
        OSError: the folder cannot be written.
    """
    try:
        return FileResult(shard, "done", predict_table(checkpoint, job, shard))
    except StoreError:
        raise
    except UserError as error:
        return FileResult(shard, "failed", error=error)


def predict_table(checkpoint: Checkpoint, job: PredictionJob, shard: Shard) -> int:
    """Write the output of one table, unless the table changes meanwhile; its number of texts.

    Raises:
        UserError: the table cannot be used, or it changes.
        OSError: the folder cannot be written.
    """
    before = _version(shard.source)

    def frames(table: Path) -> Iterator[pd.DataFrame]:
        yield from predict(checkpoint, table, job.text, job.calibrated)
        if _version(shard.source) != before:
            fix = "give the same command again once it is written"
            raise user_error(shard.source, "other content than before", "a table that stays", fix)

    with local_copy(shard.source) as table:
        return write_file(frames(table), shard.output)


def _version(table: Location) -> tuple[int, int] | None:
    """What tells a table from what it becomes; None of one that is not there."""
    try:
        return version_of(table)
    except OSError:
        return None


def fingerprint(folder: Path) -> str:
    """sha256 of all files of a checkpoint except its card, which an evaluation rewrites."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.name != CARD and not path.name.startswith("."):
            content = sha256(path, "a file of a checkpoint")
            digest.update(f"{path.name} {content}\n".encode())
    return digest.hexdigest()


def plan_shards(source: Location, folder: Location) -> list[Shard]:
    """The tables of a folder or glob, by name, each with an output of the same name in `folder`.

    Tables that a glob finds in several folders keep their folders, from the first wildcard on.

    Raises:
        UserError: there are no tables, two of them would have one output, or the outputs would
            lie among the inputs.
    """
    if isinstance(source, Path) and is_dataset(source):
        fix = "name a file, `-o OUT.parquet` say, which takes it whole"
        raise user_error(source, "a data set", "a folder or glob of tables", fix)
    if isinstance(source, StorePath):
        overlap = f"{folder}/".startswith(f"{source}/")
        tables: Tables = [(file, Path(file.name)) for file in stored_tables(source)]
    else:
        base, files = separate_files(source)
        overlap = isinstance(folder, Path) and _overlap(source, base, folder)
        tables = [(file, file.relative_to(base)) for file in files]
    if overlap:  # the next run would read the outputs as inputs
        found = f"a folder among the tables of {source}"
        raise user_error(f"-o {folder}", found, "a folder apart", "choose another -o")
    shards = [Shard(file, folder / written_name(name)) for file, name in tables]
    _refuse_collisions(shards)
    return shards


def _overlap(source: Path, base: Path, folder: Path) -> bool:
    """Whether outputs would lie among the inputs."""
    inside, outside = real_path(folder), real_path(base)
    reaches_down = source.is_dir() or "**" in source.parts
    return inside == outside or (reaches_down and outside in inside.parents)


def _refuse_collisions(shards: Sequence[Shard]) -> None:
    becomes: dict[Location, Location] = {}
    for shard in shards:
        other = becomes.setdefault(shard.output, shard.source)
        if other != shard.source:
            found = f"two tables that would become {shard.output}: {other} beside it"
            fix = "rename one, or take them apart with a glob"
            raise user_error(shard.source, found, "one table for each name", fix)
