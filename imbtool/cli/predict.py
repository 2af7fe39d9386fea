"""`imbtool predict`: apply a checkpoint to a table, to many, or to texts on stdin."""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imbtool.cli.common import (
    DEVICES,
    INPUT,
    OUTPUT,
    CheckpointFolder,
    Json,
    TrustRemoteCode,
    hint,
    require_new,
    show,
)
from imbtool.cli.streams import write_data_as_utf8, writing_stdout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imbtool.distributed.process_info import Place
    from imbtool.files.locks import Lock
    from imbtool.inference.predict_folder import Job, Outcome, Shard
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
    """Add `predicted` and one `p:LABEL` column a label to a table's columns.

    Decisions use the checkpoint's thresholds and fit its hierarchy; p:LABEL is sigmoid(logit).
    --calibrated corrects the probabilities for class weights and focal loss. Predicted labels do
    not change.
    Rows stream through, so memory does not grow with the file. On stdin, one text a line.

    From a folder or glob into a folder, each file becomes one of the same name. Files that are
    there already are skipped, so the same command goes on after a stop. Several processes, also
    under torchrun, share the files.

    Examples:

    - `imbtool predict runs/moderation-1/checkpoint new.csv -o labelled.csv`
    - `imbtool predict runs/moderation-1/checkpoint shards -o labelled`
    - `echo "a text" | imbtool predict runs/moderation-1/checkpoint --json`
    """
    from imbtool.distributed.process_info import place_in
    from imbtool.formats.sources import names_table, table_format
    from imbtool.inference.predict_folder import make_job
    from imbtool.model.checkpoint import read_checkpoint

    place = place_in(os.environ)
    into_folder = output is not None and not names_table(output)
    if source is not None and output is not None and into_folder and not source.is_file():
        job = make_job(checkpoint, source, text, calibrated, trust_remote_code)
        _predict_folder(job, output, place, processes, force, json)
    else:
        _refuse_several(place, processes)
        if source is None:
            _require_stdin()
        if output is not None:
            table_format(output)
            require_new(output, force, "-o")
        model = read_checkpoint(checkpoint, trust_remote_code)
        _predict_table(model, source, output, text, calibrated, json)
    if output is not None and place.processes == 1:
        hint(f"next: label some by hand, then imbtool evaluate {checkpoint} --data LABELLED.csv")


def _predict_table(
    model: Checkpoint,
    source: Path | None,
    output: Path | None,
    text: list[str] | None,
    calibrated: bool,
    json: bool,
) -> None:
    from imbtool.inference.predict import (
        predict_lines,
        predict_table,
        use_gpu,
        write_file,
        write_frames,
    )

    use_gpu(model, 0)
    if source is None:
        frames = predict_lines(model, sys.stdin, calibrated)
    else:
        frames = predict_table(model, source, text or model.meta.data.text, calibrated)
    if output is None:
        write_data_as_utf8()
        with writing_stdout():
            count = write_frames(frames, sys.stdout, ".jsonl" if json else ".csv")
    else:
        count = write_file(frames, output)
        if json:
            show({"output": str(output), "texts": count}, [], json)
    hint(f"{count} texts" + (f" -> {output}" if output else ""))


def _require_stdin() -> None:
    from imbtool.errors import user_error

    if sys.stdin is None:
        fix = "pipe texts into it, one a line, or name a table"
        raise user_error("stdin", "a closed stream", "texts", fix)


def _refuse_several(place: Place, processes: int | None) -> None:
    from imbtool.errors import user_error

    if place.processes > 1 or processes is not None:
        found = f"{place.processes} processes" if processes is None else f"--processes {processes}"
        fix = "name a folder of tables and a folder to fill, or leave it to one process"
        raise user_error("launch", found, "one process: a table is one file", fix)


def _predict_folder(
    job: Job, output: Path, place: Place, processes: int | None, force: bool, json: bool
) -> None:
    from imbtool.distributed.launch import processes_to_start, visible_devices
    from imbtool.errors import user_error
    from imbtool.files.locks import Member, locked
    from imbtool.inference.predict_folder import (
        claim_folder,
        job_name,
        plan_shards,
        require_claimable,
    )

    several = processes_to_start(processes, os.environ, visible_devices())
    shards = plan_shards(job.source, output)
    if force and place.processes > 1:
        found = f"--force in {place.processes} processes"
        fix = "delete the folder first, and leave out --force"
        raise user_error("launch", found, "one that deletes before the others begin", fix)
    require_claimable(output)
    member = Member(job_name(job, place.processes), place.rank) if place.processes > 1 else None
    with locked(output, member) as lock:
        claim_folder(output, job, shards, force)
        if several:
            _launch(several, output, shards, lock, json)
        else:
            _take_share(job, output, place, shards, json)


def _launch(processes: int, output: Path, shards: Sequence[Shard], lock: Lock, json: bool) -> None:
    """Let several processes share the files; each comes back here with its number."""
    from imbtool.distributed.workers import run_all
    from imbtool.inference.predict_folder import count_done

    before = count_done(shards)
    codes = run_all(processes, [each for each in sys.argv[1:] if each != "--force"], lock)
    for rank, code in enumerate(codes):
        if code < 0:
            hint(f"process {rank} was ended by signal {-code}; the same command does what it left")
    done = count_done(shards)
    left = len(shards) - done
    _tell_end(output, Counter(done=done - before, skipped=before, failed=left), "", json)
    if any(codes):
        raise typer.Exit(max(2, *codes))


def _take_share(job: Job, output: Path, place: Place, shards: Sequence[Shard], json: bool) -> None:
    from imbtool.distributed.workers import failures_to_answer_for
    from imbtool.inference.predict_folder import predict_shards, shared_out

    sizes = [shard.source.stat().st_size for shard in shards]
    mine = [shards[index] for index in shared_out(sizes, place.processes)[place.rank]]
    states: Counter[str] = Counter()
    for outcome in predict_shards(job, mine, place.local):
        states[outcome.state] += 1
        _tell(outcome, f"{states.total()}/{len(mine)}")
    whose = f"process {place.rank} of {place.processes}: " if place.processes > 1 else ""
    _tell_end(output, states, whose, json)
    if failures_to_answer_for(states["failed"], os.environ):
        raise typer.Exit(2)


def _tell(outcome: Outcome, number: str) -> None:
    if outcome.error is not None:
        # each file is one process's: what is wrong with it no other can say
        for problem in outcome.error.problems:
            typer.echo(f"error: {problem}", err=True)
    elif outcome.state == "done":
        hint(f"{number}  {outcome.shard.source}: {outcome.texts} texts")


def _tell_end(output: Path, states: Counter[str], whose: str, json: bool) -> None:
    """How many files there were, and what came of them."""
    from imbtool.wording import counted

    counts = {state: states[state] for state in ("done", "skipped", "failed")}
    if json:
        show({"output": str(output), "files": states.total(), **counts}, [], json)
    told = ", ".join(f"{count} {state}" for state, count in counts.items())
    hint(f"{whose}{counted(states.total(), 'file')}: {told} -> {output}")
