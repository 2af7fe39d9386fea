"""Whether answers survive doccano: tasks in, answers of two users, exports out.

python -m benchmarks.round_trips.doccano --python VENV/bin/python [--texts 200] [--prefill]

The Python is one of an environment with doccano; requirements-doccano.txt has versions that work
together. The server and its task queue run on loopback with a fresh folder of data, and are
stopped at the end. Texts are answered in a project where each user has labels of their own, and in
one where they share them. What differs is printed below the table.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import tempfile
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.round_trips.plan import (
    Act,
    Answers,
    Comparison,
    Plan,
    compare,
    make_batch,
    make_plan,
    show,
)
from benchmarks.round_trips.reading import read_back, write_batch
from benchmarks.round_trips.servers import HOST, PATIENCE, Client, free_port, running, wait_for
from imbtool.annotation.batch import Batch
from imbtool.annotation.tasks import write_tasks

USERS = ("one", "two")
PASSWORD = "a password of 8"
EXPORTS = {"JSONL": "jsonl", "JSON": "json", "CSV": "csv"}
CALL = "from backend.cli import main; main()"
WHERE = "import backend, importlib.metadata as m; print(backend.__path__[0], m.version('doccano'))"


@contextmanager
def server(python: Path, folder: Path) -> Iterator[tuple[str, str]]:
    """A server with one account and its task queue: the address and the version."""
    told = subprocess.run([str(python), "-c", WHERE], capture_output=True, text=True, check=True)
    package, version = told.stdout.split()
    env = {
        "DOCCANO_HOME": str(folder),
        "DATABASE_URL": f"sqlite:///{folder}/db.sqlite3",
        "MEDIA_ROOT": str(folder / "media"),
        "DJANGO_SETTINGS_MODULE": "config.settings.production",
        "STANDALONE": "True",
    }
    _set_up(python, folder, env)
    port, web, queue = free_port(), folder / "web.log", folder / "queue.log"
    serve = [str(python), "-m", "gunicorn", "--bind", f"{HOST}:{port}", "--threads", "2"]
    work = [str(python), "-m", "celery", "--app", "config", "worker", "--pool", "solo"]
    with (
        running([*serve, "config.wsgi"], Path(package), env, web) as process,
        running(work, Path(package), env, queue),
    ):
        wait_for(f"http://{HOST}:{port}/v1/me", process, web)
        yield f"http://{HOST}:{port}/v1", version


def _set_up(python: Path, folder: Path, env: Mapping[str, str]) -> None:
    account = ("--username", USERS[0], "--password", PASSWORD, "--email", "one@example.com")
    for arguments in (("init",), ("createuser", *account)):
        log = folder / f"{arguments[0]}.log"
        with running([str(python), "-c", CALL, *arguments], folder, env, log) as process:
            if process.wait(PATIENCE):
                raise RuntimeError(log.read_text(encoding="utf-8")[-2000:])


def log_in(base: str, user: str) -> Client:
    """A client of a user."""
    told = Client(base).post("/auth/login/", {"username": user, "password": PASSWORD})
    return Client(base, Authorization=f"Token {told['key']}")


@dataclass
class Project:
    """A project with its two users.

    Attributes:
        clients: of the users; the first one owns the project.
        number: of the project.
        labels: the number of each label.
        texts: the number of each text, by its id in the batch.
    """

    clients: list[Client]
    number: int
    labels: dict[str, int]
    texts: dict[str, int]

    @classmethod
    def make(cls, clients: list[Client], batch: Batch, folder: Path, shared: bool) -> Project:
        """A project with the tasks and labels that imbtool writes.

        Raises:
            RuntimeError: doccano does not take the tasks.
        """
        owner = clients[0]
        about: dict[str, Any] = {"name": "round trip", "description": "round trip"}
        about |= {"guideline": "", "tags": [], "collaborative_annotation": shared}
        about |= {"project_type": "DocumentClassification"}
        about |= {"resourcetype": "TextClassificationProject"}
        number = owner.post("/projects", about)["id"]
        users = {user["username"]: user["id"] for user in owner.get("/users")}
        roles = {role["name"]: role["id"] for role in owner.get("/roles")}
        member = {"user": users[USERS[1]], "role": roles["annotator"]}
        owner.post(f"/projects/{number}/members", member)
        files = {path.suffix: path for path in write_tasks(batch, folder, "doccano")}
        owner.upload(f"/projects/{number}/category-type-upload", "file", files[".json"])
        _import(owner, number, files[".jsonl"])
        labels = owner.get(f"/projects/{number}/category-types")
        page = owner.get(f"/projects/{number}/examples?limit={len(batch.texts)}")["results"]
        return cls(
            clients,
            number,
            {label["text"]: label["id"] for label in labels},
            {text["meta"]["imbtool_id"]: text["id"] for text in page},
        )

    def answer(self, text: str, person: int, act: Act, none: str) -> None:
        """Do what one person does with one text; only a text that is confirmed is answered."""
        path = f"/projects/{self.number}/examples/{self.texts[text]}"
        client = self.clients[person]
        if act.kind in ("untouched", "skipped"):
            return
        client.raw("DELETE", f"{path}/categories")
        for label in act.labels or (none,):
            client.post(f"{path}/categories", {"label": self.labels[label]})
        if act.kind != "draft":
            client.post(f"{path}/states", {})

    def export(self, kind: str, confirmed: bool, folder: Path) -> list[Path]:
        """The files that doccano exports: one a user, or one for all."""
        owner, path = self.clients[0], f"/projects/{self.number}/download"
        task = owner.post(path, {"format": kind, "exportApproved": confirmed})["task_id"]
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            told = owner.raw("GET", f"{path}?taskId={task}")
            if told.startswith(b"PK"):
                with zipfile.ZipFile(io.BytesIO(told)) as archive:
                    return [Path(archive.extract(name, folder)) for name in archive.namelist()]
            time.sleep(0.3)
        raise RuntimeError(f"no export of {kind}")


def _import(owner: Client, project: int, tasks: Path) -> None:
    """Import a file as the interface does, into the columns that the interface proposes."""
    upload = owner.upload("/fp/process/", "filepond", tasks).decode()
    about: dict[str, Any] = {"format": "JSONL", "task": "DocumentClassification"}
    about |= {"column_data": "text", "column_label": "label", "encoding": "utf_8"}
    task = owner.post(f"/projects/{project}/upload", {**about, "uploadIds": [upload]})["task_id"]
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        told = owner.get(f"/tasks/status/{task}")
        if told["ready"]:
            if told["error"] or (told["result"] or {}).get("error"):
                raise RuntimeError(f"the tasks were not imported: {told}")
            return
        time.sleep(0.3)
    raise RuntimeError("the tasks were not imported in time")


def round_trip(
    project: Project, batch: Batch, plan: Plan, folder: Path, shared: bool
) -> list[Comparison]:
    """Answer the tasks of a project, and compare each export with what was answered."""
    for (text, person), act in plan.items():
        project.answer(text, person, act, batch.answer.none)
    people: list[str | None] = [None, None] if shared else list(USERS)
    results = []
    for kind in EXPORTS:
        for confirmed in (True, False):
            place = folder / f"{'shared' if shared else 'own'}-{kind}-{confirmed}"
            found: Answers | None = {}
            for path in project.export(kind, confirmed, place):
                read = read_back(path, folder)
                found = None if found is None or read is None else {**found, **read}
            about = f"{kind}, {'confirmed' if confirmed else 'all'} texts"
            name = f"{about}, {'shared' if shared else 'own'} labels"
            results.append(compare(name, batch, plan, people, found))
    return results


def for_one(plan: Plan) -> Plan:
    """The plan of a project whose users share labels: one person answers each text."""
    order = sorted(plan.items(), key=lambda item: item[1].answer is None)
    chosen: dict[str, tuple[int, Act]] = {}
    for (text, person), act in order:
        chosen.setdefault(text, (person, act))
    return {(text, person): act for text, (person, act) in chosen.items()}


def main() -> None:
    """Make the round trips and print what came back."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--python", type=Path, required=True)
    parser.add_argument("--texts", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--prefill", action="store_true", help="write suggestions into the tasks")
    parser.add_argument("--keep", type=Path, help="folder for the tasks and exports")
    asked = parser.parse_args()
    batch = make_batch(asked.texts, asked.seed, asked.prefill)
    plan, results = make_plan(batch, asked.seed), []
    with tempfile.TemporaryDirectory() as scratch:
        folder = asked.keep or Path(scratch) / "batch"
        folder.mkdir(parents=True, exist_ok=True)
        write_batch(batch, folder)
        data = Path(scratch) / "data"
        data.mkdir()
        with server(asked.python.absolute(), data) as (base, version):
            first = log_in(base, USERS[0])
            new = {"username": USERS[1], "password1": PASSWORD, "password2": PASSWORD}
            first.post("/users/create", new)
            clients = [first, log_in(base, USERS[1])]
            for shared in (False, True):
                project = Project.make(clients, batch, folder, shared)
                acts = for_one(plan) if shared else plan
                results += round_trip(project, batch, acts, folder, shared)
    show(f"doccano {version}, {len(batch.texts)} texts", results)


if __name__ == "__main__":
    main()
