"""Whether answers survive Label Studio: tasks in, answers of two users, exports out.

python -m benchmarks.round_trips.label_studio --python VENV/bin/python [--texts 200] [--prefill]

The Python is one of an environment with `pip install label-studio`. The server runs on loopback
with a fresh folder of data, and is stopped at the end. What differs is printed below the table.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.round_trips.plan import (
    PEOPLE,
    Act,
    Comparison,
    Plan,
    compare,
    make_batch,
    make_plan,
    show,
)
from benchmarks.round_trips.reading import read_back, write_batch
from benchmarks.round_trips.servers import HOST, Client, free_port, running, wait_for
from imbtool.annotation.batch import Batch
from imbtool.annotation.tasks import write_tasks

USERS = ("one@example.com", "two@example.com")
PASSWORD = "a password of 8"
TOKEN = "0123456789abcdef0123456789abcdef01234567"
QUIET = {"COLLECT_ANALYTICS": "false", "LATEST_VERSION_CHECK": "false"}
QUIET |= {"SENTRY_DSN": "", "FRONTEND_SENTRY_DSN": ""}
EXPORTS = {"JSON": "json", "JSON_MIN": "json", "CSV": "csv", "TSV": "tsv"}


@contextmanager
def server(python: Path, folder: Path) -> Iterator[tuple[str, Client]]:
    """A server with one account, its address, and a client of that account."""
    base = f"http://{HOST}:{(port := free_port())}"
    command = [str(python), "-m", "label_studio.server", "start", "--no-browser"]
    command += ["--data-dir", str(folder), "--internal-host", HOST, "--port", str(port)]
    command += ["--username", USERS[0], "--password", PASSWORD]
    command += ["--user-token", TOKEN, "--enable-legacy-api-token"]
    log = folder / "server.log"
    env = {**QUIET, "LABEL_STUDIO_BASE_DATA_DIR": str(folder)}
    with running(command, folder, env, log) as process:
        wait_for(f"{base}/api/version", process, log)
        yield base, Client(base, Authorization=f"Token {TOKEN}")


def second_user(base: str, first: Client) -> Client:
    """A client of a second account, which is made by the invitation of the first."""
    client = Client(base)
    page = first.get("/api/invite")["invite_url"]
    client.raw("GET", page)
    form = {"email": USERS[1], "password": PASSWORD, "allow_newsletters": "false"}
    client.form(page, {**form, "csrfmiddlewaretoken": client.cookie("csrftoken")})
    token = client.get("/api/current-user/token")["token"]
    return Client(base, Authorization=f"Token {token}")


def result_of(act: Act) -> list[dict[str, Any]]:
    """The result that the interface sends; nothing where no choice is selected."""
    if not act.labels:
        return []
    about = {"from_name": "labels", "to_name": "text", "type": "choices"}
    return [{**about, "value": {"choices": list(act.labels)}}]


def answer(client: Client, task: int, act: Act) -> None:
    """Do what one person does with one task."""
    body = {"result": result_of(act), "lead_time": 2.0}
    if act.kind == "draft":
        client.post(f"/api/tasks/{task}/drafts", body)
    elif act.kind != "untouched":
        body["was_cancelled"] = act.kind == "skipped"
        client.post(f"/api/tasks/{task}/annotations/", body)


def round_trip(
    base: str, first: Client, batch: Batch, plan: Plan, folder: Path
) -> list[Comparison]:
    """Import the tasks, answer them, and compare each export with what was answered."""
    files = {path.suffix: path for path in write_tasks(batch, folder, "label-studio")}
    config = files[".xml"].read_text(encoding="utf-8")
    about = {"title": "round trip", "label_config": config, "maximum_annotations": len(PEOPLE)}
    project = first.post("/api/projects", about)["id"]
    first.upload(f"/api/projects/{project}/import", "file", files[".json"])
    clients = [first, second_user(base, first)]
    people = [str(client.get("/api/current-user/whoami")["id"]) for client in clients]
    page = first.get(f"/api/tasks?project={project}&page_size={len(batch.texts)}")
    numbers = {task["data"]["imbtool_id"]: task["id"] for task in page["tasks"]}
    for (text, person), act in plan.items():
        answer(clients[person], numbers[text], act)
    results = []
    for kind, ending in EXPORTS.items():
        for whole in (False, True):
            query = f"exportType={kind}" + "&download_all_tasks=true" * whole
            path = folder / f"{kind}-{'all' if whole else 'annotated'}.{ending}"
            path.write_bytes(first.raw("GET", f"/api/projects/{project}/export?{query}"))
            name = f"{kind}, {'all' if whole else 'annotated'} tasks"
            results.append(compare(name, batch, plan, people, read_back(path, folder)))
    return results


def main() -> None:
    """Make the round trip and print what came back."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--python", type=Path, required=True)
    parser.add_argument("--texts", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--prefill", action="store_true", help="write suggestions into the tasks")
    parser.add_argument("--keep", type=Path, help="folder for the tasks and exports")
    asked = parser.parse_args()
    batch = make_batch(asked.texts, asked.seed, asked.prefill)
    with tempfile.TemporaryDirectory() as scratch:
        folder = asked.keep or Path(scratch) / "batch"
        folder.mkdir(parents=True, exist_ok=True)
        write_batch(batch, folder)
        data = Path(scratch) / "data"
        data.mkdir()
        with server(asked.python.absolute(), data) as (base, first):
            version = first.get("/api/version")["release"]
            plan = make_plan(batch, asked.seed)
            results = round_trip(base, first, batch, plan, folder)
    show(f"Label Studio {version}, {len(batch.texts)} texts", results)


if __name__ == "__main__":
    main()
