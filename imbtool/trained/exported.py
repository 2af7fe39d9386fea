"""An exported model: an ONNX graph in the place of the model of torch, read as checkpoints are."""

from __future__ import annotations

import importlib
import os
import platform
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from imbtool.errors import ModelError, user_error
from imbtool.files.model_folder import Folder, is_file, said
from imbtool.files.writing import sha256
from imbtool.model.encoder import TextModel
from imbtool.model.head import HeadInput
from imbtool.model.loading import check_reading, load_tokenizer
from imbtool.notes import tell
from imbtool.trained.metadata import META, CheckpointMeta, ExportMeta
from imbtool.wording import some

if TYPE_CHECKING:
    import onnx
    import onnxruntime

ONNX = "model.onnx"
INPUTS = ["input_ids", "attention_mask"]
"""int64 [rows, tokens]."""
LOGITS, FEATURES = "logits", "features"
"""Outputs [rows, L] and, for a kNN index, [rows, features]: the input of the head."""
FIX = "restore it, or export it again"
FATAL = 4
"""Severity from which onnxruntime prints messages itself."""
CPU = ["CPUExecutionProvider"]
INT8_INSTRUCTIONS = ("avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")
"""Instructions for 8-bit products by the names of Linux."""


class OnnxClassifier(PreTrainedModel):  # type: ignore[no-untyped-call]
    """A classifier whose logits a session of onnxruntime computes, on the CPU.

    Attributes:
        folder: that the graph was read from.
        session: of onnxruntime, with the graph.
    """

    def __init__(self, folder: Folder, session: onnxruntime.InferenceSession, labels: int) -> None:
        config = PreTrainedConfig()
        config.num_labels = labels
        super().__init__(config)
        self.folder, self.session = folder, session
        self.outputs = [output.name for output in session.get_outputs()]
        width = dict(zip(self.outputs, session.get_outputs(), strict=True)).get(FEATURES)
        if width is not None:
            self.head_input = HeadInput(width.shape[1])

    @property
    def dtype(self) -> torch.dtype:
        """That of the logits."""
        return torch.float32

    @property
    def device(self) -> torch.device:
        """The device that batches are made for."""
        return torch.device("cpu")

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None
    ) -> SequenceClassifierOutput:
        """The logits of a batch.

        Args:
            input_ids: [rows, tokens].
            attention_mask: of the same shape; None if no row is padded.

        Raises:
            ModelError: the graph cannot be computed.
        """
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        batch = dict(zip(INPUTS, (input_ids.numpy(), mask.numpy()), strict=True))
        try:
            arrays = self.session.run(self.outputs, batch)
        except Exception as error:
            refused = self.folder.refused(f"{ONNX}: {said(error)}")
            raise ModelError(*refused.problems) from error
        found = {
            name: torch.from_numpy(np.asarray(array))
            for name, array in zip(self.outputs, arrays, strict=True)
        }
        if FEATURES in found:
            self.head_input(found[FEATURES])
        return SequenceClassifierOutput(logits=found[LOGITS])


def load_exported(path: Path, meta: CheckpointMeta, export: ExportMeta) -> TextModel:
    """Load an exported model, to read texts as the checkpoint does.

    Where its numbers have 8 bits and this is not the processor that it was measured on, a sentence
    says so.

    Args:
        path: of its folder.
        meta: of its imbtool.json.
        export: the same about the export.

    Raises:
        UserError: its files are missing or damaged, or onnxruntime is not installed.
    """
    folder = folder_of_export(path)
    _check_digests(folder, path, meta)
    folder.check_objects()
    with folder.calls(ONNX):
        content = (path / ONNX).read_bytes()
    model = OnnxClassifier(folder, open_session(folder, content), len(meta.labels))
    if (FEATURES in model.outputs) != (meta.neighbours is not None):
        raise folder.refused(f"{ONNX}: outputs {some(model.outputs)}, which {META} does not expect")
    tokenizer = load_tokenizer(folder, trust_remote_code=False)
    tokenizer.model_max_length = meta.max_length
    text_model = TextModel(model, tokenizer, meta.max_length, meta.long_texts)
    _check_reading(folder, text_model, len(meta.labels))
    if export.precision != "fp32" and export.processor != (here := processor()):
        tell(
            [
                f"The int8 model in {path} was measured on {export.processor}; this is {here}, "
                "where its answers may differ."
            ]
        )
    return text_model


