"""Weights of words: a linear model of the tokens of a text, whose scores are added to the logits.

An encoder that sees few positives of a label cannot learn which of their words decide it; a ridge
regression on TF-IDF reads that off. Both err in other places, so their sum ranks better.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from scipy.sparse import csr_array
from torch import Tensor, nn

from imbtool.model.tensors import read_tensors
from imbtool.types import Floats, Targets

FILE = "words.safetensors"
LEAST_TEXTS = 2
"""A token of fewer training texts has no weight: it says nothing of others, and may be a name."""
RIDGE = 3.0
"""Strength of the L2 penalty; 1 to 10 make no visible difference."""
TOLERANCE = 1e-6
"""Of the residual, as a share of the targets."""
MOST_ITERATIONS = 500
MOST_NUMBERS = 1 << 23
"""Of one matrix while the regression is solved, in which each label takes a column."""
TINY = 1e-30
MOST_IDS = 1 << 24
"""Of a tokenizer."""

Ids = NDArray[np.integer]


@dataclass(frozen=True)
class Words:
    """The tokens that have weights.

    Attributes:
        tokens: their ids, ascending [k].
        idf: inverse document frequency of each [k].
    """

    tokens: NDArray[np.int64]
    idf: Floats

    @classmethod
    def of(cls, ids: Ids, lengths: Ids, special: Sequence[int]) -> Words:
        """The tokens of at least `LEAST_TEXTS` texts.

        Args:
            ids: of all texts, one after the other [tokens].
            lengths: number of ids of each text [n].
            special: ids that are no part of a text.
        """
        texts = np.repeat(np.arange(len(lengths)), lengths)
        pairs = np.unique(ids.astype(np.int64) * len(lengths) + texts)
        tokens, counts = np.unique(pairs // len(lengths), return_counts=True)
        kept = (counts >= LEAST_TEXTS) & ~np.isin(tokens, special)
        idf = np.log((1 + len(lengths)) / (1 + counts[kept])) + 1
        return cls(tokens[kept], idf)

    def rows(self, ids: Ids, lengths: Ids) -> csr_array:
        """The words of texts [n, k]: idf / sqrt(sum of idf^2) for each time that a token occurs.

        Args:
            ids: as for `of`.
            lengths: as for `of`.
        """
        places = np.searchsorted(self.tokens, ids).clip(max=len(self.tokens) - 1)
        known = self.tokens[places] == ids
        texts = np.repeat(np.arange(len(lengths)), lengths)[known]
        columns = places[known]
        squares = np.bincount(texts, self.idf[columns] ** 2, len(lengths))
        values = self.idf[columns] / np.sqrt(squares[texts])
        # the coordinates of a token that occurs twice are summed
        shape = (len(lengths), len(self.tokens))
        return csr_array((values, (texts, columns)), shape=shape)


class WordHead(nn.Module):
    """Scores of a text by its tokens, to be added to the logits of the model.

    Attributes:
        places: row of the weights for each token id up to the highest that has any, and for those
            above it [ids + 1]; 0 for none.
        weight: idf times weight of each token and label [1 + k, L], after a row of zeros.
        squares: idf^2 of each token [1 + k], after a zero.
        bias: [L].
    """

    places: Tensor
    weight: Tensor
    squares: Tensor
    bias: Tensor

    def __init__(self, tokens: Tensor, weight: Tensor, squares: Tensor, bias: Tensor) -> None:
        """From ids [k], weights [k, L], squares [k] and biases [L], as the file has them."""
        super().__init__()
        places = torch.zeros(int(tokens.max()) + 2, dtype=torch.int64)
        places[tokens] = torch.arange(1, 1 + len(tokens))
        self.register_buffer("places", places)
        self.register_buffer("weight", torch.cat([torch.zeros(1, weight.shape[1]), weight]))
        self.register_buffer("squares", torch.cat([torch.zeros(1), squares]))
        self.register_buffer("bias", bias)

    @classmethod
    def of(cls, words: Words, weights: Floats, bias: Floats) -> WordHead:
        """The head with weights [k, L] of words, and biases [L]."""
        weight, squares = words.idf[:, None] * weights, words.idf**2
        tokens = torch.from_numpy(words.tokens)
        return cls(tokens, *(torch.from_numpy(each).float() for each in (weight, squares, bias)))

    def forward(self, input_ids: Tensor) -> Tensor:
        """Scores [rows, L], fp32, of token ids [rows, tokens]; padding has no weight."""
        places = self.places[input_ids.clamp(max=len(self.places) - 1)]
        # in fp64, which Apple's GPUs lack, the padding of a batch does not change the last digit
        exact = torch.float32 if places.device.type == "mps" else torch.float64
        length = self.squares[places].sum(dim=1, keepdim=True, dtype=exact).sqrt()
        sums = self.weight[places].sum(dim=1, dtype=exact)
        return (sums / length.clamp_min(TINY)).float() + self.bias

    def save(self, folder: Path) -> None:
        """Write the weights into the folder of a checkpoint."""
        tensors = {
            "tokens": self.places.nonzero().flatten(),
            "weight": self.weight[1:],
            "squares": self.squares[1:],
            "bias": self.bias,
        }
        save_file({name: each.cpu().contiguous() for name, each in tensors.items()}, folder / FILE)


def read_word_head(folder: Path, tokens: int, labels: int) -> WordHead:
    """Read the weights in the folder of a checkpoint.

    Args:
        folder: of the checkpoint.
        tokens: number of tokens that have weights.
        labels: number of labels.

    Raises:
        UserError: the file is missing or damaged, or does not match the model.
    """
    wanted = {
        "tokens": ((tokens,), torch.int64),
        "weight": ((tokens, labels), torch.float32),
        "squares": ((tokens,), torch.float32),
        "bias": ((labels,), torch.float32),
    }
    return WordHead(**read_tensors(folder / FILE, wanted, _fault))


def _fault(tensors: Mapping[str, Tensor]) -> str | None:
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            return f"{name} with a number that is not finite"
    ids = tensors["tokens"]
    if not ((ids[1:] > ids[:-1]).all() and ids[0] >= 0 and ids[-1] < MOST_IDS):
        return "tokens that are no ascending ids"
    return None


def ridge(rows: csr_array, targets: Targets) -> Floats:
    """Ridge regression of each label on words: weights [columns, L].

    It is solved in its dual form by conjugate gradients, which need no matrix of texts by texts.

    Args:
        rows: words of texts [n, columns].
        targets: 1, 0 or NaN [n, L]; what is unknown of a label has no part in it.
    """
    known = ~np.isnan(targets)
    shares = np.nan_to_num(targets).sum(axis=0, dtype=np.float64) / known.sum(axis=0).clip(min=1)
    wanted = np.where(known, targets - shares, 0.0)
    weights = np.zeros((rows.shape[1], targets.shape[1]))
    at_once = max(1, MOST_NUMBERS // max(rows.shape))
    for start in range(0, targets.shape[1], at_once):
        some_labels = slice(start, start + at_once)
        weights[:, some_labels] = rows.T @ _dual(
            rows, wanted[:, some_labels], known[:, some_labels]
        )
    return weights


def _dual(rows: csr_array, wanted: Floats, known: NDArray[np.bool_]) -> Floats:
    """The dual variables [n, L] of a ridge regression, by one descent for each column."""
    dual, residual = np.zeros_like(wanted), wanted.copy()
    direction, size = residual.copy(), np.square(residual).sum(axis=0)
    enough = TOLERANCE**2 * size
    for _ in range(MOST_ITERATIONS):
        if (size <= enough).all():
            break
        product = known * (rows @ (rows.T @ direction)) + RIDGE * direction
        step = size / (direction * product).sum(axis=0).clip(min=TINY)
        dual += step * direction
        residual -= step * product
        before, size = size, np.square(residual).sum(axis=0)
        direction = residual + size / before.clip(min=TINY) * direction
    return dual
