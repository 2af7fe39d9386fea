"""`imbtool merge`: put answered texts into the training data."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from imbtool.cli.common import INPUT, OUTPUT, Json, hint, show


def merge(
    profile: Annotated[Path, typer.Argument(metavar="PROFILE", help="The profile of your tables.")],
    answered: Annotated[
        list[Path],
        typer.Argument(
            metavar="ANSWERED...",
            help="Filled batch.csv files, or exports of Label Studio, Prodigy, doccano or Argilla.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="<folder>",
            help="Write the new tables and their profile into this folder, which must be new.",
            rich_help_panel=OUTPUT,
        ),
    ],
    batch: Annotated[
        list[Path] | None,
        typer.Option(
            "--batch",
            metavar="<folder>",
            help="The folder of the batch, if the answered file is not in it. You can repeat this "
            "option.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    asked_only: Annotated[
        bool,
        typer.Option(
            "--asked-only",
            help="Of a chosen text, leave labels unknown that it was neither chosen for nor given.",
            rich_help_panel=INPUT,
        ),
    ] = False,
    new_labels: Annotated[
        bool,
        typer.Option(
            "--new-labels",
            help="Accept labels that are neither in the data nor declared in the profile.",
            rich_help_panel=INPUT,
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Put the texts that people have answered into the training data.

    Texts that a search chose go to training, because figures on them would be too good. Random
    texts go to validation and test if the profile has tables for them. Your tables stay as they
    are: the longer ones and their profile are written into a new folder.

    Examples:

    - `imbtool merge profile.yaml batches/01/batch.csv -o merged/01`
    - `imbtool merge profile.yaml export.json --batch batches/01 -o merged/01 --asked-only`
    """
    from imbtool.annotation.merge import merge_answers
    from imbtool.report.console.merge import merge_views

    report = merge_answers(
        profile, answered, output, batch or (), asked_only, new_labels, command=sys.argv
    )
    show(report, merge_views(report), json)
    hint(f"\nwrote {', '.join(report.files)} to {output}/")
    merged = output / "profile.yaml"
    hint(f"next: imbtool train {merged}")
    hint(f"or look for more: imbtool find {merged} POOL -o batches/NEXT")
