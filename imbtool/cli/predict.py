"""`imbtool predict`: predict the labels of a table, of many tables, or of texts on stdin."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from imbtool.cli.common import (
    DEVICES,
    INPUT,
    OUTPUT,
    Json,
    Threads,
    TrustRemoteCode,
    hint,
    refuse_launcher,
    require_new,
    show,
    use_threads,
)
from imbtool.cli.streams import write_data_as_utf8, writing_stdout

if TYPE_CHECKING:
    from imbtool.files.stores import Location
    from imbtool.inference.predict_folder import Engine, FileResult, PredictionJob
    from imbtool.trained.checkpoint import Checkpoint

LAUNCH = (
    "start it without a launcher: --processes shares a folder among the GPUs of this machine, "
    "--engine ray among machines"
)


def predict(
    checkpoint: Annotated[
        str,
        typer.Argument(
            metavar="CHECKPOINT",
            help="A checkpoint, or the run folder that holds it; also in an object store.",
        ),
    ],
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="INPUT",
            help="A table, a folder or glob of tables, or a data set; in an object store (s3://, "
            "gs://, az://) a table or a folder. By default texts are read from stdin, one a line.",
            show_default=False,
        ),
    ] = None,
    text: Annotated[
        list[str] | None,
        typer.Option(
            "--text",
            metavar="<column>",
            help="Read texts from this column, if it had another name in training.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    trust_remote_code: TrustRemoteCode = False,
    processes: Annotated[
        int | None,
        typer.Option(
            "--processes",
            metavar="<int>",
            min=1,
            help="Predict a folder with this many processes. By default there is one for each "
            "visible GPU, or one on the CPU.",
            rich_help_panel=DEVICES,
        ),
    ] = None,
    engine: Annotated[
        Literal["ray"] | None,
        typer.Option(
            "--engine",
            metavar="ray",
            help="Let Ray schedule a folder, on all cores or GPUs of this machine or a cluster.",
            rich_help_panel=DEVICES,
            show_default=False,
        ),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(
            "--address",
            metavar="<address>",
            help="Use the Ray cluster at this address; auto finds the one of this machine.",
            rich_help_panel=DEVICES,
        ),
    ] = None,
    precision: Annotated[
        str,
        typer.Option(
            "--precision",
            metavar="<precision>",
            help="Compute in fp32, in bf16 with the decisions of fp32, or in what is faster and "
            "decides alike on validation: auto.",
            rich_help_panel=DEVICES,
        ),
    ] = "fp32",
    threads: Threads = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="<path>",
            help="Write into this table (csv, tsv, jsonl or parquet) or, without such a suffix, "
            "into this folder, a file for each file of INPUT; also in an object store. By default "
            "csv goes to stdout.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    calibrated: Annotated[
        bool,
        typer.Option(
            "--calibrated",
            help="Correct the probabilities for the distortion that class weights and focal "
            "loss cause. Predicted labels do not change.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Overwrite the output if it exists, and begin a folder again.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Add `predicted` and a column `p:LABEL` for each label to the columns of a table.

    `predicted` has the labels by the checkpoint's thresholds and hierarchy, p:LABEL is
    sigmoid(logit). --calibrated corrects p:LABEL for the distortion that class weights and focal
    loss cause; predicted labels do not change. Tables are read in chunks, so memory does not grow
    with the table.

    From a folder or glob into a folder, each table gets an output of the same name. Outputs that
    exist already are skipped, so the same command continues after a stop. --processes shares the
    tables among processes of this machine; --engine ray lets a cluster do it, and large tables in
    parts.

    Examples:

    - `imbtool predict runs/moderation-1/checkpoint new.csv -o labelled.csv`
    - `imbtool predict runs/moderation-1 shards -o labelled --precision auto`
    - `echo "a text" | imbtool predict runs/moderation-1/checkpoint --json`
    """
    from imbtool.errors import user_error
    from imbtool.files.stores import location
    from imbtool.formats.sources import names_table, table_format
    from imbtool.inference.precision import require_precision
    from imbtool.inference.predict_folder import make_job
    from imbtool.trained.checkpoint import read_checkpoint

    refuse_launcher(LAUNCH)
    use_threads(threads)
    _refuse_two_engines(engine, address, processes)
    trained = location(checkpoint)
    table = None if source is None else location(source)
    target = None if output is None else location(output)
    into_folder = target is not None and not names_table(target)
    if table is not None and target is not None and into_folder and not table.is_file():
        job = make_job(trained, table, text, calibrated, trust_remote_code, precision)
        _predict_folder(job, target, force, json, _engine(engine, address, processes))
    else:
        _refuse_several(processes, engine)
        if table is None and text:
            found, fix = "lines from stdin, each of them a text", "name the table, or leave it out"
            raise user_error(f"--text {text[0]}", found, "a table with this column", fix)
        require_precision(precision)
        if target is not None:
            table_format(target)
            require_new(target, force, "-o")
        with _at_hand(table) as here:
            model = read_checkpoint(trained, trust_remote_code)
            model = _on_device(model, here, precision)
            _predict_table(model, here, target, text, calibrated, json)
    if target is not None:
        hint(f"next: {_next(trained)}")


