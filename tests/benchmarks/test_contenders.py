"""What the benchmarks of speed train with can start, on the rows of a project."""

from pathlib import Path

import torch
from conftest import Imbtool

from benchmarks.shared.contenders import best_trainers, default_trainer
from benchmarks.shared.tasks import Task


class EndedError(Exception):
    """Enough was seen."""


class TwoSteps:
    """Ends a training after two steps."""

    def __init__(self) -> None:
        self.tokens, self.steps = 0, 0

    def begin(self, model: torch.nn.Module) -> None:
        """Nothing needs to be ready."""

    def saw(self, tokens: int | torch.Tensor) -> None:
        self.tokens += int(tokens)

    def after_step(self) -> None:
        self.steps += 1
        if self.steps == 2:
            raise EndedError


def test_trainer_starts_on_the_texts_of_a_project(project: Path, imbtool: Imbtool) -> None:
    task = Task(project, project / "profile.yaml", None, 1e-4, "cpu", 4)
    for contender in (default_trainer(), best_trainers("cpu")[-1]):
        pace = TwoSteps()
        try:
            contender.train(task, pace)
        except EndedError:
            assert pace.tokens > 0
        assert pace.steps == 2
