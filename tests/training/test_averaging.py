"""The mean of the weights that the latter half of a training passes through."""

import pytest
import torch
from torch import nn

from imbtool.training.optimizer import MOST_AVERAGED, WeightAverage


@pytest.fixture
def model() -> nn.Linear:
    model = nn.Linear(2, 1)
    model.bias.requires_grad_(False)
    return model


def walk(model: nn.Linear, average: WeightAverage, steps: int) -> None:
    """Let the weights be the number of the step."""
    taken = 0
    for step in range(1, steps + 1):
        nn.init.constant_(model.weight, step)
        if average.due(step):
            taken += 1
            average.update(1.0 / taken)


def test_it_is_the_mean_over_the_latter_half(model: nn.Linear):
    average = WeightAverage(model, 10)
    walk(model, average, 10)
    with average.applied():
        torch.testing.assert_close(model.weight, torch.full((1, 2), (6 + 7 + 8 + 9 + 10) / 5))


def test_of_a_long_training_weights_are_taken_evenly(model: nn.Linear):
    average = WeightAverage(model, 20 * MOST_AVERAGED)
    walk(model, average, 20 * MOST_AVERAGED)
    taken = range(10 * MOST_AVERAGED + 10, 20 * MOST_AVERAGED + 1, 10)
    with average.applied():
        torch.testing.assert_close(model.weight, torch.full((1, 2), sum(taken) / MOST_AVERAGED))


def test_before_half_of_the_steps_the_model_keeps_its_weights(model: nn.Linear):
    average = WeightAverage(model, 10)
    walk(model, average, 5)
    with average.applied():
        assert torch.equal(model.weight, torch.full((1, 2), 5.0))


def test_the_weights_come_back_afterwards_whatever_happens(model: nn.Linear):
    average = WeightAverage(model, 10)
    walk(model, average, 10)
    with pytest.raises(KeyboardInterrupt), average.applied():
        raise KeyboardInterrupt
    assert torch.equal(model.weight, torch.full((1, 2), 10.0))
    with average.applied():
        assert torch.equal(model.weight, torch.full((1, 2), 8.0))


def test_what_is_not_trained_is_not_averaged(model: nn.Linear):
    average = WeightAverage(model, 2)
    walk(model, average, 2)
    assert set(average.tensors) == {"weight"}
