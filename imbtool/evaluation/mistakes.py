"""Texts worth reading: the most confident mistakes, and labels that the data likely have wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from imbtool.config.hierarchy import Labels
from imbtool.data.imbalance import RARE, Tier
from imbtool.evaluation.label_errors import doubts
from imbtool.formats.cells import neutralised, shown_text
from imbtool.types import Decisions, Floats, Targets

Document = dict[str, Any]

SUSPECTS = 4
"""How many times as many suspects as misses of one label."""
COLUMNS = ["label", "kind", "row", "probability", "threshold", "given", "decided", "text"]


def mistakes_document(
    labels: Labels,
    tiers: Sequence[Tier],
    decisions: Decisions,
    probabilities: Floats,
    thresholds: Floats,
    targets: Targets,
    texts: Sequence[str],
    rows: Sequence[int],
    most: int,
) -> Document:
    """What to read first, of a split that training has not seen.

    Args:
        labels: the label set.
        tiers: the tier of each label; mistakes are listed for severe and moderate ones, or for all
            labels where there is none.
        decisions: [n, L].
        probabilities: [n, L].
        thresholds: [L], as probabilities.
        targets: [n, L], NaN unknown: no mistake.
        texts: [n].
        rows: 1-based row of each text in its file.
        most: how many misses, and false alarms, of each label; likely annotation mistakes are at
            most `SUSPECTS` times as many, of all labels together.

    Returns:
        `labels` and `suspects`, as under `mistakes` in evaluation.json.
    """
    split = _Split(labels, decisions, probabilities, thresholds, targets, texts, rows)
    rare = [label for label, tier in enumerate(tiers) if tier in RARE] or range(len(labels))
    return {
        "labels": {
            labels.names[label]: {
                "misses": split.misses(label, most),
                "false_alarms": split.false_alarms(label, most),
            }
            for label in rare
        },
        "suspects": split.suspects(SUSPECTS * most),
    }


def mistakes_frame(document: Document) -> pd.DataFrame:
    """The items of a mistakes document as rows of errors.csv, safe to open in a spreadsheet."""
    rows = [
        {
            **{name: item[name] for name in ("row", "probability", "threshold")},
            "label": neutralised(label),
            "kind": kind,
            "given": neutralised("|".join(item["given"])),
            "decided": neutralised("|".join(item["decided"])),
            "text": neutralised(item["text"]),
        }
        for label, kind, item in _items(document)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _items(document: Document) -> Iterator[tuple[str, str, Document]]:
    for label, found in document["labels"].items():
        yield from ((label, "miss", item) for item in found["misses"])
        yield from ((label, "false alarm", item) for item in found["false_alarms"])
    yield from ((item["label"], "likely mistake", item) for item in document["suspects"])


@dataclass(frozen=True)
class _Split:
    labels: Labels
    decisions: Decisions
    probabilities: Floats
    thresholds: Floats
    targets: Targets
    texts: Sequence[str]
    rows: Sequence[int]

    def misses(self, label: int, most: int) -> list[Document]:
        missed = (self.targets[:, label] == 1) & ~self.decisions[:, label]
        return self._first(missed, self.probabilities[:, label], label, most)

    def false_alarms(self, label: int, most: int) -> list[Document]:
        alarms = (self.targets[:, label] == 0) & self.decisions[:, label]
        return self._first(alarms, -self.probabilities[:, label], label, most)

    def suspects(self, most: int) -> list[Document]:
        scores = doubts(self.probabilities, self.targets)
        ranked = np.argsort(-scores, axis=None, kind="stable")  # NaN last
        found = ranked[: min(most, int((~np.isnan(scores)).sum()))]
        places = zip(*np.unravel_index(found, scores.shape), strict=True)
        return [
            {
                **self._item(text, label),
                "label": self.labels.names[label],
                "given_label": bool(self.targets[text, label] == 1),
                "score": float(scores[text, label]),
            }
            for text, label in places
        ]

    def _first(
        self, among: NDArray[np.bool_], order: Floats, label: int, most: int
    ) -> list[Document]:
        texts = np.flatnonzero(among)
        ranked = texts[np.argsort(order[texts], kind="stable")]
        return [self._item(text, label) for text in ranked[:most]]

    def _item(self, text: int, label: int) -> Document:
        return {
            "row": int(self.rows[text]),
            "text": shown_text(self.texts[text]),
            "probability": float(self.probabilities[text, label]),
            "threshold": float(self.thresholds[label]),
            "given": self._names(self.targets[text] == 1),
            "decided": self._names(self.decisions[text]),
        }

    def _names(self, chosen: NDArray[np.bool_]) -> list[str]:
        return [self.labels.names[label] for label in np.flatnonzero(chosen)]


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
