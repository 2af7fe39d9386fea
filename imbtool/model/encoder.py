"""Encoder and head through transformers: load them, and turn texts into logits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from imbtool.config.schema import LongTexts, ModelSection
from imbtool.files.model_folder import CONFIG, TOKENIZER, Folder
from imbtool.model.encoder_files import encoder_folder
from imbtool.model.loading import (
    SEEN,
    check_reading,
    check_tokens,
    folder_of_checkpoint,
    folder_of_encoder,
    load_config,
    load_model,
    load_tokenizer,
    most_positions,
)
from imbtool.model.long_texts import (
    Frame,
    count_windows,
    most_windows,
    padded_tokens,
    text_of_each,
    windows_of,
)
from imbtool.model.long_texts import Tokens as Tokens
from imbtool.model.tokenize import Reader
from imbtool.wording import some

TOKENS_A_FORWARD = {"cpu": 2048, "cuda": 65536}
"""Padded tokens of one forward pass without gradients, by device type."""

MASK = "attention_mask"


@dataclass(frozen=True)
class TextModel:
    """A sequence classifier with its tokenizer.

    Attributes:
        model: a transformers sequence-classification model.
        tokenizer: its tokenizer, `model_max_length` set to `max_length`.
        max_length: tokens that are read at once.
        long_texts: what is read of a text that has more.
    """

    model: Any
    tokenizer: Any
    max_length: int
    long_texts: LongTexts = "truncate"

    @property
    def device(self) -> torch.device:
        """Where the model's weights are."""
        device: torch.device = next(self.model.parameters()).device
        return device

    @cached_property
    def reader(self) -> Reader:
        """What makes token ids of texts."""
        return Reader(self.tokenizer, self.max_length, self.long_texts)

    @property
    def joiner(self) -> str:
        """What the encoder reads between two columns of a text."""
        return self.reader.joiner

    @property
    def frame(self) -> Frame:
        """The special tokens around a text."""
        return self.reader.frame

    @property
    def most_tokens(self) -> int:
        """Tokens of an encoded text at most; something of one that has so many may be left out."""
        return self.max_length * most_windows(self.long_texts)

    def encode(self, texts: Sequence[str]) -> list[Tokens]:
        """Token ids of what is read of each text, special tokens included; see `longtexts`.

        Between two columns of a text stands `joiner`.

        Raises:
            UserError: the tokenizer fails, or a text is too long to be cut.
        """
        return self.reader.encode(texts)

    def windows(self, encoded: Sequence[Tokens]) -> list[int]:
        """How many rows of a batch each encoded text takes: 1 but for one with windows."""
        return count_windows(map(len, encoded), self.max_length)

    def batch(self, encoded: Sequence[Tokens]) -> dict[str, Tensor]:
        """Padded input ids of some texts, on the model's device; a mask only if some are padded.

        A text has a row for each of its `windows`; `pooled` makes one of their outputs.
        """
        windows = (window for ids in encoded for window in windows_of(ids, self.max_length))
        # where a tokenizer adds no special tokens a text may have none at all
        rows = [self._with_one_end(window) or [self.tokenizer.pad_token_id] for window in windows]
        width = max(map(len, rows))
        tokens = np.full((len(rows), width), self.tokenizer.pad_token_id, dtype=np.int64)
        mask = np.zeros((len(rows), width), dtype=np.int64)
        left = self.tokenizer.padding_side == "left"
        for row, ids in enumerate(rows):
            place = slice(width - len(ids), width) if left else slice(len(ids))
            tokens[row, place], mask[row, place] = ids, 1
        arrays = {"input_ids": tokens} if mask.all() else {"input_ids": tokens, MASK: mask}
        return {name: self._moved(array) for name, array in arrays.items()}

    def _with_one_end(self, ids: Tokens) -> Tokens:
        """A window as it is, or, for an encoder with a decoder, with its end mark at its end only.

        The head of such a model reads there, and refuses texts that have not all as many.
        """
        if not self.model.config.is_encoder_decoder:
            return ids
        end, unknown = self.tokenizer.eos_token_id, self.tokenizer.unk_token_id
        return [*(unknown if token == end else token for token in ids[:-1]), *ids[-1:]]

    def _moved(self, array: NDArray[np.int64]) -> Tensor:
        tensor = torch.from_numpy(array)
        if self.device.type == "cuda":
            tensor = tensor.pin_memory()
        return tensor.to(self.device, non_blocking=True)

    def forward_all(
        self,
        encoded: Sequence[Tokens],
        autocast: AbstractContextManager[Any] | None = None,
        dropout: bool = False,
    ) -> Iterator[tuple[NDArray[np.int64], Tensor]]:
        """Yield (rows, logits) over all texts, longest first, without gradients."""
        training = self.model.training
        self.model.train(dropout)
        try:
            with torch.no_grad(), autocast or nullcontext():
                most = TOKENS_A_FORWARD.get(self.device.type, TOKENS_A_FORWARD["cpu"])
                for rows in _by_length(encoded, most, self.max_length):
                    chosen = [encoded[row] for row in rows]
                    output = self.model(**self.batch(chosen)).logits
                    yield rows, pooled(output, self.windows(chosen))
        finally:
            self.model.train(training)

    def forward_seen(
        self,
        encoded: Sequence[Tokens],
        layer: nn.Linear,
        autocast: AbstractContextManager[Any] | None = None,
        dropout: bool = False,
    ) -> Iterator[tuple[NDArray[np.int64], Tensor, Tensor]]:
        """As `forward_all`, and the input of a layer: fp32, a row for every window."""
        seen: list[Tensor] = []
        hook = layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        try:
            for rows, logits in self.forward_all(encoded, autocast, dropout):
                yield rows, logits, seen.pop().float().reshape(-1, layer.in_features)
        finally:
            hook.remove()

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Logits [n, L] of texts, in fp32."""
        return self.logits_of(self.encode(texts))

    def logits_of(self, encoded: Sequence[Tokens]) -> NDArray[np.float32]:
        """Logits [n, L] of encoded texts, in fp32."""
        result = np.zeros((len(encoded), self.model.config.num_labels), dtype=np.float32)
        for rows, logits in self.forward_all(encoded):
            result[rows] = logits.float().cpu().numpy()
        return result


def load_encoder(section: ModelSection, names: Sequence[str]) -> TextModel:
    """Load an encoder with a fresh head of one output a label.

    Raises:
        UserError: the encoder is not there, is damaged, or is no text encoder.
    """
    folder = folder_of_encoder(encoder_folder(section.encoder), section.encoder)
    config = load_config(
        folder,
        section.trust_remote_code,
        num_labels=len(names),
        id2label=dict(enumerate(names)),
        label2id={name: index for index, name in enumerate(names)},
        problem_type="multi_label_classification",
    )
    model = load_model(folder, config, section.trust_remote_code, fresh_head=True)
    tokenizer = load_tokenizer(folder, section.trust_remote_code)
    length = _length(section.max_length, tokenizer, model)
    return _checked(folder, TextModel(model, tokenizer, length, section.long_texts), len(names))


def load_trained(
    path: Path,
    names: Sequence[str],
    max_length: int,
    long_texts: LongTexts,
    trust_remote_code: bool = False,
) -> TextModel:
    """Load a fine-tuned model as it was saved, to read texts as in training.

    Args:
        path: of its folder.
        names: of its labels, in the order of its outputs.
        max_length: tokens that it reads at once.
        long_texts: what it reads of a text that has more.
        trust_remote_code: whether to run code that it brings along.

    Raises:
        UserError: its files are missing or damaged, or are of another model.
    """
    folder = folder_of_checkpoint(path)
    config = load_config(folder, trust_remote_code)
    with folder.calls(CONFIG):
        outputs = [config.id2label[place] for place in range(len(config.id2label))]
    if outputs != list(names):
        found = f"id2label in {CONFIG} is {some(outputs, 3)}, the labels are {some(names, 3)}"
        raise folder.refused(found)
    model = load_model(folder, config, trust_remote_code, fresh_head=False)
    tokenizer = load_tokenizer(folder, trust_remote_code)
    if (length := _length(max_length, tokenizer, model)) < max_length:
        raise folder.refused(f"a model that reads {length} tokens at once, not {max_length}")
    return _checked(folder, TextModel(model, tokenizer, length, long_texts), len(names))


def pooled(output: Tensor, windows: Sequence[int]) -> Tensor:
    """The logits of texts [n, L]: for each label the maximum over the windows of a text.

    Args:
        output: logits of windows [rows, L], those of a text one after the other.
        windows: how many each text has [n].
    """
    if len(output) == len(windows):
        return output
    text = torch.from_numpy(text_of_each(windows)).to(output.device)
    lowest = output.new_full((len(windows), output.shape[1]), -torch.inf)
    return lowest.scatter_reduce(0, text[:, None].expand_as(output), output, "amax")


def averaged(features: Tensor, windows: Sequence[int]) -> Tensor:
    """The features of texts [n, features]: the mean over the windows of each.

    Args:
        features: of windows [rows, features], those of a text one after the other.
        windows: how many each text has [n].
    """
    if len(features) == len(windows):
        return features
    text = torch.from_numpy(text_of_each(windows)).to(features.device)
    sums = features.new_zeros(len(windows), features.shape[1]).index_add(0, text, features)
    return sums / torch.tensor(windows, device=features.device)[:, None]


def _length(most: int, tokenizer: Any, model: Any) -> int:
    """How many tokens are read at once; the tokenizer is told."""
    length = int(min(most, tokenizer.model_max_length, most_positions(model)))
    tokenizer.model_max_length = length
    return length


def _checked(folder: Folder, text_model: TextModel, labels: int) -> TextModel:
    """A model that has been seen to read a text."""
    check_tokens(folder, text_model.model, text_model.tokenizer)
    with folder.calls(TOKENIZER):
        room = text_model.max_length - len(text_model.frame)
        batch = text_model.batch(text_model.encode([SEEN, f"{SEEN} {SEEN}"]))
    if room < 1:
        raise folder.refused(f"no room for a text in {text_model.max_length} tokens")
    for training in (True, False):
        text_model.model.train(training)
        check_reading(folder, text_model.model, batch, labels)
    return text_model


def _by_length(
    encoded: Sequence[Tokens], most: int, max_length: int
) -> Iterator[NDArray[np.int64]]:
    """Row indices, longest first, in groups of at most so many padded tokens."""
    lengths = np.array([len(ids) for ids in encoded])
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        tokens = padded_tokens([int(lengths[order[start]])], max_length)
        size = max(1, most // max(1, tokens))
        yield order[start : start + size]
        start += size
