"""Texts to read first: the most confident mistakes, and annotations that are likely wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from imbtool.config.hierarchy import Labels
from imbtool.data.corpus import Split
from imbtool.data.imbalance import RARE, Tier
from imbtool.evaluation.document import (
    ConfusedPair,
    LabelMistakes,
    Mistake,
    Mistakes,
    SuspectedError,
)
from imbtool.evaluation.label_errors import suspected_label_errors
from imbtool.evaluation.predictions import Predictions
from imbtool.formats.cells import neutralised, shown_text
from imbtool.types import Floats, Targets

SUSPECTED_PER_MISS = 4
"""How many times as many suspected label errors are listed as misses of one label."""
COLUMNS = ["label", "kind", "row", "probability", "threshold", "given", "decided", "text"]
MOST_PAIRS = 30
FEWEST_TEXTS = 2
"""On one text alone a pair may be chance."""


def find_mistakes(
    predictions: Predictions, split: Split, tiers: Sequence[Tier], most: int
) -> Mistakes:
    """What to read first, of a split that training has not seen.

    Args:
        predictions: with probabilities and thresholds.
        split: its texts, targets and rows; an unknown target is no mistake.
        tiers: the tier of each label; mistakes are listed for severe and moderate ones, or for all
            labels where there is none.
        most: how many misses, and false alarms, of each label; suspected label errors are at most
            `SUSPECTED_PER_MISS` times as many, of all labels together.
    """
    found = _Mistakes(predictions, split)
    rare = [label for label, tier in enumerate(tiers) if tier in RARE] or range(len(tiers))
    return Mistakes(
        labels={
            predictions.labels.names[label]: LabelMistakes(
                misses=found.misses(label, most), false_alarms=found.false_alarms(label, most)
            )
            for label in rare
        },
        suspects=found.suspected_errors(SUSPECTED_PER_MISS * most),
    )


def mistakes_frame(mistakes: Mistakes) -> pd.DataFrame:
    """Mistakes as rows of errors.csv, safe to open in a spreadsheet."""
    rows = [
        {
            **mistake.model_dump(include={"row", "probability", "threshold"}),
            "label": neutralised(label),
            "kind": kind,
            "given": neutralised("|".join(mistake.given)),
            "decided": neutralised("|".join(mistake.decided)),
            "text": neutralised(mistake.text),
        }
        for label, kind, mistake in _listed(mistakes)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def confusion_pairs(predictions: Predictions, targets: Targets) -> list[ConfusedPair]:
    """Pairs (A, B): A was given and missed, B decided and not given, on the same text.

    A label's ancestors and descendants are left out: a parent that is decided where only its child
    was given is half right, not another label.

    Args:
        predictions: of the texts [n, L].
        targets: [n, L], NaN unknown: neither missed nor taken for.

    Returns:
        At most `MOST_PAIRS`, highest share first.
    """
    decisions, names = predictions.decisions, predictions.labels.names
    missed = ((targets == 1) & ~decisions).astype(np.float64)
    alarms = ((targets == 0) & decisions).astype(np.float64)
    together, misses = missed.T @ alarms, missed.sum(axis=0)
    together[_related(predictions.labels)] = 0
    share = together / np.maximum(misses, 1)[:, None]
    pairs = np.argwhere(together >= FEWEST_TEXTS)
    highest_first = sorted(map(tuple, pairs), key=lambda pair: (-share[pair], -together[pair]))
    return [
        ConfusedPair(
            label=names[label],
            taken_for=names[other],
            texts=int(together[label, other]),
            of=int(misses[label]),
        )
        for label, other in highest_first[:MOST_PAIRS]
    ]


def _listed(mistakes: Mistakes) -> Iterator[tuple[str, str, Mistake]]:
    for label, found in mistakes.labels.items():
        yield from ((label, "miss", mistake) for mistake in found.misses)
        yield from ((label, "false alarm", mistake) for mistake in found.false_alarms)
    yield from ((error.label, "likely mistake", error) for error in mistakes.suspects)


class _Mistakes:
    """Finds the mistakes of predictions, given as the columns of labels."""

    def __init__(self, predictions: Predictions, split: Split) -> None:
        assert predictions.probabilities is not None and predictions.thresholds is not None
        self._decisions, self._names = predictions.decisions, predictions.labels.names
        self._probabilities, self._thresholds = predictions.probabilities, predictions.thresholds
        self._split, self._targets = split, split.targets

    def misses(self, label: int, most: int) -> list[Mistake]:
        missed = (self._targets[:, label] == 1) & ~self._decisions[:, label]
        return self._first(missed, self._probabilities[:, label], label, most)

    def false_alarms(self, label: int, most: int) -> list[Mistake]:
        alarms = (self._targets[:, label] == 0) & self._decisions[:, label]
        return self._first(alarms, -self._probabilities[:, label], label, most)

    def suspected_errors(self, most: int) -> list[SuspectedError]:
        chances = suspected_label_errors(self._probabilities, self._targets)
        order = np.argsort(-chances, axis=None, kind="stable")  # NaN last
        first = order[: min(most, int((~np.isnan(chances)).sum()))]
        return [
            SuspectedError(
                **self._mistake(text, label),
                label=self._names[label],
                given_label=bool(self._targets[text, label] == 1),
                score=float(chances[text, label]),
            )
            for text, label in zip(*np.unravel_index(first, chances.shape), strict=True)
        ]

    def _first(
        self, among: NDArray[np.bool_], order: Floats, label: int, most: int
    ) -> list[Mistake]:
        texts = np.flatnonzero(among)
        first = texts[np.argsort(order[texts], kind="stable")][:most]
        return [Mistake(**self._mistake(text, label)) for text in first]

    def _mistake(self, text: int, label: int) -> dict[str, Any]:
        return {
            "row": int(self._split.rows[text]),
            "text": shown_text(self._split.texts[text]),
            "probability": float(self._probabilities[text, label]),
            "threshold": float(self._thresholds[label]),
            "given": self._some(self._targets[text] == 1),
            "decided": self._some(self._decisions[text]),
        }

    def _some(self, chosen: NDArray[np.bool_]) -> list[str]:
        return [self._names[label] for label in np.flatnonzero(chosen)]


def _related(labels: Labels) -> NDArray[np.bool_]:
    """Whether one label stands above the other in the forest [L, L]."""
    above = np.zeros((len(labels), len(labels)), dtype=np.bool_)
    for child, parent in labels.edges:  # parents first
        above[child] |= above[parent]
        above[child, parent] = True
    return np.asarray(above | above.T, dtype=np.bool_)
