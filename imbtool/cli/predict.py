"""`imbtool predict`: apply a checkpoint to a table, or to texts on stdin."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from imbtool.cli.common import Json, hint, show


def predict(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint or its run folder.")],
    source: Annotated[
        Path | None,
        typer.Argument(metavar="INPUT", help="A table or data set; default: stdin."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Where the result goes; default: stdout, as csv."),
    ] = None,
    text: Annotated[
        list[str] | None,
        typer.Option("--text", help="The text column, if it is not the one of the training."),
    ] = None,
    calibrated: Annotated[
        bool, typer.Option("--calibrated", help="p:LABEL says how often the label holds.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing output.")] = False,
    json: Json = False,
) -> None:
    """Add `predicted` and one `p:LABEL` column a label to a table's columns.

    Decisions use the checkpoint's thresholds and fit its hierarchy; p:LABEL is sigmoid(logit).
    With --calibrated p:LABEL is freed of what weights and focal loss did to it; decisions stay.
    Rows stream through, so memory does not grow with the file. On stdin, one text a line.

    Examples:

        imbtool predict runs/moderation-1/checkpoint new.csv -o labelled.csv

        echo "a text" | imbtool predict runs/moderation-1/checkpoint --json
    """
    from imbtool.checkpoint import read_checkpoint
    from imbtool.errors import fail
    from imbtool.prediction import predict_lines, predict_table, write_frames
    from imbtool.tables import table_format

    if output is not None:
        table_format(output)
        if output.exists() and not force:
            raise fail(output, "a file", "a new name", "choose another -o, or --force to overwrite")
    model = read_checkpoint(checkpoint)
    if source is None:
        frames = predict_lines(model, sys.stdin, calibrated)
    else:
        frames = predict_table(model, source, text or model.meta.data.text, calibrated)
    count = write_frames(frames, output, sys.stdout, ".jsonl" if json else ".csv")
    if json and output is not None:
        show({"output": str(output), "texts": count}, [], json)
    hint(f"{count} texts" + (f" -> {output}" if output else ""))
    if output is not None:
        hint(f"next: label some by hand, then imbtool evaluate {checkpoint} --data LABELLED.csv")
