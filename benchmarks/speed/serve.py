"""Does `imbtool serve` lose a request under load, and what share of the bare rate is left?

python -m benchmarks.speed.serve runs/edos data/edos/test.csv [--clients 32] [--seconds 120]

Clients on this machine, each with a connection of its own, send texts of the table one after the
other and wait for each answer. Their rate stands beside that of the model in one process without a
server, on the same texts in the same run. Every answer is compared with what the model decides
there. Exit 1 if a request is lost, an answer is wrong, or the rate is below 60% of the bare one.
"""

from __future__ import annotations

import argparse
import http.client
import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.shared.texttable import table
from imbtool import read_checkpoint
from imbtool.data.tables import read_chunks
from imbtool.formats.cells import joined_text

LEAST_SHARE = 0.6
WARM_UP = 64
"""Texts that are predicted before anything is measured."""
JSON = {"Content-Type": "application/json"}

Truth = dict[str, list[str]]
"""The labels that the model decides, by text."""


@dataclass
class Client:
    """What one client saw."""

    seconds: list[float] = field(default_factory=list)
    lost: int = 0
    wrong: int = 0


def read_texts(checkpoint: Path, path: Path, most: int) -> list[str]:
    """The first texts of a table, each once."""
    columns = read_checkpoint(checkpoint).meta.data.text
    texts: dict[str, None] = {}
    for frame in read_chunks(path):
        texts.update(dict.fromkeys(joined_text(frame, columns)))
    return list(texts)[:most]


def decide_bare(path: Path, texts: Sequence[str], seconds: float) -> tuple[Truth, float]:
    """What the model decides in this process, and texts a second."""
    checkpoint = read_checkpoint(path)
    names = checkpoint.labels.names
    checkpoint.logits(texts[:WARM_UP])
    decisions = checkpoint.decide(checkpoint.probabilities(texts))
    truth = {
        text: [name for name, has in zip(names, row, strict=True) if has]
        for text, row in zip(texts, decisions, strict=True)
    }
    done, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        checkpoint.logits(texts)
        done += len(texts)
    return truth, done / (time.perf_counter() - started)


@contextmanager
def running_server(checkpoint: Path) -> Iterator[int]:
    """The port of a server that is stopped at the end of the block."""
    command = [sys.executable, "-m", "imbtool", "serve", str(checkpoint), "--port", "0"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr is not None
        found = None
        for line in server.stderr:
            if found := re.search(r"is served at http://127\.0\.0\.1:(\d+)", line):
                break
        if not found:
            raise SystemExit("the server did not start")
        # what else it says must not fill the pipe
        threading.Thread(target=server.stderr.read, daemon=True).start()
        yield int(found[1])
        server.send_signal(signal.SIGTERM)
        if (code := server.wait(timeout=60)) != 128 + signal.SIGTERM:
            raise SystemExit(f"the server ended with exit code {code}")
    finally:
        server.kill()


def ask(port: int, texts: Sequence[str], start: int, truth: Truth, until: float) -> Client:
    """Send one text after the other, from a place in the list on, until a time."""
    client, connection = Client(), http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    place = start
    while time.perf_counter() < until:
        text = texts[place % len(texts)]
        place += 1
        begun = time.perf_counter()
        try:
            connection.request("POST", "/predict", json.dumps({"texts": [text]}).encode(), JSON)
            answer = connection.getresponse()
            document = json.load(answer)
        except (OSError, http.client.HTTPException, ValueError):
            client.lost += 1
            connection.close()
            continue
        if answer.status != 200:
            client.lost += 1
            continue
        client.seconds.append(time.perf_counter() - begun)
        client.wrong += document["results"][0]["labels"] != truth[text]
    connection.close()
    return client


def under_load(
    port: int, texts: Sequence[str], truth: Truth, clients: int, seconds: float
) -> tuple[list[Client], float]:
    """What all clients saw, and how long it took."""
    started = time.perf_counter()
    seen: list[Client] = []

    def run(number: int) -> None:
        start = number * len(texts) // clients
        seen.append(ask(port, texts, start, truth, started + seconds))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seen, time.perf_counter() - started


def main() -> None:
    """Measure the bare model, then the server under load."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("table", type=Path)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--texts", type=int, default=2_000, help="of the table")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    texts = read_texts(asked.checkpoint, asked.table, asked.texts)
    truth, bare = decide_bare(asked.checkpoint, texts, min(asked.seconds / 2, 30.0))
    with running_server(asked.checkpoint) as port:
        ask(port, texts, 0, truth, time.perf_counter() + 1.0)
        seen, seconds = under_load(port, texts, truth, asked.clients, asked.seconds)
    times = np.array([each for client in seen for each in client.seconds])
    p50, p99 = np.quantile(times, [0.5, 0.99]) * 1000
    document = {
        "clients": asked.clients,
        "seconds": seconds,
        "requests": len(times),
        "lost": sum(client.lost for client in seen),
        "wrong": sum(client.wrong for client in seen),
        "p50_ms": float(p50),
        "p99_ms": float(p99),
        "texts_per_second": len(times) / seconds,
        "bare_texts_per_second": bare,
    }
    if asked.json:
        print(json.dumps(document))
    else:
        print(table([(name, f"{value:,.0f}") for name, value in document.items()]))
    share = document["texts_per_second"] / bare
    print(f"{share:.0%} of the bare rate", file=sys.stderr)
    if document["lost"] or document["wrong"] or share < LEAST_SHARE:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
