"""The text model, encoder and head: load it through transformers, and compute logits of texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from imbtool.analysis.corpus_texts import sample_rows
from imbtool.analysis.lengths import SAMPLED_TEXTS, Tokens
from imbtool.config.schema import LongTexts, ModelSection
from imbtool.data.corpus import Corpus
from imbtool.files.model_folder import CONFIG, TOKENIZER, Folder
from imbtool.model.encoder_files import encoder_folder
from imbtool.model.head import HeadInput
from imbtool.model.loading import (
    PROBE_TEXT,
    check_reading,
    check_tokens,
    empty_model,
    folder_of_checkpoint,
    folder_of_encoder,
    load_config,
    load_model,
    load_tokenizer,
    most_positions,
)
from imbtool.model.long_texts import (
    TokenIds,
    cheapest_groups,
    count_windows,
    most_windows,
    padded_tokens,
    text_of_each,
    windows_of,
)
from imbtool.model.tokenize import TextTokenizer
from imbtool.model.word_head import WordHead
from imbtool.wording import some

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

TOKENS_A_FORWARD = {"cpu": 2048, "cuda": 65536}
"""Most padded tokens of one forward pass without gradients, by device type."""

COST_A_FORWARD = {("cpu", torch.float32): 40}
"""What a pass costs beside its tokens, in tokens; elsewhere so much that batches are filled."""

MASK = "attention_mask"


@dataclass(frozen=True)
class TextModel:
    """A sequence classifier with its tokenizer.

    Attributes:
        model: a transformers sequence-classification model.
        tokenizer: its tokenizer, with `model_max_length` set to `max_length`.
        max_length: number of tokens that the model reads at once.
        long_texts: what is read of longer texts.
        words: weights of tokens, whose scores are added to the model's logits; None for none.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    max_length: int
    long_texts: LongTexts = "truncate"
    words: WordHead | None = None

    @property
    def device(self) -> torch.device:
        """The device of the model's weights."""
        return self.model.device

    @cached_property
    def text_tokenizer(self) -> TextTokenizer:
        """What turns texts into token ids."""
        return TextTokenizer(self.tokenizer, self.max_length, self.long_texts)

    @property
    def joiner(self) -> str:
        """The text between two columns of a text."""
        return self.text_tokenizer.joiner

    @property
    def most_tokens(self) -> int:
        """Most tokens of an encoded text; a text with as many may have been cut."""
        return self.max_length * most_windows(self.long_texts)

    def encode(self, texts: Sequence[str]) -> list[TokenIds]:
        """Token ids of what is read of each text, special tokens included; see `long_texts`.

        `joiner` separates the columns of a text.

        Raises:
            UserError: the tokenizer fails, or a text is too long to be cut.
        """
        return self.text_tokenizer.encode(texts)

    def windows(self, encoded: Sequence[TokenIds]) -> list[int]:
        """Number of rows of a batch that each encoded text takes: 1, or its number of windows."""
        return count_windows(map(len, encoded), self.max_length)

    def batch(self, encoded: Sequence[TokenIds]) -> dict[str, Tensor]:
        """Padded input ids of texts on the model's device, and a mask if any row is padded.

        A text has one row for each of its `windows`; see `max_over_windows`.
        """
        windows = (window for ids in encoded for window in windows_of(ids, self.max_length))
        # where a tokenizer adds no special tokens a text may have none at all
        rows = [self._with_one_end(window) or [self.tokenizer.pad_token_id] for window in windows]
        width = max(map(len, rows))
        tokens = np.full((len(rows), width), self.tokenizer.pad_token_id, dtype=np.int64)
        mask = np.zeros((len(rows), width), dtype=np.int64)
        left = self.tokenizer.padding_side == "left"
        for row, ids in enumerate(rows):
            columns = slice(width - len(ids), width) if left else slice(len(ids))
            tokens[row, columns], mask[row, columns] = ids, 1
        arrays = {"input_ids": tokens} if mask.all() else {"input_ids": tokens, MASK: mask}
        return {name: self._moved(array) for name, array in arrays.items()}

    def _with_one_end(self, ids: TokenIds) -> TokenIds:
        """A window; for an encoder-decoder model with the end-of-sequence token at its end only.

        The head of such a model reads at that token, and requires the same number of them in all
        texts.
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
        encoded: Sequence[TokenIds],
        autocast: AbstractContextManager[object] | None = None,
        dropout: bool = False,
    ) -> Iterator[tuple[NDArray[np.int64], Tensor]]:
        """Yield (rows, logits) over all texts, longest first, without gradients."""
        with self._reading(dropout), torch.no_grad(), autocast or nullcontext():
            for rows in self._by_length(encoded, autocast):
                chosen = [encoded[row] for row in rows]
                batch = self.batch(chosen)
                output = self.model(**batch).logits
                if self.words is not None:
                    output = output.float() + self.words(batch["input_ids"])
                yield rows, max_over_windows(output, self.windows(chosen))

    def forward_with_inputs(
        self,
        encoded: Sequence[TokenIds],
        layer: nn.Linear | HeadInput,
        autocast: AbstractContextManager[object] | None = None,
        dropout: bool = False,
    ) -> Iterator[tuple[NDArray[np.int64], Tensor, Tensor]]:
        """Like `forward_all`, with the input of a layer in fp32: one row for each window."""
        captured: list[Tensor] = []
        hook = layer.register_forward_pre_hook(lambda _, inputs: captured.append(inputs[0]))
        try:
            for rows, logits in self.forward_all(encoded, autocast, dropout):
                yield rows, logits, captured.pop().float().reshape(-1, layer.in_features)
        finally:
            hook.remove()

    def embeddings(
        self,
        encoded: Sequence[TokenIds],
        autocast: AbstractContextManager[object] | None = None,
    ) -> NDArray[np.float32]:
        """The mean of the encoder's last hidden states over the tokens of each text [n, hidden].

        The head has no part in it. A text in windows has the mean over its windows.
        """
        encoder: Any = self.model.base_model
        if self.model.config.is_encoder_decoder:
            encoder = encoder.get_encoder()
        result: list[tuple[NDArray[np.int64], Tensor]] = []
        with self._reading(dropout=False), torch.no_grad(), autocast or nullcontext():
            for rows in self._by_length(encoded, autocast):
                chosen = [encoded[row] for row in rows]
                batch = self.batch(chosen)
                states = encoder(**batch)[0].float()
                means = _mean_over_tokens(states, batch.get(MASK))
                result.append((rows, mean_over_windows(means, self.windows(chosen)).cpu()))
        order = np.argsort(np.concatenate([rows for rows, _ in result]))
        return torch.cat([means for _, means in result]).numpy()[order]

    @contextmanager
    def _reading(self, dropout: bool) -> Iterator[None]:
        """Let the model drop values or not within the block, and as before behind it."""
        training = self.model.training
        # setting it visits all modules, which takes a tenth of reading one short text
        if dropout == training:
            yield
            return
        self.model.train(dropout)
        try:
            yield
        finally:
            self.model.train(training)

    def _by_length(
        self, encoded: Sequence[TokenIds], autocast: AbstractContextManager[object] | None
    ) -> Iterator[NDArray[np.int64]]:
        """Row indices, longest first, in groups for one forward pass each."""
        kind = self.device.type
        most = TOKENS_A_FORWARD.get(kind, TOKENS_A_FORWARD["cpu"])
        cost = COST_A_FORWARD.get((kind, self.model.dtype), most) if not autocast else most
        tokens = np.array([padded_tokens([len(ids)], self.max_length) for ids in encoded], np.int64)
        order = np.argsort(-tokens, kind="stable")
        yield from (order[group] for group in cheapest_groups(tokens[order], most, cost))

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Logits [n, L] of texts, in fp32."""
        return self.logits_of(self.encode(texts))

    def logits_of(self, encoded: Sequence[TokenIds]) -> NDArray[np.float32]:
        """Logits [n, L] of encoded texts, in fp32."""
        labels = self.model.config.num_labels
        assert labels is not None  # every configuration has a number of outputs
        result = np.zeros((len(encoded), labels), dtype=np.float32)
        for rows, logits in self.forward_all(encoded):
            result[rows] = logits.float().cpu().numpy()
        return result


