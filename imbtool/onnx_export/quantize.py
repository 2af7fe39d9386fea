"""A graph whose matrix products have 8-bit numbers, with a scale for each channel of the weights.

Dynamic quantisation finds the range of the activations in each batch, so that a text's numbers
depend a little on the texts beside it. Static quantisation has ranges that were found once on
training texts.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imbtool.model.encoder import TextModel
from imbtool.model.exported import INPUTS, LOGITS, import_extra, processor
from imbtool.model.long_texts import windows_of

PRODUCTS = ["MatMul", "Gemm"]
"""Operations with 8-bit numbers, where one side is a weight; all others stay in fp32."""
CALIBRATION_TEXTS = 256

Batch = Mapping[str, NDArray[np.int64]]


def quantize_dynamic(source: Path, target: Path) -> None:
    """Write a graph in 8-bit numbers whose activations have the range of their batch.

    Args:
        source: the graph in fp32.
        target: of the new one.
    """
    quantization = _library()
    with _quiet():
        quantization.quantize_dynamic(source, target, **_weights(quantization, source))


def quantize_static(source: Path, target: Path, batches: Iterable[Batch]) -> None:
    """Write a graph in 8-bit numbers whose activations have the ranges of training texts.

    Args:
        source: the graph in fp32.
        target: of the new one.
        batches: inputs of the graph.
    """
    quantization = _library()

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc, name-defined]
        """The batches, in the way of onnxruntime."""

        def __init__(self) -> None:
            self.left = iter(batches)

        def get_next(self) -> Batch | None:
            return next(self.left, None)

    settings = _weights(quantization, source)
    with _quiet():
        quantization.quantize_static(
            source,
            target,
            Reader(),
            quant_format=quantization.QuantFormat.QDQ,
            activation_type=quantization.QuantType.QUInt8,
            **settings,
        )


def calibration_batches(text_model: TextModel, texts: Sequence[str], seed: int) -> Iterator[Batch]:
    """Inputs of the graph from training texts drawn at random, a text each.

    Args:
        text_model: that reads them.
        texts: of the training.
        seed: of the draw.
    """
    rows = np.random.default_rng(seed).permutation(len(texts))[:CALIBRATION_TEXTS]
    for ids in text_model.encode([texts[row] for row in rows]):
        window = np.array([windows_of(ids, text_model.max_length)[0]], dtype=np.int64)
        if window.size:
            yield dict(zip(INPUTS, (window, np.ones_like(window)), strict=True))


def _library() -> Any:
    import_extra("onnxruntime")
    return import_extra("onnxruntime.quantization")


def _weights(quantization: Any, source: Path) -> dict[str, Any]:
    """The settings that both ways share.

    The product that gives the logits stays in fp32: it is small, and rare labels hang on it.
    Without instructions for 8-bit products, sums of 8-bit products overflow on x86, so weights get
    7 bits there.
    """
    model = import_extra("onnx").load(source)
    makers = {output: node for node in model.graph.node for output in node.output}
    last = makers[LOGITS]
    while last.op_type not in PRODUCTS:
        last = makers[last.input[0]]
    return {
        "op_types_to_quantize": PRODUCTS,
        "nodes_to_exclude": [last.name],
        "per_channel": True,
        "reduce_range": "no instructions" in processor(),
        "weight_type": quantization.QuantType.QInt8,
        "extra_options": {"MatMulConstBOnly": True},
    }


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the advice that onnxruntime gives on the way."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
