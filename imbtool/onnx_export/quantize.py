"""A graph whose matrix products have 8-bit numbers, in one of three ways.

Dynamic: the range of the activations is that of each batch, so that a text's numbers depend a
little on the texts beside it. Static: the ranges were found once on training texts. Both have a
scale for each channel of the weights. In blocks: each block of a row of activations and of a column
of weights has a scale of its own, which is nearer to fp32 and a little slower.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from imbtool.model.encoder import TextModel
from imbtool.model.long_texts import windows_of
from imbtool.trained.exported import INPUTS, LOGITS, has_no_int8_instructions, import_extra

if TYPE_CHECKING:
    import onnx

PRODUCTS = ["MatMul", "Gemm"]
"""Operations with 8-bit numbers, where one side is a weight; all others stay in fp32."""
BLOCK = 32
"""Numbers that share a scale."""
ACCURACY_LEVEL = 4
"""Of onnxruntime: the products themselves are computed with 8-bit numbers."""
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
        quantization.quantize_dynamic(source, target, **_settings(quantization, source))


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

    settings = _settings(quantization, source)
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


def quantize_blocks(source: Path, target: Path) -> None:
    """Write a graph in 8-bit numbers with a scale for each block of them.

    Args:
        source: the graph in fp32.
        target: of the new one.
    """
    library = import_extra("onnxruntime.quantization.matmul_nbits_quantizer")
    model = _graph(source)
    with _quiet():
        quantizer = library.MatMulNBitsQuantizer(
            model,
            bits=8,
            block_size=BLOCK,
            is_symmetric=True,
            accuracy_level=ACCURACY_LEVEL,
            nodes_to_exclude=[_last_product(model)],
        )
        quantizer.process()
        quantizer.model.save_model_to_file(str(target), False)


def _library() -> Any:
    return import_extra("onnxruntime.quantization")


def _graph(source: Path) -> onnx.ModelProto:
    model: onnx.ModelProto = import_extra("onnx").load(source)
    return model


def _settings(quantization: Any, source: Path) -> dict[str, Any]:
    """The settings of dynamic and of static quantisation.

    Without instructions for 8-bit products, sums of 8-bit products overflow on x86, so weights get
    7 bits there.
    """
    model = _graph(source)
    return {
        "op_types_to_quantize": PRODUCTS,
        "nodes_to_exclude": [_last_product(model), *_narrowing_products(model)],
        "per_channel": True,
        "reduce_range": has_no_int8_instructions(),
        "weight_type": quantization.QuantType.QInt8,
        "extra_options": {"MatMulConstBOnly": True},
    }


def _last_product(model: onnx.ModelProto) -> str:
    """The product that gives the logits: it is small, and rare labels hang on it."""
    makers = {output: node for node in model.graph.node for output in node.output}
    node = makers[LOGITS]
    while node.op_type not in PRODUCTS:
        node = makers[node.input[0]]
    name: str = node.name
    return name


def _narrowing_products(model: onnx.ModelProto) -> Iterator[str]:
    """The products behind the activation function: few of its numbers are far above all others.

    A range that holds these leaves too few of 256 steps to the others.
    """
    weights = {each.name: each.dims for each in model.graph.initializer if len(each.dims) == 2}
    for node in model.graph.node:
        if node.op_type == "MatMul" and node.input[1] in weights:
            rows, columns = weights[node.input[1]]
            if rows > columns:
                yield node.name


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the advice that onnxruntime gives on the way."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
