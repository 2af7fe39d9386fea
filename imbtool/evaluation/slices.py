"""The same figures for parts of a split, such as each language or source: where it is worst."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imbtool.config.hierarchy import Labels
from imbtool.errors import user_error
from imbtool.evaluation.measures import Figures
from imbtool.types import Decisions
from imbtool.wording import counted

Document = dict[str, Any]

MOST_SLICES = 50
EMPTY = "(empty)"


def slices_document(
    column: str,
    values: Sequence[str],
    decisions: Decisions,
    scores: NDArray[np.float64],
    targets: NDArray[np.float32],
    labels: Labels,
    min_support: int,
) -> Document:
    """Measure each group of texts, worst macro-F1 first; where it is undefined last.

    A slice is few where no label has `min_support` positives in it.

    Args:
        column: the name of the column that the values are from.
        values: of each text [n]; an empty one is the slice `(empty)`.
        decisions: [n, L].
        scores: [n, L].
        targets: [n, L], NaN unknown.
        labels: the label set.
        min_support: positives below which a label is few.

    Returns:
        `column` and `slices`, as under `slices` in evaluation.json.

    Raises:
        UserError: more than `MOST_SLICES` different values.
    """
    named = np.array([value.strip() or EMPTY for value in values], dtype=object)
    slices = []
    for value in _distinct(named, column):
        rows = np.flatnonzero(named == value)
        figures = Figures(decisions[rows], scores[rows], targets[rows])
        slices.append({"value": value, **_slice(figures, len(rows), labels, min_support)})
    return {"column": column, "slices": sorted(slices, key=_worst_first)}


def _distinct(named: NDArray[np.object_], column: str) -> list[str]:
    found = sorted(set(named))
    if len(found) > MOST_SLICES:
        raise user_error(
            f"--by {column}",
            counted(len(found), "different value"),
            f"at most {MOST_SLICES}: a column of groups, not of ids or numbers",
            "name another column, or write groups into one (a year for a date, say)",
        )
    return found


def _slice(figures: Figures, texts: int, labels: Labels, min_support: int) -> Document:
    support = figures.counts.support
    return {
        "texts": texts,
        "few": bool((support < min_support).all()),
        "macro": figures.macro(range(len(labels))),
        "labels": {
            name: {
                **figures.label(index),
                "support": int(support[index]),
                "few": bool(support[index] < min_support),
            }
            for index, name in enumerate(labels.names)
        },
    }


def _worst_first(row: Document) -> tuple[bool, float]:
    f1 = row["macro"]["f1"]["value"]
    return (True, 0.0) if np.isnan(f1) else (False, f1)
