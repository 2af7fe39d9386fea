"""`imbtool distil`: train a small model with what a large one says of labelled and other texts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from imbtool.cli.common import (
    INPUT,
    RUNS,
    Json,
    RunName,
    Runs,
    Sets,
    Threads,
    TrustRemoteCode,
    hint,
    parsed_sets,
    use_threads,
)
from imbtool.cli.running import Processes, Track, launch_processes, watch_run


def distil(
    teachers: Annotated[
        list[Path],
        typer.Argument(
            metavar="TEACHER...",
            help="A run or a checkpoint, or several: their mean is taught.",
        ),
    ],
    profile: Annotated[
        Path,
        typer.Option(
            "--profile",
            "-p",
            metavar="<path>",
            help="The weight profile of the student, with the encoder that is trained.",
            rich_help_panel=INPUT,
        ),
    ],
    sets: Sets = None,
    trust_remote_code: TrustRemoteCode = False,
    processes: Processes = None,
    threads: Threads = None,
    run: RunName = None,
    runs: Runs = RUNS,
    track: Track = None,
    json: Json = False,
) -> None:
    """Train a small model with the probabilities of a large one as soft targets.

    The student learns from the labels, and from what the teacher says of the training texts and of
    the texts in data.unlabelled. If it is stopped, `imbtool train --resume RUN` continues it.

    Examples:

    - `imbtool distil runs/base -p profile.yaml --set data.unlabelled=unlabelled.csv`
    - `imbtool distil runs/seed-0 runs/seed-1 runs/seed-2 -p profile.yaml --run small`
    """
    from imbtool.config.reader import read_profile
    from imbtool.distillation.distil import distil
    from imbtool.runs.folder import run_name

    use_threads(threads)
    settings = read_profile(profile, parsed_sets(sets))
    folder = runs / run_name(run, profile, runs)
    launch_processes(processes)
    watch_run(
        lambda emit: distil(
            teachers, settings, folder, emit, sys.argv, track or [], hint, trust_remote_code
        ),
        json,
    )
