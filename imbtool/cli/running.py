"""What the commands that train a run share: how it is launched, and shown while it goes."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from imbtool.cli.common import DEVICES, OUTPUT, console, first_process, hint, show

if TYPE_CHECKING:
    from collections.abc import Callable

    from imbtool.events import Emit
    from imbtool.training.run import RunResult

Processes = Annotated[
    int | None,
    typer.Option(
        "--processes",
        metavar="<int>",
        min=1,
        help="Train with this many processes. By default there is one for each visible "
        "GPU, or one on the CPU.",
        rich_help_panel=DEVICES,
    ),
]
Track = Annotated[
    list[str] | None,
    typer.Option(
        "--track",
        metavar="<tracker>",
        help="Also log to tensorboard, wandb, mlflow or trackio. You can repeat this option.",
        rich_help_panel=OUTPUT,
    ),
]


def launch_processes(processes: int | None) -> None:
    """Hand over to several processes, if there are to be several; each comes back here."""
    from imbtool.distributed.launch import launch, processes_to_start, visible_devices

    several = processes_to_start(processes, os.environ, visible_devices())
    if several:
        raise typer.Exit(launch(several, sys.argv[1:]))


def watch_run(start: Callable[[Emit], RunResult], json: bool) -> None:
    """Show a run's events as they come, and its result."""
    from imbtool.events import read_log
    from imbtool.report.console.training import TrainingView
    from imbtool.report.figures.figure import write_png
    from imbtool.report.figures.training import draw_training
    from imbtool.runs.advice import earlier_results, larger_encoder_advice

    with TrainingView(console(stderr=True)) as view:
        result = start(view)
    plot, advice, earlier = result.folder / "plots" / "training.png", None, None
    if first_process():
        log = read_log(result.folder)
        if log.warning:
            hint(f"events: {log.warning}")
        write_png(draw_training(log.events), plot)
        advice = larger_encoder_advice(result.folder, result.best)
        earlier = earlier_results(result.folder)
    document = {
        "run": str(result.folder),
        "checkpoint": str(result.checkpoint),
        "best": result.best.model_dump(),
    }
    show(document, [f"checkpoint: {result.checkpoint}"], json)
    hint(f"how it went: {plot}")
    for more in filter(None, (advice, earlier)):
        hint(more)
    hint(f"next: imbtool evaluate {result.checkpoint}")
