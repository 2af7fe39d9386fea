"""Every field of every file of runs, encoders and profiles, mutated: read, or refused in words.

`pytest -m slow tests/test_fuzzed_folders.py` tries 2,000 mutations. Each ends with exit code 0 and
the results of the file as it was, or with one message; nothing is written but where it should.
"""

from collections.abc import Collection
from pathlib import Path

import pytest
from conftest import Imbtool
from fuzzproject import (
    COMMANDS,
    QUICK,
    Command,
    Trials,
    chosen,
    describe,
    faults,
    kept_folder,
    make_project,
)


def trials_in(folder: Path, imbtool: Imbtool, whole: bool) -> Trials:
    """A tiny project to mutate."""
    folder.mkdir()
    with kept_folder(), pytest.MonkeyPatch.context() as patch:
        make_project(folder, imbtool, patch.setattr, whole)
    return Trials(folder)


def expect_no_fault(trials: Trials, seed: int, count: int, usable: Collection[Command]) -> None:
    """Try so many mutations; say of all what is wrong with their outcomes, a line each."""
    found = [
        describe(how, mutation, fault)
        for mutation, how in chosen(trials.kept, seed, count, usable)
        for fault in faults(how, mutation, trials.run(how, mutation), trials.usual(how))
    ]
    assert not found, "\n".join(found)


def test_some_mutations_are_harmless_or_refused(tmp_path: Path, imbtool: Imbtool) -> None:
    trials = trials_in(tmp_path / "project", imbtool, whole=False)
    expect_no_fault(trials, seed=0, count=24, usable=QUICK)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_two_thousand_mutations_are_harmless_or_refused(tmp_path: Path, imbtool: Imbtool) -> None:
    trials = trials_in(tmp_path / "project", imbtool, whole=True)
    expect_no_fault(trials, seed=1, count=2_000, usable=COMMANDS)
