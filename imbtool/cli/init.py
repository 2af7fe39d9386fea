"""`imbtool init`: look at a table, write a first profile."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from imbtool.cli.common import (
    OUTPUT,
    TRAINING,
    Json,
    Sets,
    hint,
    option_overrides,
    parsed_sets,
    require_new,
    show,
)


def init(
    train: Annotated[
        Path | None,
        typer.Argument(metavar="TRAIN", help="The training table.", show_default=False),
    ] = None,
    sets: Sets = None,
    encoder: Annotated[
        str | None,
        typer.Option(
            "--encoder",
            metavar="<encoder>",
            help="The encoder to fine-tune: bundled (22.7M parameters), bundled-base (109M), a "
            "folder, or a hub id. By default it is bundled.",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="<path>",
            help="Write the profile into this file.",
            rich_help_panel=OUTPUT,
        ),
    ] = Path("profile.yaml"),
    force: Annotated[
        bool,
        typer.Option("--force", help="Overwrite the profile if it exists.", rich_help_panel=OUTPUT),
    ] = False,
    schema: Annotated[
        bool,
        typer.Option(
            "--schema", help="Print the profile's JSON Schema and stop.", rich_help_panel=OUTPUT
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Look at a table and write a first profile, with what was guessed and why.

    Finds validation and test tables beside TRAIN by their names, the text and label columns, what
    separates labels, and a hierarchy where labels imply each other.

    Examples:

    - `imbtool init train.csv`
    - `imbtool init data/train.csv -o profiles/mine.yaml`
    - `imbtool init train.csv --encoder bundled-base`
    - `imbtool init train.csv --set data.labels.column=topics --set data.encoding=cp1252`
    - `imbtool init --schema > profile.schema.json`
    """
    from imbtool.config.schema import Profile
    from imbtool.config.writer import render_profile
    from imbtool.data.proposal import propose_profile
    from imbtool.errors import user_error
    from imbtool.files.writing import write_text

    if schema:
        show(Profile.model_json_schema(), [], as_json=True)
        return
    if train is None:
        raise user_error("TRAIN", "no table", "a training table", "imbtool init train.csv")
    require_new(output, force, "-o")
    overrides = [*option_overrides(("model.encoder", "--encoder", encoder)), *parsed_sets(sets)]
    proposal = propose_profile(train, overrides)
    write_text(output, render_profile(proposal.profile, proposal.comments, output.parent))
    notes = list(proposal.notes)
    document = {"profile": str(output), "guesses": proposal.reasons, "notes": notes}
    show(document, [f"{key}: {reason}" for key, reason in proposal.reasons.items()], json)
    hint(f"\nwrote {output}; read it, then: imbtool analyze {output}")
