"""How likely each text of a pool has each label: a linear head on frozen features, and on words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack
from sklearn.feature_extraction.text import HashingVectorizer
from torch import Tensor

from imbtool.model.word_head import ridge
from imbtool.search.choice import Scores
from imbtool.search.features import Features, blocks
from imbtool.types import Floats, Rows, Targets

L2 = 0.1
"""Of the head on standardised features: strong, since positives are few."""
WHITENING = 5.0
"""How little directions in which texts differ much count less than others; 0: all count alike."""
LEAST_VARIANCE = 1e-12
"""A feature that varies less does not vary at all, as where the pool is one text."""
FLAT = 1e-6
"""Scores that differ by this share of the largest, or less, are all the same."""
WORDS = 0.4
"""The weight of the words beside the encoder; both have standard deviation 1 over the pool."""
ANCESTORS = 0.4
"""The weight of the scores of the labels above one in the hierarchy: they have more positives."""
WORD_COLUMNS = 1 << 20
ROWS_AT_ONCE = 1 << 16
MOST_ITERATIONS = 60


@dataclass(frozen=True)
class Scale:
    """What makes features comparable: z = (x - mean) / deviation, mildly whitened.

    Attributes:
        mean: [d] of the pool.
        matrix: [d, d] after which directions in which the pool varies little count more.
    """

    mean: NDArray[np.float32]
    matrix: NDArray[np.float32]

    @classmethod
    def of(cls, features: Features) -> Scale:
        """The scale of a pool's features [n, d], which are read block by block."""
        n, width = features.shape
        total, products = np.zeros(width), np.zeros((width, width))
        for _, block in blocks(features):
            wide = block.astype(np.float64)
            total += wide.sum(axis=0)
            products += wide.T @ wide
        mean = total / n
        covariance = products / n - np.outer(mean, mean)
        variance = np.diag(covariance)
        deviation = np.sqrt(np.where(variance > LEAST_VARIANCE, variance, 1))
        correlation = covariance / np.outer(deviation, deviation)
        values, vectors = np.linalg.eigh(correlation)
        shrunk = 1 / np.sqrt(np.maximum(values, 0) + WHITENING * (values.mean() or 1.0))
        matrix = (vectors * shrunk) @ vectors.T / deviation[:, None]
        return cls(mean.astype(np.float32), matrix.astype(np.float32))

    def __call__(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Features [m, d] on the scale."""
        return np.asarray((features - self.mean) @ self.matrix, dtype=np.float32)


@dataclass(frozen=True)
class Examples:
    """What heads are fitted on.

    Attributes:
        features: [m, d] on the scale.
        words: [m, columns] of their words.
        targets: [m, L], NaN unknown.
    """

    features: NDArray[np.float32]
    words: csr_array
    targets: Targets


def fit_linear(features: NDArray[np.float32], targets: Targets) -> tuple[Floats, Floats]:
    """A logistic head [d, L] with its bias [L], fitted on what is known.

    The loss is plain log loss with an L2 penalty of strength `L2` / 2 for a text.
    """
    known = torch.from_numpy(~np.isnan(targets)).float()
    wanted = torch.from_numpy(np.nan_to_num(targets)).float()
    inputs = torch.from_numpy(np.ascontiguousarray(features))
    counts = known.sum(dim=0).clamp_min(1)
    weight = torch.zeros(inputs.shape[1], wanted.shape[1], requires_grad=True)
    share = ((wanted * known).sum(dim=0) + 0.5) / (counts + 1)
    bias = torch.logit(share).requires_grad_()
    optimizer = torch.optim.LBFGS(
        [weight, bias], max_iter=MOST_ITERATIONS, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        losses = torch.nn.functional.binary_cross_entropy_with_logits(
            inputs @ weight + bias, wanted, reduction="none"
        )
        loss = (losses * known / counts).sum() + L2 / 2 * weight.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return weight.detach().numpy().astype(np.float64), bias.detach().numpy().astype(np.float64)


class HashedWords:
    """TF-IDF of hashed words and pairs of words: rows of unit length, any number of texts."""

    def __init__(self, texts: Sequence[str]) -> None:
        """Count the words of the texts of a pool."""
        self._vectorizer = HashingVectorizer(
            n_features=WORD_COLUMNS,
            ngram_range=(1, 2),
            alternate_sign=False,
            norm=None,
            token_pattern=r"(?u)\b\w+\b",
            dtype=np.float32,
        )
        counts = self._counts(texts)
        texts_with = np.bincount(counts.indices, minlength=WORD_COLUMNS)
        self._idf = (np.log((1 + len(texts)) / (1 + texts_with)) + 1).astype(np.float32)
        self.rows = self._weighed(counts)

    def of(self, texts: Sequence[str]) -> csr_array:
        """The rows of other texts."""
        return self._weighed(self._counts(texts))

    def _counts(self, texts: Sequence[str]) -> csr_array:
        return csr_array(self._vectorizer.transform(texts))

    def _weighed(self, counts: csr_array) -> csr_array:
        counts.data = (1 + np.log(counts.data)) * self._idf[counts.indices]
        squares = np.add.reduceat(
            np.append(counts.data, 0).astype(np.float64) ** 2, counts.indptr[:-1]
        )
        lengths = np.sqrt(np.where(np.diff(counts.indptr) > 0, squares, 1))
        counts.data /= np.repeat(lengths, np.diff(counts.indptr)).astype(np.float32)
        return counts


def joined_rows(parts: Sequence[csr_array]) -> csr_array:
    """Rows of words below each other."""
    return csr_array(vstack(parts, format="csr"))


def score_pool(
    features: Features, scale: Scale, words: csr_array, examples: Examples, rows: Rows
) -> Scores:
    """How likely each of some texts of a pool has each label, as standard scores.

    The logit of a head on the features, standardised over the texts, plus `WORDS` times the same of
    a ridge regression on words.

    Args:
        features: of all texts of the pool [n, d].
        scale: of them.
        words: of all texts of the pool [n, columns].
        examples: what is known; its targets have L columns.
        rows: of the texts to score.

    Returns:
        [rows, L].
    """
    weight, bias = fit_linear(examples.features, examples.targets)
    scores = np.empty((len(rows), weight.shape[1]), dtype=np.float32)
    for start in range(0, len(rows), ROWS_AT_ONCE):
        some = rows[start : start + ROWS_AT_ONCE]
        block = scale(np.asarray(features[some], dtype=np.float32))
        scores[start : start + len(some)] = block @ weight + bias
    few = words[rows]
    for label, target in enumerate(examples.targets.T):
        # one label at a time: there are a million columns
        of_words = (few @ ridge(examples.words, target[:, None]))[:, 0]
        scores[:, label] = standardised(scores[:, label]) + WORDS * standardised(of_words)
    return scores


def with_ancestors(scores: Scores, lines: Sequence[Sequence[int]]) -> Scores:
    """Scores [rows, lines] to which `ANCESTORS` times those of the labels above are added.

    Args:
        scores: [rows, L].
        lines: for each label its column and those of the labels above it.
    """
    sums = [scores[:, label] + ANCESTORS * scores[:, above].sum(axis=1) for label, *above in lines]
    return np.stack(sums, axis=1)


def standardised(scores: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Scores [n] with mean 0 and standard deviation 1; 0 where all are the same."""
    deviation = scores.std()
    if deviation <= FLAT * np.abs(scores).max():
        return np.zeros_like(scores)
    return np.asarray((scores - scores.mean()) / deviation)
