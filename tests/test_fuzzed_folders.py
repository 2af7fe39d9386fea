"""Every field of every file of runs, encoders and profiles, mutated: read, or refused in words.

`pytest -m slow tests/test_fuzzed_folders.py` tries 2,000 mutations. Each ends with exit code 0 and
the results of the file as it was, or with one message; nothing is written but where it should.
"""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Imbtool
from fuzzing import Mutation, drawn, mutations_of
from fuzzproject import Command, Trials, describe, faults, kept_folder, make_project, targets

QUICK, ALL = 60, 2_000


@pytest.fixture(scope="session")
def trials(tmp_path_factory: pytest.TempPathFactory, imbtool: Imbtool) -> Iterator[Trials]:
    """A tiny project with runs of every kind."""
    folder = tmp_path_factory.mktemp("fuzzed") / "project"
    folder.mkdir()
    with kept_folder(), pytest.MonkeyPatch.context() as patch:
        make_project(folder, imbtool, patch)
    yield Trials(folder)


def chosen(project: Path, seed: int, count: int) -> Iterator[tuple[Mutation, Command]]:
    """Mutations, each with a command that reads what is mutated."""
    rng = random.Random(seed)
    commands: dict[str, tuple[Command, ...]] = {}
    groups: list[list[Mutation]] = []
    for name, readers in targets(project):
        commands[name] = readers
        groups.extend(mutations_of(project / name, name, rng))
    for mutation in drawn(groups, count, rng):
        yield mutation, rng.choice(commands[mutation.file])


def found(trials: Trials, seed: int, count: int) -> list[str]:
    """What is wrong with the outcomes of so many mutations, a line each."""
    return [
        describe(how, mutation, fault)
        for mutation, how in chosen(trials.kept, seed, count)
        for fault in faults(how, mutation, trials.run(how, mutation), trials.usual(how))
    ]


def test_some_mutations_are_harmless_or_refused(trials: Trials) -> None:
    assert found(trials, seed=0, count=QUICK) == []


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_two_thousand_mutations_are_harmless_or_refused(trials: Trials) -> None:
    assert found(trials, seed=1, count=ALL) == []
