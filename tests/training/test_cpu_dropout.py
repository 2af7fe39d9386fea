"""Quick dropout is dropout: as many zeros, the same mean, and nothing outside training."""

import pytest
import torch
from torch import nn

from imbtool.training.cpu_speed import quick_dropout


@pytest.mark.parametrize("p", [0.1, 0.5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_drops_the_share_that_is_asked_for_and_keeps_the_mean(p: float, dtype: torch.dtype):
    values = torch.ones(600, 384, dtype=dtype)
    with quick_dropout():
        dropped = nn.functional.dropout(values, p, training=True)
    assert dropped.dtype == dtype
    assert (dropped == 0).float().mean() == pytest.approx(p, abs=0.005)
    kept = dropped[dropped != 0].float()
    torch.testing.assert_close(kept, torch.full_like(kept, 1 / (1 - p)), rtol=0.005, atol=0)


def test_the_gradient_passes_where_the_value_did():
    values = torch.ones(1000, requires_grad=True)
    with quick_dropout():
        dropped = nn.Dropout(0.3)(values)
    dropped.sum().backward()
    assert torch.equal(values.grad, dropped.detach())


def test_another_call_is_another_mask_and_the_same_random_state_the_same():
    values = torch.ones(5000)
    with quick_dropout():
        state = torch.get_rng_state()
        first, second = nn.functional.dropout(values), nn.functional.dropout(values)
        torch.set_rng_state(state)
        again = nn.functional.dropout(values)
    assert not torch.equal(first, second)
    assert torch.equal(first, again)


def test_neighbouring_rows_and_columns_are_dropped_independently():
    with quick_dropout():
        zero = (nn.functional.dropout(torch.ones(800, 800), 0.5) == 0).float()
    for one, other in ((zero[1:], zero[:-1]), (zero[:, 1:], zero[:, :-1])):
        assert (one * other).mean() == pytest.approx(0.25, abs=0.005)


@pytest.mark.parametrize(("p", "training"), [(0.1, False), (0.0, True)])
def test_where_nothing_is_dropped_the_values_come_back(p: float, training: bool):
    values = torch.randn(10)
    with quick_dropout():
        assert nn.functional.dropout(values, p, training) is values


def test_in_place_changes_the_values_themselves():
    values = torch.ones(1000)
    with quick_dropout():
        nn.functional.dropout(values, 0.5, inplace=True)
    assert (values == 0).any()


def test_outside_the_context_dropout_is_torchs_own():
    torch.manual_seed(0)
    expected = nn.functional.dropout(torch.ones(100))
    with quick_dropout():
        pass
    torch.manual_seed(0)
    assert torch.equal(nn.functional.dropout(torch.ones(100)), expected)


def test_where_all_is_dropped_nothing_is_left():
    with quick_dropout():
        assert torch.equal(nn.functional.dropout(torch.ones(100), 1.0), torch.zeros(100))
