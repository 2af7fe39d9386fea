"""Annotations with errors in them, and a model that knows what is true."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

PREVALENCE = np.array([0.01, 0.05, 0.2])


def scene(texts: int = 4_000, seed: int = 0) -> tuple[NDArray, NDArray]:
    """What is true of labels of three frequencies, and logits that know it well."""
    rng = np.random.default_rng(seed)
    truth = rng.random((texts, 3)) < PREVALENCE
    features = rng.normal(size=truth.shape) + 3 * truth
    return truth, 3 * features - 4.5 + logit(PREVALENCE)


def flips(truth: NDArray, rate: float, seed: int = 1) -> NDArray:
    """So many of the positives forgotten, and as many given in error."""
    share = np.where(truth, rate, rate * PREVALENCE / (1 - PREVALENCE))
    return np.asarray(np.random.default_rng(seed).random(truth.shape) < share)
