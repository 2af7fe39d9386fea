"""The order in which every view shows labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Row = tuple[str, dict[str, Any]]


def rarest_first(labels: Mapping[str, dict[str, Any]]) -> list[Row]:
    """Label rows of an analysis or an evaluation by training positives, fewest first."""

    def positives(item: Row) -> int:
        row = item[1]
        return int(row["training_positives"] if "training_positives" in row else row["positives"])

    return sorted(labels.items(), key=positives)
