"""`imbtool export`: a checkpoint as an ONNX graph, if the graph decides as the checkpoint does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from imbtool.cli.common import INPUT, OUTPUT, CheckpointFolder, Json, hint, show


def export(
    checkpoint: CheckpointFolder,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="<folder>",
            help="Write the exported model into this folder, which must be new.",
            rich_help_panel=OUTPUT,
        ),
    ],
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="<table>",
            help="Compare on this labelled table. By default it is the validation split of the "
            "run.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    int8: Annotated[
        bool,
        typer.Option(
            "--int8",
            help="Compute with 8-bit numbers, if no rare label is lost by it.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    accept: Annotated[
        bool,
        typer.Option(
            "--accept",
            help="Write the folder even if its decisions are not close enough to the checkpoint's.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Export a model to ONNX, so that onnxruntime and tokenizers suffice to use it.

    The graph is compared with the checkpoint before anything is written. In fp32 every decision
    must be the same. With --int8, for which thresholds are also chosen again on validation, 99.5%
    of the decisions must be the same, and no severe label may lose more than 0.01 of average
    precision. Otherwise nothing is written, and the exit code is 1.

    Predict and evaluate with the folder as with a checkpoint.

    Examples:

    - `imbtool export runs/moderation-1 -o exported/moderation-1`
    - `imbtool export runs/moderation-1 -o exported/moderation-1-int8 --int8`
    - `imbtool export runs/moderation-1 -o exported/fresh --int8 --data fresh.csv`
    """
    from imbtool.onnx_export.export import ExportOptions, export_checkpoint
    from imbtool.report.console.export import export_views

    options = ExportOptions(int8, data, accept)
    report = export_checkpoint(checkpoint, output, options, hint)
    show(report, export_views(report), json)
    if report.written is None:
        more = "or name more labelled texts with --data, or write it all the same with --accept"
        other = "leave out --int8, " if int8 else "serve the checkpoint itself, "
        hint(f"nothing was written. next: {other}{more}")
        raise typer.Exit(1)
    hint(f"\nmodel: {output}")
    hint(f"next: imbtool predict {output} INPUT.csv -o OUT.csv")
