"""Every command of README and docs, typed into a shell as it stands: nothing is put in its place.

The project is cloned, installed into a fresh environment by README's own line, and each page is
worked through from top to bottom in its own copy of the clone. Tables are small ones of the sample
that `data/generate.py` writes; what `pages.NOT_RUN` lists is left out.
"""

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from conftest import read_csv, write_csv
from docpages import (
    PAGES,
    ROOT,
    begin_anew,
    do_what_people_do,
    ends_well,
    filled_in,
    named,
    shown,
    to_run,
)
from shellcommands import Command
from standins import BATCH, answer_batch, write_foreign_tables, write_pool

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

README = PAGES[0]
POSITIVES = {"train": 10, "validation": 4, "test": 4}
"""Of each label, in the small tables."""
WITHOUT = {"train": 50, "validation": 20, "test": 20}
"""Texts without a label."""
POOL = 1500
"""Texts of the sample's end that nobody is taken to have labelled."""
RUNS = ("NEW", "OLD", "new", "old")
"""Beside `runs/NAME`, of which they are copies."""
REPEATED = ("runs/demo", "runs/demo-analysis")
"""What pages show after `make demo` is of `make demo`: a name that is free again."""

Row = dict[str, str]


def small(rows: Sequence[Row], positives: int, without: int) -> list[Row]:
    """The first rows with each label and without any, with columns that pages name besides."""
    taken: Counter[str] = Counter()
    kept = []
    for row in rows:
        labels = row["labels"].split("|")
        wanted = [label for label in labels if taken[label] < (positives if label else without)]
        if wanted:
            taken.update(labels)
            language, author = ("de", "en")[len(kept) % 2], f"author {len(kept) % 30}"
            kept.append({**row, "language": language, "author": author})
    return kept


class Shell:
    """A person's shell: an environment is active, a folder is current."""

    def __init__(self, folder: Path, environment: Path) -> None:
        self.folder = folder
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        path = f"{environment / 'bin'}{os.pathsep}{kept['PATH']}"
        self.variables = {**kept, "PATH": path, "VIRTUAL_ENV": str(environment)}

    def type(self, line: str) -> subprocess.CompletedProcess[str]:
        """Run a line of shell to its end."""
        return subprocess.run(
            ["bash", "-o", "pipefail", "-c", line],
            cwd=self.folder,
            env=self.variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def must(self, line: str) -> str:
        """Run a line that must end well; what it printed."""
        result = self.type(line)
        assert result.returncode == 0, (line, result.stdout[-2000:], result.stderr[-4000:])
        return result.stdout


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment into which README's own line has installed a clone."""
    base = tmp_path_factory.mktemp("as-written")
    folder = base / "venv"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    shell = Shell(base, folder)
    probe = shell.type("pip download --quiet --no-deps --dest probe hatchling")
    if probe.returncode:
        pytest.skip(f"no package index can be reached: {probe.stderr.strip()[-200:]}")
    shell.must(f"git clone --quiet '{ROOT}' clone")
    shell.folder = base / "clone"
    (line,) = (each.text for each in shown(README) if each.words[0] == "pip")
    shell.must(line)
    return folder


@pytest.fixture(scope="module")
def filled(environment: Path) -> Path:
    """A clone with all that pages name: tables, a profile, a run and its copies.

    It has made room for the copies of each page, by whose name its runs know their tables.
    """
    base = environment.parent
    folder = base / "project"
    shutil.copytree(base / "clone", folder, symlinks=True)
    shell = Shell(folder, environment)
    shell.must("python data/generate.py")
    write_pool(folder / "pool.csv", read_csv(folder / "data" / "sample" / "test.csv")[-POOL:])
    tables = {name: small_sample(folder, name) for name in POSITIVES}
    for name, rows in tables.items():
        write_csv(folder / "data" / "sample" / f"{name}.csv", rows)
        write_csv(folder / f"{name}.csv", rows)
    write_csv(folder / "all.csv", [row for rows in tables.values() for row in rows])
    write_csv(folder / "new.csv", [{"text": row["text"]} for row in tables["test"]])
    (folder / "shards").mkdir()
    for number in ("1", "2"):
        shutil.copy(folder / "new.csv", folder / "shards" / f"{number}.csv")
    write_foreign_tables(folder)
    shell.must("imbtool init train.csv")
    shell.must("imbtool train --profile profile.yaml --run NAME --epochs 2")
    shell.must("imbtool predict runs/NAME test.csv -o theirs.csv")
    shutil.copy(folder / "theirs.csv", folder / "svm.csv")
    shell.must(f"imbtool find profile.yaml pool.csv -n 50 -o {BATCH}")
    answer_batch(folder / BATCH)
    for name in RUNS:
        shutil.copytree(folder / "runs" / "NAME", folder / "runs" / name, symlinks=True)
    return folder.rename(base / "filled")


def small_sample(folder: Path, name: str) -> list[Row]:
    rows = read_csv(folder / "data" / "sample" / f"{name}.csv")
    return small(rows, POSITIVES[name], WITHOUT[name])


@pytest.fixture
def shell(filled: Path, environment: Path) -> Iterator[Shell]:
    """In a copy of the filled clone."""
    folder = shutil.copytree(filled, filled.with_name("project"), symlinks=True)
    yield Shell(folder, environment)
    shutil.rmtree(folder)


def make_room(command: Command, folder: Path) -> None:
    begin_anew(command, folder)
    if "make" not in command.words[:1] and {"train", "--run", "demo"} <= set(command.words):
        for name in REPEATED:
            shutil.rmtree(folder / name, ignore_errors=True)


@pytest.mark.parametrize("page", [page for page in PAGES if to_run(page)], ids=named)
def test_a_page_can_be_typed_from_top_to_bottom(page: Path, shell: Shell) -> None:
    for command in to_run(page):
        make_room(command, shell.folder)
        line = filled_in(command.text)
        result = shell.type(line)
        where = f"{named(page)}, line {command.line}: {line}"
        sys.stdout.write(f"$ {line}\n{result.stdout}{result.stderr}")
        assert ends_well(command, result.returncode), (where, result.stderr[-4000:])
        assert "Traceback" not in result.stderr, where
        assert not command.into or (shell.folder / command.into).is_file()
        do_what_people_do(command, shell.folder)
