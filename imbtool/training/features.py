"""An encoder that is read from, never trained: texts become the input of its head's last layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from accelerate import Accelerator
from torch import Tensor

from imbtool.config.schema import TrainingSection
from imbtool.distributed.collectives import Ranks
from imbtool.errors import fail
from imbtool.model.encoder import TextModel, Tokens, averaged
from imbtool.model.head import head_layer
from imbtool.training.automatic import autocast, choose_precision
from imbtool.training.head_first import collect_features, rows_of_texts

Reader = Callable[[Sequence[Tokens]], Tensor]
"""Encoded texts become features [n, features], fp32."""


def feature_reader(
    text_model: TextModel, section: TrainingSection, accelerator: Accelerator
) -> Reader:
    """What reads texts with a frozen encoder, at the precision of a training.

    A text in windows has the mean of their features: the heads that are fitted on them, to rank and
    to doubt, are of whole texts.

    Raises:
        UserError: the head of the model does not end in one linear layer.
    """
    layer = head_layer(text_model.model)
    if layer is None:
        found = "a head that does not end in one linear layer with an output a label"
        raise fail("model.encoder", found, "one that does", "choose another encoder")
    precision = choose_precision(section, accelerator.device).value
    context, ranks = autocast(precision, accelerator.device), Ranks(accelerator)

    def read(encoded: Sequence[Tokens]) -> Tensor:
        features = collect_features(text_model, encoded, layer, context, ranks)
        return averaged(features, rows_of_texts(text_model, encoded))

    return read
