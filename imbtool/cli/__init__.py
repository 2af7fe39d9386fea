"""The command line: one file per command, each of which parses, calls and renders."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from imbtool.cli.analyze import analyze
from imbtool.cli.common import LocalCommand, complain, hint, share_cores, show_notes
from imbtool.cli.distil import distil
from imbtool.cli.evaluate import evaluate
from imbtool.cli.export import export
from imbtool.cli.find import find
from imbtool.cli.init import init
from imbtool.cli.merge import merge
from imbtool.cli.monitor import monitor
from imbtool.cli.predict import predict
from imbtool.cli.prevalence import prevalence
from imbtool.cli.queue import queue
from imbtool.cli.serve import serve
from imbtool.cli.split import split
from imbtool.cli.streams import prepare_streams, undelivered, unusable
from imbtool.cli.train import train
from imbtool.cli.tune import tune
from imbtool.cli.weights import weights
from imbtool.distributed.signals import stopped_by_signals
from imbtool.errors import UserError, user_error
from imbtool.version import __version__


class Guarded(TyperGroup):
    """The one place where what the user can fix, and a signal, end the program."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command; a `UserError` ends with exit code 2, a signal N with 128 + N."""
        try:
            with stopped_by_signals():
                return super().invoke(ctx)
        except UserError as error:
            self._refuse(error)
        except BrokenPipeError:
            raise typer.Exit(1) from None
        except OSError as error:
            self._refuse(unusable(error.filename or "the file system", error))
        except KeyboardInterrupt as stop:
            hint("stopped")
            raise typer.Exit(128 + getattr(stop, "signum", signal.SIGINT)) from None
        except typer.Exit:
            raise
        except Exception as error:
            _record(error)
            raise

    @staticmethod
    def _refuse(error: UserError) -> None:
        _record(error)
        for problem in error.problems:
            complain(problem)
        raise typer.Exit(2) from None


def _record(error: Exception) -> None:
    """Tell the launcher, if one has started this process; it shows what the first does not."""
    if "TORCHELASTIC_ERROR_FILE" in os.environ:
        from imbtool.distributed.launch import record_failure

        record_failure(error)


DOCUMENTATION = "Documentation: docs/index.md"

app = typer.Typer(
    cls=Guarded,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Train multi-label text classifiers whose important labels are the rare ones.",
    epilog="Start with `imbtool init TRAIN.csv`. Every command ends by naming the next one."
    f"\n\n{DOCUMENTATION}",
)
COMMANDS = (
    *(init, split, analyze, weights, train, tune, distil, evaluate, predict),
    *(export, serve, prevalence, monitor, queue, find, merge),
)
for command in COMMANDS:
    app.command(cls=LocalCommand, epilog=DOCUMENTATION)(command)


def show_version(wanted: bool) -> None:
    """Print the version and stop."""
    if wanted:
        typer.echo(f"imbtool {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: bool = typer.Option(  # noqa: ARG001
        False, "--version", callback=show_version, is_eager=True, help="Print the version."
    ),
) -> None:
    """Train multi-label text classifiers whose important labels are the rare ones."""
    show_notes()


def main() -> None:
    """Run the command line; what it printed has arrived when it ends with exit code 0."""
    # figures go to files; a notebook names a backend that only its own environment may have
    os.environ["MPLBACKEND"] = "agg"
    share_cores(os.environ)
    prepare_streams()
    if sys.stdout is None:
        fix = "leave it open, or send it to a file or to /dev/null"
        complain(user_error("stdout", "a closed stream", "an open one", fix))
        raise SystemExit(2)
    try:
        app()
    except SystemExit as end:
        raise SystemExit(_delivered(end.code)) from None
    except OSError as error:  # of help and the version, which no command prints
        complain(unusable("stdout", error))
        raise SystemExit(_delivered(2)) from None


def _delivered(code: str | int | None) -> str | int | None:
    """The exit code, unless what was printed could not be passed on."""
    error = undelivered(sys.stdout)
    undelivered(sys.stderr)
    if error is None:
        return code
    if isinstance(error, BrokenPipeError):
        return code or 1
    complain(unusable("stdout", error))
    return 2
