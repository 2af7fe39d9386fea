"""AdamW with clipping in one pass takes the steps that torch's own two passes take."""

import copy

import pytest
import torch
from torch import nn
from transformers import (
    CanineConfig,
    CanineModel,
    XLNetConfig,
    XLNetForSequenceClassification,
)

from imbtool.training.optimizer import (
    MOST_GRADIENT_NORM,
    WEIGHT_DECAY,
    clipped_step,
    freeze_unused,
    freeze_word_embeddings,
    gradient_norm,
    learning_rate_factor,
    make_optimizer,
)


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 16), nn.LayerNorm(16), nn.Linear(16, 3))


def test_a_model_of_characters_has_no_word_embeddings_to_freeze() -> None:
    size = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    model = CanineModel(CanineConfig(**size, num_hash_functions=1, num_hash_buckets=8))
    freeze_word_embeddings(model)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_weights_that_no_logit_rests_on_are_left_as_they_are() -> None:
    size = {"d_model": 8, "n_layer": 1, "n_head": 1, "d_inner": 8, "vocab_size": 9}
    model = XLNetForSequenceClassification(XLNetConfig(**size)).train()
    freeze_unused(model, {"input_ids": torch.tensor([[1, 2, 3]])})
    left = {name for name, each in model.named_parameters() if not each.requires_grad}
    assert "transformer.mask_emb" in left
    assert model.training
    model(input_ids=torch.tensor([[4, 5]])).logits.sum().backward()
    gradients = {name for name, each in model.named_parameters() if each.grad is None}
    assert gradients == left


@pytest.mark.parametrize("size", [0.01, 100.0], ids=["small gradients", "large gradients"])
def test_a_step_is_that_of_adamw_after_clip_grad_norm(size: float, model: nn.Module) -> None:
    other = copy.deepcopy(model)
    ours, theirs = make_optimizer(model, 1e-3), make_optimizer(other, 1e-3)
    for step in range(4):
        inputs = size * torch.randn(5, 8, generator=torch.Generator().manual_seed(step))
        for each in (model, other):
            each.zero_grad()
            (size * each(inputs).square().sum()).backward()
        norm = gradient_norm(model)
        clipped_step(ours, norm, 1e-3)
        expected = nn.utils.clip_grad_norm_(other.parameters(), MOST_GRADIENT_NORM)
        theirs.step()
        torch.testing.assert_close(norm, expected)
    for one, two in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-7)


def test_the_learning_rate_of_a_step_is_the_one_given(model: nn.Module) -> None:
    optimizer = make_optimizer(model, 1e-3)
    before = model[0].weight.detach().clone()
    model(torch.ones(2, 8)).sum().backward()
    clipped_step(optimizer, gradient_norm(model), 0.0)
    assert torch.equal(model[0].weight, before)


def test_biases_and_norms_do_not_decay(model: nn.Module) -> None:
    decay = {
        parameter: group["weight_decay"]
        for group in make_optimizer(model, 1e-3).param_groups
        for parameter in group["params"]
    }
    for name, parameter in model.named_parameters():
        matrix = name in ("0.weight", "2.weight")
        assert decay[parameter] == (WEIGHT_DECAY if matrix else 0.0)


def test_the_schedule_rises_over_the_warm_up_and_falls_to_zero():
    rates = [learning_rate_factor(step, 100, 0.1, averaged=False) for step in range(101)]
    peak = rates.index(max(rates))
    assert peak == 10
    assert rates[:11] == sorted(rates[:11])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert rates[peak] == 1.0
    assert rates[0] > 0
    assert rates[100] == 0.0


def test_without_warm_up_the_first_step_is_at_the_full_rate():
    assert learning_rate_factor(0, 10, 0.0, averaged=False) == 1.0


def test_where_weights_are_averaged_the_rate_stays_after_the_warm_up():
    rates = [learning_rate_factor(step, 100, 0.1, averaged=True) for step in range(101)]
    assert rates[:10] == sorted(rates[:10])
    assert set(rates[10:]) == {1.0}
