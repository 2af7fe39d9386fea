"""The same metrics for parts of a split, such as each language or source: where it is worst."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from imbtool.errors import user_error
from imbtool.evaluation.document import Estimate, Metrics, Slice, SliceLabel, Slices
from imbtool.evaluation.estimates import SplitMetrics, estimates
from imbtool.evaluation.predictions import Predictions
from imbtool.types import Targets
from imbtool.wording import counted

MOST_SLICES = 50
EMPTY = "(empty)"


def measure_slices(
    column: str,
    values: Sequence[str],
    predictions: Predictions,
    targets: Targets,
    min_support: int,
) -> Slices:
    """Measure each group of texts, worst macro-F1 first; where it is undefined last.

    Args:
        column: the name of the column that the values are from.
        values: of each text [n]; an empty one is the slice `(empty)`.
        predictions: of the texts [n, L].
        targets: [n, L], NaN unknown.
        min_support: positives below which a label is few; a slice is few where all its labels are.

    Raises:
        UserError: more than `MOST_SLICES` different values.
    """
    named = np.array([value.strip() or EMPTY for value in values], dtype=object)
    slices = []
    for value in _distinct(named, column):
        rows = np.flatnonzero(named == value)
        metrics = SplitMetrics(predictions.of_texts(rows), targets[rows])
        slices.append(_slice(value, metrics, len(rows), min_support))
    return Slices(column=column, slices=sorted(slices, key=_worst_first))


def _distinct(named: NDArray[np.object_], column: str) -> list[str]:
    found = sorted(set(named))
    if len(found) > MOST_SLICES:
        raise user_error(
            f"--by {column}",
            counted(len(found), "different value"),
            f"at most {MOST_SLICES}: a column of groups, not of ids or numbers",
            "name another column, or write groups into one (the year of a date, for example)",
        )
    return found


def _slice(value: str, metrics: SplitMetrics, texts: int, min_support: int) -> Slice:
    names, support = metrics.predictions.labels.names, metrics.counts.support
    few = support < min_support
    return Slice(
        value=value,
        texts=texts,
        few=bool(few.all()),
        macro=Metrics[Estimate](**estimates(metrics.macro(range(len(names))))),
        labels={
            name: SliceLabel(
                **estimates(metrics.label(index)),
                support=int(support[index]),
                few=bool(few[index]),
            )
            for index, name in enumerate(names)
        },
    )


def _worst_first(row: Slice) -> tuple[bool, float]:
    f1 = row.macro.f1.value
    return (True, 0.0) if f1 is None else (False, f1)
