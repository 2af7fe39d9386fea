"""From a checkpoint to a process that listens, and back to a clean end."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from imbtool.distributed.signals import (
    HangupRequest,
    Stopped,
    StopRequest,
    hangups_noted,
    stop_on_signals,
)
from imbtool.errors import user_error
from imbtool.serving.access import Access, require_token
from imbtool.serving.app import make_app
from imbtool.serving.batching import Batching
from imbtool.serving.limits import Limits
from imbtool.serving.served_model import load_model
from imbtool.serving.service import Service, Tell, without_message

KEEP_ALIVE_SECONDS = 30
GRACE_SECONDS = 10
"""For answers to reach slow clients, once all texts are predicted."""
LOGS = ("uvicorn.error", "asyncio", "concurrent.futures")


@dataclass(frozen=True)
class Settings:
    """How a server is started.

    Attributes:
        checkpoint: its folder, or the run folder around it.
        host: name or address that it listens on.
        port: of TCP; 0 takes a free one.
        token: that requests must have; None asks for none, on a loopback address alone.
        limits: of requests.
        batching: how requests are gathered.
        trust_remote_code: whether to run code that comes with the model.
    """

    checkpoint: Path
    host: str
    port: int
    token: str | None
    limits: Limits
    batching: Batching
    trust_remote_code: bool = False


def serve(settings: Settings, tell: Tell, listening: Callable[[str], None]) -> None:
    """Serve a model until a signal comes: SIGINT or SIGTERM, at which it finishes what it has.

    At SIGHUP the model is read anew, and used if it is whole.

    Args:
        settings: what to serve, and where.
        tell: called with a line for each reload and failure.
        listening: called with the URL once requests are taken in.

    Raises:
        UserError: the model, the address, the token or the limits cannot be used.
        Stopped: the signal, when all that was taken in is answered.
    """
    require_token(settings.host, settings.token)
    settings.limits.check()
    with hangups_noted() as hangup, _bound(settings.host, settings.port) as bound:
        model = load_model(settings.checkpoint, settings.trust_remote_code)
        service = Service(model, settings.limits, settings.batching, tell)
        app = make_app(service, Access(settings.token))
        with stop_on_signals(second_stops=True, hangup_stops=False) as stop, _logging_to(tell):
            server = _Server(_config(app), service, settings, stop, hangup)
            bound.listen(server.config.backlog)
            listening(_url(bound))
            server.run(sockets=[bound])
        service.batcher.close()
        service.batcher.join()
    if stop.signum is not None:
        raise Stopped(stop.signum)


class _Server(uvicorn.Server):
    """Uvicorn, with our signals: what was taken in is answered before it stops to listen."""

    def __init__(
        self,
        config: uvicorn.Config,
        service: Service,
        settings: Settings,
        stop: StopRequest,
        hangup: HangupRequest,
    ) -> None:
        super().__init__(config)
        self._service, self._settings = service, settings
        self._stop, self._hangup = stop, hangup

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to those who have them."""
        yield

    async def on_tick(self, counter: int) -> bool:
        """Do what a signal asks for, every tenth of a second; True ends the server."""
        if self._hangup.wanted and not self._service.reloading:
            self._hangup.wanted = False
            self._service.reload(self._settings.checkpoint, self._settings.trust_remote_code)
        if self._stop.signum is not None:
            self._service.batcher.close()
        return await super().on_tick(counter) or self._service.drained


def _config(app: object) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


@contextmanager
def _bound(host: str, port: int) -> Iterator[socket.socket]:
    """A socket at an address, that does not listen yet: clients wait for no model.

    Raises:
        UserError: it cannot be had.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = min(found, key=lambda each: each[0])
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        fix = "give a name or an address of this machine"
        raise user_error(f"--host {host}", _said(error), "an address", fix) from None
    with bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind(address)
        except OSError as error:
            fix = "choose another --port, or end the program that listens there"
            where = f"--host {host} --port {port}"
            raise user_error(where, _said(error), "a free address", fix) from None
        yield bound


def _said(error: OSError) -> str:
    return str(error.strerror or error)


def _url(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Log(logging.Handler):
    """Passes on what libraries log, without messages of exceptions, which may quote a text."""

    def __init__(self, tell: Tell) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        # a message with arguments may quote what it has got
        said = str(record.msg).partition("\n")[0]
        self._tell(said if error is None else f"{said} {without_message(error)}")


@contextmanager
def _logging_to(tell: Tell) -> Iterator[None]:
    handler = _Log(tell)
    logs = [logging.getLogger(name) for name in LOGS]
    before = [log.propagate for log in logs]
    for log in logs:
        log.addHandler(handler)
        log.propagate = False
    try:
        yield
    finally:
        for log, propagated in zip(logs, before, strict=True):
            log.removeHandler(handler)
            log.propagate = propagated
