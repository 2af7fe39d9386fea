"""What the commands share: their common options, and where output goes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from imbtool.profile import Profile
    from imbtool.profilefile import Override

PIPED_WIDTH = 120
"""Columns of tables where the output is no terminal, so that a file reads like a screen."""

Json = Annotated[bool, typer.Option("--json", help="Print the result document alone, as JSON.")]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Set a profile key, e.g. loss.gamma=1.5."),
]


def console(stderr: bool = False) -> Console:
    """Data goes to stdout, progress and hints to stderr."""
    from rich.console import Console

    made = Console(stderr=stderr, highlight=False, emoji=False, markup=False)
    if not made.is_terminal:
        made.width = PIPED_WIDTH
    return made


def show(document: Any, views: Iterable[RenderableType], as_json: bool) -> None:
    """Print the document as JSON, or its views."""
    if as_json:
        from imbtool.files import to_json

        typer.echo(to_json(document))
        return
    out = console()
    for view in views:
        out.print(view)


def hint(text: str) -> None:
    """A line for the person, on stderr: where things went, what to do next."""
    typer.echo(text, err=True)


def load_profile(path: Path, sets: list[str] | None, options: Iterable[Override] = ()) -> Profile:
    """Read a profile with the command line laid over it: --set wins over options.

    Raises:
        UserError: with everything that is wrong.
    """
    from imbtool.profilefile import parse_override, read_profile

    return read_profile(path, [*options, *map(parse_override, sets or [])])
