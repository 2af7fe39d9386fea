"""Which label a text gets where another one was missed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from imbtool.config.hierarchy import Decisions, Labels

MOST_PAIRS = 30
FEWEST_TEXTS = 2
"""On one text alone a pair may be chance."""


def confusion_pairs(
    labels: Labels, decisions: Decisions, targets: NDArray[np.float32]
) -> list[dict[str, Any]]:
    """Pairs (A, B): A was given and missed, B decided and not given, on the same text.

    A label's ancestors and descendants are left out: a parent that is decided where only its child
    was given is half right, not another label.

    Args:
        labels: the label set.
        decisions: [n, L].
        targets: [n, L], NaN unknown: neither missed nor taken for.

    Returns:
        At most `MOST_PAIRS` of `{label, taken_for, texts, of}`, highest share texts / of first;
        `of` counts the texts on which the label was missed.
    """
    missed = ((targets == 1) & ~decisions).astype(np.float64)
    alarms = ((targets == 0) & decisions).astype(np.float64)
    together, misses = missed.T @ alarms, missed.sum(axis=0)
    together[_kin(labels)] = 0
    share = together / np.maximum(misses, 1)[:, None]
    pairs = np.argwhere(together >= FEWEST_TEXTS)
    ranked = sorted(map(tuple, pairs), key=lambda pair: (-share[pair], -together[pair]))
    return [
        {
            "label": labels.names[label],
            "taken_for": labels.names[other],
            "texts": int(together[label, other]),
            "of": int(misses[label]),
        }
        for label, other in ranked[:MOST_PAIRS]
    ]


def _kin(labels: Labels) -> NDArray[np.bool_]:
    """Whether one label stands above the other in the forest [L, L]."""
    above = np.zeros((len(labels), len(labels)), dtype=np.bool_)
    for child, parent in labels.edges:  # parents first
        above[child] |= above[parent]
        above[child, parent] = True
    return np.asarray(above | above.T, dtype=np.bool_)
