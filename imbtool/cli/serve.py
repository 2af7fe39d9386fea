"""`imbtool serve`: a model over HTTP, with the decisions of `imbtool predict`."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from imbtool.cli.common import CheckpointFolder, TrustRemoteCode, hint

ADDRESS, LIMITS = "Address", "Limits"
PACKAGES = ("fastapi", "uvicorn", "prometheus_client")
"""Of the extra `serve`."""


def serve(
    checkpoint: CheckpointFolder,
    trust_remote_code: TrustRemoteCode = False,
    host: Annotated[
        str,
        typer.Option(
            "--host",
            metavar="<address>",
            help="Listen on this address. One that other machines can reach needs --token-file.",
            rich_help_panel=ADDRESS,
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(
            "--port",
            metavar="<int>",
            min=0,
            max=65535,
            help="Listen on this port; 0 takes a free one.",
            rich_help_panel=ADDRESS,
        ),
    ] = 8000,
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file",
            metavar="<path>",
            help="Answer only requests with the token in this file, sent as a Bearer token.",
            rich_help_panel=ADDRESS,
        ),
    ] = None,
    max_texts: Annotated[
        int,
        typer.Option(
            "--max-texts",
            metavar="<int>",
            min=1,
            help="Refuse requests of more texts.",
            rich_help_panel=LIMITS,
        ),
    ] = 128,
    max_characters: Annotated[
        int,
        typer.Option(
            "--max-characters",
            metavar="<int>",
            min=1,
            help="Refuse texts of more characters.",
            rich_help_panel=LIMITS,
        ),
    ] = 20_000,
    max_bytes: Annotated[
        int,
        typer.Option(
            "--max-bytes",
            metavar="<int>",
            min=1,
            help="Refuse requests whose body has more bytes.",
            rich_help_panel=LIMITS,
        ),
    ] = 2**21,
    max_queue: Annotated[
        int,
        typer.Option(
            "--max-queue",
            metavar="<int>",
            min=1,
            help="Refuse requests while more texts would wait, over all requests.",
            rich_help_panel=LIMITS,
        ),
    ] = 1_024,
    batch_wait: Annotated[
        float,
        typer.Option(
            "--batch-wait",
            metavar="<ms>",
            min=0,
            max=1000,
            help="Let a request wait so many milliseconds for others to be predicted with.",
            rich_help_panel=LIMITS,
        ),
    ] = 5.0,
    batch_size: Annotated[
        int,
        typer.Option(
            "--batch-size",
            metavar="<int>",
            min=1,
            help="Predict requests together up to so many texts; with 1, each request alone.",
            rich_help_panel=LIMITS,
        ),
    ] = 32,
) -> None:
    """Serve a model over HTTP, with the decisions of `predict`.

    POST /predict decides texts by the checkpoint's thresholds and hierarchy; GET /model, /metrics,
    /health and /ready tell of the server, and / is a page to try the model on. Texts are never
    logged. SIGTERM and Ctrl-C let the server finish what it has taken in, and SIGHUP lets it read
    the checkpoint anew.

    Examples:

    - `imbtool serve runs/moderation-1`
    - `imbtool serve runs/moderation-1/checkpoint --host 0.0.0.0 --token-file token`
    """
    _require_packages()
    from imbtool.serving.access import read_token
    from imbtool.serving.batching import Batching
    from imbtool.serving.limits import Limits
    from imbtool.serving.server import Settings, serve

    settings = Settings(
        checkpoint=checkpoint,
        host=host,
        port=port,
        token=None if token_file is None else read_token(token_file),
        limits=Limits(max_texts, max_characters, max_bytes, max_queue),
        batching=Batching(batch_size, batch_wait / 1000),
        trust_remote_code=trust_remote_code,
    )

    def listening(url: str) -> None:
        hint(f"{checkpoint} is served at {url}")
        hint(f"next: open {url} in a browser, or read docs/serving.md for requests by curl")

    serve(settings, hint, listening)


def _require_packages() -> None:
    from imbtool.errors import user_error

    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        found = f"without the packages {', '.join(missing)}"
        raise user_error(
            "imbtool serve", found, "the extra `serve`", "pip install 'imbtool[serve]'"
        )
