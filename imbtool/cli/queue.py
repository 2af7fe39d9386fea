"""`imbtool queue`: what people should read of a stream, if they can read so many texts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from imbtool.cli.common import (
    INPUT,
    OUTPUT,
    TOOL_NAMES,
    CheckpointFolder,
    Json,
    TrustRemoteCode,
    hint,
    known_tool,
    show,
)

PICTURE = "queue.png"


def queue(
    checkpoint: CheckpointFolder,
    stream: Annotated[
        Path,
        typer.Argument(
            metavar="STREAM", help="The texts of a day, say: a table, a folder or a glob of them."
        ),
    ],
    read: Annotated[
        int,
        typer.Option(
            "--number",
            "-n",
            metavar="<int>",
            min=1,
            help="So many texts of the stream can be read.",
            rich_help_panel=INPUT,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="<folder>",
            help="Write the texts to read into this folder, which must be new.",
            rich_help_panel=OUTPUT,
        ),
    ],
    label: Annotated[
        list[str] | None,
        typer.Option(
            "--label",
            metavar="<label>",
            help="Read texts for this label. You can repeat this option. By default texts are read "
            "for all labels.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    trust_remote_code: TrustRemoteCode = False,
    tool: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="<tool>",
            help=f"Also write the texts as tasks of {TOOL_NAMES}.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Choose the texts that people read, so that as much as possible is found of every label.

    A text is read once for all of its labels. Finding all texts of a rare label counts as much as
    finding all those of a frequent one. The result says what share of each label's texts is found,
    what is missed, and what more readers would find.

    Examples:

    - `imbtool queue runs/moderation-1 today.csv -n 200 -o queues/today`
    - `imbtool queue runs/moderation-1 today.csv -n 50 -o queues/threats --label threats`
    """
    from imbtool.monitoring.queue import Queue, QueueOptions, make_queue
    from imbtool.report.console.queue import queue_views
    from imbtool.report.figures.figure import write_png
    from imbtool.report.figures.queue import draw_queue
    from imbtool.trained.checkpoint import read_checkpoint

    def draw(queue: Queue, folder: Path) -> None:
        write_png(draw_queue(queue), folder / PICTURE)

    options = QueueOptions(read, label or (), known_tool(tool))
    model = read_checkpoint(checkpoint, trust_remote_code)
    made = make_queue(model, stream, output, options, sys.argv, hint, draw)
    show(made, queue_views(made), json)
    hint(f"\npicture: {output / PICTURE}")
    table = output / "batch.csv"
    merge = f"imbtool merge PROFILE {table} -o merged/{output.name}"
    hint(f"next: read and answer {table} from the top, then: {merge}")
