"""`imbtool serve` as a process: signals, reloads, addresses, and clients that try again."""

import http.client
import json
import random
import shutil
import signal
import socket
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from conftest import Imbtool, read_csv
from liveserver import JSON, ask, post, served

from imbtool.trained.checkpoint import read_checkpoint

TOKEN = "0123456789abcdef0123456789abcdef"
SECRET = "secret-8f3a"


class RetryingClient:
    """A thread that asks for labels again and again, whatever happens to the server."""

    def __init__(self, url: str, truth: Mapping[str, list[str]], seed: int) -> None:
        self.answered, self.wrong = 0, []
        self._url, self._truth, self._rng = url, truth, random.Random(seed)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()

    def _ask(self) -> None:
        while not self._done.is_set():
            chosen = self._rng.sample(sorted(self._truth), 3)
            try:
                status, answer = post(self._url, chosen, timeout=5)
            except (OSError, http.client.HTTPException, ValueError):  # cut off, or not there
                time.sleep(0.05)
                continue
            labels = [result["labels"] for result in answer.get("results", [])]
            if status != 200 or labels != [self._truth[text] for text in chosen]:
                self.wrong.append(f"{status} {labels}")
            self.answered += 1

    def stop(self) -> None:
        self._done.set()
        self._thread.join()


@pytest.fixture
def folder(trained: Path, tmp_path: Path) -> Path:
    """A copy of the trained checkpoint, to be changed."""
    return Path(shutil.copytree(trained / "runs" / "first" / "checkpoint", tmp_path / "model"))


def with_thresholds(folder: Path, threshold: float) -> None:
    meta = folder / "imbtool.json"
    document = json.loads(meta.read_text())
    for label in document["labels"].values():
        label["threshold"] = threshold
    meta.write_text(json.dumps(document))


def decided(url: str) -> tuple[int, list[str]]:
    status, answer = post(f"{url}/predict", ["a knife and a camera"])
    return status, answer["results"][0]["labels"]


def test_a_server_reloads_when_asked_alone_and_finishes_what_it_has(folder: Path) -> None:
    with served(str(folder), "--port", "0", "--batch-wait", "1000") as server:
        _, before = decided(server.url)
        with_thresholds(folder, 1e-6)
        weights = folder / "model.safetensors"
        kept = weights.read_bytes()
        with weights.open("r+b") as stream:  # in place, as a copy over it would
            stream.seek(len(kept) // 2)
            stream.write(bytes(len(kept) - len(kept) // 2))
        assert decided(server.url) == (200, before), "the files are not read again by themselves"

        server.signal(signal.SIGHUP)
        server.wait_for("not reloaded, the old model goes on")
        assert decided(server.url) == (200, before), "what is damaged is refused"

        weights.write_bytes(kept)
        server.signal(signal.SIGHUP)
        server.wait_for("reloaded: model")
        status, labels = decided(server.url)
        assert (status, len(labels)) == (200, 6)

        answers: list[Any] = []
        asking = threading.Thread(
            target=lambda: answers.append(post(f"{server.url}/predict", [SECRET]))
        )
        asking.start()
        time.sleep(0.3)  # it waits for others for a second
        server.signal(signal.SIGTERM)
        assert server.end() == 128 + signal.SIGTERM
        asking.join()
        assert [status for status, _ in answers] == [200]
        assert SECRET not in server.log
        assert server.log.splitlines()[-1] == "stopped"


def test_no_model_no_token_and_no_port_are_said_before_anything_is_served(
    project: Path, imbtool: Imbtool
) -> None:
    Path("token").write_text("short")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for arguments, told in (
            (["runs/none"], "no such folder"),
            (["runs/first", "--host", "0.0.0.0"], "--token-file FILE"),
            (["runs/first", "--token-file", "none"], "no such file"),
            (["runs/first", "--token-file", "token"], "no token of 16"),
            (["runs/first", "--port", port], "choose another --port"),
            (["runs/first", "--host", "no.such.host.invalid", "--token-file", "token"], "no token"),
            (["runs/first", "--max-queue", "5"], "raise --max-queue"),
        ):
            result = imbtool("serve", *arguments)
            assert result.exit_code == 2, result.stderr
            assert result.stderr.count("error: ") == 1
            assert told in result.stderr
            assert "served at" not in result.stderr


@pytest.mark.slow
def test_a_token_guards_a_server_and_bodies_without_end_do_not_stop_it(
    folder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    with served(str(folder), "--port", "0", "--token-file", str(path)) as server:
        url = f"{server.url}/predict"
        assert post(url, ["a"])[0] == 401
        assert post(url, ["a"], {**JSON, "Authorization": f"Bearer {TOKEN}"})[0] == 200
        host, _, port = server.url.rpartition("//")[2].partition(":")
        with socket.create_connection((host, int(port))) as half:
            head = f"POST /predict HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {TOKEN}\r\n"
            half.sendall(f"{head}Content-Type: application/json\r\n".encode())
            half.sendall(b'Content-Length: 99\r\n\r\n{"texts"')
            assert ask(f"{server.url}/ready")[0] == 200
        assert ask(f"{server.url}/ready")[0] == 200
        server.signal(signal.SIGINT)
        assert server.end() == 128 + signal.SIGINT
        assert TOKEN not in server.log


@pytest.mark.slow
def test_a_server_that_is_killed_answers_nothing_wrongly(trained: Path, folder: Path) -> None:
    checkpoint = read_checkpoint(trained / "runs" / "first")
    texts = [row["text"] for row in read_csv(trained / "test.csv")]
    names = checkpoint.labels.names
    truth = {
        text: [name for name, has in zip(names, row, strict=True) if has]
        for text, row in zip(texts, checkpoint.decide(checkpoint.probabilities(texts)), strict=True)
    }
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    clients = [RetryingClient(f"http://127.0.0.1:{port}/predict", truth, seed) for seed in range(4)]
    for _ in range(3):
        with served(str(folder), "--port", port) as server:
            before = sum(client.answered for client in clients)
            while sum(client.answered for client in clients) < before + 40:
                time.sleep(0.05)
            server.signal(signal.SIGKILL)
            assert server.end() == -signal.SIGKILL
    for client in clients:
        client.stop()
    assert [client.wrong for client in clients] == [[]] * 4
    assert min(client.answered for client in clients) > 0
