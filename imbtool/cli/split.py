"""`imbtool split`: cut a table into training, validation and test."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from imbtool.cli.common import (
    INPUT,
    OUTPUT,
    Json,
    Sets,
    Source,
    hint,
    is_profile,
    show,
    source_profile,
)


def split(
    source: Source,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="<folder>",
            help="Write the tables and split.json into this folder.",
            rich_help_panel=OUTPUT,
        ),
    ],
    validation: Annotated[
        float,
        typer.Option(
            "--validation",
            metavar="<share>",
            help="Put this share of the rows into validation. With 0 there is no validation table.",
            rich_help_panel=INPUT,
        ),
    ] = 0.1,
    test: Annotated[
        float,
        typer.Option(
            "--test",
            metavar="<share>",
            help="Put this share of the rows into test. With 0 there is no test table.",
            rich_help_panel=INPUT,
        ),
    ] = 0.1,
    group: Annotated[
        str | None,
        typer.Option(
            "--group",
            metavar="<column>",
            help="Keep rows together that have the same value in this column, such as an author.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(
            "--seed",
            metavar="<int>",
            min=0,
            help="Draw another split with another seed.",
            rich_help_panel=INPUT,
        ),
    ] = 0,
    sets: Sets = None,
    json: Json = False,
) -> None:
    """Cut a table into training, validation and test that can measure rare labels.

    Every part gets its share of each label, rarest first, and 3 positives where there are enough.
    Texts that are nearly the same stay in one part, and so do rows with the same --group cell.
    Of a profile, its data.train is cut.

    Examples:

    - `imbtool split all.csv -o data`
    - `imbtool split all.csv -o data --validation 0.2 --test 0 --group author`
    """
    from imbtool.data import partition
    from imbtool.report.console.split import split_views

    profile = source_profile(source, sets)
    report, paths = partition.split(profile, output, validation, test, seed, group, sys.argv)
    show(report, split_views(report), json)
    hint(f"\nwrote {', '.join(path.name for path in paths)}, split.json to {output}/")
    if is_profile(source):
        hint(f"next: name these tables in {source} as data.train, data.validation and data.test")
    else:
        hint(f"next: imbtool init {paths[0]}")
