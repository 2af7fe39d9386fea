"""Between the layers of an encoder flows bf16 under autocast on CPU, and fp32 without it."""

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from imbtool.training.cpu_speed import narrow_residual


class Encoder(nn.Module):
    """Embeddings, then one layer of any encoder: attention left out."""

    def __init__(self) -> None:
        super().__init__()
        self.embeddings = nn.Embedding(10, 8)
        self.dense, self.norm = nn.Linear(8, 8), nn.LayerNorm(8)

    def forward(self, ids: Tensor) -> Tensor:
        hidden = self.embeddings(ids)
        return self.norm(hidden + self.dense(hidden))


@pytest.fixture
def encoder() -> Encoder:
    encoder = Encoder()
    narrow_residual(SimpleNamespace(base_model=encoder))
    return encoder


def test_under_autocast_sums_and_norms_are_in_bf16(encoder: Encoder):
    with torch.autocast("cpu", torch.bfloat16):
        assert encoder(torch.arange(10)).dtype == torch.bfloat16


def test_without_autocast_everything_stays_in_fp32(encoder: Encoder):
    assert encoder(torch.arange(10)).dtype == torch.float32


def test_gradients_reach_the_embeddings_in_fp32(encoder: Encoder):
    with torch.autocast("cpu", torch.bfloat16):
        encoder(torch.arange(10)).float().square().sum().backward()
    gradient = encoder.embeddings.weight.grad
    assert gradient.dtype == torch.float32
    assert gradient.abs().sum() > 0


def test_a_model_without_such_embeddings_is_left_alone():
    narrow_residual(nn.Linear(2, 2))
