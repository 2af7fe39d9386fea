"""`imbtool monitor`: whether a model still does on a stream what it did on validation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imbtool.cli.common import (
    INPUT,
    OUTPUT,
    CheckpointFolder,
    Json,
    NoTexts,
    TrustRemoteCode,
    hint,
    show,
)

if TYPE_CHECKING:
    from imbtool.monitoring.monitor_document import Monitored
    from imbtool.trained.checkpoint import Checkpoint


def monitor(
    checkpoint: CheckpointFolder,
    stream: Annotated[
        Path,
        typer.Argument(metavar="STREAM", help="New texts: a table, a folder or a glob of them."),
    ],
    reference: Annotated[
        Path | None,
        typer.Option(
            "--reference",
            metavar="<table>",
            help="Compare with these texts, for example last month's. By default it is the "
            "validation split of the run.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    answers: Annotated[
        Path | None,
        typer.Option(
            "--answers",
            metavar="<path>",
            help="Use these answers to a sample of the stream, which `imbtool prevalence --sample` "
            "has drawn.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(
            "--seed",
            metavar="<int>",
            min=0,
            help="Draw other texts for the comparison.",
            rich_help_panel=INPUT,
        ),
    ] = 0,
    trust_remote_code: TrustRemoteCode = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="<folder>",
            help="Write monitor.html, monitor.md and monitor.json into this folder. With --adapt "
            "it must be new, and the adapted checkpoint is written there too.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    adapt: Annotated[
        bool,
        typer.Option(
            "--adapt",
            help="Write a checkpoint with thresholds for the frequencies of the stream.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    no_texts: NoTexts = False,
    gate: Annotated[
        bool,
        typer.Option(
            "--gate",
            help="Exit with code 1 if something has changed, or a requirement cannot be kept.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Compare a stream with validation: what has changed, and what to expect of the model.

    Precision, recall and F1 of each label are estimated at today's thresholds, without answers as
    long as texts of a label look as they did. The checkpoint is never changed in place.

    Examples:

    - `imbtool monitor runs/moderation-1 today.csv -o monitored/today`
    - `imbtool monitor runs/moderation-1 'logs/*.csv' --reference march.csv --gate`
    - `imbtool monitor runs/moderation-1 today.csv --answers answers/today/batch.csv`
    - `imbtool monitor runs/moderation-1 today.csv --adapt -o runs/moderation-1/adapted`
    """
    from imbtool.monitoring.monitor import MonitorOptions, alarmed, monitor_stream
    from imbtool.report.console.monitor import monitor_views
    from imbtool.report.monitor import next_step
    from imbtool.trained.checkpoint import read_checkpoint

    _require_writable(output, adapt)
    model = read_checkpoint(checkpoint, trust_remote_code)
    options = MonitorOptions(reference, answers, seed, not no_texts)
    monitored = monitor_stream(model, stream, options, hint)
    show(monitored, monitor_views(monitored), json)
    if output is not None:  # behind what was found, which is seen even if nothing can be adapted
        for line in _write(model, monitored, output, adapt):
            hint(line)
    hint(f"next: {next_step(monitored)[1]}")
    if gate and alarmed(monitored):
        raise typer.Exit(1)


def _require_writable(output: Path | None, adapt: bool) -> None:
    """Check the folder before minutes are spent."""
    from imbtool.errors import user_error
    from imbtool.report.monitor import require_monitor_unwritten

    if adapt and output is None:
        fix = "name one with -o, for example -o adapted"
        raise user_error("--adapt", "no folder", "a folder for the adapted checkpoint", fix)
    if output is None:
        return
    if adapt and output.exists():
        raise user_error(f"-o {output}", "a folder", "a new folder", "choose another -o")
    require_monitor_unwritten(output)


def _write(model: Checkpoint, monitored: Monitored, output: Path, adapt: bool) -> list[str]:
    """Write the results; returns what the user is told about them."""
    from imbtool.monitoring.monitor import adapted_meta, require_adaptable
    from imbtool.report.monitor import write_monitored
    from imbtool.trained.checkpoint import copy_checkpoint

    told = []
    if adapt:
        require_adaptable(monitored)
        copy_checkpoint(model, adapted_meta(model.meta, monitored), output)
        told = [f"model: {output}"]
    output.mkdir(parents=True, exist_ok=True)
    return [f"\npage:  {write_monitored(monitored, output)}", *told]
