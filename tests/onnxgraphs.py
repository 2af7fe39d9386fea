"""A folder as `imbtool export` writes it, with a tiny ONNX graph that is made by hand in no time.

A logit is the mean of a token's row in a table, over the tokens of a text.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from imbtool.files.writing import sha256
from imbtool.trained.checkpoint import read_checkpoint
from imbtool.trained.exported import ONNX, processor
from imbtool.types import Floats

Change = Callable[[onnx.ModelProto], None]


def token_table(tokens: int, labels: int) -> Floats:
    """What each token adds to each label [tokens, labels]."""
    return np.random.default_rng(0).normal(size=(tokens, labels))


def make_graph(tokens: int, labels: int) -> onnx.ModelProto:
    """The graph, with the inputs and outputs of an exported model."""
    table = token_table(tokens, labels).astype(np.float32)
    free = ["rows", "tokens"]
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["each"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["weights"]),
        helper.make_node("Mul", ["each", "weights"], ["kept"]),
        helper.make_node("ReduceSum", ["kept", "middle"], ["sum"], keepdims=0),
        helper.make_node("ReduceSum", ["mask", "middle"], ["count"], keepdims=1),
        helper.make_node("Div", ["sum", "count"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tokens",
        [
            helper.make_tensor_value_info(name, TensorProto.INT64, free)
            for name in ("input_ids", "attention_mask")
        ],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["rows", labels])],
        [
            numpy_helper.from_array(table, "table"),
            numpy_helper.from_array(np.array([2], dtype=np.int64), "last"),
            numpy_helper.from_array(np.array([1], dtype=np.int64), "middle"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def write_exported(checkpoint: Path, folder: Path, change: Change = lambda _: None) -> None:
    """An exported folder with the tiny graph, which `change` may have spoilt."""
    model = read_checkpoint(checkpoint)
    graph = make_graph(len(model.text_model.tokenizer), len(model.labels))
    change(graph)
    folder.mkdir()
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(model.folder / name, folder)
    (folder / ONNX).write_bytes(graph.SerializeToString())
    export = {"precision": "fp32", "processor": processor(), "accepted": False}
    write_meta(checkpoint / "imbtool.json", folder, {"export": export})


def write_meta(source: Path, folder: Path, changes: dict[str, object]) -> None:
    """The imbtool.json of an exported folder, with the digests of the files that are there."""
    document = json.loads(source.read_text(encoding="utf-8")) | changes
    document["digests"] = {
        path.name: sha256(path, "a file") for path in folder.iterdir() if path.name != source.name
    }
    (folder / "imbtool.json").write_text(json.dumps(document))
