"""Servers of annotation tools on loopback, and requests to them."""

from __future__ import annotations

import http.cookiejar
import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"
PATIENCE = 900
"""Seconds until a server that does not answer is given up."""


def free_port() -> int:
    """A port of loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(
    command: Sequence[str], folder: Path, env: Mapping[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is stopped, with all that it started, when the block ends."""
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **env},
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(10)
        except ProcessLookupError:
            break
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a server answers, whatever it says.

    Raises:
        RuntimeError: it has ended, or does not answer in time.
    """
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except urllib.error.HTTPError as answer:
            if answer.code < 500:
                return
        except OSError:
            pass
        time.sleep(0.5)
    told = log.read_text(encoding="utf-8", errors="replace")[-2000:]
    raise RuntimeError(f"{address} does not answer:\n{told}")


class Client:
    """One user of a server: requests with that user's cookies and headers."""

    def __init__(self, base: str, **headers: str) -> None:
        self.base, self.headers = base, headers
        self.cookies = http.cookiejar.CookieJar()
        jar = urllib.request.HTTPCookieProcessor(self.cookies)
        self._opener = urllib.request.build_opener(jar)

    def cookie(self, name: str) -> str:
        """The value of a cookie."""
        return next(each.value or "" for each in self.cookies if each.name == name)

    def get(self, path: str) -> Any:
        """What a GET request answers, read as JSON."""
        return json.loads(self.raw("GET", path))

    def post(self, path: str, body: object) -> Any:
        """What a POST request of JSON answers, read as JSON; None for nothing."""
        told = self.raw("POST", path, json.dumps(body).encode(), "application/json")
        return json.loads(told) if told else None

    def form(self, path: str, fields: Mapping[str, str]) -> bytes:
        """What a POST request of a form answers."""
        kind = "application/x-www-form-urlencoded"
        return self.raw("POST", path, urllib.parse.urlencode(fields).encode(), kind)

    def upload(self, path: str, field: str, file: Path) -> bytes:
        """What a POST request of a file answers."""
        mark = uuid.uuid4().hex
        about = f'form-data; name="{field}"; filename="{file.name}"'
        head = f"--{mark}\r\nContent-Disposition: {about}\r\n"
        head += "Content-Type: application/octet-stream\r\n\r\n"
        body = head.encode() + file.read_bytes() + f"\r\n--{mark}--\r\n".encode()
        return self.raw("POST", path, body, f"multipart/form-data; boundary={mark}")

    def raw(self, method: str, path: str, body: bytes | None = None, kind: str = "") -> bytes:
        """The bytes that a request answers.

        Raises:
            RuntimeError: with what the server says of it.
        """
        headers = {**self.headers, "Referer": self.base}
        if kind:
            headers["Content-Type"] = kind
        request = urllib.request.Request(self.base + path, body, headers, method=method)
        try:
            with self._opener.open(request, timeout=PATIENCE) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as refused:
            told = refused.read().decode(errors="replace")[:2000]
            raise RuntimeError(f"{method} {path}: {refused.code} {told}") from None
