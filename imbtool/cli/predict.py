"""`imbtool predict`: predict the labels of a table, of many tables, or of texts on stdin."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from imbtool.cli.common import (
    DEVICES,
    INPUT,
    OUTPUT,
    CheckpointFolder,
    Json,
    Threads,
    TrustRemoteCode,
    hint,
    require_new,
    show,
    use_threads,
)
from imbtool.cli.streams import write_data_as_utf8, writing_stdout

if TYPE_CHECKING:
    from imbtool.distributed.process_info import ProcessInfo
    from imbtool.inference.predict_folder import Engine, FileResult, PredictionJob
    from imbtool.model.checkpoint import Checkpoint


def predict(
    checkpoint: CheckpointFolder,
    source: Annotated[
        Path | None,
        typer.Argument(
            metavar="INPUT",
            help="A table, a folder or glob of tables, or a data set. By default texts are read "
            "from stdin, one a line.",
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
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="<path>",
            help="Write into this table (csv, tsv, jsonl or parquet) or, without such a suffix, "
            "into this folder, a file for each file of INPUT. By default csv goes to stdout.",
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
    exist already are skipped, so the same command continues after a stop. Several processes, also
    under torchrun, share the tables; with --engine ray a cluster does, and large tables in parts.

    Examples:

    - `imbtool predict runs/moderation-1/checkpoint new.csv -o labelled.csv`
    - `imbtool predict runs/moderation-1 shards -o labelled --precision auto`
    - `echo "a text" | imbtool predict runs/moderation-1/checkpoint --json`
    """
    from imbtool.distributed.process_info import read_process_info
    from imbtool.formats.sources import names_table, table_format
    from imbtool.inference.precision import require_precision
    from imbtool.inference.predict_folder import make_job
    from imbtool.model.checkpoint import read_checkpoint

    use_threads(threads)
    process = read_process_info(os.environ)
    schedule = _engine(engine, address, process, processes)
    into_folder = output is not None and not names_table(output)
    if source is not None and output is not None and into_folder and not source.is_file():
        job = make_job(checkpoint, source, text, calibrated, trust_remote_code, precision)
        _predict_folder(job, output, process, processes, force, json, schedule)
    else:
        _refuse_several(process, processes, engine)
        require_precision(precision)
        if source is None:
            _require_stdin()
        if output is not None:
            table_format(output)
            require_new(output, force, "-o")
        model = read_checkpoint(checkpoint, trust_remote_code)
        model = _on_device(model, source, precision)
        _predict_table(model, source, output, text, calibrated, json)
    if output is not None and process.processes == 1:
        hint(f"next: label some by hand, then imbtool evaluate {checkpoint} --data LABELLED.csv")


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
    output: Path | None,
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


def _engine(
    engine: str | None, address: str | None, process: ProcessInfo, processes: int | None
) -> Engine | None:
    from imbtool.errors import user_error

    if engine is None:
        if address is not None:
            fix = "add --engine ray, or leave out --address"
            raise user_error(f"--address {address}", "no engine", "the engine to use", fix)
        return None
    if process.processes > 1 or processes is not None:
        fix = "leave out --processes and the launcher"
        found = "processes of our own beside it"
        raise user_error(f"--engine {engine}", found, "Ray alone, which starts its workers", fix)
    from imbtool.inference.ray_engine import ray_engine

    return ray_engine(address)


def _refuse_several(process: ProcessInfo, processes: int | None, engine: str | None) -> None:
    from imbtool.errors import user_error

    launched = process.processes
    if engine is not None:
        found, fix = "a single table", "name its folder or a glob, and a folder to fill"
        raise user_error(f"--engine {engine}", found, "a folder of tables", fix)
    if launched > 1 or processes is not None:
        found = f"{launched} processes" if processes is None else f"--processes {processes}"
        fix = "name a folder of tables and a folder to fill, or leave it to one process"
        raise user_error("launch", found, "one process: a table is one file", fix)


def _predict_folder(
    job: PredictionJob,
    output: Path,
    process: ProcessInfo,
    processes: int | None,
    force: bool,
    json: bool,
    engine: Engine | None,
) -> None:
    from imbtool.inference.predict_folder import predict_folder
    from imbtool.wording import counted

    result = predict_folder(job, output, process, processes, force, sys.argv[1:], _tell, engine)
    for rank, code in enumerate(result.exit_codes):
        if code < 0:
            hint(f"process {rank} was ended by signal {-code}; the same command does what it left")
    files = result.counts.total()
    counts = {state: result.counts[state] for state in ("done", "skipped", "failed")}
    if json:
        show({"output": str(output), "files": files, **counts}, [], json)
    several = process.processes > 1
    whose = f"process {process.rank} of {process.processes}: " if several else ""
    states = ", ".join(f"{count} {state}" for state, count in counts.items())
    hint(f"{whose}{counted(files, 'file')}: {states} -> {output}")
    if code := result.exit_code():
        raise typer.Exit(code)


def _tell(result: FileResult, number: str) -> None:
    if result.error is not None:
        # every process reports its own files: no other process knows what is wrong with them
        for problem in result.error.problems:
            typer.echo(f"error: {problem}", err=True)
    elif result.state == "done":
        hint(f"{number}  {result.shard.source}: {result.texts} texts")
