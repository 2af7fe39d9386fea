"""What the commands share: their common options, and where output goes."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from imbtool.cli.streams import undelivered, write_data_as_utf8, writing_stdout
from imbtool.wording import printable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from imbtool.annotation.tasks import AnnotationTool
    from imbtool.config.reader import Override
    from imbtool.config.schema import Profile
    from imbtool.files.stores import Location

PIPED_WIDTH = 120
"""Columns of tables where the output is no terminal, so that a file reads like a screen."""

WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
"""Variables of OpenMP runtimes that say how threads wait."""
SPINS = "1000"
"""Rounds that a waiting thread spins before it sleeps; GNU's runtime, which torch brings, has
300,000 by default."""

INPUT, TRAINING, DEVICES, OUTPUT = "Input", "Training", "Devices", "Output"
"""Panels of options in the help."""
TOOL_NAMES = "label-studio, prodigy, doccano or argilla"

Source = Annotated[
    Path,
    typer.Argument(
        metavar="PROFILE|TABLE",
        help="A weight profile, or a table from which a profile is guessed.",
    ),
]
CheckpointFolder = Annotated[
    Path,
    typer.Argument(metavar="CHECKPOINT", help="A checkpoint, or the run folder that holds it."),
]
ProfileArgument = Annotated[
    Path | None, typer.Argument(metavar="PROFILE", help="The weight profile.", show_default=False)
]
ProfileFile = Annotated[
    Path | None,
    typer.Option(
        "--profile",
        "-p",
        metavar="<path>",
        help="The weight profile, if you do not give it as the argument.",
        rich_help_panel=INPUT,
    ),
]
RunName = Annotated[
    str | None,
    typer.Option(
        "--run",
        metavar="<name>",
        help="Name the run. By default it has the profile's name and a number.",
        rich_help_panel=OUTPUT,
    ),
]
Runs = Annotated[
    Path,
    typer.Option(
        "--runs",
        metavar="<folder>",
        help="Write the run into this folder of runs.",
        rich_help_panel=OUTPUT,
    ),
]
RUNS = Path("runs")
AllowChanged = Annotated[
    bool,
    typer.Option(
        "--allow-changed",
        help="Resume even if the data, the encoder or the library versions have changed.",
        rich_help_panel=INPUT,
    ),
]
TrustRemoteCode = Annotated[
    bool,
    typer.Option(
        "--trust-remote-code",
        help="Run Python code that the model's folder contains.",
        rich_help_panel=INPUT,
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        metavar="<int>",
        min=1,
        help="Compute with this many threads on the CPU. By default there is one for each core.",
        rich_help_panel=DEVICES,
    ),
]
NoTexts = Annotated[
    bool,
    typer.Option(
        "--no-texts",
        help="Write no texts into the results, for example because they are private.",
        rich_help_panel=OUTPUT,
    ),
]
Json = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print only the result, as one JSON document.",
        rich_help_panel=OUTPUT,
    ),
]
Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="<key=value>",
        help="Set any key of the profile, for example loss.gamma=1.5. You can repeat this option.",
        rich_help_panel=INPUT,
    ),
]


def console(stderr: bool = False) -> Console:
    """Data goes to stdout, progress and hints to stderr."""
    from rich.console import Console

    quiet = not first_process()
    made = Console(stderr=stderr, highlight=False, emoji=False, markup=False, quiet=quiet)
    if not made.is_terminal:
        made.width = PIPED_WIDTH
    return made


def show(document: Any, views: Iterable[RenderableType], as_json: bool) -> None:
    """Print the document as JSON, or its views."""
    if as_json and first_process():
        from imbtool.files.json_text import to_json

        write_data_as_utf8()
        with writing_stdout():
            typer.echo(to_json(document))
        return
    out = console()
    with writing_stdout():
        for view in views:
            out.print(view)


def hint(text: str) -> None:
    """A line for the person, on stderr: where things went, what to do next."""
    if first_process():
        typer.echo(text, err=True)


def share_cores(environment: MutableMapping[str, str]) -> None:
    """Let threads that wait for each other leave their cores to other programs soon.

    By default a thread of torch spins for long before it sleeps. Where other programs need the core
    too, the threads that it waits for do not run meanwhile. What is set already stands. Call it
    before torch is loaded, whose OpenMP runtime reads the variables once.

    Args:
        environment: of this process.
    """
    if not any(name in environment for name in WAITING):
        environment["GOMP_SPINCOUNT"] = SPINS


def use_threads(threads: int | None) -> None:
    """Compute with so many threads on the CPU, in this process and in those that it starts.

    Args:
        threads: their number; None leaves it to the environment or to torch.
    """
    if threads is None:
        return
    os.environ["OMP_NUM_THREADS"] = str(threads)
    import torch

    torch.set_num_threads(threads)


class LocalCommand(TyperCommand):
    """A command, whose paths are on this machine: what takes URIs takes them as text."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command, unless a path is the URI of an object store.

        Raises:
            UserError: one is.
        """
        from imbtool.files.stores import refuse_store

        for parameter in self.params:
            given = ctx.params.get(parameter.name)
            name = parameter.opts[0] if parameter.opts[0].startswith("-") else ""
            for value in given if isinstance(given, list) else [given]:
                if isinstance(value, Path):
                    refuse_store(value, name)
        return super().invoke(ctx)


class NoteHandler(logging.Handler):
    """Shows each note of the library once, on stderr."""

    def __init__(self) -> None:
        """Nothing has been shown yet."""
        super().__init__()
        self._shown: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Show a note, unless it was shown."""
        text = printable(record.getMessage())
        if text not in self._shown:
            self._shown.add(text)
            hint(f"note: {text}")


