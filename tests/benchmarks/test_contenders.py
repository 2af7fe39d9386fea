"""What the benchmarks of speed train with can start, on the rows of a project."""

from pathlib import Path

import pytest

from benchmarks.shared.contenders import WithImbtool, WithTrainer, default_trainer
from benchmarks.shared.tasks import Task
from benchmarks.shared.turns import ContenderError, take_turns


def task_of(project: Path) -> Task:
    return Task(project, project / "profile.yaml", str(project / "encoder"), 1e-4, "cpu", 4)


def test_trainer_and_imbtool_start_on_the_texts_of_a_project(project: Path) -> None:
    contenders = [default_trainer(), WithImbtool("imbtool")]
    measured = take_turns(contenders, task_of(project), steps=1, rounds=1)
    assert all(measured.rounds[each.name][0].rate > 0 for each in contenders)


def test_where_no_contender_can_start_it_says_so(project: Path) -> None:
    absent = WithTrainer("absent", {}, attention="no such attention")
    with pytest.raises(ContenderError, match="no contender could start"):
        take_turns([absent], task_of(project), 1, 1, skip_failed=True)
