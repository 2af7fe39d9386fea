"""`imbtool evaluate`: per-label figures of a checkpoint on a split."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from imbtool.cli.common import Json, hint, show


def evaluate(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint or its run folder.")],
    data: Annotated[
        Path | None, typer.Option("--data", help="A table; default: the run's own split.")
    ] = None,
    split: Annotated[
        str, typer.Option("--split", help="test, validation or train of the run's profile.")
    ] = "test",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of the results; default: the run.")
    ] = None,
    json: Json = False,
) -> None:
    """Measure a checkpoint: per label, by tier, by level of the hierarchy.

    Thresholds come from the checkpoint, which chose them on validation.

    Examples:

        imbtool evaluate runs/moderation-1/checkpoint

        imbtool evaluate runs/moderation-1 --data fresh.csv -o results
    """
    from imbtool.assessment import assess, own_split, read_events, result_suffix, table_split
    from imbtool.checkpoint import checkpoint_folder, read_checkpoint
    from imbtool.files import write_json
    from imbtool.report.console import evaluation_views
    from imbtool.report.page import write_page
    from imbtool.report.plots import plot_f1_by_positives

    folder = checkpoint_folder(checkpoint)
    model = read_checkpoint(folder)
    rows = table_split(model, data) if data else own_split(model, split)
    document = assess(model, rows)
    target, suffix = output or folder.parent, result_suffix(split, data)
    report = target / f"report{suffix}.html"
    write_json(target / f"evaluation{suffix}.json", document)
    plot_f1_by_positives(document, target / "plots" / f"f1{suffix}.png")
    write_page(document, read_events(folder.parent), report)
    show(document, evaluation_views(document), json)
    hint(f"\nreport: {report}")
    hint(f"model:  {folder}")
    hint(f"next: imbtool predict {folder} INPUT.csv -o OUT.csv")
