"""What flows from layer to layer of an encoder, in bf16 on CPU.

Autocast there leaves embeddings in fp32, and with them every sum and layer norm behind: each is
then twice as large and is cast again for every matrix product that reads it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def narrow_residual(model: nn.Module) -> None:
    """Cast what the embeddings put out to autocast's dtype wherever it is on, on CPU.

    Layer norms still sum in fp32. A model that keeps its embeddings elsewhere stays as it is.
    """
    embeddings = getattr(getattr(model, "base_model", None), "embeddings", None)
    if isinstance(embeddings, nn.Module):
        embeddings.register_forward_hook(_narrowed)


def _narrowed(_module: nn.Module, _inputs: Any, output: Any) -> Any:
    if isinstance(output, Tensor) and torch.is_autocast_enabled("cpu"):
        return output.to(torch.get_autocast_dtype("cpu"))
    return output