def show_notes() -> None:
    """Let the notes of this command, and of no earlier one, be shown."""
    log = logging.getLogger("imbtool")
    log.handlers, log.propagate = [NoteHandler()], False


def complain(problem: object) -> None:
    """An error, on stderr, of every process that has no launcher which shows it.

    Torchrun does; otherwise nobody else knows what is wrong with this one.
    """
    if first_process() or "TORCHELASTIC_ERROR_FILE" not in os.environ:
        try:
            typer.echo(f"error: {problem}", err=True)
        except OSError:  # nobody is there to be told; the exit code says it
            undelivered(sys.stderr)


def first_process() -> bool:
    """Whether this process talks to the user: of several, which a launcher numbers, one does."""
    return os.environ.get("RANK", "0") == "0"


def refuse_launcher(fix: str) -> None:
    """Refuse to be one of several processes of a launcher: each would do and write everything.

    Args:
        fix: what to do instead.

    Raises:
        UserError: this is one of several.
    """
    from imbtool.distributed.process_info import world_size
    from imbtool.errors import user_error

    if (processes := world_size(os.environ)) > 1:
        found = f"a launcher of {processes} processes, each of which would do all of the work"
        raise user_error("launch", found, "one process", fix)


def one_profile(argument: Path | None, option: Path | None) -> Path | None:
    """The profile, which is either the argument or the value of --profile.

    Raises:
        UserError: both are given.
    """
    from imbtool.errors import user_error

    if argument is not None and option is not None:
        found = f"a second profile, {option}, beside {argument}"
        raise user_error("--profile", found, "one profile", "leave one of them out")
    return option if argument is None else argument


def require_profile(profile: Path | None) -> Path:
    """The profile, without which nothing can be started.

    Raises:
        UserError: none is given.
    """
    from imbtool.errors import user_error

    if profile is None:
        raise user_error("PROFILE", "no profile", "a weight profile", "`imbtool init` writes one")
    return profile


def require_new(path: Location, force: bool, choice: str) -> None:
    """Refuse to overwrite a file without --force; `choice` names what else may be chosen.

    Raises:
        UserError: the file exists.
    """
    from imbtool.errors import user_error

    if path.exists() and not force:
        fix = f"choose another {choice}, or --force to overwrite"
        raise user_error(path, "a file", "a new name", fix)


def parsed_sets(sets: list[str] | None) -> list[Override]:
    """The overrides that --set gives.

    Raises:
        UserError: one of them has no `=`.
    """
    from imbtool.config.reader import parse_override

    return [parse_override(text) for text in sets or []]


def is_profile(source: Path) -> bool:
    """Whether a path names a profile rather than a table."""
    return source.suffix.lower() in (".yaml", ".yml")


def source_profile(source: Path, sets: list[str] | None) -> Profile:
    """The profile in a YAML file, or the one guessed from a table, with --set laid over it.

    Raises:
        UserError: the file cannot be read, or nothing in the table looks like texts or labels.
    """
    from imbtool.config.reader import read_profile
    from imbtool.data.proposal import propose_profile

    overrides = parsed_sets(sets)
    if is_profile(source):
        return read_profile(source, overrides)
    return propose_profile(source, overrides).profile


def option_overrides(*options: tuple[str, str, str | None]) -> list[Override]:
    """The overrides that options give: profile key, the option's name, its text if it was given."""
    from imbtool.config.reader import Override

    return [Override(key, text, flag) for key, flag, text in options if text is not None]


def known_tool(name: str | None) -> AnnotationTool | None:
    """The annotation tool that --format names.

    Raises:
        UserError: there is none of this name.
    """
    from imbtool.annotation.tasks import TOOLS
    from imbtool.errors import user_error
    from imbtool.wording import did_you_mean

    found = next((tool for tool in TOOLS if tool == name), None)
    if name is not None and found is None:
        raise user_error("--format", repr(name), TOOL_NAMES, did_you_mean(name, TOOLS))
    return found
