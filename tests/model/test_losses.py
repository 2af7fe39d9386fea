"""The loss is the formula: w^[y=1] (1 - p_t)^gamma BCE + lambda mean max(0, p_child - p_parent)."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from imbtool.config.hierarchy import label_set
from imbtool.config.schema import LossSection
from imbtool.model.losses import (
    LABEL_SHARE,
    Objective,
    distillation_loss,
    hierarchy_penalty,
    make_objective,
    size_of,
    weighted_focal_loss,
)

NAN = math.nan


def loss_of(logit: float, target: float, weight: float = 1.0, gamma: float = 2.0) -> float:
    row = [torch.tensor([[value]], dtype=torch.float64) for value in (logit, target)]
    column = [torch.tensor([value], dtype=torch.float64) for value in (weight, gamma)]
    return weighted_focal_loss(*row, *column).item()


def objective(constraint: float = 0.5) -> Objective:
    """Two labels of weight 4 and 1; the second is the child of the first."""
    section = LossSection(gamma=2.0, constraint=constraint)
    labels = label_set(["top", "below"], [("below", "top")])
    return make_objective(section, labels, [4.0, 1.0], torch.device("cpu"))


def doubles(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(*shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(
    ("logit", "target", "weight", "gamma", "loss"),
    [
        # p = 0.5, BCE 0.693147
        (0.0, 1, 1.0, 0.0, 0.693147),
        (0.0, 1, 1.0, 2.0, 0.173287),
        (0.0, 1, 4.0, 2.0, 0.693147),
        (0.0, 0, 4.0, 2.0, 0.173287),
        # p = 0.880797, BCE 0.126928 where y = 1 and 2.126928 where y = 0
        (2.0, 1, 1.0, 2.0, 0.001804),
        (2.0, 1, 1.0, 0.5, 0.043823),
        (2.0, 1, 10.0, 1.0, 0.151302),
        (2.0, 0, 10.0, 2.0, 1.650078),
        (-2.0, 1, 10.0, 2.0, 16.500782),
    ],
)
def test_an_element_costs_what_the_formula_says(logit, target, weight, gamma, loss):
    assert loss_of(logit, target, weight, gamma) == pytest.approx(loss, abs=1e-6)


def test_weight_one_and_gamma_zero_are_plain_bce():
    logits, targets = doubles(5, 3), (doubles(5, 3, seed=1) > 0).double()
    ours = weighted_focal_loss(logits, targets, torch.ones(3), torch.zeros(3))
    torch.testing.assert_close(
        ours, binary_cross_entropy_with_logits(logits, targets, reduction="none")
    )


def test_each_label_has_its_own_weight_and_gamma():
    logits, targets = torch.zeros(1, 2), torch.ones(1, 2)
    loss = weighted_focal_loss(logits, targets, torch.tensor([1.0, 3.0]), torch.tensor([0.0, 1.0]))
    torch.testing.assert_close(loss, torch.tensor([[0.693147, 1.039721]]))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_the_gradient_of_the_focal_loss_is_right(gamma: float):
    logits = doubles(4, 3).requires_grad_()
    targets = (doubles(4, 3, seed=1) > 0).double()
    targets[0, 1] = NAN
    weight = torch.tensor([1.0, 5.0, 10.0], dtype=torch.float64)
    exponent = torch.full((3,), gamma, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda z: weighted_focal_loss(z, targets, weight, exponent), logits
    )


def test_the_gradient_of_the_penalty_is_right_away_from_its_kink():
    logits = torch.tensor(
        [[0.0, 2.0, -1.0], [2.0, 0.0, 1.5]], dtype=torch.float64, requires_grad=True
    )
    children, parents = torch.tensor([1, 2]), torch.tensor([0, 0])
    assert torch.autograd.gradcheck(lambda z: hierarchy_penalty(z, children, parents), logits)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_loss_and_gradient_stay_finite_at_extreme_logits(gamma: float):
    logits = torch.tensor([[50.0, -50.0, 50.0, -50.0, 50.0]], requires_grad=True)
    targets = torch.tensor([[1.0, 1.0, 0.0, 0.0, NAN]])
    loss = weighted_focal_loss(logits, targets, torch.full((5,), 10.0), torch.full((5,), gamma))
    loss.sum().backward()
    assert torch.isfinite(loss).all()
    assert torch.isfinite(logits.grad).all()


def test_an_unknown_target_takes_no_part_in_loss_or_gradient():
    logits = torch.tensor([[1.0, -3.0]], requires_grad=True)
    targets = torch.tensor([[1.0, NAN]])
    loss = weighted_focal_loss(logits, targets, torch.ones(2), torch.full((2,), 2.0))
    loss.sum().backward()
    assert loss[0, 1] == 0.0
    assert logits.grad[0, 1] == 0.0
    assert logits.grad[0, 0] != 0.0


def test_the_penalty_is_what_a_child_has_above_its_parent_and_else_nothing():
    logits = torch.tensor([[0.0, 2.0], [2.0, 0.0], [1.0, 1.0]])
    penalty = hierarchy_penalty(logits, torch.tensor([1]), torch.tensor([0]))
    torch.testing.assert_close(penalty, torch.tensor([[0.380797], [0.0], [0.0]]))


def test_a_batch_costs_the_mean_of_its_known_elements_plus_lambda_times_the_mean_penalty():
    logits = torch.tensor([[0.0, 2.0], [2.0, 0.0]])
    targets = torch.tensor([[1.0, 0.0], [NAN, 1.0]])
    # (0.693147 + 1.650078 + 0.173287) / 3 + 0.5 * (0.380797 + 0) / 2
    assert objective(0.5)(logits, targets).item() == pytest.approx(0.934037, abs=1e-5)
    assert objective(0.0)(logits, targets).item() == pytest.approx(0.838837, abs=1e-5)


def test_the_penalty_is_a_mean_over_texts_and_pairs():
    labels = label_set(["top", "a", "b"], [("a", "top"), ("b", "top")])
    loss = make_objective(LossSection(constraint=1.0), labels, [1.0] * 3, torch.device("cpu"))
    # one of two pairs is 0.380797 too high, and no target is known
    logits, targets = torch.tensor([[0.0, 2.0, -1.0]]), torch.full((1, 3), NAN)
    assert loss(logits, targets).item() == pytest.approx(0.190398, abs=1e-5)


def test_a_batch_of_unknown_targets_costs_nothing_and_has_no_gradient():
    logits = torch.tensor([[1.0, -3.0]], requires_grad=True)
    loss = objective(0.0)(logits, torch.full((1, 2), NAN))
    loss.backward()
    assert loss.item() == 0.0
    assert logits.grad.abs().sum() == 0.0


def test_low_precision_logits_are_taken_as_float32():
    logits = torch.zeros(1, 2, dtype=torch.bfloat16)
    loss = objective()(logits, torch.ones(1, 2))
    assert loss.dtype == torch.float32
    # (4 + 1) / 2 * 0.173287
    assert loss.item() == pytest.approx(0.433217, abs=1e-5)


def test_the_profile_names_gamma_by_label_and_bce_has_none():
    labels = label_set(["a", "b"], [])
    cpu = torch.device("cpu")
    by_label = make_objective(LossSection(gamma={"a": 0.5}), labels, [1.0, 1.0], cpu)
    assert by_label.gamma.tolist() == [0.5, 2.0]
    assert make_objective(LossSection(name="bce"), labels, [1.0, 1.0], cpu).gamma.tolist() == [0, 0]
    assert by_label.children.numel() == 0


def test_a_student_loses_the_divergence_from_its_teacher():
    student, teacher = doubles(4, 2, seed=1), doubles(4, 2)
    p, q = torch.sigmoid(teacher), torch.sigmoid(student)
    divergence = p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()
    torch.testing.assert_close(distillation_loss(student, teacher, 1.0), divergence)
    assert distillation_loss(teacher, teacher, 2.0).eq(0).all()


@pytest.mark.parametrize("temperature", [1.0, 2.0, 8.0])
def test_gradients_towards_a_teacher_are_as_large_at_each_temperature(temperature):
    logits = torch.zeros(1, 1, dtype=torch.float64, requires_grad=True)
    teacher = torch.tensor([[0.01]], dtype=torch.float64)
    distillation_loss(logits, teacher, temperature).sum().backward()
    assert logits.grad.item() == pytest.approx(-0.01 / 4, rel=1e-4)


def test_the_loss_of_a_student_is_shared_out_and_its_parts_add_up():
    logits, targets, teacher = doubles(6, 2), (doubles(6, 2, seed=1) > 0).double(), doubles(6, 2)
    targets[3:] = NAN  # texts without labels
    whole = objective()(logits, targets, teacher=teacher)
    soft = distillation_loss(logits.float(), teacher).mean()
    expected = LABEL_SHARE * objective()(logits, targets) + (1 - LABEL_SHARE) * soft
    torch.testing.assert_close(whole, expected)
    size = size_of(targets)
    parts = [
        objective()(logits[rows], targets[rows], size, teacher[rows])
        for rows in (slice(2), slice(2, 5), slice(5, 6))
    ]
    torch.testing.assert_close(sum(parts), whole)
