"""`imbtool split`: cut a table into training, validation and test."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from imbtool.cli.common import Json, Sets, Source, hint, show, source_profile


def split(
    source: Source,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder the parts go to.")],
    validation: Annotated[
        float, typer.Option("--validation", help="Share of the rows for validation; 0: none.")
    ] = 0.1,
    test: Annotated[float, typer.Option("--test", help="Share for test; 0: none.")] = 0.1,
    group: Annotated[
        str | None,
        typer.Option("--group", help="A column; rows with the same cell stay together."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Another seed, other parts.")] = 0,
    sets: Sets = None,
    json: Json = False,
) -> None:
    """Cut a table into training, validation and test that can measure rare labels.

    Every part gets its share of each label, rarest first, and 3 positives where there are enough.
    Texts that are nearly the same stay in one part, and so do rows with the same --group cell.
    Of a profile, its data.train is cut.

    Examples:

        imbtool split all.csv -o data

        imbtool split all.csv -o data --validation 0.2 --test 0 --group author
    """
    from imbtool.data.corpus import read_train
    from imbtool.data.partition import part_files, part_shares, partition, write_parts
    from imbtool.files.locks import locked
    from imbtool.files.writing import write_json
    from imbtool.report.console.split import split_views

    shares = part_shares(validation, test)
    profile = source_profile(source, sets)
    data = profile.data
    part_files(data.train, output, shares, data)
    with locked(output):
        labels, table = read_train(profile)
        parts, report = partition(table, labels.names, data, shares, seed, group, sys.argv)
        paths = write_parts(data.train, data, output, parts)
        write_json(output / "split.json", report)
    show(report, split_views(report), json)
    hint(f"\nwrote {', '.join(path.name for path in paths)}, split.json to {output}/")
    hint(f"next: imbtool init {paths[0]}")
