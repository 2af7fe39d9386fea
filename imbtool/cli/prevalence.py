"""`imbtool prevalence`: how frequent each label is in a stream of new texts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from imbtool.cli.common import (
    INPUT,
    OUTPUT,
    TOOL_NAMES,
    CheckpointFolder,
    Json,
    TrustRemoteCode,
    hint,
    known_tool,
    show,
)

SAMPLE = "Sample"
PICTURE = "prevalence.png"


def prevalence(
    checkpoint: CheckpointFolder,
    stream: Annotated[
        Path,
        typer.Argument(metavar="STREAM", help="New texts: a table, a folder or a glob of them."),
    ],
    by: Annotated[
        str | None,
        typer.Option(
            "--by",
            metavar="<column>",
            help="Also estimate for each value of this column, for example each month.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    trust_remote_code: TrustRemoteCode = False,
    number: Annotated[
        int | None,
        typer.Option(
            "--sample",
            metavar="<int>",
            min=1,
            help="Draw this many texts for people to answer, and write them into the folder of -o.",
            rich_help_panel=SAMPLE,
        ),
    ] = None,
    answers: Annotated[
        Path | None,
        typer.Option(
            "--answers",
            metavar="<path>",
            help="Estimate from these answers to a sample: its batch.csv, or an export of an "
            "annotation tool in the folder of the sample.",
            rich_help_panel=SAMPLE,
        ),
    ] = None,
    tool: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="<tool>",
            help=f"Also write the sample as tasks of {TOOL_NAMES}.",
            rich_help_panel=SAMPLE,
        ),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(
            "--seed",
            metavar="<int>",
            min=0,
            max=10**12,
            help="Draw another sample with another number.",
            rich_help_panel=SAMPLE,
        ),
    ] = 0,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="<folder>",
            help="Write prevalence.json and a picture, or the sample, into this folder, which "
            "must be new.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Estimate how frequent each label is in new texts, with 95% intervals.

    Counting the texts that the model flags is most wrong for rare labels. Without answers this
    command corrects the count by what validation shows of the model's scores, tests whether that
    holds for the new texts, and withholds a figure where it does not. With the answers of people to
    a sample that it has drawn, the figures assume nothing.

    Examples:

    - `imbtool prevalence runs/moderation-1 may.csv -o may`
    - `imbtool prevalence runs/moderation-1 2026 --by month -o months`
    - `imbtool prevalence runs/moderation-1 may.csv --sample 300 -o samples/may`
    - `imbtool prevalence runs/moderation-1 may.csv --answers samples/may/batch.csv -o may-answered`
    """
    from imbtool.errors import user_error
    from imbtool.files.writing import require_utf8

    if output is not None:
        require_utf8(output)
        if output.exists():
            raise user_error(f"-o {output}", "a file or folder", "a new one", "choose another -o")
    _require_sense(by, number, answers, tool, output)
    if number is not None and output is not None:
        from imbtool.monitoring.sample import draw_sample
        from imbtool.report.console.prevalence import sample_views

        chosen = known_tool(tool)
        sample = draw_sample(
            *(checkpoint, stream, number, output, seed, chosen, sys.argv, hint, trust_remote_code)
        )
        show(sample, sample_views(sample), json)
        table = output / "batch.csv"
        hint(f"\nsample: {output}")
        again = f"imbtool prevalence {checkpoint} {stream} --answers {table}"
        hint(f"next: answer in {table}, then: {again}")
        return
    _estimate(checkpoint, stream, by, answers, output, trust_remote_code, json)


def _require_sense(
    by: str | None,
    number: int | None,
    answers: Path | None,
    tool: str | None,
    output: Path | None,
) -> None:
    from imbtool.errors import user_error

    if number is not None:
        if answers is not None:
            raise user_error("--answers", "--sample beside it", "one of the two", "leave one out")
        if output is None:
            fix = "name a new folder with -o"
            raise user_error("--sample", "no folder for the sample", "-o FOLDER", fix)
    elif tool is not None:
        raise user_error("--format", "no sample to write", "--sample N", "add --sample")
    if by is not None and (number is not None or answers is not None):
        found = "--by beside --sample or --answers"
        fix = "leave --by out, or estimate for groups without answers"
        raise user_error("--by", found, "--by alone: a sample says too little of groups", fix)


def _estimate(
    checkpoint: Path,
    stream: Path,
    by: str | None,
    answers: Path | None,
    output: Path | None,
    trust_remote_code: bool,
    json: bool,
) -> None:
    from imbtool.files.json_text import write_json
    from imbtool.files.writing import new_folder
    from imbtool.monitoring.prevalence import estimate_prevalence
    from imbtool.monitoring.prevalence_document import PREVALENCE
    from imbtool.monitoring.sample import estimate_from_answers
    from imbtool.report.console.prevalence import prevalence_views
    from imbtool.report.figures.figure import write_png
    from imbtool.report.figures.prevalence import draw_prevalence

    if answers is None:
        document = estimate_prevalence(checkpoint, stream, by, sys.argv, hint, trust_remote_code)
    else:
        document = estimate_from_answers(checkpoint, stream, answers, sys.argv)
    if output is not None:
        with new_folder(output) as draft:
            write_json(draft / PREVALENCE, document)
            write_png(draw_prevalence(document), draft / PICTURE)
    show(document, prevalence_views(document), json)
    if output is not None:
        hint(f"\nwritten: {output / PREVALENCE}, {output / PICTURE}")
    if answers is None:
        sample = f"imbtool prevalence {checkpoint} {stream} --sample 300 -o SAMPLE"
        hint(f"next, for figures that rest on answers: {sample}")
    else:
        hint(f"next, to train on the answers too: imbtool merge PROFILE {answers} -o merged/01")
