"""The order in which every view shows labels, and which of many it shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Row = tuple[str, dict[str, Any]]


def rarest_first(labels: Mapping[str, dict[str, Any]]) -> list[Row]:
    """Label rows of an analysis or an evaluation by training positives, fewest first."""

    def positives(item: Row) -> int:
        row = item[1]
        return int(row["training_positives"] if "training_positives" in row else row["positives"])

    return sorted(labels.items(), key=positives)


def rarest_together(
    together: Mapping[str, Any], most: int
) -> tuple[list[str], NDArray[np.int64], NDArray[np.float64]]:
    """The rarest labels of `co_occurrence`, in its order, where relatives stand together.

    Returns:
        Their names [K], the texts that two of them share [K, K], and that number's share of the
        texts of the label in the row.
    """
    counts = np.array(together["texts"], dtype=np.int64)
    shown = np.sort(np.argsort(counts.diagonal(), kind="stable")[:most])
    counts = counts[np.ix_(shown, shown)]
    shares = counts / np.maximum(counts.diagonal(), 1)[:, None]
    return [together["labels"][label] for label in shown], counts, shares
