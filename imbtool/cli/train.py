"""`imbtool train`: fine-tune an encoder so that rare labels come alive."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imbtool.cli.common import (
    DEVICES,
    INPUT,
    OUTPUT,
    RUNS,
    TRAINING,
    AllowChanged,
    Json,
    ProfileArgument,
    ProfileFile,
    RunName,
    Runs,
    Sets,
    Threads,
    console,
    first_process,
    hint,
    one_profile,
    option_overrides,
    parsed_sets,
    require_profile,
    show,
    use_threads,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from imbtool.config.reader import Override
    from imbtool.config.schema import Profile
    from imbtool.events import Emit
    from imbtool.training.run import RunResult


def train(
    source: ProfileArgument = None,
    profile: ProfileFile = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            "--resume",
            metavar="<run>",
            help="Continue this run, which was stopped, with its own profile.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    allow_changed: AllowChanged = False,
    sets: Sets = None,
    focal_gamma: Annotated[
        str | None,
        typer.Option(
            "--focal-gamma",
            metavar="<float>",
            help="Set loss.gamma: how strongly the loss turns to texts that are still wrong.",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    learning_rate: Annotated[
        str | None,
        typer.Option(
            "--learning-rate",
            metavar="<float>",
            help="Set training.learning_rate, the highest rate of the schedule.",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    epochs: Annotated[
        str | None,
        typer.Option(
            "--epochs",
            metavar="<int>",
            help="Set training.epochs, how often the training texts are read.",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    seed: Annotated[
        str | None,
        typer.Option(
            "--seed",
            metavar="<int>",
            help="Set training.seed: the order of the texts, and the weights of a new head.",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Show what would be trained and estimate how long it takes, without training.",
            rich_help_panel=TRAINING,
        ),
    ] = False,
    bf16: Annotated[
        bool | None,
        typer.Option(
            "--bf16/--fp32",
            help="Set training.precision. By default bf16 is used where the device is fast at it.",
            show_default=False,
            rich_help_panel=DEVICES,
        ),
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(
            "--processes",
            metavar="<int>",
            min=1,
            help="Train with this many processes. By default there is one for each visible "
            "GPU, or one on the CPU.",
            rich_help_panel=DEVICES,
        ),
    ] = None,
    threads: Threads = None,
    run: RunName = None,
    runs: Runs = RUNS,
    track: Annotated[
        list[str] | None,
        typer.Option(
            "--track",
            metavar="<tracker>",
            help="Also log to tensorboard, wandb, mlflow or trackio. You can repeat this option.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Fine-tune an encoder with weighted focal loss and the hierarchy penalty.

    Fits the head first, trains, chooses thresholds on validation after every epoch and keeps the
    best one in RUNS/NAME/checkpoint, a plain transformers folder.

    Examples:

    - `imbtool train profiles/moderation.yaml`
    - `imbtool train -p profile.yaml --run gentle --learning-rate 5e-5 --epochs 5`
    - `imbtool train -p profile.yaml --set loss.gamma='{rare label: 3}'`
    - `imbtool train -p profile.yaml --processes 4 --track tensorboard`
    - `imbtool train --resume runs/gentle`
    """
    use_threads(threads)
    profile = one_profile(source, profile)
    precision = None if bf16 is None else "bf16" if bf16 else "fp32"
    options = option_overrides(
        ("loss.gamma", "--focal-gamma", focal_gamma),
        ("training.learning_rate", "--learning-rate", learning_rate),
        ("training.epochs", "--epochs", epochs),
        ("training.precision", f"--{precision}", precision),
        ("training.seed", "--seed", seed),
    )
    overrides = [*options, *parsed_sets(sets)]
    if resume is None:
        start = _start(profile, run, runs, overrides, track or [], dry_run)
    else:
        has_settings = bool(profile or run or overrides or dry_run or threads)
        start = _resume(resume, allow_changed, has_settings, track or [])
        processes = processes or _processes_of(resume)
    _launch(processes)
    start(json)


def _launch(processes: int | None) -> None:
    """Hand over to several processes, if there are to be several; each comes back here."""
    from imbtool.distributed.launch import launch, processes_to_start, visible_devices

    several = processes_to_start(processes, os.environ, visible_devices())
    if several:
        raise typer.Exit(launch(several, sys.argv[1:]))


def _start(
    profile: Path | None,
    run: str | None,
    runs: Path,
    overrides: list[Override],
    trackers: list[str],
    dry_run: bool,
) -> Callable[[bool], None]:
    from imbtool.config.reader import read_profile
    from imbtool.runs.folder import run_name
    from imbtool.training.run import train

    profile = require_profile(profile)
    settings = read_profile(profile, overrides)
    if dry_run:
        return lambda json: _dry_run(settings, profile, json)
    folder = runs / run_name(run, profile, runs)
    return lambda json: _watch(lambda emit: train(settings, folder, emit, sys.argv, trackers), json)


def _resume(
    run: Path, allow_changed: bool, has_settings: bool, trackers: list[str]
) -> Callable[[bool], None]:
    from imbtool.errors import user_error
    from imbtool.training.run import resume

    if has_settings:
        found = "other settings beside it"
        fix = "give --resume alone: a run goes on with the profile it was started with"
        raise user_error(f"--resume {run}", found, "nothing but --allow-changed", fix)
    if (run / "decisions.jsonl").is_file():
        fix = f"imbtool tune --resume {run}"
        raise user_error(f"--resume {run}", "the run of a tuning", "a run of imbtool train", fix)
    return lambda json: _watch(
        lambda emit: resume(run, emit, sys.argv, allow_changed, trackers), json
    )


def _processes_of(run: Path) -> int | None:
    """How many processes a run was started with, unless a launcher decides."""
    from imbtool.runs.manifest import read_manifest

    return None if "RANK" in os.environ else read_manifest(run).device.processes


def _watch(start: Callable[[Emit], RunResult], json: bool) -> None:
    """Show a run's events as they come, and its result."""
    from imbtool.events import read_log
    from imbtool.report.console.training import TrainingView
    from imbtool.report.figures.figure import write_png
    from imbtool.report.figures.training import draw_training

    with TrainingView(console(stderr=True)) as view:
        result = start(view)
    plot = result.folder / "plots" / "training.png"
    if first_process():
        log = read_log(result.folder)
        if log.warning:
            hint(f"events: {log.warning}")
        write_png(draw_training(log.events), plot)
    document = {
        "run": str(result.folder),
        "checkpoint": str(result.checkpoint),
        "best": result.best.model_dump(),
    }
    show(document, [f"checkpoint: {result.checkpoint}"], json)
    hint(f"how it went: {plot}")
    hint(f"next: imbtool evaluate {result.checkpoint}")


def _dry_run(settings: Profile, profile: Path, json: bool) -> None:
    from imbtool.report.console.training import dry_run_views
    from imbtool.training.dry_run import dry_run

    plan = dry_run(settings)
    show(plan, dry_run_views(plan), json)
    hint(f"nothing was started; next: imbtool train {profile}")
