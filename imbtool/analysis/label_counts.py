"""Labels that cannot be learned or measured: constant, absent from a split, or rare."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cache

import numpy as np

from imbtool.analysis.document import Measurability
from imbtool.analysis.finding import Finding, FoundRows, found
from imbtool.config.hierarchy import spelled_alike
from imbtool.data.corpus import Corpus
from imbtool.data.declared import Lacking
from imbtool.data.imbalance import LabelCount
from imbtool.evaluation.document import Estimate
from imbtool.evaluation.estimates import estimate
from imbtool.evaluation.intervals import exact_interval
from imbtool.wording import counted, some

Counts = Mapping[str, Sequence[LabelCount]]
"""Of each label, by split."""

FEW_POSITIVES = 20
"""Below this many training positives a label is learned from single texts."""
ASSUMED_RECALL = 0.8
"""What intervals are worked out for before anything is trained: a good model's recall."""
WIDE = 0.5
"""An interval wider than this, half of all there can be, says next to nothing: 11 positives."""
MEASURING = ("validation", "test")


def measurability(counts: Counts, names: Sequence[str]) -> dict[str, dict[str, Measurability]]:
    """For each label and split how well its positives can measure a recall."""
    return {
        name: {split: _measurability(rows[index].positives) for split, rows in counts.items()}
        for index, name in enumerate(names)
    }


def assumed_recall(positives: int) -> Estimate:
    """A recall of 0.8 with the exact 95% interval of so many positives; undefined of none."""
    value = ASSUMED_RECALL if positives else np.nan
    return estimate(value, *exact_interval(ASSUMED_RECALL * positives, positives))


@cache
def more_to_halve(positives: int) -> int:
    """How many more positives make the interval of `assumed_recall` half as wide."""
    goal = _width(positives) / 2
    low, high = positives, 8 * positives + 16
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _width(middle) <= goal else (middle, high)
    return high - positives


def label_findings(corpus: Corpus, counts: Counts, required: Collection[str]) -> Iterator[Finding]:
    """Labels without positives where they are needed, and with few positives anywhere.

    Args:
        corpus: the data.
        counts: of its labels, by split.
        required: labels of which a threshold must reach something.
    """
    names = corpus.labels.names
    yield from _constant(names, counts["train"])
    for split in MEASURING:
        positives = {name: row.positives for name, row in zip(names, counts[split], strict=True)}
        yield from _absent(split, [name for name, n in positives.items() if n == 0], required)
        yield from _unmeasurable(corpus, split, positives)
    trained = {name: row.positives for name, row in zip(names, counts["train"], strict=True)}
    few = {name: n for name, n in trained.items() if 0 < n < FEW_POSITIVES}
    if few:
        message = f"{_labels(few)} under {FEW_POSITIVES} positives in training: {_rarest(few)}."
        rows = _positives(corpus, "train", few)
        yield found("few-positives", message, {"split": "train", "positives": few}, rows)


def declared_findings(labels: Lacking) -> Iterator[Finding]:
    """Declared labels that training leaves out since nothing is known of them yet."""
    if not labels.names:
        return
    told = [f"no positives: {some(labels.positives)}"] * bool(labels.positives)
    told += [f"positives and no negatives: {some(labels.negatives)}"] * bool(labels.negatives)
    it = "it" if len(labels.names) == 1 else "them"
    message = (
        f"{counted(len(labels.names), 'label')} of labels.names cannot be learned yet, so training "
        f"leaves {it} out: {'; '.join(told)}."
    )
    yield found("label-declared", message, asdict(labels))


def _constant(names: Sequence[str], trained: Sequence[LabelCount]) -> Iterator[Finding]:
    counts = list(zip(names, trained, strict=True))
    missing = {
        "known text": [name for name, n in counts if n.known == 0],
        "positive": [name for name, n in counts if n.positives == 0 < n.known],
        "negative": [name for name, n in counts if n.negatives == 0 < n.known],
    }
    for kind, labels in missing.items():
        if labels:
            lacking = "known values" if kind == "known text" else f"{kind}s"
            message = f"{_labels(labels)} no {lacking} in training: {some(labels)}."
            yield found("label-constant", message, {"missing": kind, "labels": labels})


def spelling_findings(corpus: Corpus) -> Iterator[Finding]:
    """Labels whose names differ in nothing that people see."""
    for alike in spelled_alike(corpus.labels.names):
        differ = "differ only in case, spaces or the encoding of their characters"
        message = f"{counted(len(alike), 'label')} {differ}: {some(map(repr, alike))}."
        rows = _positives(corpus, "train", alike)
        yield found("label-spelling", message, {"labels": alike}, rows)


def _absent(split: str, absent: Sequence[str], required: Collection[str]) -> Iterator[Finding]:
    asked = [name for name in absent if name in required and split == "validation"]
    others = [name for name in absent if name not in asked]
    if asked:
        message = (
            f"{_labels(asked)} a requirement in thresholds.require and no positives in validation, "
            f"so no threshold can be shown to meet it: {some(asked)}."
        )
        yield found("label-absent", message, {"split": split, "labels": asked}, severity="error")
    if others:
        lost = "no threshold can be chosen" if split == "validation" else "nothing can be measured"
        message = f"{_labels(others)} no positives in {split}, so {lost}: {some(others)}."
        yield found("label-absent", message, {"split": split, "labels": others})


def _unmeasurable(corpus: Corpus, split: str, positives: Mapping[str, int]) -> Iterator[Finding]:
    wide = {name: n for name, n in positives.items() if n and _width(n) > WIDE}
    if wide:
        fewest = min(wide.values())
        recall = assumed_recall(fewest)
        message = (
            f"{_labels(wide)} too few positives in {split} for reliable metrics: {_rarest(wide)}. "
            f"With {counted(fewest, 'positive')}, the 95% interval of a recall of {ASSUMED_RECALL} "
            f"is {recall.low:.2f} to {recall.high:.2f}."
        )
        evidence = {
            "split": split,
            "labels": {
                name: {"positives": n, **dict(_measurability(n))} for name, n in wide.items()
            },
        }
        yield found("measurability", message, evidence, _positives(corpus, split, wide))


@cache
def _measurability(positives: int) -> Measurability:
    return Measurability(
        recall=assumed_recall(positives),
        width=_width(positives),
        more_to_halve=more_to_halve(positives),
    )


@cache
def _width(positives: int) -> float:
    low, high = exact_interval(ASSUMED_RECALL * positives, positives)
    return high - low


def _positives(corpus: Corpus, split: str, labels: Collection[str]) -> FoundRows:
    sets = corpus.splits[split].label_sets
    places = [place for place, name in enumerate(corpus.labels.names) if name in labels]
    found_texts = [sets.texts_with(place) for place in places]
    label = np.repeat(places, [*map(len, found_texts)])
    names = corpus.labels.names
    index = np.concatenate(found_texts)
    return FoundRows.of_split(split, index, lambda at: (names[label[at]], ""))


def _labels(labels: Collection[str]) -> str:
    return f"{counted(len(labels), 'label')} {'has' if len(labels) == 1 else 'have'}"


def _rarest(positives: Mapping[str, int]) -> str:
    ordered = sorted(positives.items(), key=lambda item: item[1])
    return some(f"{name} ({count})" for name, count in ordered)
