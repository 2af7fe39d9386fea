"""A local S3 server (moto's, in an environment of its own), and one before it that makes faults."""

import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SERVER = Path(sys.prefix, "s3-server", "bin", "python")
START_SECONDS = 240
"""A busy machine takes its time."""
BUCKET = "bucket"
HEADERS = {
    "Content-Type": "application/octet-stream",  # else the server reads a form
    "Authorization": "AWS4-HMAC-SHA256 Credential=key/20260101/us-east-1/s3/aws4_request, "
    "SignedHeaders=host, Signature=0",  # it takes any
}
HOP = ("connection", "expect", "host", "transfer-encoding", "Connection", "Host")
"""Headers between a client and the server in between."""
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
LISTED = "{http://s3.amazonaws.com/doc/2006-03-01/}Key"


def ask(method: str, url: str, body: bytes | None = None) -> bytes:
    request = urllib.request.Request(url, body, HEADERS, method=method)
    with DIRECT.open(request, timeout=START_SECONDS) as answer:
        return answer.read()


class Bucket:
    """A bucket, seen without imbtool and pyarrow."""

    def __init__(self, url: str) -> None:
        self.url = f"{url}/{BUCKET}"
        ask("PUT", self.url)

    def put(self, key: str, content: bytes) -> None:
        ask("PUT", f"{self.url}/{key}", content)

    def put_folder(self, key: str, folder: Path) -> None:
        for path in folder.iterdir():
            self.put(f"{key}/{path.name}", path.read_bytes())

    def get(self, key: str) -> bytes:
        return ask("GET", f"{self.url}/{key}")

    def delete(self, key: str) -> None:
        ask("DELETE", f"{self.url}/{key}")

    def empty(self) -> None:
        for key in self.keys():
            self.delete(key)

    def keys(self, prefix: str = "") -> list[str]:
        listing = ask("GET", f"{self.url}?list-type=2&prefix={prefix}")
        return sorted(each.text or "" for each in ElementTree.fromstring(listing).iter(LISTED))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def s3_server() -> Iterator[str]:
    """The URL of a server without buckets."""
    assert SERVER.exists(), "no S3 server in the environment: `make .venv/.s3` installs it"
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [SERVER, "-m", "moto.server", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(port, process)
        yield url
    finally:
        process.kill()
        process.wait()


def wait_for(port: int, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the S3 server has not started")


Answer = Callable[[str, str], int | None]
"""From method and path to the status that the server in between gives; None passes it on."""


class Handler(BaseHTTPRequestHandler):
    """Passes requests on to the server at `url`, or answers itself."""

    url: str
    answer: Answer
    protocol_version = "HTTP/1.1"

    def do(self) -> None:
        body = self.body()
        status, content, headers = type(self).answer(self.command, self.path), b"", {}
        if status is None:
            status, content, headers = self.passed_on(body)
        self.send_response_only(status)
        for name, value in ({"Content-Length": str(len(content))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def passed_on(self, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        headers = {name: text for name, text in self.headers.items() if name not in HOP}
        request = urllib.request.Request(
            self.url + self.path, body or None, headers, method=self.command
        )
        try:
            given = DIRECT.open(request, timeout=START_SECONDS)
        except urllib.error.HTTPError as error:
            given = error
        kept = {name: text for name, text in given.headers.items() if name not in HOP}
        return given.status, given.read(), kept

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = do  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def in_between(url: str, answer: Answer) -> Iterator[str]:
    """The URL of a server that passes requests on to another, or answers itself."""
    handler = type("Between", (Handler,), {"url": url, "answer": staticmethod(answer)})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