def open_session(folder: Folder, content: bytes) -> onnxruntime.InferenceSession:
    """A session of onnxruntime, with as many threads as torch has.

    Args:
        folder: of the model, to name it in errors.
        content: the bytes of model.onnx.

    Raises:
        UserError: onnxruntime is not installed, or this is no graph as imbtool writes it.
    """
    runtime, onnx = (import_extra(name) for name in ("onnxruntime", "onnx"))
    with folder.calls(ONNX):
        outside = next(_held_elsewhere(onnx.load_model_from_string(content)), None)
    if outside is not None:
        raise folder.refused(f"{ONNX}: the tensor {outside!r}, which is held in another file")
    options = runtime.SessionOptions()
    options.log_severity_level = FATAL
    options.intra_op_num_threads = torch.get_num_threads()
    # threads that spin while they wait slow down whatever else runs on the machine
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    with folder.calls(ONNX):
        session = runtime.InferenceSession(content, options, providers=CPU)
    _check_signature(folder, session)
    return session


def folder_of_export(path: Path) -> Folder:
    """The folder of an exported model."""
    return Folder(
        str(path),
        str(path),
        "a folder as `imbtool export` wrote it",
        FIX,
        "no code is run from an exported folder; export it again",
    )


def import_extra(name: str) -> Any:
    """A package of the extra `onnx`.

    Onnxruntime sends usage data to Microsoft and keeps a number of the machine in the home folder,
    unless a variable says otherwise before it is imported. The user's own setting of it stands.

    Raises:
        UserError: it is not installed.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        return importlib.import_module(name)
    except ImportError:
        found = f"the package {name} is not installed"
        fix = "pip install 'imbtool[onnx]'"
        raise user_error("ONNX", found, "what reads and writes it", fix) from None


def processor() -> str:
    """The processor's name, and its instructions for 8-bit numbers."""
    name = _described("model name") or platform.processor() or platform.machine()
    return (
        f"{name} ({', '.join(_int8_instructions()) or 'no instructions for 8-bit products known'})"
    )


def has_no_int8_instructions() -> bool:
    """Whether none are known of this processor."""
    return not _int8_instructions()


def _int8_instructions() -> list[str]:
    known = _described("flags|Features").split()
    return [each for each in INT8_INSTRUCTIONS if each in known]


def _described(key: str) -> str:
    """What Linux says of the processor; empty on other systems."""
    described = Path("/proc/cpuinfo")
    text = described.read_text("utf-8", "replace") if described.is_file() else ""
    found = re.search(rf"^(?:{key})\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1].strip() if found else ""


def _check_digests(folder: Folder, path: Path, meta: CheckpointMeta) -> None:
    if ONNX not in meta.digests:
        raise folder.refused(f"no sha256 of {ONNX} in {META}")
    for name, digest in meta.digests.items():
        if not is_file(path / name):
            raise folder.refused(f"no file {name}")
        if sha256(path / name, folder.expected) != digest:
            raise folder.refused(f"{name}: other bytes than {META} has the sha256 of")


def _check_signature(folder: Folder, session: onnxruntime.InferenceSession) -> None:
    """Check names, types and dimensions of inputs and outputs."""
    inputs = {each.name: (each.type, len(each.shape)) for each in session.get_inputs()}
    if inputs != dict.fromkeys(INPUTS, ("tensor(int64)", 2)):
        raise folder.refused(f"{ONNX}: inputs {some(inputs) or 'of none'}")
    outputs = {each.name: (each.type, len(each.shape)) for each in session.get_outputs()}
    known = outputs.keys() in ({LOGITS}, {LOGITS, FEATURES})
    if not known or set(outputs.values()) != {("tensor(float)", 2)}:
        raise folder.refused(f"{ONNX}: outputs {some(outputs) or 'of none'}")
    width = {each.name: each.shape[1] for each in session.get_outputs()}.get(FEATURES, 1)
    if not isinstance(width, int):
        raise folder.refused(f"{ONNX}: {FEATURES} of a width that is not fixed")


def _check_reading(folder: Folder, text_model: TextModel, labels: int) -> None:
    """Run the graph on the longest row of the largest token: positions and embeddings suffice."""
    with folder.calls("its tokenizer"):
        largest = max(text_model.tokenizer.get_vocab().values())
        batch = text_model.batch([[largest] * text_model.max_length])
    check_reading(folder, text_model.model, batch, labels)


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """All tensors of a graph and of the graphs inside it."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from _tensors_of_nodes(graph.node)


def _tensors_of_nodes(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.TensorProto]:
    for attribute in (each for node in nodes for each in node.attribute):
        yield from (attribute.t, *attribute.tensors)
        for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
            yield from (sparse.values, sparse.indices)
        for graph in (attribute.g, *attribute.graphs):
            yield from _tensors(graph)


def _held_elsewhere(model: onnx.ModelProto) -> Iterator[str]:
    """The names of tensors whose numbers stand in other files."""
    functions = (_tensors_of_nodes(function.node) for function in model.functions)
    for tensor in chain(_tensors(model.graph), *functions):
        if tensor.data_location == tensor.EXTERNAL:
            yield tensor.name
