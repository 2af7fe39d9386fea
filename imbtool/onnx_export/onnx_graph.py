"""The ONNX graph of a checkpoint's model, as torch's exporter writes it."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from imbtool.errors import user_error
from imbtool.files.model_folder import CONFIG, TOKENIZER, Folder
from imbtool.model.encoder import TextModel
from imbtool.model.head import head_layer
from imbtool.trained.checkpoint import Checkpoint
from imbtool.trained.exported import FEATURES, INPUTS, LOGITS, import_extra

ROWS, TOKENS = 3, 8
"""Of the batch that the model is traced with; rows and tokens of the graph are free."""
MOST_BYTES = 2**31 - 2**24
"""Of the weights: one ONNX file holds less than 2 GiB."""


class _Traced(nn.Module):
    """A classifier with tensors in and out, in the order of the graph's inputs and outputs."""

    def __init__(self, text_model: TextModel, with_features: bool) -> None:
        super().__init__()
        self.model, self.words = text_model.model, text_model.words
        self.layer = head_layer(text_model.model) if with_features else None
        self.captured: list[Tensor] = []

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, ...]:
        logits = self.model(input_ids=input_ids, attention_mask=attention_mask).logits
        if self.words is not None:
            logits = logits + self.words(input_ids)
        if self.layer is None:
            return (logits,)
        return logits, self.captured.pop().reshape(-1, self.layer.in_features)

    @contextmanager
    def capturing(self) -> Iterator[None]:
        """Keep the input of the head's layer while it is computed."""
        if self.layer is None:
            yield
            return
        hook = self.layer.register_forward_pre_hook(lambda _, args: self.captured.append(args[0]))
        try:
            yield
        finally:
            hook.remove()


def refuse_code(path: Path) -> None:
    """Check that a checkpoint brings no code along.

    Raises:
        UserError: it does: an exported folder could not read its tokenizer or configuration.
    """
    if _folder(path).brings_code():
        fix = "serve the checkpoint itself, with --trust-remote-code"
        found = "auto_map in its files: a model or tokenizer with Python code of its own"
        raise user_error(path, found, "a model that transformers has", fix)


def require_exportable(checkpoint: Checkpoint) -> None:
    """Check what can be told before the model is traced.

    Raises:
        UserError: it is an exported folder or too large, its tokenizer is written in Python, or it
            is an encoder-decoder model.
    """
    folder, text_model = checkpoint.folder, checkpoint.text_model
    config = text_model.model.config
    expected = "a checkpoint that a graph and a tokenizer suffice for"
    if checkpoint.meta.export is not None:
        fix = "give the checkpoint that it was exported from"
        raise user_error(folder, "an exported folder", "a checkpoint of torch", fix)
    if getattr(text_model.tokenizer, "backend_tokenizer", None) is None:
        found = f"{TOKENIZER}: a tokenizer written in Python, which the library tokenizers lacks"
        raise user_error(folder, found, expected, "serve the checkpoint itself")
    if config.is_encoder_decoder:
        found = f"{CONFIG}: an encoder-decoder model, whose head reads at a token it looks for"
        raise user_error(folder, found, expected, "serve the checkpoint itself")
    modules = [each for each in (text_model.model, text_model.words) if each is not None]
    tensors = [tensor for each in modules for tensor in (*each.parameters(), *each.buffers())]
    if (size := sum(each.numel() * each.element_size() for each in tensors)) > MOST_BYTES:
        found = f"weights of {size / 2**30:.1f} GiB"
        fix = "serve the checkpoint itself, or train a smaller encoder"
        raise user_error(folder, found, "less than 2 GiB, which one ONNX file can hold", fix)


def write_graph(checkpoint: Checkpoint, path: Path) -> None:
    """Write the graph of a checkpoint's model in fp32, with free numbers of rows and tokens.

    With a kNN index it has the input of the head as a second output.

    Args:
        checkpoint: on the CPU.
        path: of the file.

    Raises:
        UserError: a package is missing, or torch cannot export the model.
    """
    for package in ("onnx", "onnxscript"):
        import_extra(package)
    text_model = checkpoint.text_model
    traced = _Traced(text_model, checkpoint.knn is not None).eval()
    names = [LOGITS, FEATURES][: 1 + (checkpoint.knn is not None)]
    free = {0: "rows", 1: "tokens"}
    batch = _example(text_model)
    with _folder(checkpoint.folder).calls("torch.onnx.export"), _quiet(), traced.capturing():
        torch.onnx.export(
            traced,
            (batch, torch.ones_like(batch)),
            path,
            input_names=INPUTS,
            output_names=names,
            dynamic_shapes=(free, free),
            dynamo=True,
            external_data=False,
            verbose=False,
        )


def _example(text_model: TextModel) -> Tensor:
    """Token ids [ROWS, TOKENS] without padding."""
    (ids,) = text_model.encode(["a b " * TOKENS])
    row = ids[: min(TOKENS, text_model.max_length)]
    return text_model.batch([row] * ROWS)[INPUTS[0]].cpu()


def _folder(path: Path) -> Folder:
    """The checkpoint, in errors of the exporter."""
    fix = (
        "serve the checkpoint itself; if you need ONNX, train one of the encoders in docs/export.md"
    )
    return Folder(str(path), str(path), "a model that torch exports to ONNX", fix, fix)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what torch says of its own parts while it exports."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
