"""`imbtool find`: choose the texts of a pool that are to be labelled next."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from imbtool.cli.common import (
    OUTPUT,
    TOOL_NAMES,
    Json,
    TrustRemoteCode,
    hint,
    is_profile,
    known_tool,
    show,
)

SEARCH = "Search"
PICTURE = "found.png"


def find(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="PROFILE|CHECKPOINT",
            help="A profile, whose encoder is used as it is; or a run or checkpoint, whose scores "
            "are used.",
        ),
    ],
    pool: Annotated[
        Path,
        typer.Argument(
            metavar="POOL", help="Texts that nobody has labelled: a table, a folder or a glob."
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="<folder>",
            help="Write the batch into this folder, which must be new. Earlier batches are looked "
            "for beside it.",
            rich_help_panel=OUTPUT,
        ),
    ],
    number: Annotated[
        int,
        typer.Option(
            "--number",
            "-n",
            metavar="<int>",
            help="Choose this many texts, or all that are left if there are fewer.",
            rich_help_panel=SEARCH,
        ),
    ] = 200,
    label: Annotated[
        list[str] | None,
        typer.Option(
            "--label",
            metavar="<label>",
            help="Search for this label. You can repeat this option. By default all labels of the "
            "rarest tier are searched for.",
            rich_help_panel=SEARCH,
        ),
    ] = None,
    like: Annotated[
        list[str] | None,
        typer.Option(
            "--like",
            metavar="<text>",
            help="Search for texts like this example of the one label that --label names. You can "
            "repeat this option.",
            rich_help_panel=SEARCH,
        ),
    ] = None,
    pattern: Annotated[
        str | None,
        typer.Option(
            "--pattern",
            metavar="<regex>",
            help="Choose texts that match this regular expression first, for the one label that "
            "--label names. Upper and lower case are not told apart.",
            rich_help_panel=SEARCH,
        ),
    ] = None,
    random: Annotated[
        float,
        typer.Option(
            "--random",
            metavar="<share>",
            help="Draw this share of the batch at random. Only random texts show what the pool "
            "still holds, and only they may measure a model.",
            rich_help_panel=SEARCH,
        ),
    ] = 0.1,
    seed: Annotated[
        int | None,
        typer.Option(
            "--seed",
            metavar="<int>",
            min=0,
            help="Put the pool into another random order. All batches of a folder have one seed; "
            "the default is that of the earlier ones, or 0.",
            rich_help_panel=SEARCH,
        ),
    ] = None,
    trust_remote_code: TrustRemoteCode = False,
    tool: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="<tool>",
            help=f"Also write the batch as tasks of {TOOL_NAMES}.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    prefill: Annotated[
        bool,
        typer.Option(
            "--prefill",
            help="Write the labels that the model suggests beside the chosen texts, for the "
            "annotator to correct. Random texts never have suggestions.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Choose the texts of a pool that are to be labelled next, so that rare labels get positives.

    Texts that are labelled already or in an earlier batch are left out, and so are their near
    duplicates. Answer in batch.csv or in your annotation tool, then run the command `merge`.

    Examples:

    - `imbtool find profile.yaml pool.csv -n 200 -o batches/01`
    - `imbtool find runs/moderation-1 shards -n 500 -o batches/02 --format label-studio`
    - `imbtool find profile.yaml pool.csv -o batches/03 --label grief --like "I miss her so much"`
    """
    from imbtool.report.console.find import find_views
    from imbtool.report.figures.figure import write_png
    from imbtool.report.figures.search import draw_search
    from imbtool.search.find import find_texts
    from imbtool.search.selection import Wish

    wish = Wish(number, label or (), like or (), pattern, random, seed, prefill, known_tool(tool))
    batch = find_texts(source, pool, output, wish, sys.argv, hint, trust_remote_code)
    write_png(draw_search(batch), output / PICTURE)
    show(batch, find_views(batch), json)
    hint(f"\npicture: {output / PICTURE}")
    _say_what_is_next(source, output, tool)


def _say_what_is_next(source: Path, output: Path, tool: str | None) -> None:
    """Where the texts are to be answered, and the command that takes the answers."""
    profile = source if is_profile(source) else "PROFILE"
    table = output / "batch.csv"
    if tool is None:
        merge = f"imbtool merge {profile} {table} -o merged/{output.name}"
        hint(f"next: answer in {table}, then: {merge}")
        return
    tasks = ", ".join(map(str, sorted(output.glob(f"{tool}-*"))))
    hint(f"tasks: {tasks}")
    merge = f"imbtool merge {profile} EXPORT --batch {output} -o merged/{output.name}"
    hint(f"next: import them, answer, export, then: {merge}")
