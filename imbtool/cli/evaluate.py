"""`imbtool evaluate`: per-label metrics of a checkpoint on a split."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from imbtool.cli.common import (
    INPUT,
    OUTPUT,
    CheckpointFolder,
    Json,
    NoTexts,
    Threads,
    TrustRemoteCode,
    hint,
    show,
    use_threads,
)


def evaluate(
    checkpoint: CheckpointFolder,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="<table>",
            help="Evaluate on this table. By default it is a split of the run's own data.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            "--split",
            metavar="<split>",
            help="Choose the split of the run's data: test, validation or train.",
            rich_help_panel=INPUT,
            show_default="test",
        ),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            "--against",
            metavar="<path>",
            help="Compare with another checkpoint, or with a table of predictions of any tool.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            "--by",
            metavar="<column>",
            help="Also report metrics for each value of this column, for example each language.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    trust_remote_code: TrustRemoteCode = False,
    threads: Threads = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="<folder>",
            help="Write the results into this folder. By default it is the run folder.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    errors: Annotated[
        int,
        typer.Option(
            "--errors",
            metavar="<int>",
            min=0,
            help="Quote this many misses and false alarms of each rare label.",
            rich_help_panel=OUTPUT,
        ),
    ] = 5,
    no_texts: NoTexts = False,
    require: Annotated[
        list[str] | None,
        typer.Option(
            "--require",
            metavar="<gate>",
            help="Exit with code 1 unless this holds, as in 'recall:LABEL>=0.8'. You can repeat "
            "this option.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Measure a checkpoint: per label, by tier, by level of the hierarchy, with 95% intervals.

    Thresholds come from the checkpoint, which chose them on validation.

    Examples:

    - `imbtool evaluate runs/moderation-1/checkpoint`
    - `imbtool evaluate runs/moderation-1 --data fresh.csv -o results --by language`
    - `imbtool evaluate runs/moderation-2 --against runs/moderation-1`
    - `imbtool evaluate runs/moderation-1 --require 'recall:praising violence>=0.5'`
    """
    from imbtool.errors import user_error
    from imbtool.evaluation.gates import read_gate
    from imbtool.events import read_log
    from imbtool.files.locks import locked
    from imbtool.inference.evaluate import EvaluationOptions, evaluate, own_split, table_split
    from imbtool.report.console.evaluation import evaluation_views
    from imbtool.report.evaluation_files import require_unwritten, result_suffix, write_evaluation
    from imbtool.runs.manifest import PROFILE
    from imbtool.trained.card import write_card
    from imbtool.trained.checkpoint import checkpoint_folder, read_checkpoint

    use_threads(threads)
    if split is not None and data is not None:
        found = f"--split {split} beside --data {data}"
        raise user_error("--split", found, "one of them", "leave one out")
    split = split or "test"
    gates = [read_gate(text) for text in require or []]
    options = EvaluationOptions(gates, by, against, 0 if no_texts else errors, trust_remote_code)
    folder = checkpoint_folder(checkpoint)
    where, suffix = output or folder.parent, result_suffix(split, data)
    # beside a checkpoint without a run others may stand
    is_own = output is not None or (folder.parent / PROFILE).is_file()
    require_unwritten(where, suffix, None if is_own else folder.name)
    model = read_checkpoint(folder, trust_remote_code)
    rows = table_split(model, data) if data else own_split(model, split)
    evaluation = evaluate(model, rows, options)
    log = read_log(folder.parent)
    if log.warning:
        hint(f"events: {log.warning}")
    with locked(where):
        report = write_evaluation(evaluation, log.events, where, suffix)
        if not (output or suffix):
            write_card(folder, model.meta, evaluation)
    show(evaluation, evaluation_views(evaluation), json)
    hint(f"\nreport: {report}")
    hint(f"model:  {folder}")
    hint(f"next: imbtool predict {folder} INPUT.csv -o OUT.csv")
    if not all(gate.met for gate in evaluation.gates):
        raise typer.Exit(1)
