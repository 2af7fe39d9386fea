"""`imbtool evaluate`: per-label figures of a checkpoint on a split."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from imbtool.cli.common import CheckpointFolder, Json, NoTexts, TrustRemoteCode, hint, show


def evaluate(
    checkpoint: CheckpointFolder,
    data: Annotated[
        Path | None, typer.Option("--data", help="A table; default: the run's own split.")
    ] = None,
    split: Annotated[
        str, typer.Option("--split", help="test, validation or train of the run's profile.")
    ] = "test",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of the results; default: the run.")
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option("--against", metavar="B", help="A checkpoint, or a table of predictions."),
    ] = None,
    by: Annotated[
        str | None, typer.Option("--by", metavar="COLUMN", help="Measure its values apart too.")
    ] = None,
    errors: Annotated[
        int,
        typer.Option("--errors", metavar="N", min=0, help="Errors to quote of each rare label."),
    ] = 5,
    no_texts: NoTexts = False,
    trust_remote_code: TrustRemoteCode = False,
    require: Annotated[
        list[str] | None,
        typer.Option("--require", metavar="GATE", help="Exit 1 unless e.g. 'recall:LABEL>=0.8'."),
    ] = None,
    json: Json = False,
) -> None:
    """Measure a checkpoint: per label, by tier, by level of the hierarchy, with 95% intervals.

    Thresholds come from the checkpoint, which chose them on validation.

    Examples:

        imbtool evaluate runs/moderation-1/checkpoint

        imbtool evaluate runs/moderation-1 --data fresh.csv -o results --by language

        imbtool evaluate runs/moderation-2 --against runs/moderation-1

        imbtool evaluate runs/moderation-1 --require 'recall:praising violence>=0.5'
    """
    from imbtool.evaluation.gates import read_gate
    from imbtool.events import read_log
    from imbtool.files.locks import locked
    from imbtool.inference.evaluate import Wanted, evaluate, own_split, table_split
    from imbtool.model.card import write_card
    from imbtool.model.checkpoint import checkpoint_folder, read_checkpoint
    from imbtool.report.console.evaluation import evaluation_views
    from imbtool.report.evaluation_files import require_unwritten, result_suffix, write_evaluation

    gates = [read_gate(text) for text in require or []]
    wanted = Wanted(gates, by, against, 0 if no_texts else errors, trust_remote_code)
    folder = checkpoint_folder(checkpoint)
    where, suffix = output or folder.parent, result_suffix(split, data)
    require_unwritten(where, suffix)
    model = read_checkpoint(folder, trust_remote_code)
    rows = table_split(model, data) if data else own_split(model, split)
    document = evaluate(model, rows, wanted)
    log = read_log(folder.parent)
    if log.warning:
        hint(f"events: {log.warning}")
    with locked(where):
        report = write_evaluation(document, log.events, where, suffix)
        if not (output or suffix):
            write_card(folder, model.meta.model_dump(mode="json"), document)
    show(document, evaluation_views(document), json)
    hint(f"\nreport: {report}")
    hint(f"model:  {folder}")
    hint(f"next: imbtool predict {folder} INPUT.csv -o OUT.csv")
    if not all(gate["met"] for gate in document["gates"]):
        raise typer.Exit(1)