def _next(checkpoint: Location) -> str:
    from imbtool.files.stores import StorePath

    evaluation = "label some by hand, then imbtool evaluate {} --data LABELLED.csv"
    if isinstance(checkpoint, StorePath):
        return f"copy {checkpoint} to this machine, {evaluation.format('CHECKPOINT')}"
    return evaluation.format(checkpoint)


@contextmanager
def _at_hand(table: Location | None) -> Iterator[Path | None]:
    """Give the path of a table on this machine; None is stdin."""
    from imbtool.files.copies import local_copy

    if table is None:
        _require_stdin()
        yield None
        return
    _refuse_stored_folder(table)
    with local_copy(table) as here:
        yield here


def _refuse_stored_folder(table: Location) -> None:
    from imbtool.errors import user_error
    from imbtool.files.stores import StorePath

    if isinstance(table, StorePath) and not table.is_file() and table.names():
        fix = "name a folder to fill after -o, without the suffix of a table"
        raise user_error(table, "a folder of an object store", "one table", fix)


def _on_device(model: Checkpoint, source: Path | None, precision: str) -> Checkpoint:
    """The model on the first GPU, if there is one, and in a precision."""
    from functools import partial

    from imbtool.inference.precision import have_rows, with_precision
    from imbtool.inference.predict import use_gpu

    use_gpu(model, 0)
    if source is None:
        return with_precision(model, precision)
    are_there = partial(have_rows, [source], model.meta.data.text_format)
    return with_precision(model, precision, are_there)


def _predict_table(
    model: Checkpoint,
    source: Path | None,
    output: Location | None,
    text: list[str] | None,
    calibrated: bool,
    json: bool,
) -> None:
    from imbtool.inference.precision import tell_precision
    from imbtool.inference.predict import predict, predict_lines, write_file, write_frames

    if source is None:
        frames = predict_lines(model, sys.stdin, calibrated)
    else:
        frames = predict(model, source, text, calibrated)
    if output is None:
        write_data_as_utf8()
        with writing_stdout():
            count = write_frames(frames, sys.stdout, ".jsonl" if json else ".csv")
    else:
        count = write_file(frames, output)
        if json:
            show({"output": str(output), "texts": count}, [], json)
    tell_precision(model)
    hint(f"{count} texts" + (f" -> {output}" if output else ""))


def _require_stdin() -> None:
    from imbtool.errors import user_error

    if sys.stdin is None:
        fix = "pipe texts into it, one a line, or name a table"
        raise user_error("stdin", "a closed stream", "texts", fix)


def _refuse_two_engines(engine: str | None, address: str | None, processes: int | None) -> None:
    from imbtool.errors import user_error

    if engine is None and address is not None:
        fix = "add --engine ray, or leave out --address"
        raise user_error(f"--address {address}", "no engine", "the engine to use", fix)
    if engine is not None and processes is not None:
        found, expected = "--processes beside it", "Ray alone, which starts its workers"
        raise user_error(f"--engine {engine}", found, expected, "leave out --processes")


def _refuse_several(processes: int | None, engine: str | None) -> None:
    from imbtool.errors import user_error

    if engine is not None:
        found, fix = "a single table", "name its folder or a glob, and a folder to fill"
        raise user_error(f"--engine {engine}", found, "a folder of tables", fix)
    if processes is not None:
        expected = "one process: a table is one file"
        fix = "name a folder of tables and a folder to fill, or leave out --processes"
        raise user_error(f"--processes {processes}", "a single table", expected, fix)


def _engine(engine: str | None, address: str | None, processes: int | None) -> Engine | None:
    """What predicts a folder; None is this process.

    Raises:
        UserError: Ray is not installed, or there are fewer GPUs than requested processes.
    """
    from imbtool.distributed.launch import processes_wanted, visible_devices
    from imbtool.inference.process_engine import process_engine
    from imbtool.inference.ray_engine import ray_engine

    if engine is not None:
        return ray_engine(address)
    several = processes_wanted(processes, visible_devices())
    return process_engine(several) if several > 1 else None


def _predict_folder(
    job: PredictionJob, output: Location, force: bool, json: bool, engine: Engine | None
) -> None:
    from imbtool.inference.predict_folder import predict_folder
    from imbtool.wording import counted

    result = predict_folder(job, output, force, _tell, engine)
    files = result.total()
    counts = {state: result[state] for state in ("done", "skipped", "failed")}
    if json:
        show({"output": str(output), "files": files, **counts}, [], json)
    states = ", ".join(f"{count} {state}" for state, count in counts.items())
    hint(f"{counted(files, 'file')}: {states} -> {output}")
    if counts["failed"]:
        raise typer.Exit(2)


def _tell(result: FileResult, number: str) -> None:
    if result.error is not None:
        for problem in result.error.problems:
            typer.echo(f"error: {problem}", err=True)
    elif result.state == "done":
        hint(f"{number}  {result.shard.source}: {result.texts} texts")
