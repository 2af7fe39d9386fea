"""`imbtool tune`: train by the tuning guide, round after round."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imbtool.cli.common import (
    INPUT,
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
    hint,
    one_profile,
    option_overrides,
    parsed_sets,
    refuse_launcher,
    require_profile,
    show,
    use_threads,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from imbtool.config.reader import Override
    from imbtool.events import Emit
    from imbtool.tuning.loop import TuningResult

    Start = Callable[[Emit], TuningResult]


def tune(
    source: ProfileArgument = None,
    profile: ProfileFile = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            "--resume",
            metavar="<run>",
            help="Continue this tuning, which was stopped. You may give it another budget.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    allow_changed: AllowChanged = False,
    from_run: Annotated[
        Path | None,
        typer.Option(
            "--from-run",
            metavar="<run>",
            help="With --dry-run: diagnose this finished run.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    sets: Sets = None,
    budget_runs: Annotated[
        str | None,
        typer.Option(
            "--budget-runs",
            metavar="<int>",
            help="Set tuning.budget_runs: stop after this many trainings.",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    budget_minutes: Annotated[
        str | None,
        typer.Option(
            "--budget-minutes",
            metavar="<float>",
            help="Set tuning.budget_minutes: start no training after this many minutes.",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Show what the tuning guide would change after --from-run, without training.",
            rich_help_panel=TRAINING,
        ),
    ] = False,
    threads: Threads = None,
    run: RunName = None,
    runs: Runs = RUNS,
    json: Json = False,
) -> None:
    """Train, see what is wrong, change the profile by the guide, train again, keep what helps.

    Leaves the best checkpoint, tuned-profile.yaml with a reason beside each changed value,
    decisions.jsonl and tuning.html in RUNS/NAME.

    Examples:

    - `imbtool tune profiles/moderation.yaml`
    - `imbtool tune -p profile.yaml --run careful --budget-runs 12 --budget-minutes 90`
    - `imbtool tune --resume runs/careful --budget-runs 20`
    - `imbtool tune --from-run runs/profile-1 --dry-run`
    """
    refuse_launcher("start it without a launcher")
    use_threads(threads)
    profile = one_profile(source, profile)
    budget = option_overrides(
        ("tuning.budget_runs", "--budget-runs", budget_runs),
        ("tuning.budget_minutes", "--budget-minutes", budget_minutes),
    )
    if dry_run or from_run is not None:
        has_settings = bool(profile or run or resume or budget or sets)
        _preview(from_run, dry_run, has_settings, json)
    elif resume is not None:
        has_settings = bool(profile or run or sets or threads)
        _watch(resume, _resume(resume, budget, allow_changed, has_settings), json)
    else:
        folder, start = _start(profile, run, runs, [*budget, *parsed_sets(sets)])
        _watch(folder, start, json)


def _start(
    profile: Path | None, run: str | None, runs: Path, overrides: list[Override]
) -> tuple[Path, Start]:
    from imbtool.config.reader import read_profile
    from imbtool.runs.folder import run_name
    from imbtool.tuning.loop import tune

    profile = require_profile(profile)
    settings = read_profile(profile, overrides)
    folder = runs / run_name(run, profile, runs)
    return folder, lambda emit: tune(settings, folder, emit, sys.argv)


def _resume(run: Path, budget: list[Override], allow_changed: bool, has_settings: bool) -> Start:
    from imbtool.errors import user_error
    from imbtool.tuning.loop import resume

    if has_settings:
        found = "other settings beside it"
        fix = "a tuning goes on with the profile it was started with; its budget may change"
        raise user_error(f"--resume {run}", found, "a budget or --allow-changed at most", fix)
    return lambda emit: resume(run, emit, sys.argv, budget, allow_changed)


def _preview(run: Path | None, dry_run: bool, has_settings: bool, json: bool) -> None:
    from imbtool.errors import user_error
    from imbtool.report.console.tuning import preview_views
    from imbtool.tuning.finished_run import preview

    if run is None or not dry_run:
        given, missing = ("--from-run", "--dry-run") if run else ("--dry-run", "--from-run RUN")
        fix = "give both: a finished run is looked at, and nothing is trained"
        raise user_error(given, f"no {missing}", "--from-run RUN --dry-run", fix)
    if has_settings:
        fix = "leave them out: the run has its own profile"
        raise user_error(f"--from-run {run}", "other settings beside it", "--dry-run alone", fix)
    after = preview(run)
    show(after, preview_views(after), json)
    hint(f"nothing was trained; next: imbtool tune {run / 'profile.yaml'}")


def _watch(folder: Path, start: Start, json: bool) -> None:
    """Show a tuning as it goes, and its summary."""
    from imbtool.report.console.tuning import TuningView, tuning_views
    from imbtool.report.figures.figure import write_png
    from imbtool.report.figures.tuning import draw_rounds
    from imbtool.report.html.tuning import write_tuning_page
    from imbtool.runs.advice import earlier_results
    from imbtool.tuning.decision_log import is_begun

    try:
        with TuningView(console(stderr=True)) as view:
            summary = start(view).summary
    except KeyboardInterrupt:
        if is_begun(folder):
            hint(f"`imbtool tune --resume {folder}` goes on from here")
        raise
    page = folder / "tuning.html"
    write_png(draw_rounds(summary), folder / "plots" / "tuning.png")
    write_tuning_page(summary, page)
    show(summary, tuning_views(summary), json)
    hint(f"how it went: {page}")
    if earlier := earlier_results(folder):
        hint(earlier)
    hint(f"next: imbtool evaluate {summary.checkpoint}")
