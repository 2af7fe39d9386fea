"""A server on a loopback address: within this process, or as `imbtool serve` in its own."""

import json
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import uvicorn

from imbtool.serving.server import _bound, _config, _url

JSON = {"Content-Type": "application/json"}
START_SECONDS = 240
"""A busy machine takes its time to load torch."""


@contextmanager
def in_thread(app: Any) -> Iterator[str]:
    """The URL of an application that a thread serves."""
    with _bound("127.0.0.1", 0) as bound:
        bound.listen()
        server = uvicorn.Server(_config(app))
        thread = threading.Thread(target=server.run, args=([bound],), daemon=True)
        thread.start()
        yield _url(bound)
        server.should_exit = True
        thread.join()


class ServeProcess:
    """`imbtool serve` in a process of its own."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "imbtool", "serve", *arguments]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self._log: list[str] = []
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def url(self) -> str:
        """Where it answers, once it does."""
        return self.wait_for(" is served at ").rpartition(" ")[2]

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._log.append(line.rstrip("\n"))

    @property
    def log(self) -> str:
        """What it has said so far."""
        return "\n".join(self._log)

    def wait_for(self, part: str) -> str:
        """The line of the log that has a part."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            for line in self._log:
                if part in line:
                    return line
            if self.process.poll() is not None:
                self._reader.join()
                break
            time.sleep(0.05)
        found = [line for line in self._log if part in line]
        assert found, self.log
        return found[0]

    def signal(self, number: int) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def end(self) -> int:
        """The exit code, once it has ended."""
        code = self.process.wait(timeout=START_SECONDS)
        self._reader.join()
        return code


@contextmanager
def served(*arguments: str) -> Iterator[ServeProcess]:
    """A server that is killed at the end of the block if it still runs."""
    server = ServeProcess(*arguments)
    try:
        assert server.url
        yield server
    finally:
        server.process.kill()
        server.process.wait()


def post(
    url: str, texts: list[str], headers: Mapping[str, str] = JSON, timeout: float = 60
) -> tuple[int, Any]:
    """The status and the document that an answer to texts has."""
    body = json.dumps({"texts": texts}).encode()
    return ask(urllib.request.Request(url, body, dict(headers)), timeout)


def ask(request: urllib.request.Request | str, timeout: float = 60) -> tuple[int, Any]:
    """The status and the document of an answer."""
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)