def load_encoder(section: ModelSection, names: Sequence[str]) -> TextModel:
    """Load an encoder with a fresh head that has one output for each label.

    Raises:
        UserError: the encoder is missing or damaged, or is no text encoder.
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


def load_text_tokenizer(section: ModelSection) -> TextTokenizer:
    """Load the tokenizer of an encoder alone, to read texts as the encoder would.

    Raises:
        UserError: the encoder is missing or damaged, or is no text encoder.
    """
    folder = folder_of_encoder(encoder_folder(section.encoder), section.encoder)
    config = load_config(folder, section.trust_remote_code)
    tokenizer = load_tokenizer(folder, section.trust_remote_code)
    model = empty_model(folder, config, section.trust_remote_code)
    check_tokens(folder, model, tokenizer)
    length = _length(section.max_length, tokenizer, model)
    return TextTokenizer(tokenizer, length, section.long_texts)


def count_tokens(corpus: Corpus, section: ModelSection) -> Tokens:
    """Count the tokens of each text, or of a sample of many texts, special tokens included.

    Raises:
        UserError: there is no such encoder, or it has no tokenizer.
    """
    tokenizer = load_text_tokenizer(section)
    rows = sample_rows({name: len(split) for name, split in corpus.splits.items()}, SAMPLED_TEXTS)
    counts = {
        name: np.array(tokenizer.count(split.texts.take(rows[name])), dtype=np.int64)
        for name, split in corpus.splits.items()
    }
    return Tokens(tokenizer.most, rows, counts)


def load_trained(
    path: Path,
    names: Sequence[str],
    max_length: int,
    long_texts: LongTexts,
    trust_remote_code: bool = False,
) -> TextModel:
    """Load a fine-tuned model, to read texts as in training.

    Args:
        path: of its folder.
        names: of its labels, in the order of its outputs.
        max_length: number of tokens that it reads at once.
        long_texts: what it reads of longer texts.
        trust_remote_code: whether to run code that comes with the model.

    Raises:
        UserError: its files are missing or damaged, or belong to another model.
    """
    folder = folder_of_checkpoint(path)
    config = load_config(folder, trust_remote_code)
    with folder.calls(CONFIG):
        id2label: Mapping[Any, str] = config.id2label or {}
        outputs = [id2label[index] for index in range(len(id2label))]
    if outputs != list(names):
        found = f"id2label in {CONFIG} is {some(outputs, 3)}, the labels are {some(names, 3)}"
        raise folder.refused(found)
    model = load_model(folder, config, trust_remote_code, fresh_head=False)
    tokenizer = load_tokenizer(folder, trust_remote_code)
    if (length := _length(max_length, tokenizer, model)) < max_length:
        raise folder.refused(f"a model that reads {length} tokens at once, not {max_length}")
    return _checked(folder, TextModel(model, tokenizer, length, long_texts), len(names))


def max_over_windows(output: Tensor, windows: Sequence[int]) -> Tensor:
    """The logits of texts [n, L]: for each label the maximum over the windows of a text.

    Args:
        output: logits of windows [rows, L], ordered by text.
        windows: number of windows of each text [n].
    """
    if len(output) == len(windows):
        return output
    text = torch.from_numpy(text_of_each(windows)).to(output.device)
    lowest = output.new_full((len(windows), output.shape[1]), -torch.inf)
    return lowest.scatter_reduce(0, text[:, None].expand_as(output), output, "amax")


def mean_over_windows(features: Tensor, windows: Sequence[int]) -> Tensor:
    """The features of texts [n, features]: the mean over the windows of each.

    Args:
        features: of windows [rows, features], ordered by text.
        windows: number of windows of each text [n].
    """
    if len(features) == len(windows):
        return features
    text = torch.from_numpy(text_of_each(windows)).to(features.device)
    sums = features.new_zeros(len(windows), features.shape[1]).index_add(0, text, features)
    return sums / torch.tensor(windows, device=features.device)[:, None]


def _mean_over_tokens(states: Tensor, mask: Tensor | None) -> Tensor:
    """The mean [rows, hidden] of hidden states [rows, tokens, hidden] where the mask is 1."""
    if mask is None:
        return states.mean(dim=1)
    weights = mask.unsqueeze(-1).to(states.dtype)
    return (states * weights).sum(dim=1) / weights.sum(dim=1).clamp_min(1)


def _length(most: int, tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel) -> int:
    """Set and return the number of tokens that are read at once."""
    length = int(min(most, tokenizer.model_max_length, most_positions(model)))
    tokenizer.model_max_length = length
    return length


def _checked(folder: Folder, text_model: TextModel, labels: int) -> TextModel:
    """Check that a model can read texts, and return it."""
    check_tokens(folder, text_model.model, text_model.tokenizer)
    with folder.calls(TOKENIZER):
        room = text_model.max_length - len(text_model.text_tokenizer.special_tokens)
        batch = text_model.batch(text_model.encode([PROBE_TEXT, f"{PROBE_TEXT} {PROBE_TEXT}"]))
    if room < 1:
        raise folder.refused(f"no room for a text in {text_model.max_length} tokens")
    for training in (True, False):
        text_model.model.train(training)
        check_reading(folder, text_model.model, batch, labels)
    return text_model
