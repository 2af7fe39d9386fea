"""The head of a model: finding its last layer, which has one output for each label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import nn

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def head_layer(model: PreTrainedModel) -> nn.Linear | None:
    """The last linear layer outside the encoder with one output for each label, if there is one.

    It has a bias; the layer of a decoder, which is applied to every token, has none.
    """
    layer = _output_layer(model)
    return layer if layer is not None and layer.bias is not None else None


class HeadInput(nn.Identity):
    """In a model without a head of torch's: the place that the input of its head passes.

    Attributes:
        in_features: number of its features.
    """

    def __init__(self, in_features: int) -> None:
        super().__init__()
        self.in_features = in_features


def head_input(model: PreTrainedModel) -> nn.Linear | HeadInput | None:
    """The module whose input is that of the head, if there is one: its last layer as a rule."""
    places = (module for module in model.modules() if isinstance(module, HeadInput))
    return next(places, None) or head_layer(model)


def renew_head(model: PreTrainedModel, loaded: Mapping[str, Any]) -> None:
    """Initialise the head's last layer anew if it was loaded from a classifier of other labels.

    Args:
        model: as loaded.
        loaded: the loading report of transformers; weights that the files lack are fresh already.
    """
    layer = _output_layer(model)
    misfits = {name for name, *_ in loaded["mismatched_keys"]}
    if layer is not None and not head_names(model) & (misfits | set(loaded["missing_keys"])):
        layer.reset_parameters()


def head_names(model: PreTrainedModel) -> set[str]:
    """The names of the parameters of the head's last layer."""
    layer = _output_layer(model)
    own = set() if layer is None else set(layer.parameters())
    return {name for name, tensor in model.named_parameters() if tensor in own}


def _output_layer(model: PreTrainedModel) -> nn.Linear | None:
    """Like `head_layer`, with or without a bias."""
    inside = set(model.base_model.modules())
    layers = [
        module
        for module in model.modules()
        if isinstance(module, nn.Linear)
        and module not in inside
        and module.out_features == model.config.num_labels
    ]
    return layers[-1] if layers else None
